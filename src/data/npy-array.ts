/** What a NumPy file holds: columns of samples, the first axis counting samples. */
import { elementCount, formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ElementType } from "./elements.ts";
import type { FileRanges } from "./file-ranges.ts";
import type { NpyField, NpyHeader } from "./npy-header.ts";

/** What tells that a file is still the one whose header was read. */
export type NpyFileState = Pick<FileRanges, "size" | "changed">;

/** A file whose numbers can be read. */
export interface NpyArray {
  readonly path: string;
  readonly state: NpyFileState;
  readonly rows: number;
  /** Bytes of one sample. */
  readonly rowBytes: number;
  /** Bytes in front of the numbers. */
  readonly dataOffset: number;
  readonly columns: readonly NpyArrayColumn[];
  /**
   * Where the numbers of a sample do not lie side by side, those of all samples for one element do (Fortran's order): the
   * place of each element among them.
   */
  readonly fortranOrder?: Uint32Array;
}

/** One column. */
export interface NpyArrayColumn {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Bytes in front of it in a sample. */
  readonly offset: number;
  /** What errors add to the place: the field of a record. */
  readonly label: string;
}

/**
 * What the header says, as columns: the fields of records, or one called `column`.
 * Throws for types that hold no numbers, for samples without a number or of more than 1 GiB, for records in several axes
 * or within each other, and when the file has another size than the header says.
 */
export function npyArray(path: string, header: NpyHeader, state: NpyFileState, column: string): NpyArray {
  const { descr, shape, dataOffset } = header;
  const [rows, ...rest] = shape;
  if (rows === undefined) {
    const fix = "save an array of samples: numpy.save(path, array[None])";
    fail(path, { expected: "an array whose first axis counts samples", got: "a single value", fix });
  }
  const { columns, rowBytes } =
    typeof descr === "string" ? plainColumn(path, column, descr, rest) : recordColumns(path, descr, rest);
  requireSampleSize(path, shape, rowBytes);
  requireFileSize(path, { rows, rowBytes, dataOffset }, state.size);
  const array = { path, state, rows, rowBytes, dataOffset, columns };
  // With a single axis, or a single element per sample, both orders are the same; records have one axis.
  if (!header.fortranOrder || typeof descr !== "string" || columns[0]!.elements === 1) return array;
  return { ...array, fortranOrder: fortranPlaces(rest) };
}

function plainColumn(path: string, name: string, descr: string, shape: readonly number[]) {
  const type = elementType(path, descr);
  const elements = elementCount(shape);
  const column: NpyArrayColumn = { name, type, shape, elements, offset: 0, label: "" };
  return { columns: [column], rowBytes: elements * type.bytes };
}

function recordColumns(path: string, fields: readonly NpyField[], axes: readonly number[]) {
  if (axes.length > 0) {
    const got = `${axes.length + 1} axes of them`;
    fail(path, { expected: "one axis of records", got, fix: "save array.ravel()" });
  }
  const columns: NpyArrayColumn[] = [];
  let offset = 0;
  for (const { name, descr, shape } of fields) {
    const elements = elementCount(shape);
    const padding = name === "" && typeof descr === "string" ? /^\|V(\d{1,15})$/.exec(descr) : null;
    if (padding !== null) offset += Number(padding[1]) * elements;
    else {
      const label = `, field ${JSON.stringify(name)}`;
      const type = elementType(`${path}${label}`, descr);
      columns.push({ name, type, shape, elements, offset, label });
      offset += type.bytes * elements;
    }
  }
  requireFieldNames(path, columns);
  return { columns, rowBytes: offset };
}

function requireFieldNames(path: string, columns: readonly NpyArrayColumn[]): void {
  const names = columns.map(({ name }) => name);
  const wrong = names.find((name, index) => name === "" || names.indexOf(name) !== index);
  if (names.length > 0 && wrong === undefined) return;
  fail(`${path}, header`, {
    expected: "records of at least one field, each with a name of its own",
    got: names.length === 0 ? "none" : wrong === "" ? "one without a name" : `${JSON.stringify(wrong)} twice`,
    fix: "write the file again with numpy.save",
  });
}

const kinds: Readonly<Record<string, ElementType["kind"]>> = {
  f: "float",
  i: "signed",
  u: "unsigned",
  b: "boolean",
};
const known = /^([<>])(f[248]|[iu][248])$|^[<>|]([iub]1)$/;

/** Types of one byte have no order of bytes. */
function elementType(where: string, descr: NpyField["descr"]): ElementType {
  const found = typeof descr === "string" ? known.exec(descr) : null;
  const [, order, wide, narrow] = found ?? [];
  const code = wide ?? narrow;
  if (code === undefined) return refuseType(where, descr);
  return { kind: kinds[code[0]!]!, bytes: Number(code[1]), isLittleEndian: order === "<" };
}

/** What to do about other types, by their letter. */
const fixes: Readonly<Record<string, readonly [got: string, fix: string]>> = {
  O: ["pickled Python objects", 'save numbers: array.astype("float32")'],
  U: ["texts", "save codes of them, counted from 0"],
  S: ["texts", "save codes of them, counted from 0"],
  a: ["texts", "save codes of them, counted from 0"],
  c: ["complex numbers", "save real and imaginary parts: numpy.stack([z.real, z.imag], -1)"],
  M: ["dates", 'save numbers: dates.astype("datetime64[s]").astype("float64")'],
  m: ["durations", 'save numbers: durations.astype("float64")'],
  f: ["another precision", 'save array.astype("float32")'],
  V: ["raw bytes", 'save them as numbers: array.view("u1")'],
};

function refuseType(where: string, descr: NpyField["descr"]): never {
  const [what, fix] =
    typeof descr !== "string"
      ? ["records within records", "save the inner fields as fields of the outer record"]
      : (fixes[/^[<>|=]?(.)/.exec(descr)?.[1] ?? ""] ?? ["an unknown type", 'save array.astype("float32")']);
  fail(where, {
    expected: "floats (f2, f4, f8), whole numbers (i1 … i8, u1 … u8) or booleans (b1)",
    got: typeof descr === "string" ? `${what} (${descr})` : what!,
    fix: fix!,
  });
}

const largestSample = 2 ** 30;

function requireSampleSize(path: string, shape: readonly number[], rowBytes: number): void {
  if (rowBytes > 0 && rowBytes <= largestSample) return;
  fail(path, {
    expected: `between 1 byte and 1 GiB of numbers per sample`,
    got: `${rowBytes} bytes in the shape ${formatShape(shape)}`,
    fix: "let the first axis count samples",
  });
}

function requireFileSize(
  path: string,
  { rows, rowBytes, dataOffset }: Pick<NpyArray, "rows" | "rowBytes" | "dataOffset">,
  fileSize: number,
): void {
  const expected = dataOffset + rows * rowBytes;
  if (fileSize === expected) return;
  fail(path, {
    expected: `${expected} bytes: a header of ${dataOffset} and ${rows} samples of ${rowBytes}`,
    got: `${fileSize} bytes`,
    fix:
      fileSize < expected
        ? "copy or write the file again"
        : "write one array to a file, by numpy.save(path, array)",
  });
}

/** For every element in our order its place in Fortran's, where the first axis varies fastest. */
function fortranPlaces(shape: readonly number[]): Uint32Array {
  const places = new Uint32Array(elementCount(shape));
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  for (let element = 0; element < places.length; element++) {
    let rest = element;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      places[element]! += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
  }
  return places;
}
