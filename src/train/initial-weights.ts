/** First values that the plan gives, instead of those that initializers draw. */
import type { NdArray } from "../array/array.ts";
import { sha256OfParts } from "../array/sha256.ts";
import { elementCount, formatShape, sameShape } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import { type NamePatterns, patternExpression } from "../models/name-pattern.ts";
import { patternsOf } from "./groups.ts";
import type { TracedParameter } from "./parameters.ts";

/** Arrays by parameter's name: another model's `parameters`, or the `arrays` of a safetensors file. */
export type Weights = ReadonlyMap<string, NdArray>;

/** Some of the arrays; parameters that are left out are drawn. A head that is replaced: { from: weights, except: "head.*" }. */
export interface PartOfWeights {
  readonly from: Weights;
  /** What is left out, of both the model and the arrays: a text in which * stands for anything, a regular expression, or a list. */
  readonly except?: NamePatterns;
  /** What alone is taken. */
  readonly only?: NamePatterns;
}

/** What a run begins with. */
export interface InitialWeights {
  readonly weights: Weights;
  /** The parameters that were left out, in the model's order. */
  readonly drawn: readonly string[];
}

/**
 * The arrays that a plan takes. Refuses those that are not exactly the model's: one for each of its parameters and running
 * statistics that is not left out, float32, of its shape, and no other. What began from drawn numbers because of a name
 * misspelled would look like a model that learns slowly. Refuses patterns that match nothing, and to leave out everything.
 */
export function initialWeightsOf(
  given: Weights | PartOfWeights | undefined,
  parameters: readonly TracedParameter[],
): InitialWeights | undefined {
  if (given === undefined) return undefined;
  const part = given instanceof Map ? { from: given } : (given as PartOfWeights); // no other is left
  const isTaken = chooserOf(part, parameters);
  const drawn = parameters.flatMap(({ name }) => (isTaken(name) ? [] : [name]));
  const weights = new Map([...part.from].filter(([name]) => isTaken(name)));
  const wanted = parameters.filter(({ name }) => isTaken(name));
  if (wanted.length === 0) {
    fail(where, {
      expected: "parameters that are taken",
      got: `all ${drawn.length} left out`,
      fix: "make the patterns narrower, or leave initialWeights out",
    });
  }
  checkWeights(weights, wanted, drawn.length > 0 || weights.size < part.from.size);
  return { weights, drawn };
}

const where = "plan.initialWeights";

function checkWeights(weights: Weights, parameters: readonly TracedParameter[], isPart: boolean): void {
  const names = new Set(parameters.map(({ name }) => name));
  const problems = [
    ...parameters.flatMap(({ name, shape }) => problemOf(name, shape, weights.get(name)) ?? []),
    ...[...weights.keys()].filter((name) => !names.has(name)).map((name) => `${kindOf(name)} too many`),
  ];
  if (problems.length === 0) return;
  fail(where, {
    expected: `float32 arrays with the names and shapes of the model's parameters${isPart ? " that are not left out" : ""}`,
    got: listed(problems),
    fix: isPart
      ? "leave these out as well, or rename the arrays"
      : 'give the model the layers of the one that was saved, rename the arrays, or leave some out: { from: arrays, except: "head.*" }',
  });
}

/** Whether a name is taken. */
function chooserOf(part: PartOfWeights, parameters: readonly TracedParameter[]): (name: string) => boolean {
  const { from, except, only, ...rest } = part;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    fail(where, { expected: "only from, except, only", got: unknown, fix: "correct the name" });
  const names = [...new Set([...parameters.map(({ name }) => name), ...from.keys()])];
  const [left, kept] = [tests("except", except, names), tests("only", only, names)];
  return (name) => !left?.some((test) => test.test(name)) && (kept?.some((test) => test.test(name)) ?? true);
}

function tests(field: string, patterns: NamePatterns | undefined, names: readonly string[]) {
  if (patterns === undefined) return undefined;
  return patternsOf(`${where}.${field}`, patterns).map((pattern) => {
    const test = patternExpression(pattern);
    if (names.some((name) => test.test(name))) return test;
    return fail(`${where}.${field}`, {
      expected: "patterns that match parameters or arrays",
      got: `${pattern}, which matches none`,
      fix: `there are ${listed(names)}`,
    });
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
