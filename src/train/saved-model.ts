/** A saved model, loaded back: raw rows in, predictions out, with the columns it was trained on. */
import type { AnyArray } from "../array/array.ts";
import { allocate, type NumericDType } from "../array/dtype.ts";
import { schemaFromMetadata, type TableSchema } from "../array/schema.ts";
import { elementCount } from "../array/shape.ts";
import { readFile } from "../data/files.ts";
import { fail, kindOf } from "../errors.ts";
import { type OnnxSummary, type OnnxValue, summarizeOnnx } from "../onnx/decode.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import type { Session } from "../runtime/runtime.ts";
import { joinRows } from "./model.ts";

/** One raw value: a number, a text, or nothing where it is missing. */
export type RawValue = number | string | boolean | null | undefined;

/** Rows by column: every column has the same number of values. Numbers of a fixed shape come as nested lists. */
export type RawColumns = Readonly<Record<string, ArrayLike<RawValue | readonly number[]>>>;

/** A model read from its file. */
export interface SavedModel {
  /** Columns, categories and class names, where the model was trained on a table. */
  readonly schema: TableSchema | undefined;
  readonly summary: OnnxSummary;
  /**
   * Predictions for every row, by output name. Columns the model does not read are ignored. A text in a column of numbers
   * is read as `table` reads it: decimal, fitting float32. rowsName: what errors call the rows, by default the model's path.
   */
  predict(rows: RawColumns, rowsName?: string): Promise<Readonly<Record<string, AnyArray>>>;
  close(): Promise<void>;
}

/** Rows computed in one pass: a prediction's memory does not grow with the number of rows. */
const rowsPerRun = 1024;

/** Loads an ONNX file. Throws when there is none, when it is damaged, or when its columns cannot be read. */
export async function loadModel(path: string): Promise<SavedModel> {
  const bytes = await readFile(path);
  const summary = summarizeOnnx(bytes, path);
  for (const value of summary.inputs) requireFeedable(path, value);
  const schema = schemaFromMetadata(summary.metadata);
  const session = await (await nodeRuntime()).load(path, bytes);
  let closing: Promise<void> | undefined;
  return Object.freeze({
    schema,
    summary,
    predict: (rows: RawColumns, rowsName = `${path}, predict`) => predict(rowsName, session, summary, rows),
    close: () => {
      closing ??= session.close();
      return closing;
    },
  });
}

async function predict(
  where: string,
  session: Session,
  summary: OnnxSummary,
  rows: RawColumns,
): Promise<Record<string, AnyArray>> {
  requireColumns(where, rows);
  const count = rowCount(where, summary, rows);
  const chunks: Readonly<Record<string, AnyArray>>[] = [];
  for (let start = 0; start < count; start += rowsPerRun) {
    const end = Math.min(count, start + rowsPerRun);
    const feeds = Object.fromEntries(
      summary.inputs.map((input) => [input.name, feedOf(where, input, rows[input.name]!, start, end)]),
    );
    const outputs = await session.bind(feeds).run();
    requireRows(where, outputs, end - start);
    chunks.push(outputs);
  }
  return joinRows(chunks, count);
}

/** A model of somebody else may take what rows cannot give. */
function requireFeedable(path: string, { name, dtype, shape }: OnnxValue): void {
  const [batch, ...rest] = shape;
  const isFixed = typeof batch === "string" && rest.every((dim) => typeof dim === "number");
  const isSingle = elementCount(rest.map(Number)) === 1;
  if (isFixed && (dtype === "string" ? isSingle : ["float32", "int32", "uint8"].includes(dtype))) return;
  fail(`${path}, input "${name}"`, {
    expected: "float32, int32, uint8 or one text for each of any number of rows",
    got: `${dtype} [${shape.join(", ")}]`,
    fix: "load a model that this package has saved",
  });
}

function requireRows(where: string, outputs: Readonly<Record<string, AnyArray>>, rows: number): void {
  for (const [name, { shape }] of Object.entries(outputs)) {
    if (shape[0] === rows) continue;
    fail(`${where}, output "${name}"`, {
      expected: `one row for each of ${rows} rows`,
      got: `[${shape.join(", ")}]`,
      fix: "load a model that keeps the batch axis",
    });
  }
}

