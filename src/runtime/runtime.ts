/** CONTRACT of a runtime: program bytes and numbers in, numbers out. One thread per session, always. */
import type { AnyArray, NdArray } from "../array/array.ts";
import type { MachineMemory } from "./memory.ts";

/** An engine that runs ONNX programs. */
export interface Runtime {
  /** "onnxruntime-node"; recorded, since the same bytes are promised for one backend only. */
  readonly name: string;
  readonly version: string;
  /** The kind of processor whose kernels run, "x64 avx512": other kinds may round differently. */
  readonly processor: string;
  /** How many channels its blocked convolutions take at a time; absent where it has none. */
  readonly channelBlock?: number;
  /** What the machine has and the process holds; absent where nobody tells. */
  readonly memory?: MachineMemory;
  /** Processor time that the process has taken, of all its threads; absent where it is not told to the millisecond. */
  processorSeconds?(): number;
  /** Makes a session. Throws a MicrobatchError that names the program when the bytes are refused. */
  load(name: string, bytes: Uint8Array): Promise<Session>;
  /** The same for a session whose bindings fetch every output, none of them strings: nothing is copied where that can be had. */
  loadInPlace(name: string, bytes: Uint8Array): Promise<Session>;
}

/** A loaded program. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Checks names once and binds arrays: feeds are read and fetches written in place at every run. An output without a
   * fetch is returned in memory of its own. An output may be fetched into the array an input is fed from only where
   * the program says so (checkAliases). Strings cannot be written in place.
   */
  bind(feeds: Readonly<Record<string, AnyArray>>, fetches?: Readonly<Record<string, NdArray>>): Binding;
  close(): Promise<void>;
}

/** A session with its arrays; run it as often as the arrays are refilled. */
export interface Binding {
  /**
   * Resolves with the outputs that have no fetch. The work itself happens on the calling thread. atPeak: called when the run
   * holds the most memory, before it gives anything back.
   */
  run(atPeak?: () => void): Promise<Readonly<Record<string, AnyArray>>>;
  /** Gives back what the session keeps for these arrays, before its end; it runs no more. Absent where nothing is kept. */
  release?(): void;
}
