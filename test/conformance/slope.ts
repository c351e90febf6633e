/** Whether the gradient of what a case became is right: along one random direction, against a central difference in float64. */
import type { NdArray } from "../../src/array/array.ts";
import { elementCount } from "../../src/array/shape.ts";
import { constant, type Tensor } from "../../src/graph/tensor.ts";
import { cast, gradient, mul, sum } from "../../src/ops/index.ts";
import { seeded } from "../reference/draw.ts";
import { evaluate, type Feed } from "../reference/evaluate.ts";

const step = 1e-6;
/**
 * Per unit of the largest slope: constants inside gradient rules are float32 (2⁻²⁴ = 6e-8), differences in float64 lose
 * ten digits at this step, and a case chains up to a dozen ops.
 */
const tolerance = 1e-5;

/** The reference reads element by element. */
const mostElements = 40_000;

/** What is wrong with the gradient of an output with respect to the inputs that are floats; undefined where nothing is. */
export function slopeProblem(output: Tensor, inputs: ReadonlyMap<Tensor, NdArray>): string | undefined {
  const random = seeded(5);
  const draw = (count: number) => Float32Array.from({ length: count }, () => 2 * random() - 1);
  const shape = output.shape.map(Number);
  const seed = cast(constant({ dtype: "float32", shape, data: draw(elementCount(shape)) }), output.dtype);
  const targets = [...inputs.keys()].filter(({ dtype }) => dtype.startsWith("float"));
  const elements = targets.reduce((count, target) => count + elementCount(target.shape), 0);
  if (elements > mostElements) return `not tried on ${elements} elements, the reference is slow`;
  const total = sum(mul(output, seed));
  const slopes = gradient(total, targets);
  const directions = targets.map((target) => draw(elementCount(target.shape)));
  const feeds = new Map<Tensor, Feed>(inputs);
  const along = (change: number) => {
    const moved = targets.map((target, index) => {
      const { data } = inputs.get(target)!;
      const values = Float64Array.from(directions[index]!, (way, at) => Number(data[at]) + change * way);
      return [target, { shape: target.shape.map(Number), data: values }] as const;
    });
    return evaluate([total], new Map([...feeds, ...moved]))[0]!.data[0]!;
  };
  const want = (along(step) - along(-step)) / (2 * step);
  const parts = evaluate(slopes, feeds).flatMap(({ data }, index) =>
    Array.from(data, (slope, at) => slope * directions[index]![at]!),
  );
  const got = parts.reduce((result, part) => result + part, 0);
  const scale = parts.reduce((largest, part) => Math.max(largest, Math.abs(part)), Math.abs(want));
  return Math.abs(got - want) <= tolerance * Math.max(scale, 1)
    ? undefined
    : `the slope is ${got.toPrecision(3)}, not ${want.toPrecision(3)}`;
}
