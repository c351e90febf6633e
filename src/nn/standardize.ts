/** Standardisation with fitted statistics, as a layer: so the saved model takes raw numbers. */
import { ndarray } from "../array/array.ts";
import { type NumericDType, typedArrayOf } from "../array/dtype.ts";
import { formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { div, sub } from "../ops/arithmetic.ts";
import { featuresOf, type Layer } from "./layer.ts";

/** Fitted on the training samples only, one number per feature. */
export interface StandardizeOptions {
  readonly mean: readonly number[];
  /** 0 marks a feature that never changed; it is divided by 1, so it becomes 0. */
  readonly deviation: readonly number[];
}

/**
 * (x − mean) / deviation over the last axis: [..., features] → the same shape. Not trained.
 * Throws for lists of different lengths, for numbers that are not finite, for negative deviations, and for a tensor whose
 * last axis is not as long as the lists.
 */
export function standardize(options: StandardizeOptions): Layer {
  const { mean, deviation } = options;
  const where = "standardize";
  if (mean.length !== deviation.length || mean.length === 0) {
    fail(where, {
      expected: "one mean and one deviation per feature",
      got: `${mean.length} means and ${deviation.length} deviations`,
      fix: "fit both on the same columns",
    });
  }
  const broken = mean.findIndex((value, index) => !(Number.isFinite(value) && isSpread(deviation[index]!)));
  if (broken >= 0) {
    fail(where, {
      expected: "finite means and deviations from 0 on",
      got: `mean ${mean[broken]} and deviation ${deviation[broken]} of feature ${broken}`,
      fix: "fit them on samples where that feature is present",
    });
  }
  const divisor = deviation.map((value) => (value === 0 ? 1 : value));
  return (x) => {
    const features = featuresOf(where, x);
    if (features !== mean.length) {
      fail(where, {
        expected: `the last axis to be ${mean.length}`,
        got: formatShape(x.shape),
        fix: "standardise the columns the statistics were fitted on",
      });
    }
    return div(sub(x, row(mean, x)), row(divisor, x));
  };
}

const isSpread = (value: number) => Number.isFinite(value) && value >= 0;

function row(values: readonly number[], like: Tensor): Tensor {
  const dtype = like.dtype as NumericDType; // featuresOf refused everything but floats
  return constant(ndarray(dtype, [values.length], typedArrayOf(dtype, values)));
}
