/**
 * Trace: runs the user's model and loss once on placeholder tensors and makes the programs of a run from what they built.
 * Closures end here; from now on there are programs and numbers.
 */
import { formatShape } from "../array/shape.ts";
import { bug, fail, kindOf } from "../errors.ts";
import { buildProgram, type Program } from "../graph/program.ts";
import { input, isTensor, type Tensor } from "../graph/tensor.ts";
import { inputsOf, parametersOf, sorted, statisticsOf } from "../graph/walk.ts";
import { type StatisticsRequest, tracing } from "../nn/mode.ts";
import { accumulate, gradient } from "../ops/index.ts";
import type { GradientPrograms, LoadableProgram } from "../parallel/crew.ts";
import { metricOutputs, type TracedMetric } from "./evaluate.ts";
import { type SettledGroup, settleGroups } from "./groups.ts";
import { loadable, type Sources } from "./loadable.ts";
import { type Adapter, adapt, adaptersOf, type TracedAdapter } from "./lora.ts";
import { names } from "./names.ts";
import { nameParameters, type TracedParameter, tracedParameters, trainableNames } from "./parameters.ts";
import { type PenaltyProgram, tracePenalty } from "./penalty.ts";
import { placeholders } from "./placeholders.ts";
import type { Plan, Row } from "./plan.ts";
import { heldLeaves, observedBy, type TracedStatistics, traceStatistics } from "./statistics.ts";
import { updateProgram } from "./update.ts";
import { describeLoss, lossOutputs, type WeightedLoss, weightedLoss } from "./weighted-loss.ts";

/** Everything a run computes, as programs. */
export interface Trace {
  /** The trained ones first, then what is frozen and running statistics. */
  readonly parameters: readonly TracedParameter[];
  /** How the running statistics move, in the order of the gradient programs' statistics. */
  readonly running: readonly TracedStatistics[];
  /** The plan's groups, by the names of their parameters. */
  readonly groups: readonly SettledGroup[];
  /** The low-rank changes of the groups with LoRA. The gradient programs have them; all others take plain, merged weights. */
  readonly adapters: readonly Adapter[];
  readonly gradient: GradientPrograms;
  readonly update: Program;
  readonly evaluation: LoadableProgram;
  readonly metrics: readonly TracedMetric[];
  /** Dataset columns → predictions. */
  readonly inference: LoadableProgram;
  readonly penalty?: PenaltyProgram;
  /** The programs that take most memory, for the memory model. */
  readonly programs: { readonly gradient: Program; readonly evaluation: Program };
  /** Which form of an op was chosen where the runtime offers several. */
  readonly lowerings: Readonly<Record<string, string>>;
  /** The bytes of every program, for the record. */
  readonly bytes: Readonly<Record<string, Uint8Array>>;
  /** Predictions from rows of tensors of the caller's making: the saved model is traced on raw rows. */
  serve(row: Row): Program;
}

/**
 * Traces a plan, for a runtime with blocked convolutions of so many channels, or for any. Throws where the model, the loss
 * or a metric does not fit the data; nothing has been read yet.
 */
export function trace(plan: Plan, channelBlock?: number): Trace {
  const row = placeholders(plan.data);
  const traced = tracing({ training: true }, () => weightedLoss(plan.loss(predicted(plan, row), row)));
  const { result: weighted, masks } = traced;
  if (parametersOf([weighted.loss]).length === 0) {
    fail("plan.model", {
      expected: "a loss that depends on at least one parameter",
      got: "none",
      fix: "use a layer with parameters, such as linear(1), and pass what the model returns to the loss",
    });
  }
  const columns = Object.keys(plan.data.columns);
  const requests = observedBy(weighted.loss, traced.statistics);
  const held = nameParameters(heldLeaves(weighted.loss, requests), columns);
  const { trained, groups, adapters } = divide(plan, held, weighted.loss);
  const parameterNames = new Map([...trained, ...held]); // those that are there keep their place
  const sources: Sources = { columns, parameterNames, masks, channelBlock };
  const adapted = adaptedTraining(weighted, requests, adapters);
  const statistics = traceStatistics(adapted.requests, parameterNames);
  const { programs: gradientPrograms, first } = traceGradient(adapted.weighted, trained, statistics, sources);
  const { evaluation, metrics, program } = traceEvaluation(plan, row, sources);
  const inference = loadable(traceInference(plan, row, parameterNames), sources);
  const penalty = tracePenalty(plan, trained);
  return {
    parameters: tracedParameters(parameterNames, trained),
    groups,
    adapters,
    running: statistics.running,
    gradient: gradientPrograms,
    update: updateProgram(plan),
    evaluation,
    metrics,
    inference,
    ...(penalty && { penalty }),
    programs: { gradient: first, evaluation: program },
    lowerings: loweringsOf(weighted.loss, channelBlock),
    bytes: {
      gradientFirst: gradientPrograms.first.bytes,
      gradientAdd: gradientPrograms.add.bytes,
      evaluation: evaluation.bytes,
      inference: inference.bytes,
      ...(penalty && { penalty: penalty.bytes }),
    },
    serve: (at) => traceInference(plan, at, parameterNames),
  };
}

