/** ONNX operators that give elements mean 0 and deviation 1, or length 1, over some axes. */
import { type Dim, sameShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin } from "./activation.ts";
import type { NodeReader, Operators } from "./operator.ts";

const kept = (axes: readonly number[]) => ({ axes, keepDims: true });

/** [channels] along axis 1 of a tensor of this rank. */
const perChannel = (x: Tensor, rank: number) =>
  ops.reshape(x, [...x.shape, ...Array<Dim>(Math.max(rank - 2, 0)).fill(1)]);

interface Standardised {
  readonly output: Tensor;
  readonly mean: Tensor;
  /** 1 / √(variance + ε). */
  readonly scale: Tensor;
}

function standardised(node: NodeReader, x: Tensor, axes: readonly number[], epsilon: number): Standardised {
  requireWithin(node, x, axes);
  const mean = ops.mean(x, kept(axes));
  const centred = ops.sub(x, mean);
  const scale = ops.div(1, ops.sqrt(ops.add(ops.mean(ops.square(centred), kept(axes)), epsilon)));
  return { output: ops.mul(centred, scale), mean, scale };
}

/** Axes from one on. */
const axesFrom = (x: Tensor, axis: number) => [...x.shape.keys()].slice(axis);

function layerNorm(node: NodeReader): readonly Tensor[] {
  const x = node.input(0);
  const axes = axesFrom(x, node.axis(node.int("axis", -1)));
  requireWithin(node, x, axes);
  const sizes = x.shape.slice(-axes.length);
  const affine = [node.input(1), node.optional(2)];
  if (
    !node.gives(1) &&
    !node.gives(2) &&
    affine.every((one) => one === undefined || sameShape(one.shape, sizes))
  ) {
    const [weight, bias] = affine;
    return [
      ops.layerNormalization(x, {
        axes: axes.length,
        epsilon: node.float("epsilon", 1e-5),
        scale: weight,
        bias,
      }),
    ];
  }
  const { output, mean, scale } = standardised(node, x, axes, node.float("epsilon", 1e-5));
  const scaled = ops.mul(output, node.input(1));
  return [node.has(2) ? ops.add(scaled, node.input(2)) : scaled, mean, scale];
}

function rmsNorm(node: NodeReader): Tensor {
  const x = node.input(0);
  const axes = axesFrom(x, node.axis(node.int("axis", -1)));
  requireWithin(node, x, axes);
  const power = ops.add(ops.mean(ops.square(x), kept(axes)), node.float("epsilon", 1e-5));
  return ops.mul(ops.div(x, ops.sqrt(power)), node.input(1));
}

function instanceNorm(node: NodeReader): Tensor {
  const x = node.input(0);
  const { output } = standardised(node, x, axesFrom(x, 2), node.float("epsilon", 1e-5));
  const rank = x.shape.length;
  return ops.add(ops.mul(output, perChannel(node.input(1), rank)), perChannel(node.input(2), rank));
}

/** Scale and bias are per group up to set 20, per channel from 21 on. */
function groupNorm(node: NodeReader): Tensor {
  const x = node.input(0);
  const groups = node.int("num_groups", 1);
  const channels = node.fixed(1);
  const grouped = ops.reshape(x, [x.shape[0]!, groups, channels / groups, ...x.shape.slice(2)]);
  const { output } = standardised(node, grouped, axesFrom(grouped, 2), node.float("epsilon", 1e-5));
  const isPerGroup = node.opset < 21;
  const y = isPerGroup ? output : ops.reshape(output, x.shape);
  const along = (one: Tensor) => perChannel(one, y.shape.length);
  return ops.reshape(ops.add(ops.mul(y, along(node.input(1))), along(node.input(2))), x.shape);
}

/** With the statistics that training left; its own mode would mix samples. */
function batchNorm(node: NodeReader): Tensor {
  const x = node.input(0);
  if (node.opset < 7 && !node.flag("is_test")) {
    node.refuse(
      "batch normalisation with its running statistics",
      "is_test = 0",
      "export the model for inference",
    );
  }
  if (node.flag("training_mode") || (node.opset < 14 && node.gives(1))) {
    node.refuse(
      "batch normalisation with its running statistics",
      "training_mode = 1",
      "export the model for inference",
    );
  }
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((index) => node.input(index)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ]; // four in, four out
  return ops.batchNormalization(x, { scale, bias, mean, variance }, node.float("epsilon", 1e-5));
}

/** Each element over a power of the sum of squares of the channels around it. */
function localResponse(node: NodeReader): Tensor {
  const x = node.input(0);
  const size = node.int("size", 1);
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const channels = node.fixed(1);
  const padded = ops.pad(ops.square(x), { before, after }, 1);
  const shifts = Array.from({ length: node.bounded(size, "a window") }, (_, start) =>
    ops.slice(padded, { start, end: start + channels }, 1),
  );
  const total = shifts.reduce((a, b) => ops.add(a, b));
  const base = ops.add(ops.mul(total, node.float("alpha", 1e-4) / size), node.float("bias", 1));
  return ops.div(x, ops.pow(base, node.float("beta", 0.75)));
}

function meanVariance(node: NodeReader): Tensor {
  const x = node.input(0);
  const axes = node.axes(node.ints("axes") ?? [0, 2, 3]);
  return standardised(node, x, axes, 1e-9).output;
}

function lpNorm(node: NodeReader): Tensor {
  const x = node.input(0);
  const axis = node.axis(node.int("axis", -1));
  requireWithin(node, x, [axis]);
  const isEuclidean = node.int("p", 2) === 2;
  const total = ops.sum(isEuclidean ? ops.square(x) : ops.abs(x), kept([axis]));
  return ops.div(x, isEuclidean ? ops.sqrt(total) : total);
}

export const normalization: Operators = {
  BatchNormalization: batchNorm,
  GroupNormalization: groupNorm,
  InstanceNormalization: instanceNorm,
  LRN: localResponse,
  LayerNormalization: layerNorm,
  LpNormalization: lpNorm,
  MeanVarianceNormalization: meanVariance,
  RMSNormalization: rmsNorm,
};
