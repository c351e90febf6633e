/** Reference of src/ops/batch-normalization.ts. */
import { type Rules, rule } from "./rule.ts";
import { build, countOf, forEach, type Value } from "./value.ts";

type Epsilon = { readonly epsilon: number };

export const batchNormalization: Rules = {
  batchNormalization: rule<Epsilon>(([x, scale, bias, mean, variance], { epsilon }) =>
    normalized([x!, scale!, bias!], mean!.data, variance!.data, epsilon),
  ),
  normalizeByBatch: rule<Epsilon>(([x, scale, bias], { epsilon }) =>
    normalized([x!, scale!, bias!], meanOf(x!).data, varianceOf(x!).data, epsilon),
  ),
  // What it is given besides was made of x.
  normalizeRows: rule<Epsilon>(([x, scale, bias], { epsilon }) =>
    normalized([x!, scale!, bias!], meanOf(x!).data, varianceOf(x!).data, epsilon),
  ),
  // Their first input is where ONNX Runtime finds them, computed along with it.
  batchMean: ([, x]) => meanOf(x!),
  batchVariance: ([, x]) => varianceOf(x!),
};

function normalized(
  [x, scale, bias]: readonly [Value, Value, Value],
  mean: Float64Array,
  variance: Float64Array,
  epsilon: number,
): Value {
  let index = 0;
  return build(x.shape, ([, channel]) => {
    const distance = x.data[index++]! - mean[channel!]!;
    return (
      (distance / Math.sqrt(variance[channel!]! + epsilon)) * scale.data[channel!]! + bias.data[channel!]!
    );
  });
}

function meanOf(x: Value): Value {
  return averaged(x, (value) => value);
}

function varianceOf(x: Value): Value {
  const mean = meanOf(x).data;
  return averaged(x, (value, channel) => (value - mean[channel]!) ** 2);
}

function averaged(x: Value, of: (value: number, channel: number) => number): Value {
  const channels = x.shape[1]!;
  const result = build([channels], () => 0);
  forEach(x.shape, ([, channel], index) => {
    result.data[channel!]! += of(x.data[index]!, channel!) / (countOf(x.shape) / channels);
  });
  return result;
}