/** The groups of a plan, what changes weights by LoRA, and what is trained: that, and what no group freezes. */
function divide(plan: Plan, held: ReadonlyMap<Tensor, string>, loss: Tensor) {
  const trainable = trainableNames(held);
  const shapes = new Map([...trainable].map(([tensor, name]) => [name, tensor.shape as readonly number[]])); // fixed
  const groups = settleGroups(plan.groups ?? [], shapes, plan.optimizer.weightDecay);
  const frozen = new Set(
    groups.flatMap(({ frozen, lora, parameters }) => (frozen || lora ? parameters : [])),
  );
  const taken = [...held.values(), ...Object.keys(plan.data.columns)];
  const adapters = adaptersOf(groups, trainable, loss, taken);
  const trained = new Map([...trainable].filter(([, name]) => !frozen.has(name)));
  for (const { a, b, leaves } of adapters) trained.set(leaves.a, a).set(leaves.b, b);
  if (trained.size === 0) {
    fail("plan.groups", {
      expected: "at least one parameter that is trained",
      got: `all ${frozen.size} frozen`,
      fix: "make the patterns of what is frozen narrower",
    });
  }
  return { trained, groups, adapters };
}

/** What training computes, with the changes that adapters make. */
function adaptedTraining(
  weighted: WeightedLoss,
  requests: readonly StatisticsRequest[],
  adapters: readonly TracedAdapter[],
) {
  if (adapters.length === 0) return { weighted, requests };
  const seen = requests.flatMap(({ mean, variance }) => [mean, variance]);
  const changed = adapt([weighted.loss, weighted.weights, ...seen], adapters);
  return {
    weighted: { ...weighted, loss: changed(weighted.loss), weights: changed(weighted.weights) },
    requests: requests.map((request) => ({
      ...request,
      mean: changed(request.mean),
      variance: changed(request.variance),
    })),
  };
}

function loweringsOf(loss: Tensor, channelBlock: number | undefined): Readonly<Record<string, string>> {
  const hasConvolution = sorted([loss]).some(({ op }) => op.name.startsWith("convolution"));
  if (channelBlock === undefined || !hasConvolution) return { all: "plain" };
  return { all: "plain", convolution: `in blocks of ${channelBlock} channels, where they fit` };
}

function traceGradient(
  weighted: WeightedLoss,
  trained: ReadonlyMap<Tensor, string>,
  statistics: ReturnType<typeof traceStatistics>,
  sources: Sources,
): { programs: GradientPrograms; first: Program } {
  const { parameterNames } = sources;
  const gradients = gradient(weighted.loss, [...trained.keys()], weighted.weights);
  const writing = { ...lossOutputs(weighted), ...statistics.tensors };
  const adding = { ...writing };
  const sums: Record<string, string> = {};
  const sumInputs: Record<string, string> = {};
  [...trained].forEach(([leaf, name], index) => {
    const output = names.sum(name);
    writing[output] = gradients[index]!;
    adding[output] = accumulate(input(names.into(name), leaf.shape), gradients[index]!);
    sums[output] = name;
    sumInputs[output] = names.into(name);
  });
  const first = buildProgram({ name: "gradient", outputs: writing, parameterNames });
  const programs = {
    first: loadable(first, sources),
    add: loadable(
      buildProgram({ name: "gradient, adding", outputs: adding, parameterNames, aliases: sumInputs }),
      sources,
    ),
    sums,
    sumInputs,
    loss: describeLoss(weighted),
    statistics: statistics.outputs,
  };
  return { programs, first };
}

