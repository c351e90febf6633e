/** The contract of an op, checked on its own samples: shapes, values, gradients, and gradients of gradients. */
import { concrete, formatShape, isBatchDim } from "../../src/array/shape.ts";
import { MicrobatchError } from "../../src/errors.ts";
import type { Op, OpSample, SampleInput } from "../../src/graph/op.ts";
import { buildProgram } from "../../src/graph/program.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { sorted } from "../../src/graph/walk.ts";
import { add, gradient, mul, sum } from "../../src/ops/index.ts";
import { draw, kinkDistance, type Random, seeded } from "./draw.ts";
import { evaluate, type Feed, reference } from "./evaluate.ts";
import { distanceFromKinks } from "./kinks.ts";
import { load } from "./onnxruntime.ts";
import type { Rules } from "./rule.ts";
import type { Value } from "./value.ts";

/**
 * ONNX Runtime against float64, per unit of the largest element: 64 roundings of float32 (2⁻²⁴ each). Samples add up fewer
 * than 64 terms, and kernels of exp, erf and log are right to a few roundings.
 */
const floatTolerance = 64 * 2 ** -24;
/**
 * A gradient rule in float64 against central differences: constants inside rules are float32 (2⁻²⁴ = 6e-8), differences
 * are right to 1e-10 (step² and rounding / step); the rest is room for a few constants in one rule.
 */
const differenceTolerance = 5e-7;
const step = 1e-5;

/** Microbatch sizes that are tried where a sample has a batch axis: 3 first, an even one and a larger one after it. */
const batches = [3, 2, 5];

/** How to check. */
export interface CheckOptions {
  readonly seed: number;
  readonly rules?: Rules;
  /** Only the first microbatch size. Default false. */
  readonly isQuick?: boolean;
}

/** Everything that is wrong with an op, one line each; empty for an op that keeps its contract. */
export async function problemsOf(op: Op, options: CheckOptions): Promise<string[]> {
  const problems: string[] = [];
  if ((options.rules ?? reference)[op.name] === undefined) problems.push("no float64 reference");
  if (op.samples.length === 0) problems.push("no samples");
  if (problems.length > 0) return problems.map((problem) => `${op.name}: ${problem}`);
  for (const [index, sample] of op.samples.entries()) {
    const where = `${op.name}, sample ${index + 1}, seed ${options.seed}`;
    try {
      const found = await problemsOfSample(op, sample, options);
      problems.push(...found.map((problem) => `${where}: ${problem}`));
    } catch (error) {
      problems.push(`${where}: threw ${error instanceof Error ? error.message : error}`);
    }
  }
  return problems;
}

/**
 * Everything that is wrong with the dtypes an op takes: its samples with their floats as another dtype must be refused by
 * the op, in its own words, or else accepted by ONNX Runtime. float64 is left out: it is what tests judge by.
 */
export async function dtypeProblemsOf(op: Op): Promise<string[]> {
  const problems: string[] = [];
  for (const dtype of ["int32", "int64", "uint8", "bool", "string"] as const) {
    for (const [index, { inputs, build }] of op.samples.entries()) {
      const leaves = inputs.map((one, at) => {
        const description: SampleInput = "shape" in one ? one : { shape: one };
        const isFloat = (description.dtype ?? "float32") === "float32";
        return input(`x${at}`, description.shape, isFloat ? dtype : description.dtype);
      });
      let output: Tensor;
      try {
        output = build(...leaves);
      } catch (error) {
        if (!(error instanceof MicrobatchError)) problems.push(`${op.name}, ${dtype}: threw ${error}`);
        continue;
      }
      const loaded = load(buildProgram({ name: op.name, outputs: { output } }));
      await loaded.then(
        ({ close }) => close(),
        (error) => problems.push(`${op.name}, sample ${index + 1}, ${dtype}: ${error}`),
      );
    }
  }
  return problems;
}

