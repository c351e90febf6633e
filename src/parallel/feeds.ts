/** Feeds: the arrays a program is fed from, filled anew for every microbatch and bound only once per size. */
import { type NdArray, ndarray } from "../array/array.ts";
import { allocate, type NumericDType, type TypedArray } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import type { AugmentedReader } from "../data/augment/reader.ts";
import type { ColumnSpec, Dataset } from "../data/dataset.ts";
import { type Read, readTogether } from "../data/read-together.ts";
import { bug, fail } from "../errors.ts";
import type { MaskRequest } from "../nn/mode.ts";
import { fillMask } from "../runtime/masks.ts";
import type { Batch, LoadableProgram } from "./crew.ts";

/** What feeds are filled from: of a dataset, as much as that takes. */
export type FedData = Pick<Dataset, "name" | "columns" | "weight" | "read">;

/** Which samples a microbatch holds. */
export interface MicrobatchRequest {
  readonly samples: Uint32Array;
  /** The epoch each of them was drawn in, where they are augmented. */
  readonly epochs?: Uint32Array;
  /** Place of its first sample in the batch; with the step it keys dropout. */
  readonly position: number;
  readonly step: number;
}

/** Cuts a batch into microbatches, in the order the samples were drawn. The last may be smaller. */
export function cutBatch(batch: Batch, size: number): MicrobatchRequest[] {
  const microbatches: MicrobatchRequest[] = [];
  for (let position = 0; position < batch.samples.length; position += size) {
    const samples = batch.samples.subarray(position, position + size);
    const epochs = batch.epochs?.subarray(position, position + size);
    microbatches.push({ samples, position, step: batch.step, ...(epochs && { epochs }) });
  }
  return microbatches;
}

/** One fed column and where its numbers lie. */
interface ColumnBuffer {
  readonly input: string;
  readonly column: string;
  readonly spec: ColumnSpec;
  readonly elements: number;
  readonly data: TypedArray;
}

/** The buffers of one program over one dataset, with room for `capacity` samples. */
export class Feeds {
  readonly #dataset: FedData;
  readonly #program: LoadableProgram;
  readonly #seed: number;
  readonly #augmented: AugmentedReader | undefined;
  readonly #columns: readonly ColumnBuffer[];
  readonly #weights: Float32Array;
  readonly #masks: readonly { readonly mask: MaskRequest; readonly data: Uint8Array }[];
  /** The places of the samples in their batch, which key the masks. */
  readonly #positions: Uint32Array;

