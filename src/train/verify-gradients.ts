/** Gradients: those of several splits of one batch against the batch at once, and a sample's alone against in company. */
import type { AnyArray } from "../array/array.ts";
import { alone } from "../parallel/alone.ts";
import { names } from "./names.ts";
import { trace } from "./trace.ts";
import { type Check, inWords, type VerifyClock } from "./verify-check.ts";
import { computedRows, type Gradient, type Probe } from "./verify-probe.ts";
import { rowsOfSplit } from "./verify-reduced.ts";

/** The law: ‖gap‖₂ ≤ 1e-6 · Σ‖microbatch gradients‖₂. Some sixteen roundings of float32. */
const limit = 1e-6;

/**
 * Batches that are tried before splits are said to differ: at the kink of a relu one rounding flips a unit of one sample, in one
 * batch of many. What breaks the law breaks it in all of them.
 */
const batches = 3;

/** Splits of one batch against the batch at once, in few lanes and in many. */
export async function checkSplits(probe: Probe, clock: VerifyClock): Promise<Check> {
  const { trial, secondsPerRow } = probe;
  const rows = trial.sizes.reduce((sum, size) => sum + 2 * rowsOfSplit(trial.samples, size), trial.samples);
  const late = clock.refusal(rows * secondsPerRow);
  if (late !== undefined) return { name: "splits", holds: "skipped", measured: {}, limit, why: late };
  let least: Gaps | undefined;
  for (let batch = 0; batch < batches; batch++) {
    const gaps = await gapsOf(probe, await probe.samples(trial.samples, batch));
    if (least === undefined || gaps.worst < least.worst) least = gaps;
    if (least.worst <= limit || clock.refusal(2 * rows * secondsPerRow) !== undefined) break;
  }
  const { measured, worst, areFinite, hasGradient } = least!; // there is at least one batch
  if (!hasGradient && areFinite) {
    const why = "every gradient is 0 on the samples that were tried: nothing can be compared";
    return { name: "splits", holds: "skipped", measured, limit, why };
  }
  const holds = worst <= limit;
  const shares = `${inWords(worst)} of Σ‖microbatch gradients‖`;
  if (holds) {
    const why = `any split of a batch gives the gradient of the whole batch at once: they differ by ${shares} at most`;
    return { name: "splits", holds, measured, limit, why };
  }
  const cause =
    probe.layers.length > 0
      ? `${probe.layers.join(", ")} normalise by the statistics of the microbatch`
      : "the loss or the model uses other samples of the microbatch, or how many there are";
  const why = areFinite
    ? `the gradient of a batch depends on how it is split, by ${shares}: ${cause}`
    : "a loss or a gradient is NaN or infinite with the first parameters: train names the microbatch and its samples";
  return { name: "splits", holds, measured, limit, why };
}

interface Gaps {
  /** As shares of Σ‖microbatch gradients‖. */
  readonly measured: Readonly<Record<string, number>>;
  readonly worst: number;
  readonly areFinite: boolean;
  readonly hasGradient: boolean;
}

async function gapsOf(probe: Probe, samples: Uint32Array): Promise<Gaps> {
  const { sizes, lanes } = probe.trial;
  const whole = await probe.gradient({ samples, size: samples.length, lanes: 1 });
  const measured: Record<string, number> = {};
  let [areFinite, hasGradient] = [whole.isFinite, whole.norm > 0];
  for (const size of sizes) {
    const microbatches = Math.ceil(samples.length / size);
    // A lane for each microbatch measures them one by one; few lanes add several of them in place.
    const each = await probe.gradient({ samples, size, lanes: microbatches });
    const few = await probe.gradient({ samples, size, lanes });
    const scale = each.laneNorms.reduce((sum, norm) => sum + norm, 0);
    const gap = Math.max(gapOf(each, whole), gapOf(few, whole));
    areFinite &&= each.isFinite && few.isFinite;
    hasGradient ||= scale > 0;
    measured[`microbatches of ${size}`] = gap === 0 ? 0 : gap / scale;
  }
  const all = Object.values(measured);
  // NaN is no gap that holds.
  const worst = all.some(Number.isNaN) || !areFinite ? Number.POSITIVE_INFINITY : Math.max(...all);
  return { measured, worst, areFinite, hasGradient };
}

/** ‖one − other‖₂ in float64, other times `factor`. */
function gapOf(one: Gradient, other: Gradient, factor = 1): number {
  let sum = 0;
  for (let index = 0; index < one.values.length; index++)
    sum += (one.values[index]! - factor * other.values[index]!) ** 2;
  return Math.sqrt(sum);
}

/** Samples that keep each other company. */
const companions = 5;

