/** NumPy files (.npy) as samples: one file of records, or one file per column. */
import type { TypedArray } from "../array/dtype.ts";
import { fail } from "../errors.ts";
import type { ColumnsOf } from "./arrays.ts";
import { collect } from "./collect.ts";
import { type ColumnFile, columnFiles, requireSameSamples } from "./column-files.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { dtypeFor, type ElementPlaces, readElements } from "./elements.ts";
import { type FileRanges, fingerprintOfFiles, openRanges, openRangesAgain } from "./file-ranges.ts";
import { type NpyArray, npyArray } from "./npy-array.ts";
import { longestNpyHeader, parseNpyHeader } from "./npy-header.ts";
import type { Piece, Source } from "./source.ts";
import { requireWeightColumn } from "./weight-column.ts";

/** Options of `npy`. */
export interface NpyOptions<Name extends string = string> {
  /** The column of sample weights: one float per sample. Default: no weights. */
  readonly weight?: Name;
}

/**
 * The samples of NumPy files, in memory. The first axis counts samples.
 *
 *   const data = await npy({ x: "features.npy", label: "labels.npy" });
 *   const records = await npy("records.npy"); // one column per field
 *
 * A file of its own is named by its column; a single path holds records (a structured dtype), whose fields are the
 * columns, or an array, whose column is called like the file. Arrays [samples, ...shape] and fields become columns of
 * that shape: f2, f4 and f8 as float32 (f8 rounded), u1 and b1 as uint8, other whole numbers as int32. Either order of
 * bytes, C's or Fortran's order of axes, versions 1 to 3 of the format.
 *
 * Throws, naming the file and the byte or row, for what is no .npy file, for one that is cut off or has more than its
 * header says, for Python objects, texts, dates and complex numbers, for numbers that do not fit float32 or int32, and
 * when files differ in their first axis.
 */
export function npy(path: string, options?: NpyOptions): Promise<Dataset<ColumnSpecs>>;
export function npy<const Files extends Readonly<Record<string, string>>>(
  files: Files,
  options?: NpyOptions<keyof Files & string>,
): Promise<Dataset<ColumnsOf<keyof Files>>>;
export async function npy(files: NpyFiles, options: NpyOptions = {}): Promise<Dataset> {
  return collect(await openSource(files, options));
}

/** The same, read piece by piece in constant memory: a source for who keeps the samples elsewhere. */
export function npySource(path: string, options?: NpyOptions): Promise<Source<ColumnSpecs>>;
export function npySource<const Files extends Readonly<Record<string, string>>>(
  files: Files,
  options?: NpyOptions<keyof Files & string>,
): Promise<Source<ColumnsOf<keyof Files>>>;
export function npySource(files: NpyFiles, options: NpyOptions = {}): Promise<Source> {
  return openSource(files, options);
}

type NpyFiles = string | Readonly<Record<string, string>>;

async function openSource(files: NpyFiles, options: NpyOptions): Promise<Source> {
  const paths = filesOf(files);
  const arrays: NpyArray[] = [];
  for (const { column, path } of paths) arrays.push(await openArray(path, column, typeof files !== "string"));
  requireSameSamples(arrays.map(({ path, rows }) => ({ path, samples: rows })));
  const name = paths.map(({ path }) => path).join(", ");
  const columns: ColumnSpecs = Object.fromEntries(
    arrays.flatMap((array) =>
      array.columns.map(({ name, type, shape }) => [name, { dtype: dtypeFor(type), shape }] as const),
    ),
  );
  const { weight } = options;
  requireWeightColumn(name, columns, weight);
  return {
    name,
    columns,
    size: arrays[0]!.rows,
    ...(weight !== undefined && { weight }),
    fingerprint: () =>
      fingerprintOfFiles(
        paths.map(({ path }) => path),
        ["npy", Object.keys(columns), weight],
      ),
    pieces: () => readAll(arrays),
  };
}

function filesOf(files: NpyFiles): readonly ColumnFile[] {
  if (typeof files === "string") return [{ column: fileName(files), path: files }];
  const fix = 'for example npy({ x: "x.npy", y: "y.npy" })';
  return columnFiles("npy", files, "a path, or an object of paths by column", fix);
}

/** "features" of "data/features.npy". */
function fileName(path: string): string {
  const last = path.split(/[\\/]/).at(-1)!;
  return last.replace(/\.npy$/i, "") || last;
}

async function openArray(path: string, column: string, isOneColumn: boolean): Promise<NpyArray> {
  const file = await openRanges(path);
  try {
    const beginning = new Uint8Array(Math.min(file.size, longestNpyHeader));
    await file.read(beginning, 0);
    const header = parseNpyHeader(beginning, path);
    if (isOneColumn && typeof header.descr !== "string") {
      const got = `records of ${header.descr.length} fields`;
      fail(path, { expected: `an array, as column "${column}"`, got, fix: "name the file alone: npy(path)" });
    }
    return npyArray(path, header, { size: file.size, changed: file.changed }, column);
  } finally {
    await file.close();
  }
}

/** Bytes read at a time: of Fortran's order more, since a piece takes one read per element of a sample. */
const [pieceBytes, fortranPieceBytes] = [2 ** 20, 2 ** 24];

async function* readAll(arrays: readonly NpyArray[]): AsyncGenerator<Piece, void> {
  const { rows } = arrays[0]!;
  const rowBytes = arrays.reduce((sum, array) => sum + array.rowBytes, 0);
  const isFortran = arrays.some(({ fortranOrder }) => fortranOrder !== undefined);
  const step = Math.max(1, Math.floor((isFortran ? fortranPieceBytes : pieceBytes) / rowBytes));
  const files: FileRanges[] = [];
  try {
    for (const { path, state } of arrays) files.push(await openRangesAgain(path, state));
    for (let row = 0; row < rows; row += step) {
      const samples = Math.min(step, rows - row);
      const columns: (readonly [string, TypedArray])[] = [];
      for (const [index, array] of arrays.entries()) {
        columns.push(...(await readRows(array, files[index]!, row, samples)));
      }
      yield { samples, columns: Object.fromEntries(columns) };
    }
  } finally {
    for (const file of files) await file.close();
  }
}

async function readRows(
  array: NpyArray,
  file: FileRanges,
  row: number,
  samples: number,
): Promise<(readonly [column: string, values: TypedArray])[]> {
  const { path, rowBytes, dataOffset, columns, fortranOrder } = array;
  const bytes = new Uint8Array(samples * rowBytes);
  if (fortranOrder === undefined) await file.read(bytes, dataOffset + row * rowBytes);
  else await readFortran(array, fortranOrder, file, row, bytes);
  return columns.map(({ name, type, elements, offset, label }) => {
    const places: ElementPlaces =
      fortranOrder === undefined
        ? { offset, samples, sampleStride: rowBytes, elements, elementStride: type.bytes }
        : { offset, samples, sampleStride: type.bytes, elements, elementStride: samples * type.bytes };
    const where = (sample: number) => `${path}, row ${row + sample}${label}`;
    return [name, readElements(type, bytes, places, where)] as const;
  });
}

/** Element after element, each for all samples of the piece. */
async function readFortran(
  { rows, dataOffset, columns }: NpyArray,
  places: Uint32Array,
  file: FileRanges,
  row: number,
  bytes: Uint8Array,
): Promise<void> {
  const { type } = columns[0]!;
  const length = bytes.length / places.length;
  for (const [element, place] of places.entries()) {
    const into = bytes.subarray(element * length, (element + 1) * length);
    await file.read(into, dataOffset + (place * rows + row) * type.bytes);
  }
}
