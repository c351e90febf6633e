/**
 * The flags of `microbatch train`: what may be given, what stands for what is left out, and what only a table
 * takes.
 */
import { type CleaningFlags, cleaningFlags } from "../cleaning.ts";
import type { DialectFlags } from "../dialect.ts";
import type { Every, Held, Sampling, TypeOf, Until } from "../options.ts";

/** Names of the update rules, with the settings each starts from where none are given. */
export const optimizerDefaults = {
  adamw: { learningRate: 0.003, weightDecay: 0.01 },
  adam: { learningRate: 0.003, weightDecay: 0 },
  sgd: { learningRate: 0.03, weightDecay: 0 },
  momentum: { learningRate: 0.01, weightDecay: 0 },
  rmsprop: { learningRate: 0.001, weightDecay: 0 },
  adagrad: { learningRate: 0.03, weightDecay: 0 },
  lion: { learningRate: 0.0003, weightDecay: 0.03 },
} as const;
export type OptimizerName = keyof typeof optimizerDefaults;

/** Courses of the learning rate over a run. */
export const scheduleNames = ["constant", "linear", "cosine", "one-cycle"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** How numbers may be scaled, and categories become features, as they are typed and as the encoder calls them. */
export const scaleNames = {
  standardize: "standardize",
  "min-max": "minMax",
  robust: "robust",
  log: "log",
  none: "none",
} as const;
export const categoryNames = { "one-hot": "oneHot", embedding: "embedding" } as const;

/** Flags that change a table's plan and a plan file's alike. */
export interface RunFlags {
  readonly out?: string;
  readonly batchSize?: number;
  readonly microbatchSize?: number;
  /** Bytes. */
  readonly memoryBudget?: number;
  readonly lanes?: number;
  readonly learningRate?: number;
  readonly optimizer?: OptimizerName;
  readonly schedule?: ScheduleName;
  readonly weightDecay?: number;
  readonly epochs?: number;
  readonly steps?: number;
  readonly patience?: number;
  readonly until?: Until;
  readonly seed?: number;
  readonly sampling?: Sampling;
  readonly lastBatch?: "keep" | "drop" | "carry";
  readonly test?: Held;
  readonly clip?: number;
  readonly ema?: number;
  readonly json?: boolean;
  readonly threads?: number;
  readonly onDivergence?: "stop" | "skip" | "back";
  /** A folder, or true for one that is named by the time. */
  readonly run?: string | true;
  readonly resume?: boolean;
  readonly resumeAnyway?: boolean;
  readonly checkpointEvery?: Every;
}

/** Flags that say what a table is and what model it gets; a plan file says that itself. */
export interface TableFlags extends CleaningFlags, DialectFlags {
  readonly target?: readonly string[];
  readonly task?: "regression" | "classification";
  readonly type?: Readonly<Record<string, TypeOf>>;
  readonly ignore?: readonly string[];
  readonly weight?: string;
  readonly group?: string;
  readonly time?: string;
  readonly hidden?: readonly number[];
  readonly dropout?: number;
  readonly scale?: keyof typeof scaleNames;
  readonly clipFeatures?: number;
  readonly categories?: keyof typeof categoryNames;
  readonly classWeights?: "balanced";
  readonly validation?: Held;
  readonly cache?: string;
}

/** Flags that say what becomes of a folder of images. */
export interface ImageFlags {
  readonly imageSize?: number;
  readonly augment?: "standard" | "none";
}

/** Flags that say what becomes of a text, and how large its model is. */
export interface TextFlags {
  /** "characters", "bytes", or the path of a tokenizer.json. */
  readonly tokens?: string;
  readonly context?: number;
  readonly width?: number;
  readonly layers?: number;
  readonly heads?: number;
}

export type TrainFlags = RunFlags & TableFlags & ImageFlags & TextFlags;

/** The flags of TextFlags as they are typed. */
export const textFlags: Readonly<Record<keyof TextFlags, string>> = {
  tokens: "--tokens",
  context: "--context",
  width: "--width",
  layers: "--layers",
  heads: "--heads",
};

/** The flags of ImageFlags as they are typed. */
export const imageFlags: Readonly<Record<keyof ImageFlags, string>> = {
  imageSize: "--image-size",
  augment: "--augment",
};

/** The flags of TableFlags as they are typed. */
export const tableFlags: Readonly<Record<keyof TableFlags, string>> = {
  target: "--target",
  task: "--task",
  type: "--type",
  ignore: "--ignore",
  weight: "--weight",
  group: "--group",
  time: "--time",
  hidden: "--hidden",
  dropout: "--dropout",
  scale: "--scale",
  clipFeatures: "--clip-features",
  categories: "--categories",
  classWeights: "--class-weights",
  validation: "--validation",
  cache: "--cache",
  dialect: "--dialect",
  ...cleaningFlags,
};

/** What a table's flags are where they are left out. Chosen on the examples; examples/README.md has their results. */
export const tableDefaults = {
  out: "model.onnx",
  optimizer: "adamw",
  schedule: "constant",
  epochs: 200,
  patience: 20,
  hidden: [64, 64],
  dropout: 0,
  validation: 0.2,
  seed: 0,
} as const;

/** What a text's flags are where they are left out: a model of 0.3 million weights, which reads a book in minutes. */
export const textDefaults = {
  tokens: "bytes",
  context: 64,
  width: 96,
  layers: 2,
  heads: 4,
} as const;

/**
 * Samples per update where --batch-size is left out: the power of two nearest to a two-hundredth of the
 * samples, from 32 to 512. Small tables need many small steps to get anywhere; in large ones steps of 32 only
 * take longer to do the same.
 */
export function defaultBatchSize(samples: number): number {
  const power = Math.round(Math.log2(Math.max(1, samples / 200)));
  return Math.min(512, Math.max(32, 2 ** power), samples);
}
