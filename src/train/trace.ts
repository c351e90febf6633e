/**
 * Trace: runs the user's model and loss once on placeholder tensors and makes the programs of a run from what they built.
 * Closures end here; from now on there are programs and numbers.
 */

import { elementCount, formatShape, type Shape } from "../array/shape.ts";
import type { Dataset } from "../data/dataset.ts";
import { bug, fail } from "../errors.ts";
import { buildProgram, indexBounds, type Program } from "../graph/program.ts";
import { type Initializer, input, isTensor, type Tensor } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import type { Metric } from "../nn/metric.ts";
import { type MaskRequest, tracing } from "../nn/mode.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { accumulate, add, expand, gradient, mul, reshape } from "../ops/index.ts";
import type { GradientPrograms, LoadableProgram, LossOutputs } from "../parallel/crew.ts";
import type { LossResult, Plan, Row } from "./plan.ts";
import { updateProgram } from "./update.ts";

/** A trained tensor: its unique name, shape and first values. */
export interface TracedParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initializer: Initializer;
}

/** A metric of the plan and the outputs of the evaluation program it folds. */
export interface TracedMetric {
  readonly name: string;
  readonly metric: Metric;
  readonly outputs: readonly string[];
}

/** The penalties' program: adds W · ∂penalty to the sums and tells the penalties' value. */
export interface PenaltyProgram {
  readonly bytes: Uint8Array;
  readonly parameters: Readonly<Record<string, string>>;
  /** Output name → parameter name, and the input it is written over. */
  readonly sums: Readonly<Record<string, string>>;
  readonly sumInputs: Readonly<Record<string, string>>;
  readonly weight: string;
  readonly value: string;
}

/** Everything a run computes, as programs. */
export interface Trace {
  readonly parameters: readonly TracedParameter[];
  readonly gradient: GradientPrograms;
  readonly update: Program;
  readonly evaluation: LoadableProgram;
  readonly metrics: readonly TracedMetric[];
  /** Dataset columns → predictions. */
  readonly inference: LoadableProgram;
  readonly penalty?: PenaltyProgram;
  /** The bytes of every program, for the record. */
  readonly bytes: Readonly<Record<string, Uint8Array>>;
  /** Predictions from rows of tensors of the caller's making: the saved model is traced on raw rows. */
  serve(row: Row): { readonly program: Program; readonly parameterNames: ReadonlyMap<Tensor, string> };
}

/** Names of the values the programs exchange with the crew; "#" keeps them apart from columns. */
export const names = {
  weight: "#weight",
  loss: "#loss",
  lossWeights: "#lossWeights",
  penalty: "#penalty",
  sum: (parameter: string) => `#sum:${parameter}`,
  into: (parameter: string) => `#into:${parameter}`,
} as const;

/** Traces a plan. Throws where the model, the loss or a metric does not fit the data; nothing has been read yet. */
export function trace(plan: Plan): Trace {
  const row = placeholders(plan.data);
  const training = tracing({ training: true }, () => {
    const predicted = plan.model(row);
    return weightedLoss(plan.loss(predicted, row));
  });
  const { loss } = training.result;
  const leaves = parametersOf([loss]);
  if (leaves.length === 0) {
    fail("plan.model", {
      expected: "a loss that depends on at least one parameter",
      got: "none",
      fix: "use a layer with parameters, such as linear(1), and pass what the model returns to the loss",
    });
  }
  const parameterNames = nameParameters(leaves, new Set(Object.keys(plan.data.columns)));
  const parameters = leaves.map((leaf) => traced(leaf, parameterNames.get(leaf)!));
  const { masks } = training;
  const context: Loading = { columns: Object.keys(plan.data.columns), parameterNames, masks };
  const gradientPrograms = traceGradient(training.result, leaves, context);
  const { evaluation, metrics } = traceEvaluation(plan, row, context);
  const served = (at: Row) => serveOn(plan, at, parameterNames);
  const inference = loadable(served(row).program, context);
  const penalty = tracePenalty(plan, leaves, parameterNames);
  const { first, add: adding } = gradientPrograms;
  return {
    parameters,
    gradient: gradientPrograms,
    update: updateProgram(plan),
    evaluation,
    metrics,
    inference,
    ...(penalty && { penalty }),
    bytes: {
      gradientFirst: first.bytes,
      gradientAdd: adding.bytes,
      evaluation: evaluation.bytes,
      inference: inference.bytes,
      ...(penalty && { penalty: penalty.bytes }),
    },
    serve: (at) => ({ program: served(at).program, parameterNames }),
  };
}

