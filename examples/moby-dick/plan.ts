/**
 * Moby-Dick: what is the next character? A small transformer. microbatch train examples/moby-dick/plan.ts
 * The whole book lies where MOBY_DICK says, a text file; without it, the first chapter will do for a quick look.
 */
import { fileURLToPath } from "node:url";
import {
  accuracy,
  adamw,
  afterEpochs,
  clipByGlobalNorm,
  constant,
  cosineRate,
  crossEntropy,
  definePlan,
  embedding,
  float32,
  gather,
  layerNorm,
  linear,
  matricesOnly,
  mul,
  positional,
  sequence,
  transformerBlock,
} from "microbatch";
import { characters } from "microbatch/node";

const chapter = fileURLToPath(new URL("../../test/golden/loomings.txt", import.meta.url));
const { MOBY_DICK: book } = process.env;
// How many characters the model sees.
const context = 64;
const epochs = book === undefined ? 10 : 5; // 60 steps, or 2665
const batchSize = 32;

const text = await characters(book ?? chapter, { context });
/** Its end, a tenth, is held out: a model that has read a page is no judge of it. */
const { training, validation } = text.split({ validation: 0.1 });
/** What characters the numbers stand for. */
export const { vocabulary } = text;

const width = 96;
const block = () => transformerBlock({ heads: 4, causal: true });
const body = sequence(
  embedding(vocabulary.size, width),
  positional("learned"),
  block(),
  block(),
  layerNorm(),
  linear(vocabulary.size),
);

// What a model that only knew how often each character comes would say.
const tokens = new Int32Array(training.size * context);
await training.read(
  "tokens",
  Uint32Array.from({ length: training.size }, (_, sample) => sample),
  tokens,
);
const counts = new Float64Array(vocabulary.size).fill(1); // none is impossible
for (const token of tokens) counts[token]!++;
const logFrequencies = Array.from(counts, (count) => Math.log(count / (tokens.length + vocabulary.size)));

const steps = epochs * Math.ceil(training.size / batchSize);

export default definePlan({
  data: training,
  model: (row) => body(row.tokens), // logits [batch, context, characters]
  loss: (logits, row) => crossEntropy(logits, row.next), // one number per character, nats
  optimizer: adamw({
    learningRate: cosineRate(0.004, { steps, warmup: Math.round(steps / 20) }),
    weightDecay: 0.01,
    decays: matricesOnly,
  }),
  clip: clipByGlobalNorm(1),
  batchSize,
  validation: {
    data: validation,
    metrics: { accuracy: (logits, row) => accuracy(logits, row.next) },
  },
  stop: afterEpochs(epochs),
  baseline: (row) => gather(constant(float32(logFrequencies, [1, vocabulary.size])), mul(row.next, 0)),
});
