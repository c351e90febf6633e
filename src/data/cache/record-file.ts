/**
 * A file of records on disk: written once from pieces, read at random. Source of the format: NumPy's .npy,
 * version 1.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { bug, fail } from "../../errors.ts";
import type { ColumnSpecs } from "../dataset.ts";
import type { Piece } from "../source.ts";
import { headerOf, layoutOf, RecordBuffer, type RecordLayout } from "./record-layout.ts";

/** Bytes whose checksum is kept: small enough to be read for a single record, large enough for few checksums. */
export const blockBytes = 2 ** 20;

/** What was written. */
export interface WrittenRecords {
  readonly samples: number;
  /** Bytes in front of the first record. */
  readonly dataOffset: number;
  /** CRC-32 of each block of `blockBytes` bytes behind the header; the last block is shorter. */
  readonly checksums: readonly number[];
}

/**
 * Writes the pieces to a new file and syncs it. The caller gives a temporary name and renames.
 * Throws what the pieces throw, and the system's errors as they are.
 */
export async function writeRecords<Columns extends ColumnSpecs>(
  path: string,
  columns: Columns,
  pieces: AsyncIterable<Piece<Columns>>,
): Promise<WrittenRecords> {
  const layout = layoutOf(columns);
  const header = headerOf(layout, 0);
  const file = await open(path, "wx");
  try {
    await file.writeFile(header);
    const writer = new RecordWriter(file, layout);
    for await (const piece of pieces) await writer.add(piece);
    await writer.flush();
    const { samples, checksums } = writer;
    const finished = headerOf(layout, samples);
    if (finished.length !== header.length) bug("a header of another length than the one it replaces");
    await file.write(finished, 0, finished.length, 0);
    await file.sync();
    return { samples, dataOffset: header.length, checksums };
  } finally {
    await file.close();
  }
}

/** Gathers records into blocks. */
class RecordWriter {
  samples = 0;
  readonly checksums: number[] = [];
  readonly #file: FileHandle;
  readonly #buffer: RecordBuffer;
  readonly #capacity: number;
  #filled = 0;
  /** The checksum of the block under way, and how much of it there is. */
  #checksum = 0;
  #inBlock = 0;

  constructor(file: FileHandle, layout: RecordLayout) {
    this.#file = file;
    this.#capacity = Math.max(1, Math.floor(blockBytes / layout.stride));
    this.#buffer = RecordBuffer.of(layout, this.#capacity);
  }

  async add(piece: Piece): Promise<void> {
    const { fields } = this.#buffer.layout;
    for (let from = 0; from < piece.samples; ) {
      const count = Math.min(piece.samples - from, this.#capacity - this.#filled);
      for (const field of fields) {
        this.#buffer.put(field, piece.columns[field.name]!, from, this.#filled, count);
      }
      this.#filled += count;
      from += count;
      if (this.#filled === this.#capacity) await this.#write();
    }
    this.samples += piece.samples;
  }

  async flush(): Promise<void> {
    if (this.#filled > 0) await this.#write();
    if (this.#inBlock > 0) this.checksums.push(this.#checksum);
  }

  async #write(): Promise<void> {
    const bytes = this.#buffer.bytes.subarray(0, this.#filled * this.#buffer.layout.stride);
    await this.#file.writeFile(bytes);
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + blockBytes - this.#inBlock);
      this.#checksum = crc32(part, this.#checksum);
      this.#inBlock += part.length;
      from += part.length;
      if (this.#inBlock < blockBytes) continue;
      this.checksums.push(this.#checksum);
      [this.#checksum, this.#inBlock] = [0, 0];
    }
    this.#filled = 0;
  }
}

/** An open file of records. */
export class RecordFile {
  readonly path: string;
  readonly layout: RecordLayout;
  readonly samples: number;
  /** Threads of one process share it. The path may lead to another file by now. */
  readonly descriptor: number;
  /** Bytes in front of the first record. */
  readonly dataOffset: number;

  constructor(
    path: string,
    columns: ColumnSpecs,
    written: Pick<WrittenRecords, "samples" | "dataOffset">,
    descriptor = openSync(path, "r"),
  ) {
    this.path = path;
    this.layout = layoutOf(columns);
    this.samples = written.samples;
    this.dataOffset = written.dataOffset;
    this.descriptor = descriptor;
  }

  /**
   * Reads the records of the samples, in order, to the front of `into`. Neighbours in the file are read in
   * one call.
   */
  read(samples: Uint32Array, into: Uint8Array): void {
    const { stride } = this.layout;
    for (let at = 0; at < samples.length; ) {
      let count = 1;
      while (at + count < samples.length && samples[at + count] === samples[at]! + count) count++;
      this.#readBytes(into, at * stride, count * stride, samples[at]! * stride);
      at += count;
    }
  }

  /** Reads `length` bytes of the records, from `position` on. */
  readBytes(into: Uint8Array, position: number, length: number): void {
    this.#readBytes(into, 0, length, position);
  }

  close(): void {
    closeSync(this.descriptor);
  }

  #readBytes(into: Uint8Array, offset: number, length: number, position: number): void {
    let done = 0;
    while (done < length) {
      const read = readSync(
        this.descriptor,
        into,
        offset + done,
        length - done,
        this.dataOffset + position + done,
      );
      if (read === 0) this.#endsEarly(position + done);
      done += read;
    }
  }

  #endsEarly(position: number): never {
    fail(this.path, {
      expected: `${this.samples} records of ${this.layout.stride} bytes`,
      got: `a file that ends in record ${Math.floor(position / this.layout.stride)}`,
      fix: "something has changed the file while it was read: run again, and the cache is made anew",
    });
  }
}
