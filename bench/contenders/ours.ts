/** This package as a contender: `train(plan)`, one step event after another, and its parts for the other tables. */
import { afterEpochs, afterSeconds, sequential, shuffled, train, whenReached } from "../../src/index.ts";
import { addingRun, memoryCopy, separateRuns } from "./ours-accumulation.ts";
import { checkpointed } from "./ours-checkpoint.ts";
import { drawing, stored } from "./ours-data.ts";
import { large, makeLarge } from "./ours-large.ts";
import { modelTraining } from "./ours-models.ts";
import { modelProfile } from "./ours-models-profile.ts";
import { planOf } from "./ours-plan.ts";
import { reading } from "./ours-reading.ts";
import { update } from "./ours-update.ts";
import { type Prepared, serve, timed } from "./protocol.ts";

/** Steps of a task. */
interface TrainingCase {
  readonly task: string;
  readonly microbatch: number;
  /** Samples per update. Default: one microbatch. */
  readonly batch?: number;
  readonly lanes?: number;
  /** "given": the order all contenders share, to compare losses. Default: drawn anew each epoch, as in a real run. */
  readonly order?: "given";
}

/** A step is timed from asking for its event to having it: drawing, gathering, feeding and the update are inside. */
function training({ task, microbatch, batch = microbatch, lanes, order }: TrainingCase): Prepared {
  const events = train({
    ...planOf(task),
    batchSize: batch,
    microbatchSize: microbatch,
    ...(lanes !== undefined && { lanes }),
    sampler: order === "given" ? sequential() : shuffled(),
    stop: afterEpochs(1e9),
  });
  const step = async () => {
    for (;;) {
      const { value } = await events.next();
      if (value?.type === "step") return value.loss;
      if (value === undefined || value.type === "diverged") throw new Error("the run has ended");
    }
  };
  return { run: (steps) => timed(steps, step), close: async () => void (await events.return()) };
}

/** A run until the loss over all samples is low enough. */
interface UntilLossCase {
  readonly task: string;
  readonly microbatch: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly target: number;
  /** The loss over all samples is looked at each time so many samples have been learnt from. */
  readonly samplesPerLook: number;
  readonly limitSeconds: number;
}

/** One run gives one "step": the seconds of the whole run without its evaluations. */
function untilLoss(what: UntilLossCase): Prepared {
  return { run: async () => ({ ms: [], extra: await runUntilLoss(what) }) };
}

async function runUntilLoss(what: UntilLossCase): Promise<Record<string, number>> {
  const plan = planOf(what.task, what.learningRate);
  const result = { seconds: 0, steps: 0, samples: 0, loss: Number.NaN, reached: 0, diverged: 0 };
  const events = train({
    ...plan,
    batchSize: what.batch,
    microbatchSize: what.microbatch,
    validation: { data: plan.data, every: Math.max(1, Math.round(what.samplesPerLook / what.batch)) },
    stop: [whenReached("validation.loss", { below: what.target }), afterSeconds(what.limitSeconds)],
  });
  for await (const event of events) {
    if (event.type === "step") {
      result.seconds += event.seconds;
      result.steps = event.step;
      result.samples += event.samples;
    } else if (event.type === "evaluated") {
      result.loss = event.metrics["validation.loss"]!;
    } else if (event.type === "diverged") {
      result.diverged = 1;
    }
  }
  result.reached = result.loss <= what.target ? 1 : 0;
  return result;
}

const hello = { name: "microbatch", version: "", threads: 1 };
await serve(hello, {
  training,
  model: modelTraining,
  modelProfile,
  checkpointed,
  stored,
  drawing,
  large,
  makeLarge,
  reading,
  untilLoss,
  update,
  separateRuns,
  addingRun,
  memoryCopy,
});