/** A sample as tensors: what is compared, each with the float64 value it is judged by. */
interface Case {
  readonly leaves: readonly Tensor[];
  readonly inputs: readonly SampleInput[];
  readonly output: Tensor;
  /** Float leaves, whose gradients are checked. Empty where the output is no float. */
  readonly targets: readonly Tensor[];
  readonly first: readonly Tensor[];
  readonly second: readonly Tensor[];
  /** What Σ seed · output and Σ seeds · gradients are multiplied with. */
  readonly seeds: readonly Tensor[];
}

function caseOf({ inputs: descriptions, build }: OpSample): Case {
  const inputs = descriptions.map((one): SampleInput => ("shape" in one ? one : { shape: one }));
  const leaves = inputs.map(({ shape, dtype }, index) => input(`x${index}`, shape, dtype));
  const output = build(...leaves);
  const isDifferentiable = output.dtype === "float32";
  const targets = isDifferentiable ? leaves.filter(({ dtype }) => dtype === "float32") : [];
  const seed = input("seed", output.shape);
  const first = targets.length > 0 ? gradient(output, targets, seed) : [];
  const seeds = first.map((one, index) => input(`seed${index}`, one.shape));
  const second = first.length > 0 ? gradient(weighted(first, seeds), targets) : [];
  return { leaves, inputs, output, targets, first, second, seeds: [seed, ...seeds] };
}

/** Σ seeds · tensors, a scalar. */
function weighted(tensors: readonly Tensor[], seeds: readonly Tensor[]): Tensor {
  return tensors.map((tensor, index) => sum(mul(tensor, seeds[index]!))).reduce((a, b) => add(a, b));
}

async function problemsOfSample(op: Op, sample: OpSample, options: CheckOptions): Promise<string[]> {
  const { seed, rules = reference, isQuick = false } = options;
  const one = caseOf(sample);
  if (!sorted([one.output]).some((tensor) => tensor.op.name === op.name)) return ["does not use the op"];
  const isBatched = one.leaves.some(({ shape }) => shape.some(isBatchDim));
  const random = seeded(seed);
  const outputs = named(one);
  // The output rides along: a gradient that is zero everywhere reads no input, and the batch is read off an input.
  const forward = await load(buildProgram({ name: op.name, outputs: { output: one.output } }));
  const both = await load(buildProgram({ name: `${op.name} gradient`, outputs }));
  try {
    const problems: string[] = [];
    for (const batch of isBatched ? batches.slice(0, isQuick ? 1 : batches.length) : batches.slice(0, 1)) {
      const feeds = drawFeeds(one, batch, random, rules);
      const found = [
        ...(await differences(forward, { output: one.output }, feeds, batch, rules)),
        ...(await differences(both, outputs, feeds, batch, rules)),
        ...ruleProblems(one, feeds, rules),
      ];
      problems.push(...found.map((problem) => `batch ${batch}: ${problem}`));
    }
    return problems;
  } finally {
    await forward.close();
    await both.close();
  }
}

function named({ output, first, second }: Case): Record<string, Tensor> {
  const outputs: Record<string, Tensor> = { output };
  first.forEach((tensor, index) => {
    outputs[`gradient ${index + 1}`] = tensor;
  });
  second.forEach((tensor, index) => {
    outputs[`second gradient ${index + 1}`] = tensor;
  });
  return outputs;
}

/** Numbers for every leaf, drawn again until no node of the sample is near a point where its derivative jumps. */
function drawFeeds(one: Case, batch: number, random: Random, rules: Rules): Map<Tensor, Feed> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const feeds = new Map(
      one.leaves.map((leaf, index) => [leaf, draw(one.inputs[index]!, batch, random)] as const),
    );
    for (const seed of one.seeds) feeds.set(seed, draw({ shape: seed.shape }, batch, random));
    if (one.targets.length === 0 || distanceFromKinks(one.output, feeds, rules) >= kinkDistance) return feeds;
  }
  throw new Error("no draw is away from the kinks: list them in the sample, or take a smaller one");
}

