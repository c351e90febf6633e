/** CONTRACT between a run and whoever watches it: the event union. Reporters and stop rules read nothing else. */
import type { LaneReport } from "../parallel/crew.ts";
import type { PredictedMemory } from "./memory-budget.ts";
import type { Model } from "./model.ts";
import type { ResolvedPlan } from "./resolve.ts";

/** Everything a run says, in the order it happens. */
export type TrainEvent =
  | StartedEvent
  | StepEvent
  | EpochEvent
  | EvaluatedEvent
  | DivergedEvent
  | FinishedEvent;

/** Before the first step: what was decided. */
export interface StartedEvent {
  readonly type: "started";
  readonly plan: ResolvedPlan;
  /** How many numbers are trained. */
  readonly parameterCount: number;
  readonly trainingSamples: number;
  readonly validationSamples: number;
  /** Bytes of the arena: parameters, slots, averages and lane sums. */
  readonly arenaBytes: number;
  /** The step that the run goes on from, where it goes on from a checkpoint. */
  readonly resumedAt?: number;
  /** What should be known of this run, a line each: that batch normalisation makes the result depend on the microbatch size. */
  readonly notes: readonly string[];
}

/** After each step; all but those of batches without weight have updated the parameters. */
export interface StepEvent {
  readonly type: "step";
  /** 1 after the first step. */
  readonly step: number;
  /** 0 during the first pass over the samples. */
  readonly epoch: number;
  /** Samples of the epoch drawn so far, this batch included. */
  readonly position: number;
  readonly samples: number;
  /** Σ w of the batch. */
  readonly weight: number;
  /** Σ w·ℓ / Σ w, at the parameters before the update. NaN for a batch without weight, which updates nothing. */
  readonly loss: number;
  /** The penalties' value, which is not part of `loss`. */
  readonly penalty: number;
  /** ‖gradient‖₂ of the whole batch, before clipping. */
  readonly gradientNorm: number;
  /** What clipping multiplied the gradient by. */
  readonly clipScale: number;
  readonly learningRate: number;
  /** Wall time of the whole step, waiting for data included. */
  readonly seconds: number;
  /** Time spent on the samples: to copy them, to wait for them, to augment what was not augmented ahead; of all threads together. */
  readonly dataSeconds: number;
  /** Of that, spent waiting for another thread or for the disk; divided by `seconds` and the number of threads, the share of waiting. */
  readonly waitSeconds: number;
  readonly updateSeconds: number;
  readonly lanes: readonly LaneReport[];
  /** ‖Σ w·∇ℓ‖² per parameter of each entry of `lanes`, where the plan asks (measureLanes); else empty. */
  readonly laneSquaredNorms: readonly Float64Array[];
}

/** After the last step of a pass over the samples. */
export interface EpochEvent {
  readonly type: "epoch";
  readonly epoch: number;
  readonly step: number;
  /** Σ w·ℓ / Σ w over the samples of the epoch's steps, each at the parameters of its step. */
  readonly loss: number;
  /** Samples of the epoch's steps. A batch that goes over into the next epoch counts as a whole in the one it began in. */
  readonly samples: number;
}

/** After an evaluation of the validation samples. */
export interface EvaluatedEvent {
  readonly type: "evaluated";
  readonly step: number;
  readonly epoch: number;
  /** "loss" and the plan's metrics, under "validation.": { "validation.loss": 0.3 }. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Whether the monitored metric is the best so far; its weights are kept. */
  readonly isBest: boolean;
  readonly seconds: number;
}

/** A NaN or infinity appeared, or the loss exploded. No parameter was touched by the step. */
export interface DivergedEvent {
  readonly type: "diverged";
  readonly step: number;
  /**
   * What the plan's policy does: the run ends; it goes on without this update; or it goes on from an earlier step, whose events
   * come again.
   */
  readonly action: "stop" | "skip" | "back";
  /** Absent where every microbatch alone is finite, and where the loss exploded. */
  readonly microbatch?: number;
  /** The samples of that microbatch, or of the batch. */
  readonly samples: readonly number[];
  /** Statistics: those of batch normalisation; a variance may overflow where the loss does not. */
  readonly what: "loss" | "gradient" | "statistics";
  /** Where the loss is finite: it, and the mean of the steps before that it is more than `factor` times. */
  readonly exploded?: { readonly loss: number; readonly mean: number; readonly factor: number };
  /** In the first step: a number of these samples that is NaN or infinite. Where the model does not fill it, that is why. */
  readonly unfit?: { readonly column: string; readonly sample: number; readonly value: number };
  /** Where the run ends because it has skipped or gone back as often as it may: that. */
  readonly limit?: string;
  /** Updates left out so far, in all and in a row, where this one is. */
  readonly skipped?: { readonly total: number; readonly inARow: number };
  /** Where the run goes back: to after which step, for which time, and what the learning rate is multiplied by from there on. */
  readonly back?: { readonly step: number; readonly times: number; readonly learningRateFactor: number };
  /** Wall time of the step; where the run goes back, of everything that is undone. */
  readonly seconds: number;
  readonly message: string;
}

/** Why a run ended. */
export interface StopReason {
  /** Name of the stop rule, or "aborted", "diverged". */
  readonly rule: string;
  readonly reason: string;
}

/** The memory of the whole process. */
export interface RunMemory extends PredictedMemory {
  /** The most it has held since it began, which may have been before the run. */
  readonly peakBytes: number;
}

/** The last event. */
export interface FinishedEvent {
  readonly type: "finished";
  readonly stop: StopReason;
  readonly steps: number;
  readonly epochs: number;
  readonly samples: number;
  readonly seconds: number;
  /** SHA-256 of the parameters and running statistics as they were after the last step. */
  readonly parametersSha256: string;
  /** SHA-256 of the whole training state: parameters, slots, averages, step, position. */
  readonly stateSha256: string;
  /** What the process was predicted to hold, and the most that it has held. Absent where the system does not tell. */
  readonly memory?: RunMemory;
  /** Updates left out, times gone back and what the learning rate is multiplied by since; where the plan has a policy. */
  readonly divergence?: {
    readonly skipped: number;
    readonly wentBack: number;
    readonly learningRateFactor: number;
  };
  /** Best weights where validation was asked for, otherwise the last ones. */
  readonly model: Model;
}