/** What is needed to describe a program to a crew. */
export interface Loading {
  readonly columns: readonly string[];
  readonly parameterNames: ReadonlyMap<Tensor, string>;
  readonly masks: readonly MaskRequest[];
}

/** One [batch, …] tensor per column. */
function placeholders(data: Dataset): Row {
  const entries = Object.entries(data.columns).map(([name, { dtype, shape }]) => {
    if (name.startsWith("#")) {
      fail(`${data.name}, column "${name}"`, {
        expected: "a name that does not begin with #",
        got: `"${name}"`,
        fix: "rename the column: names with # belong to the programs",
      });
    }
    return [name, input(name, ["batch", ...shape], dtype)];
  });
  return Object.freeze(Object.fromEntries(entries));
}

/** The loss per sample or token, and the weight of each: sample weight times the loss's own. */
interface WeightedLoss {
  readonly loss: Tensor;
  /** In the loss's shape. */
  readonly weights: Tensor;
  /** Whether the loss gave weights of its own. */
  readonly hasOwnWeights: boolean;
}

function weightedLoss(result: LossResult): WeightedLoss {
  const loss = isTensor(result) ? result : result?.loss;
  const own = isTensor(result) ? undefined : result?.weight;
  if (!isTensor(loss) || loss.shape[0] !== "batch" || loss.dtype !== "float32") {
    fail("plan.loss", {
      expected: "one float32 number per sample or token, [batch] or [batch, …], or { loss, weight }",
      got: isTensor(loss) ? `${loss.dtype} ${formatShape(loss.shape)}` : typeof result,
      fix: "return the loss of each sample, not their mean: the trainer divides once per step",
    });
  }
  const rank = loss.shape.length;
  const sampleWeight = reshape(input(names.weight, ["batch"]), ["batch", ...Array<number>(rank - 1).fill(1)]);
  if (own === undefined) return { loss, weights: expand(sampleWeight, loss.shape), hasOwnWeights: false };
  if (own.shape.length > rank || !own.shape.every((dim, axis) => dim === loss.shape[axis] || dim === 1)) {
    fail("plan.loss weight", {
      expected: `a shape that stretches to the loss's ${formatShape(loss.shape)}`,
      got: formatShape(own.shape),
      fix: "give one weight per number of the loss",
    });
  }
  const aligned = reshape(own, [...own.shape, ...Array<number>(rank - own.shape.length).fill(1)]);
  return { loss, weights: expand(mul(aligned, sampleWeight), loss.shape), hasOwnWeights: true };
}

/** The outputs that tell the loss; it is summed outside, in float64. */
function lossOutputs({ loss, weights, hasOwnWeights }: WeightedLoss): Record<string, Tensor> {
  return { [names.loss]: loss, ...(hasOwnWeights && { [names.lossWeights]: weights }) };
}

function describeLoss({ loss, hasOwnWeights }: WeightedLoss): LossOutputs {
  return {
    loss: names.loss,
    ...(hasOwnWeights && { weights: names.lossWeights }),
    perSample: elementCount(loss.shape, 1),
  };
}

