/** The loss a plan returns, with the weight of each of its numbers. It is summed outside of the programs, in float64. */
import { formatShape, isBatchDim } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import { input, isTensor, type Tensor } from "../graph/tensor.ts";
import { expand, mul, reshape } from "../ops/index.ts";
import type { LossOutputs } from "../parallel/crew.ts";
import { names } from "./names.ts";
import type { LossResult } from "./plan.ts";

/** The loss per sample or token, and the weight of each: sample weight times the loss's own. */
export interface WeightedLoss {
  readonly loss: Tensor;
  /** In the loss's shape. */
  readonly weights: Tensor;
  /** Whether the loss gave weights of its own. */
  readonly hasOwnWeights: boolean;
}

/** Throws for anything but one float32 number per sample or token, and for weights that do not stretch to them. */
export function weightedLoss(result: LossResult): WeightedLoss {
  const loss = isTensor(result) ? result : result?.loss;
  const own = isTensor(result) ? undefined : result?.weight;
  if (!isTensor(loss) || loss.shape[0] !== "batch" || loss.dtype !== "float32") {
    fail("plan.loss", {
      expected: "one float32 number per sample or token, [batch] or [batch, …], or { loss, weight }",
      got: isTensor(loss) ? `${loss.dtype} ${formatShape(loss.shape)}` : kindOf(result),
      fix: "return the loss of each sample, not their mean: the trainer divides once per step",
    });
  }
  if (loss.shape.slice(1).some(isBatchDim)) {
    fail("plan.loss", {
      expected: "one number per sample, or several of a fixed number: [batch, …]",
      got: `${formatShape(loss.shape)}, a number for each pair of samples`,
      fix: "give what is compared one shape: [batch] and [batch, 1] together stretch to [batch, batch]; reshape one of them",
    });
  }
  const rank = loss.shape.length;
  const sampleWeight = withTrailingOnes(input(names.weight, ["batch"]), rank);
  if (own === undefined) return { loss, weights: expand(sampleWeight, loss.shape), hasOwnWeights: false };
  if (!isTensor(own) || own.dtype !== "float32") {
    fail("plan.loss weight", {
      expected: "a float32 tensor",
      got: isTensor(own) ? own.dtype : kindOf(own),
      fix: "leave it out for the weight 1, or give one weight per number of the loss",
    });
  }
  if (own.shape.length > rank || !own.shape.every((dim, axis) => dim === loss.shape[axis] || dim === 1)) {
    fail("plan.loss weight", {
      expected: `a shape that stretches to the loss's ${formatShape(loss.shape)}`,
      got: formatShape(own.shape),
      fix: "give one weight per number of the loss",
    });
  }
  const weights = expand(mul(withTrailingOnes(own, rank), sampleWeight), loss.shape);
  return { loss, weights, hasOwnWeights: true };
}

/** Aligned at the first axis, where broadcasting would align at the last. */
function withTrailingOnes(x: Tensor, rank: number): Tensor {
  return reshape(x, [...x.shape, ...Array<number>(rank - x.shape.length).fill(1)]);
}

/** The outputs of a program that tell the loss. */
export function lossOutputs({ loss, weights, hasOwnWeights }: WeightedLoss): Record<string, Tensor> {
  return { [names.loss]: loss, ...(hasOwnWeights && { [names.lossWeights]: weights }) };
}

/** The same for whoever runs the program. */
export function describeLoss({ loss, hasOwnWeights }: WeightedLoss): LossOutputs {
  return {
    loss: names.loss,
    ...(hasOwnWeights && { weights: names.lossWeights }),
    shape: loss.shape.slice(1) as number[], // the batch comes first, and only once
  };
}