function traceEvaluation(
  plan: Plan,
  row: Row,
  sources: Sources,
): { evaluation: LoadableProgram; metrics: TracedMetric[]; program: Program } {
  const { result } = tracing({ training: false }, () => {
    const prediction = predicted(plan, row);
    const makers = Object.entries(plan.validation?.metrics ?? {});
    const metrics = Object.fromEntries(makers.map(([name, make]) => [name, make(prediction, row)]));
    return { weighted: weightedLoss(plan.loss(prediction, row)), metrics };
  });
  const { outputs, metrics } = metricOutputs("plan.validation.metrics", result.metrics);
  const { loss, weights } = result.weighted;
  requireTrained([loss, weights, ...Object.values(outputs)], sources.parameterNames);
  const program = buildProgram({
    name: "evaluation",
    outputs: { ...lossOutputs(result.weighted), ...outputs },
    parameterNames: sources.parameterNames,
  });
  return { evaluation: loadable(program, sources), metrics, program };
}

function traceInference(plan: Plan, row: Row, parameterNames: ReadonlyMap<Tensor, string>): Program {
  const { result: outputs } = tracing({ training: false }, () => {
    const prediction = predicted(plan, row);
    return plan.serve === undefined
      ? tensorsOf("plan.model", prediction)
      : tensorsOf("plan.serve", plan.serve(prediction));
  });
  requireTrained(Object.values(outputs), parameterNames);
  const read = new Set(
    inputsOf(Object.values(outputs)).map(({ leaf }) => leaf?.kind === "input" && leaf.name),
  );
  const taken = Object.keys(outputs).find((name) => read.has(name));
  if (taken !== undefined) {
    fail(`column "${taken}"`, {
      expected: "columns and outputs of the model under different names",
      got: `an output "${taken}" too`,
      fix: "rename the column, or name the outputs yourself with plan.serve",
    });
  }
  return buildProgram({ name: "model", outputs, parameterNames });
}

/** The model is called more than once: a layer made inside of it would be another one each time, never trained. */
function requireTrained(outputs: readonly Tensor[], parameterNames: ReadonlyMap<Tensor, string>): void {
  const held = [...parametersOf(outputs), ...statisticsOf(outputs)];
  const other = held.find((leaf) => !parameterNames.has(leaf));
  if (other === undefined) return;
  const label = other.leaf?.kind === "parameter" ? other.leaf.label : bug("a parameter that is none");
  fail("plan.model", {
    expected: "predictions and metrics from parameters that the loss trains",
    got: `"${label}" ${formatShape(other.shape)}, which the loss does not reach`,
    fix: "make layers once, outside of the function: const body = linear(1); model: (row) => body(row.x). Leave out of plan.serve what is not trained",
  });
}

/** What the model makes of a row. A function that is async, or returns nothing, is told as such. */
function predicted(plan: Plan, row: Row): Tensor {
  const prediction: unknown = plan.model(row);
  if (typeof prediction === "object" && prediction !== null && !("then" in prediction))
    return prediction as Tensor; // of whatever form; it is only handed back to functions of the same plan
  return fail("plan.model", {
    expected: "a tensor, or an object of tensors",
    got: kindOf(prediction),
    fix: "write a function that returns what it predicts and is not async",
  });
}

function tensorsOf(where: string, prediction: unknown): Record<string, Tensor> {
  if (isTensor(prediction) && where === "plan.model") return { prediction };
  const entries = Object.entries(prediction ?? {});
  if (!isTensor(prediction) && entries.length > 0 && entries.every(([, value]) => isTensor(value)))
    return Object.fromEntries(entries);
  return fail(where, {
    expected: where === "plan.model" ? "a tensor, or an object of tensors" : "an object of tensors",
    got: isTensor(prediction) ? "a tensor" : kindOf(prediction),
    fix:
      where === "plan.model"
        ? "return a tensor, or say what to save with plan.serve"
        : "for example (predicted) => ({ prediction: predicted })",
  });
}
