/** Reads records block by block where many are wanted of few blocks, as a block shuffle wants them: a disk likes that. */
import type { RecordFile } from "./record-file.ts";

/** Bytes that are read at once: long enough for a disk, short enough that a hundred of them are little memory. */
export const bytesPerBlock = 2 ** 18;
/** Blocks that are kept, the latest ones: two pools of 64. */
const keptBlocks = 128;
/** From so many wanted samples per block on, on average, the whole block is read. */
const worthwhile = 4;

/** How many samples one block holds, at least one. */
export function samplesPerBlock(stride: number): number {
  return Math.max(1, Math.floor(bytesPerBlock / stride));
}

/** Keeps some blocks of a file in memory. */
export class BlockReader {
  readonly #file: RecordFile;
  readonly #stride: number;
  readonly #perBlock: number;
  /** By number, in the order they were read: a pool's blocks are wanted together and then never again. */
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(file: RecordFile) {
    this.#file = file;
    this.#stride = file.layout.stride;
    this.#perBlock = samplesPerBlock(this.#stride);
  }

  /** Reads the records of the samples, in order, to the front of `into`. */
  read(samples: Uint32Array, into: Uint8Array): void {
    if (!this.#isWorthwhile(samples)) {
      this.#file.read(samples, into);
      return;
    }
    const stride = this.#stride;
    for (let at = 0; at < samples.length; at++) {
      const number = Math.floor(samples[at]! / this.#perBlock);
      const block = this.#blocks.get(number) ?? this.#load(number);
      const from = (samples[at]! - number * this.#perBlock) * stride;
      into.set(block.subarray(from, from + stride), at * stride);
    }
  }

  #isWorthwhile(samples: Uint32Array): boolean {
    const wanted = new Set<number>();
    for (const sample of samples) wanted.add(Math.floor(sample / this.#perBlock));
    return wanted.size <= keptBlocks && wanted.size * worthwhile <= samples.length;
  }

  #load(number: number): Uint8Array {
    const first = number * this.#perBlock;
    const bytes = Math.min(this.#perBlock, this.#file.samples - first) * this.#stride;
    const oldest = this.#blocks.size < keptBlocks ? undefined : this.#blocks.keys().next().value;
    const room = oldest === undefined ? undefined : this.#blocks.get(oldest);
    if (oldest !== undefined) this.#blocks.delete(oldest);
    // The last block is shorter: its room would not do for another.
    const block =
      room !== undefined && room.length >= bytes ? room : new Uint8Array(this.#perBlock * this.#stride);
    this.#file.readBytes(block, first * this.#stride, bytes);
    this.#blocks.set(number, block);
    return block;
  }
}