function traceGradient(
  weighted: WeightedLoss,
  leaves: readonly Tensor[],
  context: Loading,
): GradientPrograms {
  const gradients = gradient(weighted.loss, leaves, weighted.weights);
  const totals = lossOutputs(weighted);
  const first: Record<string, Tensor> = { ...totals };
  const adding: Record<string, Tensor> = { ...totals };
  const sums: Record<string, string> = {};
  const sumInputs: Record<string, string> = {};
  leaves.forEach((leaf, index) => {
    const name = context.parameterNames.get(leaf)!;
    const output = names.sum(name);
    first[output] = gradients[index]!;
    adding[output] = accumulate(input(names.into(name), leaf.shape), gradients[index]!);
    sums[output] = name;
    sumInputs[output] = names.into(name);
  });
  const { parameterNames } = context;
  return {
    first: loadable(buildProgram({ name: "gradient", outputs: first, parameterNames }), context),
    add: loadable(
      buildProgram({ name: "gradient, adding", outputs: adding, parameterNames, aliases: sumInputs }),
      context,
    ),
    sums,
    sumInputs,
    loss: describeLoss(weighted),
    lossShape: fixed(weighted.loss.shape.slice(1)),
  };
}

function traceEvaluation(
  plan: Plan,
  row: Row,
  context: Loading,
): { evaluation: LoadableProgram; metrics: TracedMetric[] } {
  const { result } = tracing({ training: false }, () => {
    const predicted = plan.model(row);
    const makers = Object.entries(plan.validation?.metrics ?? {});
    const metrics = Object.fromEntries(makers.map(([name, make]) => [name, make(predicted, row)]));
    return { weighted: weightedLoss(plan.loss(predicted, row)), metrics };
  });
  const { outputs, metrics } = metricOutputs("plan.validation.metrics", result.metrics);
  const { parameterNames } = context;
  const all = { ...lossOutputs(result.weighted), ...outputs };
  const program = buildProgram({ name: "evaluation", outputs: all, parameterNames });
  return { evaluation: loadable(program, context), metrics };
}

/** Names the tensors of metrics as outputs of a program. */
export function metricOutputs(
  where: string,
  metrics: Readonly<Record<string, Metric>>,
): { readonly outputs: Record<string, Tensor>; readonly metrics: TracedMetric[] } {
  const outputs: Record<string, Tensor> = {};
  const traced = Object.entries(metrics).map(([name, metric]): TracedMetric => {
    const keys = metric.tensors.map((tensor, index) => {
      if (tensor.shape[0] !== "batch") {
        fail(`${where}.${name}`, {
          expected: "tensors with one row per sample",
          got: formatShape(tensor.shape),
          fix: "keep the batch axis: the metric folds over samples itself",
        });
      }
      const key = `#metric:${name}:${index}`;
      outputs[key] = tensor;
      return key;
    });
    return { name, metric, outputs: keys };
  });
  return { outputs, metrics: traced };
}

function serveOn(plan: Plan, row: Row, parameterNames: ReadonlyMap<Tensor, string>): { program: Program } {
  const { result: outputs } = tracing({ training: false }, () => {
    const predicted = plan.model(row);
    return plan.serve === undefined ? tensorsOf(predicted) : plan.serve(predicted);
  });
  return { program: buildProgram({ name: "model", outputs, parameterNames }) };
}

function tensorsOf(predicted: unknown): Record<string, Tensor> {
  if (isTensor(predicted)) return { prediction: predicted };
  const entries = Object.entries(predicted ?? {});
  if (entries.length > 0 && entries.every(([, value]) => isTensor(value))) return Object.fromEntries(entries);
  return fail("plan.model", {
    expected: "a tensor, or an object of tensors",
    got: predicted === null ? "null" : typeof predicted,
    fix: "return a tensor, or say what to save with plan.serve",
  });
}

