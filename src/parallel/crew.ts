/** CONTRACT of a crew: whoever computes the microbatches of a batch and adds up their gradients, lane by lane. */
import type { AnyArray } from "../array/array.ts";
import type { AugmentedReader } from "../data/augment/reader.ts";
import type { Dataset } from "../data/dataset.ts";
import type { InputIndexBound } from "../graph/program.ts";
import type { MaskRequest } from "../nn/mode.ts";
import type { Arena } from "../runtime/arena.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Inference, InferenceJob } from "./inference.ts";
import type { UpdateJob, UpdateScalars } from "./update.ts";

/** The samples behind one update, in the order they were drawn. */
export interface Batch {
  /** 0 for the first update; keys the dropout masks. */
  readonly step: number;
  readonly samples: Uint32Array;
  /** The epoch each of them was drawn in, which keys its augmentation. Evaluation needs none. */
  readonly epochs?: Uint32Array;
}

/** What one lane did. */
export interface LaneReport {
  readonly lane: number;
  /** Which worker computed it; 0 for a crew of one. */
  readonly worker: number;
  readonly microbatches: number;
  /** Wall time of forward, backward and adding up. */
  readonly seconds: number;
  /** Wall time of it spent on its samples: to copy them, to wait for them, to augment what the thread had not come to. */
  readonly dataSeconds: number;
  /** Wall time of that spent waiting for another thread or for the disk. */
  readonly waitSeconds: number;
}

/** What a batch comes to. The gradient itself, Σ w·∇ℓ, is left in the first of the job's `laneRegions`. */
export interface Totals {
  /** Σ w·ℓ. */
  readonly lossSum: number;
  /** Σ w over samples, or over tokens where the loss has one number per token. */
  readonly weightSum: number;
  /** ‖Σ w·∇ℓ‖² per parameter, float64. */
  readonly squaredNorms: Float64Array;
  /** The same per lane, in lane order; lanes without microbatches are left out. Empty unless the job measures lanes. */
  readonly laneSquaredNorms: readonly Float64Array[];
  /** What the layers that ask for it have seen in the batch, in the order of the gradient programs' statistics. */
  readonly statistics: readonly Moments[];
  /** False where any loss, gradient element or statistic is NaN or infinite. */
  readonly isFinite: boolean;
  readonly lanes: readonly LaneReport[];
}

/** How values lie per channel: enough to merge the statistics of parts exactly. */
export interface Moments {
  /** Values per channel. */
  readonly count: number;
  readonly mean: Float64Array;
  /** Σ (value − mean)². */
  readonly squares: Float64Array;
}

/** Where a NaN or infinity first appeared. */
export interface Culprit {
  /** Index of the microbatch inside its batch. */
  readonly microbatch: number;
  readonly samples: Uint32Array;
  readonly what: "loss" | "gradient" | "statistics";
}

/** What one evaluated microbatch gives: for every output of the program one row per sample. */
export interface EvaluatedChunk {
  readonly samples: Uint32Array;
  readonly weights: Float32Array;
  readonly outputs: Readonly<Record<string, AnyArray>>;
}

/** Who computes microbatches. */
export interface Crew {
  readonly name: string;
  readonly workers: number;
  /** Σ over the batch, by lanes. The same plan gives the same bytes, whoever computes it. */
  sumGradients(batch: Batch): Promise<Totals>;
  /** Updates the parameters from the total that sumGradients has left. */
  update(scalars: UpdateScalars): Promise<void>;
  /** Runs the microbatches of a batch again, one by one, and names the first that is not finite. */
  findCulprit(batch: Batch): Promise<Culprit | undefined>;
  /** Runs a per-sample program over samples, in microbatches of the given size; chunks come in order. */
  evaluate(job: EvaluationJob): AsyncIterable<EvaluatedChunk>;
  close(): Promise<void>;
}

/** An input of a program that a dataset column fills. */
export interface ColumnFeed {
  readonly input: string;
  readonly column: string;
}

/** A program as it is sent to whoever runs it: bytes and names, never closures. */
export interface LoadableProgram {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly columns: readonly ColumnFeed[];
  readonly masks: readonly MaskRequest[];
  readonly bounds: readonly InputIndexBound[];
  /** Input that takes the sample weights, if the program has one. */
  readonly weight?: string;
  /** Inputs that take parameters: input name → parameter name. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A gradient program in its two forms: one that writes the sum, one that adds to it in place. */
export interface GradientPrograms {
  readonly first: LoadableProgram;
  readonly add: LoadableProgram;
  /** Output name → parameter name. */
  readonly sums: Readonly<Record<string, string>>;
  /** Output name → the input of `add` it is written over. */
  readonly sumInputs: Readonly<Record<string, string>>;
  readonly loss: LossOutputs;
  /** What is observed of every microbatch, one entry per layer that asks for it. */
  readonly statistics: readonly StatisticsOutputs[];
}

/** How a gradient program tells the statistics of its microbatch, float32 [channels] each. */
export interface StatisticsOutputs {
  /** Name of the layer, for errors. */
  readonly layer: string;
  readonly channels: number;
  /** One per tensor that the layer is applied to. */
  readonly observed: readonly {
    readonly mean: string;
    /** Divided by the number of values. */
    readonly variance: string;
    readonly valuesPerSample: number;
  }[];
}

/** How a program tells its loss: one number per sample or token, summed in float64 by whoever runs it. */
export interface LossOutputs {
  /** Output ℓ, [batch, …]. */
  readonly loss: string;
  /** Output w in the shape of ℓ, where the loss has weights of its own; else every number has its sample's weight. */
  readonly weights?: string;
  /** Shape of one sample's ℓ: [] or, for tokens, [time]. */
  readonly shape: readonly number[];
}

/** What a crew is opened with. */
export interface CrewJob {
  readonly runtime: Runtime;
  readonly dataset: Dataset;
  /** Reads the columns of the gradient programs, in their order, where the plan augments; else the dataset itself does. */
  readonly augmented?: AugmentedReader;
  readonly arena: Arena;
  readonly gradient: GradientPrograms;
  /** The most samples of a batch. */
  readonly batchSize: number;
  readonly microbatchSize: number;
  readonly lanes: number;
  readonly seed: number;
  /** Region of the arena that holds the parameters. */
  readonly parameterRegion: string;
  /** Regions that lane sums may use; the first is where the total is left. */
  readonly laneRegions: readonly string[];
  /** Whether each lane's sum is measured as it is added, for whoever estimates the gradient's noise. */
  readonly measureLanes: boolean;
  readonly update: UpdateJob;
}

/** Opens a crew: what a plan says in `parallel`. */
export interface CrewFactory {
  readonly name: string;
  /** Threads that compute at once. */
  readonly workers: number;
  open(job: CrewJob): Promise<Crew>;
  /** Opens one program on as many threads, to predict and to judge with a model that is trained. Left out, one thread does. */
  infer?(job: InferenceJob): Promise<Inference>;
}

/** What an evaluation runs: a program with one row per sample in every output. */
export interface EvaluationJob {
  readonly dataset: Dataset;
  readonly program: LoadableProgram;
  readonly samples: Uint32Array;
  readonly microbatchSize: number;
  /** Region of the arena the parameters are read from (the weights, their average or the best ones). */
  readonly parameterRegion: string;
}