/** The gradient of a sample alone against that in a microbatch of five, where the others have weight 0. */
export async function checkCompany(probe: Probe, clock: VerifyClock): Promise<Check> {
  const late = clock.refusal(2 * (2 + companions) * probe.secondsPerRow);
  if (late !== undefined) return { name: "company", holds: "skipped", measured: {}, limit, why: late };
  const samples = await distinctSamples(probe);
  if (probe.layers.length > 0) return checkLosses(probe, samples);
  const measured: Record<string, number> = {};
  let worst = 0;
  let cause = "";
  for (const only of [samples[0]!, samples.at(-1)!]) {
    // In the same place of the batch, which keys dropout.
    const batch = Uint32Array.from([only, ...samples.filter((sample) => sample !== only)]);
    const single = await probe.gradient({ samples: batch.subarray(0, 1), size: 1, lanes: 1, only });
    const together = await probe.gradient({ samples: batch, size: batch.length, lanes: 1, only });
    if (!(single.isFinite && together.isFinite) || (single.norm === 0 && together.norm === 0)) continue;
    const gap = gapOf(together, single) / single.norm;
    measured[`sample ${only}`] = gap;
    if (gap <= worst) continue;
    worst = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap;
    cause = causeOf(single, together, samples.length);
  }
  if (Object.keys(measured).length === 0) {
    const why = "the gradients of the samples that were tried are 0, or not finite: nothing can be compared";
    return { name: "company", holds: "skipped", measured, limit, why };
  }
  const holds = worst <= limit;
  const why = holds
    ? `a sample has the same gradient alone and among ${samples.length - 1} others`
    : `a sample's gradient changes by ${inWords(worst)} of itself among ${samples.length - 1} others: ${cause}`;
  return { name: "company", holds, measured, limit, why };
}

/** Scaled alone: something divides by the number of samples. Otherwise others come in. */
function causeOf(single: Gradient, together: Gradient, count: number): string {
  let [product, square] = [0, 0];
  single.values.forEach((value, index) => {
    product += value * together.values[index]!;
    square += value * value;
  });
  const factor = product / square;
  const divided = computedRows(1) / computedRows(count);
  const isScaled = Math.abs(factor - divided) < 1e-3 && gapOf(together, single, factor) < 1e-4 * single.norm;
  return isScaled
    ? "the loss divides by the number of samples in the microbatch. Return one number per sample, never a mean: the division happens once, in the update"
    : "the loss or the model couples samples (a mean over them, or one compared with others). Return for each sample a number that depends on it alone";
}

/** Where a sample cannot be alone in training: its loss as it is evaluated, alone and among others. */
async function checkLosses(probe: Probe, samples: Uint32Array): Promise<Check> {
  const { job, plan } = probe;
  const { evaluation } = trace(plan, job.runtime.channelBlock);
  const crew = await alone(job);
  try {
    const losses = async (microbatchSize: number): Promise<number[]> => {
      const all: number[] = [];
      const request = { dataset: job.dataset, program: evaluation, samples, microbatchSize };
      for await (const { outputs } of crew.evaluate({ ...request, parameterRegion: job.parameterRegion }))
        all.push(...numbersOf(outputs[names.loss]!));
      return all;
    };
    const [single, together] = [await losses(1), await losses(samples.length)];
    const largest = Math.max(...single.map(Math.abs));
    const gap = Math.max(...single.map((loss, index) => Math.abs(loss - together[index]!)));
    const share = gap === 0 ? 0 : gap / largest;
    const holds = share <= limitOfLosses;
    const why = holds
      ? `as it is evaluated, a sample has the same loss alone and among ${samples.length - 1} others: only the layers below couple samples`
      : `a sample's loss changes by ${inWords(share)} among ${samples.length - 1} others even as it is evaluated: the loss or the model couples samples`;
    return { name: "company", holds, measured: { losses: share }, limit: limitOfLosses, why };
  } finally {
    await crew.close();
  }
}

/** A loss is one number behind a whole network: as many roundings as it has layers, of 6e-8 each. */
const limitOfLosses = 1e-5;

const numbersOf = ({ data }: AnyArray) => Array.from(data as Float32Array); // a loss is float32

async function distinctSamples(probe: Probe): Promise<Uint32Array> {
  const count = Math.min(companions, probe.data.size);
  const drawn = await probe.samples(count, 0);
  // Small data are repeated: the first samples are all different.
  return new Set(drawn).size === count ? drawn : Uint32Array.from({ length: count }, (_, index) => index);
}

/** The named exceptions of the law, and how much they change. */
export function checkLayers({ layers }: Probe, splits: Check): Check {
  if (layers.length === 0) {
    const why = "no layer uses statistics of the microbatch";
    return { name: "layers", holds: true, measured: {}, limit: null, why };
  }
  const gaps = Object.values(splits.measured).map(Number);
  const worst = gaps.length === 0 ? "by an amount that was not measured" : `by ${inWords(Math.max(...gaps))}`;
  const why =
    `${layers.join(", ")} (batch normalisation) use the mean and variance of the microbatch in training: another microbatch size ` +
    `changes the gradient ${worst} of Σ‖microbatch gradients‖. Keep microbatchSize as it is, or take groupNorm, layerNorm or batchNorm({ frozen: true })`;
  return {
    name: "layers",
    holds: false,
    measured: Object.fromEntries(
      layers.map((layer) => [layer, gaps.length === 0 ? "unknown" : Math.max(...gaps)]),
    ),
    limit: null,
    why,
  };
}
