/** The loop: draw, sum, update, look, until something says stop. */
import type { ColumnSpecs } from "../data/dataset.ts";
import { messageOf } from "../errors.ts";
import type { Asked } from "./checkpoint.ts";
import type { EvaluatedEvent, FinishedEvent, StopReason, TrainEvent } from "./event.ts";
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
  try {
    let { stop = abortOf(plan.signal), asked } = run.end; // which asks the plan's rules
    yield run.started();
    while (stop === undefined) {
      const events: Asked["events"][number][] = [];
      asked = { stops: run.state.stops, events };
      for await (const event of advance(run, erased)) {
        events.push(event.type === "step" ? { ...event, lanes: [], laneSquaredNorms: [] } : event);
        const next = nextStops(rules, run.state.stops, event);
        run.state.stops = next.states;
        stop ??= endOf(event) ?? next.stop; // a rule that asks for the end as well must not hide why it has come
        yield event;
      }
      stop ??= abortOf(plan.signal);
      if (stop === undefined) await run.save("due");
    }
    // A run that was interrupted may go on, and one that has ended as a longer one, from before the evaluation that neither
    // would have made yet.
    if (stop.rule === "aborted") await run.save("now");
    else if (stop.rule !== "diverged") await run.save("now", stop, asked);
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
async function* advance(run: Run, plan: Plan): AsyncGenerator<Asked["events"][number], void> {
  const event = await run.step();
  yield event;
  if (event.type === "diverged" && event.action !== "skip") return;
  const isEpochOver = run.isEpochOver;
  if (isEpochOver) yield { type: "epoch", step: run.state.step, ...run.endEpoch() };
  const every = plan.validation?.every;
  const isDue = every === undefined ? isEpochOver : run.state.step % every === 0;
  if (plan.validation !== undefined && isDue) yield await evaluated(run);
}

async function evaluated(run: Run): Promise<EvaluatedEvent> {
  const began = performance.now();
  const { metrics, isBest } = await run.evaluate();
  const seconds = (performance.now() - began) / 1000;
  return { type: "evaluated", step: run.state.step, epoch: run.state.epoch, metrics, isBest, seconds };
}

async function finished(run: Run, stop: StopReason, began: number): Promise<FinishedEvent> {
  const { step, epoch, samples } = run.state;
  const [model, hashes] = [run.model(), await run.hashes()];
  const { memory } = run; // the peak with the model and what hashing took
  return {
    type: "finished",
    stop,
    steps: step,
    epochs: epoch,
    samples,
    seconds: (performance.now() - began) / 1000,
    ...hashes,
    ...(run.divergence && { divergence: run.divergence }),
    model,
    ...(memory && { memory }),
  };
}

function endOf(event: TrainEvent): StopReason | undefined {
  const isEnd = event.type === "diverged" && event.action === "stop";
  return isEnd ? { rule: "diverged", reason: event.message } : undefined;
}

function abortOf(signal: AbortSignal | undefined): StopReason | undefined {
  return signal?.aborted ? { rule: "aborted", reason: messageOf(signal.reason ?? "aborted") } : undefined;
}
