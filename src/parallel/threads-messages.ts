/** What a crew of threads and its threads tell each other beside the ledger. */
import type { AnyArray } from "../array/array.ts";
import type { TypedArray } from "../array/dtype.ts";
import type { Proof } from "../errors.ts";
import type { LoadableProgram } from "./crew.ts";
import type { Disturb } from "./disturbance.ts";
import type { FedData } from "./feeds.ts";
import type { Shared } from "./member.ts";

/** What a thread is started with. */
export interface ThreadStart {
  readonly shared: Shared;
  /** Members are numbered; 0 is the thread that leads. */
  readonly number: number;
  readonly disturb?: Disturb | undefined;
}

/** A program that is to be evaluated, told once. */
export interface OpenEvaluation {
  readonly kind: "open evaluation";
  readonly id: number;
  readonly program: LoadableProgram;
  readonly data: Omit<FedData, "read">;
  readonly microbatchSize: number;
  readonly parameterRegion: string;
}

/** A microbatch to evaluate, with its samples' columns. */
export interface EvaluateChunk {
  readonly kind: "evaluate";
  /** Of the evaluation. */
  readonly id: number;
  /** Of the microbatch. */
  readonly chunk: number;
  readonly samples: Uint32Array<ArrayBuffer>;
  readonly columns: Readonly<Record<string, TypedArray>>;
}

export type ToThread = OpenEvaluation | EvaluateChunk;

export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly where: string; readonly proof: Proof }
  | {
      readonly kind: "evaluated";
      readonly chunk: number;
      readonly weights: Float32Array<ArrayBuffer>;
      readonly outputs: Readonly<Record<string, AnyArray>>;
    };
