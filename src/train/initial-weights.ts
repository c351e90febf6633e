/** First values that the plan gives, instead of those that initializers draw. */
import type { NdArray } from "../array/array.ts";
import { sha256OfParts } from "../array/sha256.ts";
import { elementCount, formatShape, sameShape } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import type { TracedParameter } from "./parameters.ts";

/** Arrays by parameter's name: another model's `parameters`, or the `arrays` of a safetensors file. */
export type Weights = ReadonlyMap<string, NdArray>;

/**
 * Refuses arrays that are not exactly the model's: one for each of its parameters and running statistics, float32, of its
 * shape, and no other. What began from drawn numbers because of a name misspelled would look like a model that learns slowly.
 */
export function checkInitialWeights(
  weights: Weights | undefined,
  parameters: readonly TracedParameter[],
): void {
  if (weights === undefined) return;
  const names = new Set(parameters.map(({ name }) => name));
  const problems = [
    ...parameters.flatMap(({ name, shape }) => problemOf(name, shape, weights.get(name)) ?? []),
    ...[...weights.keys()].filter((name) => !names.has(name)).map((name) => `${kindOf(name)} too many`),
  ];
  if (problems.length === 0) return;
  fail("plan.initialWeights", {
    expected: "float32 arrays with the names and shapes of the model's parameters",
    got: listed(problems),
    fix: "give the model the layers of the one that was saved, or rename the arrays",
  });
}

function problemOf(name: string, shape: readonly number[], value: NdArray | undefined): string | undefined {
  const wanted = `"${name}" ${formatShape(shape)}`;
  if (value === undefined) return `no ${wanted}`;
  const { dtype, shape: given, data } = value;
  const holds = data instanceof Float32Array && data.length === elementCount(shape);
  if (dtype === "float32" && sameShape(given, shape) && holds) return undefined;
  return `${dtype} ${formatShape(given)} for ${wanted}`;
}

function listed(problems: readonly string[]): string {
  const most = 12;
  const rest = problems.length - most;
  return `${problems.slice(0, most).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** SHA-256 over names, shapes and bytes, in the order of the names: it tells in the run's record what the run began from. */
export function hashWeights(weights: Weights): Promise<string> {
  const sorted = [...weights].sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256OfParts(sorted.flatMap(([name, { shape, data }]) => [`${name} [${shape}]`, data]));
}
