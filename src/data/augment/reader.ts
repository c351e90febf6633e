/**
 * Reads samples augmented. What was hinted is augmented ahead by a thread, in memory that it shares with the
 * reader; what was not, or is not there in time, by the reader itself. The bytes are the same either way:
 * hints only change who makes them.
 */
import type { TypedArray } from "../../array/dtype.ts";
import { elementCount } from "../../array/shape.ts";
import type { Dataset } from "../dataset.ts";
import { AheadRing, readColumns } from "./ahead-ring.ts";
import type { Augment } from "./changes.ts";
import { type AugmentedColumn, type ColumnChanges, columnChanges, createRing } from "./ring.ts";
import { type StartThread, startThread } from "./thread.ts";

/** What is read, and how it is changed. */
export interface AugmentedReading {
  readonly dataset: Dataset;
  /** The columns that are read, augmented or not. */
  readonly columns: readonly string[];
  readonly augment: Augment;
  readonly seed: number;
}

/** Samples to be read, each drawn in an epoch, and room for them: an array per column. */
interface Request {
  readonly samples: Uint32Array;
  readonly epochs: Uint32Array;
  readonly into: readonly TypedArray[];
}

/** Reads the samples of a run. One call at a time. */
export class AugmentedReader {
  readonly #dataset: Dataset;
  readonly #columns: readonly (AugmentedColumn & { readonly elements: number })[];
  readonly #change: ColumnChanges;
  readonly #start: StartThread | undefined;
  readonly #seed: number;
  #ahead: AheadRing | undefined;

  /** start: what starts the thread; undefined where there are none. */
  constructor(
    { dataset, columns, augment, seed }: AugmentedReading,
    start: StartThread | undefined = startThread,
  ) {
    this.#dataset = dataset;
    this.#columns = columns.map((name) => {
      const spec = dataset.columns[name]!;
      return { name, spec, list: augment[name] ?? [], elements: elementCount(spec.shape) };
    });
    this.#change = columnChanges(this.#columns, seed);
    this.#start = start;
    this.#seed = seed;
  }

  /** These samples will be read next, in this order, some perhaps not at all. The first hint starts the thread. */
  hint(samples: Uint32Array, epoch: number): void {
    this.#dataset.prefetch?.(samples);
    if (this.#start === undefined) return;
    this.#ahead ??= this.#openRing(this.#start);
    this.#ahead.hint({ samples: samples.slice(), epoch });
  }

  /** Copies the columns of the samples to the front of `into`, an array per column, augmented for the epoch of each. */
  read(samples: Uint32Array, epochs: Uint32Array, into: readonly TypedArray[]): void | Promise<void> {
    return this.#readFrom(0, { samples, epochs, into });
  }

  /** Ends the thread. */
  close(): void {
    this.#ahead?.close();
  }

  #readFrom(from: number, request: Request): void | Promise<void> {
    const { samples, epochs, into } = request;
    for (let at = from; at < samples.length; ) {
      if (at > 0 && samples[at] === samples[at - 1] && epochs[at] === epochs[at - 1]) {
        this.#repeat(at++, into); // a single sample is padded with itself
        continue;
      }
      const found = this.#ahead?.find(samples, epochs, at) ?? 0;
      if (typeof found !== "number") return found.then(() => this.#readFrom(at, request));
      if (found > 0) {
        this.#ahead?.take(found, into, at);
        at += found;
        continue;
      }
      const end = this.#endOfMissing(request, at);
      const reading = this.#readHere(request, at, end);
      if (reading !== undefined) return reading.then(() => this.#readFrom(end, request));
      at = end;
    }
  }

  /** Whatever the ring does not have either goes with the first that it has not. */
  #endOfMissing({ samples, epochs }: Request, at: number): number {
    let end = at + 1;
    while (end < samples.length && !(this.#ahead?.has(samples[end]!, epochs[end]!) ?? false)) end++;
    this.#ahead?.missed(end - at);
    return end;
  }

  #readHere({ samples, epochs, into }: Request, at: number, end: number): void | Promise<void> {
    const [some, theirEpochs] = [samples.subarray(at, end), epochs.subarray(at, end)];
    const values = this.#columns.map(({ elements }, index) =>
      into[index]!.subarray(at * elements, end * elements),
    );
    const finish = () => this.#change(some, theirEpochs, values, some.length);
    const reading = readColumns(this.#dataset, this.#columns, some, values);
    return reading === undefined ? finish() : reading.then(finish);
  }

  #repeat(at: number, into: readonly TypedArray[]): void {
    for (const [index, { elements }] of this.#columns.entries()) {
      into[index]!.copyWithin(at * elements, (at - 1) * elements, at * elements);
    }
  }

  #openRing(start: StartThread): AheadRing {
    const plain = this.#columns.map(({ name, spec, list }) => ({ name, spec, list }));
    return new AheadRing(this.#dataset, createRing(plain, this.#seed), this.#change, start);
  }
}
