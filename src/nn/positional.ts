/** Where in a sequence a position is: attention alone could not tell. */
import { ndarray } from "../array/array.ts";
import { typedArrayOf } from "../array/dtype.ts";
import { formatShape, isBatchDim } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { constant, type Initializer, parameter, type Tensor } from "../graph/tensor.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { concat, slice } from "../ops/movement.ts";
import { cast } from "../ops/selection.ts";
import { normal } from "./initializer.ts";
import { featuresOf, type Layer } from "./layer.ts";

/**
 * - "learned": a trained vector per position is added. It has as many as the first tensor it is applied to
 *   has positions.
 * - "sinusoidal": sine and cosine of each position at wavelengths from 2π to 10000 · 2π are added. Nothing
 *   is trained.
 *   Source: Vaswani et al. 2017, section 3.5.
 * - "rotary": pairs of features are turned by an angle that grows with the position, so that products of
 *   two vectors depend on how far they are apart. For queries and keys: attention({ rotary: true }) applies
 *   it.
 *   Source: Su et al. 2021; feature i is paired with i + size / 2, as in GPT-NeoX and Llama.
 */
export type PositionalKind = "learned" | "sinusoidal" | "rotary";

/** Options of `positional`. */
export interface PositionalOptions {
  /** What the parameter of "learned" is called: "positional" gives "positional.weight". */
  readonly name?: string;
  /** First vectors of "learned". Default normal with deviation 0.02, as GPT-2. */
  readonly initializer?: Initializer;
}

/**
 * Tells positions apart: x [batch, …, time, features] → the same shape.
 * Throws for an axis of time that is not fixed, for more positions than the first tensor had ("learned"), and
 * for an odd number of features ("sinusoidal", "rotary").
 */
export function positional(kind: PositionalKind, options: PositionalOptions = {}): Layer {
  const where = `positional("${kind}")`;
  if (kind === "sinusoidal") return (x) => add(x, waves(x, sizesOf(where, x, true)));
  if (kind === "rotary") return rotary(where);
  if (kind === "learned") return learned(where, options);
  return fail("positional", {
    expected: '"learned", "sinusoidal" or "rotary"',
    got: JSON.stringify(kind) ?? "nothing",
    fix: 'for example positional("learned")',
  });
}

interface Sizes {
  readonly time: number;
  readonly features: number;
}

function sizesOf(where: string, x: Tensor, isPaired: boolean): Sizes {
  const features = featuresOf(where, x);
  const time = x.shape.at(-2);
  if (time === undefined || isBatchDim(time)) {
    fail(where, {
      expected: "x [batch, …, time, features] with a fixed time",
      got: formatShape(x.shape),
      fix: "apply it before positions and samples are flattened into one axis",
    });
  }
  if (isPaired && features % 2 !== 0) {
    fail(where, {
      expected: "an even number of features: they go in pairs",
      got: String(features),
      fix: `${features + 1} features`,
    });
  }
  return { time, features };
}

function learned(where: string, options: PositionalOptions): Layer {
  const { name = "positional", initializer = normal(0.02) } = options;
  let table: Tensor | undefined;
  return (x) => {
    const { time, features } = sizesOf(where, x, false);
    table ??= parameter([time, features], initializer, `${name}.weight`, {});
    const [longest, size] = table.shape as readonly [number, number]; // a parameter's are fixed
    if (time > longest || features !== size) {
      fail(where, {
        expected: `at most ${longest} positions of ${size} features, as in the tensor it saw first`,
        got: formatShape(x.shape),
        fix: `make another ${where} for it`,
      });
    }
    return add(x, cast(slice(table, { end: time }, 0), x.dtype));
  };
}

/** The angle of pair i at position t: t / 10000^(2i / features). */
const angleOf = (position: number, pair: number, features: number) =>
  position / 10000 ** ((2 * pair) / features);

/** Sines at even features, cosines at odd ones: [time, features]. */
function waves(x: Tensor, sizes: Sizes): Tensor {
  return tableOf(x, sizes, (position, feature) => {
    const angle = angleOf(position, Math.floor(feature / 2), sizes.features);
    return feature % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}

/** Every pair (a, b) becomes (a · cos − b · sin, b · cos + a · sin). */
function rotary(where: string): Layer {
  const known = new Map<string, readonly [cosines: Tensor, sines: Tensor]>(); // queries and keys share them
  return (x) => {
    const sizes = sizesOf(where, x, true);
    const key = `${x.dtype} ${sizes.time} ${sizes.features}`;
    const [cosines, sines] = known.get(key) ?? rotations(x, sizes);
    known.set(key, [cosines, sines]);
    const half = sizes.features / 2;
    const swapped = concat([slice(x, { start: half }), slice(x, { end: half })]);
    return add(mul(x, cosines), mul(swapped, sines));
  };
}

/** What x, and x with its halves swapped, are multiplied with: [time, features] each. */
function rotations(x: Tensor, sizes: Sizes): [cosines: Tensor, sines: Tensor] {
  const half = sizes.features / 2;
  const angle = (position: number, feature: number) => angleOf(position, feature % half, sizes.features);
  return [
    tableOf(x, sizes, (position, feature) => Math.cos(angle(position, feature))),
    tableOf(x, sizes, (position, feature) => (feature < half ? -1 : 1) * Math.sin(angle(position, feature))),
  ];
}

/** A constant [time, features] in the dtype of x. */
function tableOf(x: Tensor, { time, features }: Sizes, value: (position: number, feature: number) => number) {
  const dtype = x.dtype === "float64" ? "float64" : "float32"; // featuresOf let nothing else through
  const values = Array.from({ length: time * features }, (_, at) =>
    value(Math.floor(at / features), at % features),
  );
  return constant(ndarray(dtype, [time, features], typedArrayOf(dtype, values)));
}
