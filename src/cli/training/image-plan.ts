/** The model of a folder of images: a small convolutional network, with its scaling inside. */

import { float32 } from "../../array/array.ts";
import type { ClassificationStatistics } from "../../array/schema.ts";
import type { Augment } from "../../data/augment/changes.ts";
import { crop } from "../../data/augment/crop.ts";
import { flip } from "../../data/augment/flip.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import {
  batchNorm,
  conv2d,
  dropout,
  flatten,
  globalAveragePool,
  heNormal,
  type Layer,
  linear,
  maxPool,
  relu,
  sequence,
} from "../../nn/index.ts";
import { cast, div, expand, sub } from "../../ops/index.ts";
import type { Plan, Row } from "../../train/plan.ts";
import { type Head, headOf } from "./heads.ts";

/** What the network of images is made of. */
export interface ImageModelOptions {
  /** Height and width, pixels. */
  readonly size: number;
  /** The part of the last features that a step leaves out. */
  readonly dropout: number;
  /** Whether every class counts as much as any other. */
  readonly isBalanced: boolean;
}

/** The parts of a plan that follow from images. */
export interface ImageModel extends Required<Pick<Plan, "model" | "loss" | "serve" | "baseline">> {
  readonly head: Head;
  readonly metrics: Head["metrics"];
  /** For the description: "4 blocks of 32 to 256 channels". */
  readonly words: string;
}

/** Channels of the first block; each further one has twice as many, up to the last. */
const [firstChannels, lastChannels] = [32, 256];
/** An image is halved until it is so small. */
const smallest = 8;

/**
 * Blocks of convolution 3 × 3, batch normalisation and relu, each halving the image, until it is at most 8 pixels high; then the
 * mean over what is left, and one linear layer. As small as it is, it is a network of images, and no record.
 */
export function imageModel(classes: ClassificationStatistics, options: ImageModelOptions): ImageModel {
  const head = headOf(classes, options.isBalanced);
  const blocks: Layer[] = [];
  let [size, channels] = [options.size, firstChannels];
  do {
    blocks.push(block(channels), ...(size > 1 ? [maxPool(2)] : []));
    [size, channels] = [Math.floor(size / 2), Math.min(2 * channels, lastChannels)];
  } while (size > smallest);
  blocks.push(block(channels), globalAveragePool, flatten);
  if (options.dropout > 0) blocks.push(dropout(options.dropout));
  const body = sequence(...blocks, linear(head.outputs, { name: "output" }));
  const convolutions = blocks.filter((layer) => layer !== flatten && layer !== globalAveragePool).length;
  return {
    head,
    metrics: head.metrics,
    words: `a convolutional network of ${Math.ceil(convolutions / 2)} blocks, up to ${channels} channels`,
    model: (row) => head.prediction(body(scaled(row))),
    loss(predicted, row) {
      const loss = head.loss(predicted, row);
      const weight = head.weight?.(row);
      return weight === undefined ? loss : { loss, weight };
    },
    serve: (predicted) => ({ ...head.serve(predicted) }),
    baseline: () => expand(constant(float32(head.trivial, [1, head.outputs])), ["batch", head.outputs]),
  };
}

const block = (channels: number): Layer =>
  sequence(conv2d(channels, 3, { padding: "same", bias: false, initializer: heNormal }), batchNorm(), relu);

/** Bytes 0 … 255 as numbers around 0. The mean and deviation of photographs are about a half and a quarter. */
function scaled(row: Row): Tensor {
  return div(sub(cast(row.image!, "float32"), 127.5), 64);
}

/** Left and right are alike in most pictures, and so are places an eighth apart. */
export function standardAugmentation(size: number): Augment {
  return { image: [flip(), crop({ padding: Math.max(1, Math.floor(size / 8)), border: "reflect" })] };
}
