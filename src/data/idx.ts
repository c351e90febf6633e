/** Files of MNIST's format IDX as samples, one file per column. */
import type { TypedArray } from "../array/dtype.ts";
import type { ColumnsOf } from "./arrays.ts";
import type { ByteStream } from "./byte-stream.ts";
import { collect } from "./collect.ts";
import { columnFiles, requireSameSamples } from "./column-files.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { readElements } from "./elements.ts";
import { fingerprintOfFiles, openRangesAgain } from "./file-ranges.ts";
import { type IdxFile, openIdxNumbers, readIdxHeader, requireSize } from "./idx-file.ts";
import type { Piece, Source } from "./source.ts";

/**
 * The samples of IDX files, in memory. The first axis counts samples.
 *
 *   const data = await idx({ images: "train-images-idx3-ubyte.gz", labels: "train-labels-idx1-ubyte.gz" });
 *
 * Packed with gzip or not. A file with one axis of whole numbers holds labels: int32 []. Otherwise unsigned bytes are
 * uint8, other whole numbers int32 and floats float32 (float64 rounded), of the shape of one sample: images are
 * uint8 [28, 28].
 *
 * Throws, naming the file and the byte or row, for what is no IDX file, for one that is cut off or goes on behind its
 * numbers, for float64 that float32 cannot hold, and when files differ in their first axis.
 */
export async function idx<const Files extends Readonly<Record<string, string>>>(
  files: Files,
): Promise<Dataset<ColumnsOf<keyof Files>>> {
  return collect(await idxSource(files));
}

/** The same, read piece by piece in constant memory: a source for who keeps the samples elsewhere. */
export async function idxSource<const Files extends Readonly<Record<string, string>>>(
  files: Files,
): Promise<Source<ColumnsOf<keyof Files>>> {
  const fix = 'for example idx({ images: "images-idx3-ubyte.gz", labels: "labels-idx1-ubyte.gz" })';
  const opened: IdxFile[] = [];
  for (const { column, path } of columnFiles("idx", files, "an object of paths by column", fix)) {
    opened.push(await readIdxHeader(path, column));
  }
  requireSameSamples(opened);
  const paths = opened.map(({ path }) => path);
  const columns = opened.map(({ column, dtype, shape }) => [column, { dtype, shape }] as const);
  return {
    name: paths.join(", "),
    // Object.fromEntries forgets which keys there are; they are those of `files`.
    columns: Object.fromEntries(columns) as ColumnsOf<keyof Files>,
    // What a packed file's header says is not known to be true before it is read, and room is made for it.
    ...(opened.some(({ isGzip }) => !isGzip) && { size: opened[0]!.samples }),
    fingerprint: () => fingerprintOfFiles(paths, ["idx", Object.keys(files)]),
    pieces: () => readAll(opened),
  };
}

const pieceBytes = 2 ** 20;

async function* readAll<Columns extends ColumnSpecs>(
  files: readonly IdxFile[],
): AsyncGenerator<Piece<Columns>, void> {
  const { samples } = files[0]!;
  const sampleBytes = files.reduce((sum, { elements, type }) => sum + elements * type.bytes, 0);
  const step = Math.max(1, Math.floor(pieceBytes / sampleBytes));
  const streams: ByteStream[] = [];
  try {
    for (const file of files) {
      await (await openRangesAgain(file.path, file.state)).close();
      streams.push(await openIdxNumbers(file));
    }
    for (let sample = 0; sample < samples; sample += step) {
      const count = Math.min(step, samples - sample);
      const columns: (readonly [string, TypedArray])[] = [];
      for (const [index, file] of files.entries()) {
        columns.push([file.column, await readSamples(file, streams[index]!, sample, count)]);
      }
      // Object.fromEntries forgets which keys there are; they are the files' columns.
      yield { samples: count, columns: Object.fromEntries(columns) as Piece<Columns>["columns"] };
    }
    for (const [index, file] of files.entries()) {
      if (!(await streams[index]!.isAtEnd())) requireSize(file, 0, true);
    }
  } finally {
    for (const stream of streams) await stream.close();
  }
}

async function readSamples(
  file: IdxFile,
  stream: ByteStream,
  sample: number,
  count: number,
): Promise<TypedArray> {
  const { path, type, dtype, elements, dataOffset } = file;
  const sampleBytes = elements * type.bytes;
  const bytes = await stream.read(count * sampleBytes);
  if (bytes.length < count * sampleBytes) requireSize(file, dataOffset + sample * sampleBytes + bytes.length);
  const places = {
    offset: 0,
    samples: count,
    sampleStride: sampleBytes,
    elements,
    elementStride: type.bytes,
  };
  return readElements(type, bytes, places, (row) => `${path}, row ${sample + row}`, dtype);
}
