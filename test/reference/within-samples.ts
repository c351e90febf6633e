/** Reference of src/ops/{normalization,rms-normalization}.ts. */
import { type Rules, rule } from "./rule.ts";
import { build, read, replaced, type Value } from "./value.ts";

type Epsilon = { readonly epsilon: number };

export const normalization: Rules = {
  layerNormalization: rule<Epsilon>(([x, scale, bias], { epsilon }) =>
    build(x!.shape, (position) => {
      const { mean, inverse } = statisticsOf(x!, position, epsilon);
      const normalized = (read(x!, position) - mean) * inverse;
      return normalized * (scale ? read(scale, position) : 1) + (bias ? read(bias, position) : 0);
    }),
  ),
  // Their first input is where ONNX Runtime finds them, computed along with it.
  rowMean: ([, x]) => perRow(x!, (position) => statisticsOf(x!, position, 0).mean),
  rowInverse: rule<Epsilon>(([, x], { epsilon }) =>
    perRow(x!, (position) => statisticsOf(x!, position, epsilon).inverse),
  ),
  rmsNormalization: rule<Epsilon>(([x, scale], { epsilon }) =>
    build(
      x!.shape,
      (position) =>
        (read(x!, position) / rootMeanSquare(x!, position, epsilon)) * (scale ? read(scale, position) : 1),
    ),
  ),
  rmsInverse: rule<Epsilon>(([x], { epsilon }) =>
    perRow(x!, (position) => 1 / rootMeanSquare(x!, position, epsilon)),
  ),
};

const perRow = (x: Value, compute: (position: readonly number[]) => number) =>
  build(replaced(x.shape, x.shape.length - 1, 1), compute);

/** The elements that differ from a position along the last axis only. */
function rowOf(x: Value, position: readonly number[]): number[] {
  const last = x.shape.length - 1;
  return Array.from({ length: x.shape[last]! }, (_, index) => read(x, replaced(position, last, index)));
}

const meanOf = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

function statisticsOf(x: Value, position: readonly number[], epsilon: number) {
  const row = rowOf(x, position);
  const mean = meanOf(row);
  const variance = meanOf(row.map((one) => (one - mean) ** 2));
  return { mean, inverse: 1 / Math.sqrt(variance + epsilon) };
}

const rootMeanSquare = (x: Value, position: readonly number[], epsilon: number) =>
  Math.sqrt(meanOf(rowOf(x, position).map((one) => one * one)) + epsilon);