function requireColumns(where: string, rows: RawColumns): void {
  const columns = typeof rows === "object" && rows !== null ? Object.entries(rows) : undefined;
  const wrong = columns?.find(([, values]) => !Number.isInteger(values?.length));
  if (columns !== undefined && wrong === undefined) return;
  fail(where, {
    expected: "an object with a list of values for each column",
    got: wrong === undefined ? kindOf(rows) : `${kindOf(wrong[1])} for "${wrong[0]}"`,
    fix: "for example predict({ a: [1, 2], b: [3, null] })",
  });
}

function rowCount(where: string, summary: OnnxSummary, rows: RawColumns): number {
  const missing = summary.inputs.map(({ name }) => name).filter((name) => !Object.hasOwn(rows, name));
  if (missing.length > 0) {
    fail(where, {
      expected: `columns ${summary.inputs.map(({ name }) => name).join(", ")}`,
      got: `no ${missing.join(", ")}`,
      fix: "add the columns, empty where a value is missing",
    });
  }
  const lengths = summary.inputs.map(({ name }) => rows[name]!.length);
  const uneven = summary.inputs.find((_, index) => lengths[index] !== lengths[0]);
  if (uneven !== undefined || lengths[0] === 0) {
    fail(where, {
      expected: "columns of one length, at least 1",
      got: summary.inputs.map(({ name }, index) => `${name} ${lengths[index]}`).join(", "),
      fix: "give every column one value per row",
    });
  }
  return lengths[0] ?? 0;
}

function feedOf(
  where: string,
  input: OnnxValue,
  values: RawColumns[string],
  start: number,
  end: number,
): AnyArray {
  const shape = [end - start, ...input.shape.slice(1).map(Number)];
  if (input.dtype === "string") {
    const data = Array.from({ length: end - start }, (_, index) => textOf(values[start + index]));
    return { dtype: "string", shape, data };
  }
  const width = elementCount(shape.slice(1));
  const data = allocate(input.dtype as NumericDType, width * (end - start)); // string was handled above
  for (let row = start; row < end; row++) {
    const value = values[row];
    const place = `${where}, column "${input.name}", row ${row}`;
    const list = (Array.isArray(value) ? (value as readonly RawValue[]) : [value as RawValue]).map((one) =>
      numberOf(place, one),
    );
    if (list.length !== width) {
      fail(place, {
        expected: `${width} numbers`,
        got: String(list.length),
        fix: "give every row the shape the model was trained on",
      });
    }
    if (input.dtype !== "float32") for (const one of list) requireWhole(place, input.dtype, one);
    // Integer inputs of this package are int32 or uint8; both take plain numbers.
    (data as Float32Array).set(list, (row - start) * width);
  }
  return { dtype: input.dtype as NumericDType, shape, data };
}

const textOf = (value: unknown) => (value === null || value === undefined ? "" : String(value));

function numberOf(place: string, value: RawValue): number {
  if (typeof value === "number") return value;
  if (value === null || value === undefined || value === "") return Number.NaN;
  const isNumber = typeof value === "boolean" || (typeof value === "string" && decimal.test(value.trim()));
  const number = isNumber ? Number(value) : Number.NaN;
  if (Number.isFinite(Math.fround(number))) return number;
  return fail(place, {
    expected: "a number that fits float32, or nothing where it is missing",
    got: kindOf(value),
    fix: "correct the value, or leave it empty",
  });
}

/** A typed array would make 0 of a missing value, and another number of a fraction. */
function requireWhole(place: string, dtype: string, value: number): void {
  const [least, most] = dtype === "uint8" ? [0, 255] : [-(2 ** 31), 2 ** 31 - 1];
  if (Number.isInteger(value) && value >= least && value <= most) return;
  fail(place, {
    expected: `a whole number from ${least} to ${most} (${dtype})`,
    got: Number.isNaN(value) ? "none" : String(value),
    fix: "correct the value: only columns of float32 may miss one",
  });
}

/** What `table` takes for a number; JavaScript would take 0x10 and Infinity too. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
