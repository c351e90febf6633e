/** 6046 e-mails, wanted and unwanted, as padded codes of characters: from text to a trained model. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { arrays } from "../../src/data/arrays.ts";
import { records, recordsSource } from "../../src/data/records.ts";
import { split } from "../../src/data/split.ts";
import { characterVocabulary } from "../../src/data/text/characters.ts";
import { padded } from "../../src/data/text/padded.ts";
import {
  accuracy,
  adamw,
  afterSteps,
  crossEntropy,
  div,
  fit,
  linear,
  mul,
  oneHot,
  relu,
  reshape,
  sequence,
  sum,
} from "../../src/index.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fileList, spamAssassin, testWith } from "./installed.ts";
import { assertCached, assertSameSamples } from "./same-samples.ts";

const folder = temporaryFolder();
const length = 400;

/** The texts and whether nobody wanted them, which the folders say. */
const mails = () =>
  fileList(spamAssassin).map((name) => {
    const { text, group }: { text: string; group: string } = JSON.parse(
      readFileSync(join(spamAssassin.folder, name.replace(/txt$/, "json")), "utf8"),
    );
    return { text, spam: group.startsWith("spam") ? 1 : 0 };
  });

testWith(spamAssassin, "6046 e-mails become codes, a cache, and a model that tells them apart", async () => {
  const all = mails();
  const texts = all.map(({ text }) => text);
  const labels = Int32Array.from(all, ({ spam }) => spam);
  assert.deepEqual([labels.length, labels.reduce((sum, label) => sum + label)], [6046, 1896]);
  const vocabulary = characterVocabulary(texts);
  assert.equal(vocabulary.size, new Set(texts.flatMap((text) => [...new Set(text)])).size);
  for (const text of texts) assert.ok(vocabulary.decode(vocabulary.encode(text)) === text);

  const { tokens, mask, truncated } = padded(texts, vocabulary, { length });
  const codes = new Map(vocabulary.categories.map((character, code) => [character, code]));
  let longer = 0;
  for (const [mail, text] of texts.entries()) {
    const expected = Array.from(text.slice(0, 2 * length + 2), (character) => codes.get(character)!);
    if (expected.length > length) longer++;
    const kept = Int32Array.from({ length }, (_, at) => expected[at] ?? 0);
    assert.deepEqual(tokens.data.subarray(mail * length, (mail + 1) * length), kept);
    const counted = mask.data.subarray(mail * length, (mail + 1) * length).reduce((sum, one) => sum + one);
    assert.equal(counted, Math.min(length, expected.length));
  }
  assert.equal(truncated, longer);

  const data = arrays({ tokens, mask, spam: labels });
  const columns = {
    tokens: { dtype: "int32", shape: [length] },
    mask: { dtype: "float32", shape: [length] },
    spam: { dtype: "int32" },
  } as const;
  function* rows() {
    for (const [mail, { spam }] of all.entries()) {
      const part = [mail * length, (mail + 1) * length] as const;
      yield { tokens: tokens.data.subarray(...part), mask: mask.data.subarray(...part), spam };
    }
  }
  await assertSameSamples(await records(rows, { columns }), data);
  await assertCached(() => recordsSource(rows, { columns }), data, folder);

  // How often each character comes tells the two apart: 68.6 % are wanted, and knowing no more costs 0.622 nats.
  const { training, validation } = split(data, { validation: 0.1, seed: 1, stratify: "spam" });
  const body = sequence(linear(32), relu, linear(2));
  const model = await fit({
    data: training,
    model: (row) => {
      const each = mul(oneHot(row.tokens, vocabulary.size), reshape(row.mask, [...row.mask.shape, 1])); // [batch, length, size]
      const share = div(sum(each, { axes: [1] }), sum(row.mask, { axes: [1], keepDims: true })); // [batch, size]
      return body(mul(share, 30));
    },
    loss: (logits, row) => crossEntropy(logits, row.spam),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 64,
    microbatchSize: 16,
    validation: { data: validation, metrics: { accuracy: (logits, row) => accuracy(logits, row.spam) } },
    stop: afterSteps(50),
  });
  const judged = await model.evaluate(validation);
  assert.ok(judged.loss! < 0.5 && judged.accuracy! > 0.75, JSON.stringify(judged)); // 0.355 and 0.859 after one epoch
});
