/** The last line of `microbatch train --json`. */
import { availableParallelism } from "node:os";
import { lengthOf } from "../../train/plan.ts";
import type { Job } from "./job.ts";
import type { Outcome } from "./summary.ts";

/** One object of plain JSON: what was asked, what came out, and the hashes that say whether two runs are the same. */
export function recordOf(job: Job, outcome: Outcome): Readonly<Record<string, unknown>> {
  const { started, finished, bestEpoch, trainLoss, validation, baseline, test, model } = outcome;
  const { batchSize, microbatchSize, lanes, seed } = started.plan;
  return {
    task: job.task,
    targets: job.plan.data.schema?.targets.map(({ name }) => name) ?? [],
    steps: finished.steps,
    epochs: finished.epochs,
    bestEpoch: bestEpoch ?? null,
    samples: finished.samples,
    batchSize,
    microbatchSize,
    lanes,
    threads: outcome.threads,
    cores: availableParallelism(),
    seed,
    ...(job.encoding && { encoding: job.encoding }),
    ...(job.finetuned && { finetuned: job.finetuned }),
    parameters: started.parameterCount,
    seconds: finished.seconds,
    samplesPerSecond: finished.samples / finished.seconds,
    trainLoss,
    validation,
    baseline: baseline ?? null,
    ...(test && { test: test.model, testBaseline: test.baseline ?? null }),
    parametersSha256: finished.parametersSha256,
    stateSha256: finished.stateSha256,
    model: model ?? null,
    ...(outcome.run !== undefined && { run: outcome.run.folder, resumedAt: started.resumedAt ?? null }),
    stopReason: finished.stop.reason,
    ends: lengthOf(job.plan),
    peakBytes: process.resourceUsage().maxRSS * 1024,
    ...(finished.memory && { predictedPeakBytes: finished.memory.predictedPeakBytes }),
  };
}
