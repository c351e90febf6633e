/** Running statistics: which a model keeps, how a step moves them, and what a run says about them. */
import { bug } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import type { StatisticsRequest } from "../nn/mode.ts";
import type { Moments, StatisticsOutputs } from "../parallel/crew.ts";
import { requireSeveralValues } from "../parallel/statistics.ts";
import type { Arena } from "../runtime/arena.ts";
import { names } from "./names.ts";
import { regions } from "./regions.ts";
import type { Sizes } from "./resolve.ts";

/** The running statistics of one layer: names in the arena, and how they move. */
export interface TracedStatistics {
  readonly mean: string;
  readonly variance: string;
  readonly momentum: number;
}

/** The requests that the loss depends on. */
export function observedBy(loss: Tensor, requests: readonly StatisticsRequest[]): StatisticsRequest[] {
  const reached = new Set(sorted([loss]));
  return requests.filter(({ output }) => reached.has(output));
}

/**
 * The numbers that the model holds, trained or observed, in the order of a walk from the inputs to the loss: running
 * statistics, which a training program does not read, come behind what their layer gives.
 */
export function heldLeaves(loss: Tensor, requests: readonly StatisticsRequest[]): Tensor[] {
  const held = new Set<Tensor>();
  for (const tensor of sorted([loss])) {
    if (tensor.leaf?.kind === "parameter") held.add(tensor);
    for (const { output, running } of requests) {
      if (output === tensor) held.add(running.mean).add(running.variance);
    }
  }
  return [...held];
}

/** What the gradient programs put out for the requests, and which numbers that moves; one entry per layer. */
export function traceStatistics(
  requests: readonly StatisticsRequest[],
  parameterNames: ReadonlyMap<Tensor, string>,
): {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly outputs: readonly StatisticsOutputs[];
  readonly running: readonly TracedStatistics[];
} {
  const tensors: Record<string, Tensor> = {};
  const layers = new Map<Tensor, { outputs: StatisticsOutputs; running: TracedStatistics }>();
  requests.forEach((request, index) => {
    const [mean, variance] = [names.mean(index), names.variance(index)];
    Object.assign(tensors, { [mean]: request.mean, [variance]: request.variance });
    const { outputs, running } = layers.get(request.running.mean) ?? layerOf(request, parameterNames);
    const observed = [...outputs.observed, { mean, variance, valuesPerSample: request.valuesPerSample }];
    layers.set(request.running.mean, { outputs: { ...outputs, observed }, running });
  });
  const all = [...layers.values()];
  return {
    tensors,
    outputs: all.map(({ outputs }) => outputs),
    running: all.map(({ running }) => running),
  };
}

function layerOf({ running, momentum }: StatisticsRequest, parameterNames: ReadonlyMap<Tensor, string>) {
  const nameOf = (leaf: Tensor) => parameterNames.get(leaf) ?? bug("running statistics without a name");
  const [mean, variance] = [nameOf(running.mean), nameOf(running.variance)];
  const layer = mean.slice(0, mean.lastIndexOf("."));
  const outputs = { layer, channels: running.mean.shape[0] as number, observed: [] }; // statistic() takes only numbers
  return { outputs, running: { mean, variance, momentum } };
}

/**
 * Moves the running statistics towards those of a batch, once per step. The variance is divided by one less than the number
 * of values, as in PyTorch. The averaged weights get a copy: an average of statistics would be that of other weights.
 */
export function moveStatistics(
  arena: Arena,
  running: readonly TracedStatistics[],
  batch: readonly Moments[],
): void {
  const { tensors } = arena.region(regions.parameters);
  running.forEach(({ mean, variance, momentum }, index) => {
    const seen = batch[index] ?? bug(`no statistics for ${mean}`);
    move(tensors.get(mean)!.data as Float32Array, momentum, (channel) => seen.mean[channel]!); // made as float32
    const variances = tensors.get(variance)!.data as Float32Array; // as above
    move(variances, momentum, (channel) => seen.squares[channel]! / (seen.count - 1));
    if (!arena.hasRegion(regions.average)) return;
    const averaged = arena.region(regions.average).tensors;
    for (const name of [mean, variance]) {
      (averaged.get(name)!.data as Float32Array).set(tensors.get(name)!.data as Float32Array); // as above
    }
  });
}

function move(values: Float32Array, momentum: number, seen: (channel: number) => number): void {
  for (let channel = 0; channel < values.length; channel++) {
    values[channel] = (1 - momentum) * values[channel]! + momentum * seen(channel);
  }
}

/** Throws where a batch of the first epoch leaves a sample alone and a layer needs more; `length`: samples of that epoch. */
export function requireCompany(
  outputs: readonly StatisticsOutputs[],
  { batchSize, microbatchSize, lastBatch }: Sizes,
  length: number,
): void {
  const batches = [Math.min(batchSize, length), lastBatch === "keep" ? length % batchSize : 0];
  for (const size of batches) {
    for (const samples of [Math.min(microbatchSize, size), size % microbatchSize]) {
      if (samples > 0) requireSeveralValues(outputs, samples);
    }
  }
}

/** What a run says once, before its first step. */
export function statisticsNotes(outputs: readonly StatisticsOutputs[], { microbatchSize }: Sizes): string[] {
  if (outputs.length === 0) return [];
  return [
    `batch normalisation looks at microbatches of ${microbatchSize}: another microbatch size gives another result`,
  ];
}