/** What ONNX Runtime returns against the shape rule, the dtype rule and the float64 reference. */
async function differences(
  loaded: Awaited<ReturnType<typeof load>>,
  outputs: Readonly<Record<string, Tensor>>,
  feeds: ReadonlyMap<Tensor, Feed>,
  batch: number,
  rules: Rules,
): Promise<string[]> {
  const byName = Object.fromEntries(
    [...feeds].map(([{ leaf }, feed]) => [(leaf as { name: string }).name, feed]),
  );
  const got = await loaded.run(byName);
  const want = evaluate(Object.values(outputs), feeds, rules);
  return Object.entries(outputs).flatMap(([name, tensor], index) => {
    const actual = got[name]!;
    const promised = formatShape(concrete(tensor.shape, batch));
    if (formatShape(actual.shape) !== promised) {
      return [
        `${name}: ONNX Runtime returned the shape ${formatShape(actual.shape)}, promised was ${promised}`,
      ];
    }
    if (actual.dtype !== tensor.dtype) {
      return [`${name}: ONNX Runtime returned ${actual.dtype}, promised was ${tensor.dtype}`];
    }
    return compareValues(`${name} of ONNX Runtime`, actual, want[index]!);
  });
}

/** Numbers up to rounding, texts letter by letter. */
function compareValues(name: string, got: Value, want: Value): string[] {
  if (want.text === undefined) return gap(name, got.data, want.data, floatTolerance);
  const index = want.text.findIndex((text, at) => got.text?.[at] !== text);
  if (index < 0) return [];
  return [
    `${name}: element ${index} is ${JSON.stringify(got.text?.[index])}, should be ${JSON.stringify(want.text[index])}`,
  ];
}

/** Gradient rules, evaluated in float64, against central differences of what they are the gradient of. */
function ruleProblems(one: Case, feeds: ReadonlyMap<Tensor, Feed>, rules: Rules): string[] {
  if (one.targets.length === 0) return [];
  const { targets, first, second, seeds, output } = one;
  const firstTotal = weighted([output], seeds.slice(0, 1));
  const secondTotal = weighted(first, seeds.slice(1));
  return targets.flatMap((target, index) => [
    ...compare(`gradient ${index + 1}`, first[index]!, firstTotal, target, feeds, rules),
    ...compare(`second gradient ${index + 1}`, second[index]!, secondTotal, target, feeds, rules),
  ]);
}

function compare(
  name: string,
  rule: Tensor,
  total: Tensor,
  target: Tensor,
  feeds: ReadonlyMap<Tensor, Feed>,
  rules: Rules,
): string[] {
  const [got] = evaluate([rule], feeds, rules) as [Value]; // one tensor in, one value out
  const want = centralDifferences(total, target, feeds, rules);
  return gap(`rule of ${name}`, got.data, want, differenceTolerance);
}

/** (f(x + h) − f(x − h)) / 2h for every element of one leaf, where f is a scalar. */
export function centralDifferences(
  total: Tensor,
  target: Tensor,
  feeds: ReadonlyMap<Tensor, Feed>,
  rules: Rules = reference,
): Float64Array {
  const { shape, data } = feeds.get(target)!;
  const at = (index: number, change: number) => {
    const moved = Float64Array.from(data, Number);
    moved[index]! += change;
    const [value] = evaluate([total], new Map([...feeds, [target, { shape, data: moved }]]), rules);
    return value!.data[0]!;
  };
  return Float64Array.from(data, (_, index) => (at(index, step) - at(index, -step)) / (2 * step));
}

/** One line where two lists differ by more than the tolerance times their largest element (or 1). */
export function gap(name: string, got: Float64Array, want: Float64Array, tolerance: number): string[] {
  const scale = want.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  const allowed = tolerance * scale;
  const index = want.findIndex((value, at) => !(Math.abs(got[at]! - value) <= allowed));
  if (index < 0) return [];
  return [
    `${name}: element ${index} is ${got[index]}, should be ${want[index]} ± ${allowed.toExponential(1)}`,
  ];
}