  /** augmented: reads the program's columns, in their order, instead of the dataset. */
  constructor(
    dataset: FedData,
    program: LoadableProgram,
    capacity: number,
    seed: number,
    augmented?: AugmentedReader,
  ) {
    const rows = rowsOf(capacity);
    this.#augmented = augmented;
    this.#dataset = dataset;
    this.#program = program;
    this.#seed = seed;
    this.#weights = new Float32Array(rows);
    this.#positions = new Uint32Array(rows);
    this.#columns = program.columns.map(({ input, column }) => {
      const spec = dataset.columns[column];
      if (spec === undefined)
        bug(`program "${program.name}" reads column "${column}", which ${dataset.name} lacks`);
      const elements = elementCount(spec.shape);
      return { input, column, spec, elements, data: allocate(spec.dtype, elements * rows) };
    });
    this.#masks = program.masks.map((mask) => ({ mask, data: new Uint8Array(mask.elements * rows) }));
  }

  /** The weights of the microbatch that was filled last. */
  weights(samples: number): Float32Array {
    return this.#weights.subarray(0, samples);
  }

  /** The arrays to bind for microbatches of `samples` samples. */
  arrays(samples: number): Record<string, NdArray> {
    const rows = rowsOf(samples);
    const feeds: Record<string, NdArray> = {};
    for (const { input, spec, elements, data } of this.#columns) {
      feeds[input] = ndarray(
        spec.dtype as NumericDType,
        [rows, ...spec.shape],
        data.subarray(0, elements * rows),
      );
    }
    for (const { mask, data } of this.#masks) {
      feeds[mask.input] = ndarray("uint8", [rows, ...mask.shape], data.subarray(0, mask.elements * rows));
    }
    if (this.#program.weight !== undefined) {
      feeds[this.#program.weight] = ndarray("float32", [rows], this.#weights.subarray(0, rows));
    }
    return feeds;
  }

  /** Fills the arrays of `request.samples.length` samples. Returns a promise only where the dataset reads from disk. */
  fill(request: MicrobatchRequest): void | Promise<void> {
    const samples = padSingle(request.samples);
    const reading = readTogether([
      ...this.#readsOfColumns(samples, request.epochs),
      () => this.#fillWeights(request.samples.length, samples),
      () => this.#fillMasks(request, samples.length),
    ]);
    return reading === undefined ? this.#check(samples) : reading.then(() => this.#check(samples));
  }

  #readsOfColumns(samples: Uint32Array, epochs: Uint32Array | undefined): Read[] {
    const augmented = this.#augmented;
    if (augmented === undefined)
      return this.#columns.map(
        ({ column, data }) =>
          () =>
            this.#dataset.read(column, samples, data),
      );
    const into = this.#columns.map(({ data }) => data);
    const drawn = padSingle(epochs ?? bug("augmented samples without epochs"));
    return [() => augmented.read(samples, drawn, into)];
  }

  #fillWeights(real: number, samples: Uint32Array): void | Promise<void> {
    const { weight } = this.#dataset;
    if (weight === undefined) {
      this.#weights.fill(1, 0, real).fill(0, real, samples.length);
      return;
    }
    const read = this.#dataset.read(weight, samples, this.#weights);
    const blank = () => {
      this.#weights.fill(0, real, samples.length);
    };
    return read === undefined ? blank() : read.then(blank);
  }

  #fillMasks(request: MicrobatchRequest, rows: number): void {
    if (this.#masks.length === 0) return;
    // A copy has its sample's masks, so that layers which look at the whole microbatch see one sample twice.
    const last = request.samples.length - 1;
    for (let row = 0; row < rows; row++) this.#positions[row] = request.position + Math.min(row, last);
    for (const { mask, data } of this.#masks) {
      fillMask({
        into: data,
        positions: this.#positions.subarray(0, rows),
        elementsPerSample: mask.elements,
        rate: mask.rate,
        seed: this.#seed,
        step: request.step,
        layer: mask.layer,
      });
    }
  }

  /** ONNX Runtime takes the label −1 for the last class without a word, so indices are checked before they are fed. */
  #check(samples: Uint32Array): void {
    for (const { inputName, below, meaning } of this.#program.bounds) {
      const column = this.#columns.find(({ input }) => input === inputName);
      if (column === undefined) continue;
      const { data, elements } = column;
      for (let index = 0; index < samples.length * elements; index++) {
        const value = Number(data[index]);
        if (value >= 0 && value < below) continue;
        fail(
          `${this.#dataset.name}, column "${column.column}", sample ${samples[Math.floor(index / elements)]}`,
          {
            expected: `a ${meaning} from 0 to ${below - 1}`,
            got: String(value),
            fix: `correct the sample, or give the model ${Math.max(below, value) + 1} outputs`,
          },
        );
      }
    }
    this.#checkWeights(samples);
  }

  #checkWeights(samples: Uint32Array): void {
    if (this.#dataset.weight === undefined) return;
    for (let row = 0; row < samples.length; row++) {
      const weight = this.#weights[row]!;
      if (weight >= 0 && weight < Number.POSITIVE_INFINITY) continue;
      fail(`${this.#dataset.name}, weight column "${this.#dataset.weight}", sample ${samples[row]}`, {
        expected: "a finite weight from 0 on",
        got: String(weight),
        fix: "leave the sample out, or give it weight 0",
      });
    }
  }
}

/** One sample is repeated: products of one row take other kernels, with other bits. Its copy has weight 0. */
function padSingle(samples: Uint32Array): Uint32Array {
  return samples.length === 1 ? Uint32Array.of(samples[0]!, samples[0]!) : samples;
}

/** Rows that are really computed: never one. */
export function rowsOf(samples: number): number {
  return Math.max(samples, 2);
}
