/** Normalisation of each sample by mean and variance of groups of its channels. */
import { factorOf, formatShape, isBatchDim, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { add, mul } from "./arithmetic.ts";
import { reshape } from "./movement.ts";
import { layerNormalization } from "./normalization.ts";
import type { AffineOptions } from "./normalized-axes.ts";
import { requireShape } from "./require.ts";

/** Options of `groupNormalization`. */
export interface GroupNormalizationOptions extends AffineOptions {
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * The channels cut into `groups` that each sample normalises on their own, then · scale + bias, [channels] each:
 * [samples, channels, …] → the same shape. One group is layer normalisation over channels and places, a group per channel is
 * instance normalisation. Throws where the groups are not of one size, or hold one number only, which is always 0 then.
 * Source: Wu and He 2018; ONNX LayerNormalization-17 over each group.
 */
export function groupNormalization(
  x: Tensor,
  groups: number,
  options: GroupNormalizationOptions = {},
): Tensor {
  const { epsilon, scale, bias } = options;
  const [samples, channels] = groupsOf(x, groups);
  const size =
    x.shape
      .slice(1)
      .map(factorOf)
      .reduce((product, one) => product * one, 1) / groups;
  const cut = reshape(x, [samples, groups, size]);
  const normalized = reshape(layerNormalization(cut, { ...(epsilon !== undefined && { epsilon }) }), x.shape);
  const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
  const [by, plus] = [scale, bias].map((numbers, index) => {
    if (numbers !== undefined)
      requireShape("groupNormalization", ["scale", "bias"][index]!, numbers.shape, [channels]);
    return numbers && reshape(numbers, perChannel);
  });
  const scaled = by === undefined ? normalized : mul(normalized, by);
  return plus === undefined ? scaled : add(scaled, plus);
}

/** Throws unless x has channels that so many groups share evenly. */
function groupsOf(x: Tensor, groups: number): readonly [samples: Shape[number], channels: number] {
  const [samples, channels, ...rest] = x.shape;
  const where = "groupNormalization";
  if (samples === undefined || typeof channels !== "number" || rest.some(isBatchDim)) {
    fail(where, {
      expected: "[samples, channels, …], where only the samples may grow with the microbatch",
      got: formatShape(x.shape),
      fix: "move the channels to the second axis, for example by transpose",
    });
  }
  if (!(Number.isSafeInteger(groups) && groups >= 1 && channels % groups === 0)) {
    fail(where, {
      expected: `groups that share ${channels} channels evenly`,
      got: String(groups),
      fix: `one of ${divisors(channels).join(", ")}`,
    });
  }
  if (rest.map(factorOf).reduce((product, one) => product * one, channels) === groups) {
    fail(where, {
      expected: "more than one number in a group",
      got: `${groups} groups of ${formatShape(x.shape)}`,
      fix: "fewer groups",
    });
  }
  return [samples, channels];
}

const divisors = (count: number) =>
  Array.from({ length: count }, (_, index) => index + 1).filter((one) => count % one === 0);