function tracePenalty(
  plan: Plan,
  leaves: readonly Tensor[],
  parameterNames: ReadonlyMap<Tensor, string>,
): PenaltyProgram | undefined {
  const penalties = plan.penalty === undefined ? [] : [plan.penalty].flat();
  if (penalties.length === 0) return undefined;
  const named = leaves.map((tensor) => ({ name: parameterNames.get(tensor)!, tensor }));
  const value = penalties.map((penalty) => penalty.value(named)).reduce((a, b) => add(a, b));
  const weight = input(names.weight, []);
  const gradients = gradient(value, leaves, weight);
  const outputs: Record<string, Tensor> = { [names.penalty]: value };
  const sums: Record<string, string> = {};
  const sumInputs: Record<string, string> = {};
  leaves.forEach((leaf, index) => {
    const name = parameterNames.get(leaf)!;
    outputs[names.sum(name)] = add(gradients[index]!, input(names.into(name), leaf.shape));
    sums[names.sum(name)] = name;
    sumInputs[names.sum(name)] = names.into(name);
  });
  const program = buildProgram({ name: "penalty", outputs, parameterNames, aliases: sumInputs });
  return {
    bytes: encodeOnnx(program),
    parameters: parametersIn(program, parameterNames),
    sums,
    sumInputs,
    weight: names.weight,
    value: names.penalty,
  };
}

/** A program as a crew takes it. */
export function loadable(program: Program, context: Loading): LoadableProgram {
  const inputs = new Set(program.inputs.map(({ name }) => name));
  return {
    name: program.name,
    bytes: encodeOnnx(program),
    columns: context.columns
      .filter((name) => inputs.has(name))
      .map((name) => ({ input: name, column: name })),
    masks: context.masks.filter((mask) => inputs.has(mask.input)),
    bounds: indexBounds(program),
    ...(inputs.has(names.weight) && { weight: names.weight }),
    parameters: parametersIn(program, context.parameterNames),
  };
}

function parametersIn(program: Program, parameterNames: ReadonlyMap<Tensor, string>): Record<string, string> {
  const known = new Set(parameterNames.values());
  return Object.fromEntries(
    program.inputs.filter(({ name }) => known.has(name)).map(({ name }) => [name, name]),
  );
}

/**
 * Unique names: "linear1.weight" and "linear1.bias" where several layers are called linear, "linear.weight" where one is.
 * Numbers follow the walk from the inputs to the loss, so they depend on the model alone.
 */
function nameParameters(leaves: readonly Tensor[], taken: Set<string>): Map<Tensor, string> {
  const owners = new Map<string, unknown[]>();
  for (const leaf of leaves) {
    const { prefix, owner } = identity(leaf);
    const list = owners.get(prefix) ?? [];
    if (!list.includes(owner)) list.push(owner);
    owners.set(prefix, list);
  }
  const result = new Map<Tensor, string>();
  for (const leaf of leaves) {
    const { prefix, suffix, owner } = identity(leaf);
    const list = owners.get(prefix)!;
    const stem = `${prefix}${list.length > 1 ? list.indexOf(owner) + 1 : ""}${suffix}`;
    let name = stem;
    for (let count = 2; taken.has(name); count++) name = `${stem}_${count}`;
    taken.add(name);
    result.set(leaf, name);
  }
  return result;
}

function identity(leaf: Tensor): { prefix: string; suffix: string; owner: unknown } {
  if (leaf.leaf?.kind !== "parameter") return bug(`${leaf.op.name} taken for a parameter`);
  const { label, owner } = leaf.leaf;
  const dot = label.lastIndexOf(".");
  if (dot < 0) return { prefix: label, suffix: "", owner: owner ?? leaf };
  return { prefix: label.slice(0, dot), suffix: label.slice(dot), owner: owner ?? leaf };
}

function traced(leaf: Tensor, name: string): TracedParameter {
  if (leaf.leaf?.kind !== "parameter") return bug(`${leaf.op.name} taken for a parameter`);
  return { name, shape: fixed(leaf.shape), initializer: leaf.leaf.initializer };
}

/** Parameters have fixed shapes: parameter() takes only numbers. */
const fixed = (shape: Shape) => shape as readonly number[];
