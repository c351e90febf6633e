/** The loop: draw, sum, update, look, until something says stop. */
import type { ColumnSpecs } from "../data/dataset.ts";
import type { Culprit } from "../parallel/crew.ts";
import type { DivergedEvent, FinishedEvent, StopReason, TrainEvent } from "./event.ts";
import { openRun } from "./open.ts";
import { checkPlan, type Plan, stopRules } from "./plan.ts";
import type { Run } from "./run.ts";
import { nextStops } from "./stop.ts";

/**
 * Trains a plan and yields everything that happens; the last event, "finished", carries the model. Moves only when
 * pulled, and `break` ends the run and frees what it held. Throws a MicrobatchError for a plan that does not fit.
 */
export async function* train<Columns extends ColumnSpecs, Prediction>(
  plan: Plan<Columns, Prediction>,
): AsyncGenerator<TrainEvent, void> {
  checkPlan(plan);
  // Inside, columns and predictions are only handed back to functions of the same plan.
  const erased = plan as unknown as Plan;
  const began = performance.now();
  const rules = stopRules(plan);
  const run = await openRun(erased);
  let stop: StopReason | undefined;
  try {
    yield run.started();
    while (stop === undefined) {
      for await (const event of advance(run, erased)) {
        const next = nextStops(rules, run.state.stops, event);
        run.state.stops = next.states;
        stop ??=
          next.stop ?? (event.type === "diverged" ? { rule: "diverged", reason: event.message } : undefined);
        yield event;
      }
      if (plan.signal?.aborted) stop ??= { rule: "aborted", reason: reasonOf(plan.signal) };
    }
    if (
      plan.validation !== undefined &&
      run.state.evaluatedAt !== run.state.step &&
      stop.rule !== "diverged"
    ) {
      yield await evaluated(run);
    }
    yield await finished(run, stop, began);
  } finally {
    await run.close();
  }
}

/** One step and what is due after it. */
async function* advance(run: Run, plan: Plan): AsyncGenerator<TrainEvent, void> {
  const outcome = await run.step();
  if ("culprit" in outcome) {
    yield diverged(run.state.step + 1, outcome.culprit, plan.data.name);
    return;
  }
  yield outcome.event;
  const isEpochOver = run.isEpochOver;
  if (isEpochOver) yield { type: "epoch", step: run.state.step, ...run.endEpoch() };
  const every = plan.validation?.every;
  const isDue = every === undefined ? isEpochOver : run.state.step % every === 0;
  if (plan.validation !== undefined && isDue) yield await evaluated(run);
}

async function evaluated(run: Run): Promise<TrainEvent> {
  const began = performance.now();
  const { metrics, isBest } = await run.evaluate();
  const seconds = (performance.now() - began) / 1000;
  return { type: "evaluated", step: run.state.step, epoch: run.state.epoch, metrics, isBest, seconds };
}

function diverged(step: number, culprit: Culprit, source: string): DivergedEvent {
  const samples = [...culprit.samples];
  const shown =
    samples.length > 16 ? `${samples.slice(0, 16).join(", ")}, … (${samples.length})` : samples.join(", ");
  const message =
    `step ${step}, microbatch ${culprit.microbatch}: the ${culprit.what} became NaN or infinite; ` +
    `samples ${shown} of ${source}. The weights of the step before are kept. ` +
    "Fix: lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples";
  return { type: "diverged", step, microbatch: culprit.microbatch, samples, what: culprit.what, message };
}

async function finished(run: Run, stop: StopReason, began: number): Promise<FinishedEvent> {
  const { step, epoch, samples } = run.state;
  return {
    type: "finished",
    stop,
    steps: step,
    epochs: epoch,
    samples,
    seconds: (performance.now() - began) / 1000,
    ...(await run.hashes()),
    model: run.model(),
  };
}

const reasonOf = (signal: AbortSignal) =>
  signal.reason instanceof Error ? signal.reason.message : String(signal.reason ?? "aborted");
