/** One value of an object as the numbers of a column. */
import type { TypedArray } from "../array/dtype.ts";
import { elementCount, formatShape } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import type { ColumnSpec } from "./dataset.ts";

/** Writes a value into `into` from `at` on. Throws for one that is not what the column says; `where` names its place. */
export type ValueWriter = (value: unknown, into: TypedArray, at: number, where: () => string) => void;

/** What writes the values of a column: texts as codes, numbers, and lists of numbers. */
export function valueWriter(spec: ColumnSpec): ValueWriter {
  const { dtype, shape, categories } = spec;
  if (categories !== undefined) return codeWriter(categories);
  const write = numberWriter(dtype);
  if (shape.length === 0) return write;
  const elements = elementCount(shape);
  return (value, into, at, where) => {
    const isFlat = isList(value) && value.length === elements && typeof value[0] === "number";
    writeList(value, isFlat ? [elements] : shape, { write, into, where, shape }, at);
  };
}

function codeWriter(categories: readonly string[]): ValueWriter {
  const codes = new Map(categories.map((category, code) => [category, code]));
  const shown = categories.slice(0, 10).map((category) => JSON.stringify(category));
  const expected = `one of ${shown.join(", ")}${categories.length > 10 ? ", …" : ""}`;
  return (value, into, at, where) => {
    const code = typeof value === "string" ? codes.get(value) : undefined;
    into[at] = code ?? refuse(where(), expected, value, "correct it, or add it to the column's categories");
  };
}

const ranges = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255] } as const;

function numberWriter(dtype: ColumnSpec["dtype"]): ValueWriter {
  if (dtype === "float32") {
    return (value, into, at, where) => {
      // Infinities and NaN stay what they are.
      const fits =
        typeof value === "number" && (Number.isFinite(Math.fround(value)) || !Number.isFinite(value));
      into[at] = fits
        ? value
        : refuse(where(), "a number that fits float32", value, "use NaN where it is missing");
    };
  }
  const [least, most] = ranges[dtype];
  const expected = `a whole number from ${least} to ${most}`;
  return (value, into, at, where) => {
    const fits = typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
    into[at] = fits
      ? value
      : refuse(where(), expected, value, "correct it, or declare the column as float32");
  };
}

interface ListPlace {
  readonly write: ValueWriter;
  readonly into: TypedArray;
  readonly where: () => string;
  /** Of the whole value, for errors. */
  readonly shape: readonly number[];
}

/** Lists within each other, one for each axis. Gives where the next number goes. */
function writeList(value: unknown, shape: readonly number[], place: ListPlace, at: number): number {
  const [length, ...rest] = shape;
  if (length === undefined) {
    place.write(value, place.into, at, place.where);
    return at + 1;
  }
  if (!isList(value) || value.length !== length) {
    const got = isList(value) ? `a list of ${value.length}` : kindOf(value);
    return fail(place.where(), {
      expected: `lists of the lengths ${formatShape(place.shape)}`,
      got: `${got} where ${length} ${length === 1 ? "value" : "values"} should be`,
      fix: "correct it, or the column's shape",
    });
  }
  let next = at;
  for (let index = 0; index < length; index++) next = writeList(value[index], rest, place, next);
  return next;
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function refuse(where: string, expected: string, value: unknown, fix: string): never {
  const got =
    value === undefined ? "nothing" : typeof value === "bigint" ? `the bigint ${value}` : kindOf(value);
  return fail(where, { expected, got, fix });
}
