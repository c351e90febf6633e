/** A saved model, loaded back: raw rows in, predictions out, with the columns it was trained on. */
import type { AnyArray, NdArray, StringArray } from "../array/array.ts";
import { expectedDate, isDate } from "../array/date.ts";
import { allocate, type NumericDType, onnxDType } from "../array/dtype.ts";
import { schemaFromMetadata, sourceOf, type TableSchema, textsFromMetadata } from "../array/schema.ts";
import { elementCount } from "../array/shape.ts";
import { readFile } from "../data/files.ts";
import { isMissing, parseNumber, trimBlanks } from "../data/numbers.ts";
import { fail, kindOf } from "../errors.ts";
import { type OnnxSummary, type OnnxValue, summarizeOnnx } from "../onnx/decode.ts";
import { type Arrays, type Inference, inferAlone, inOrder } from "../parallel/inference.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { joinRows, type ModelOptions } from "./model.ts";
import { requireCrew } from "./plan-fields.ts";

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
   * Predictions for every row, by output name: numbers, or strings for names of classes. Columns the model does not read
   * are ignored. Texts are read as `table` reads them: blanks around them do not count, NA and its like are missing, numbers
   * are decimal and fit float32. rowsName: what errors call the rows, by default the model's path.
   */
  predict(rows: RawColumns, rowsName?: string): Promise<Readonly<Record<string, AnyArray>>>;
  close(): Promise<void>;
}

/** Rows computed in one pass: a prediction's memory does not grow with the number of rows. */
const rowsPerRun = 1024;
/** Of texts fewer: while one is cut, a place is held for each word of the longest in each of them. */
const textsPerRun = 64;

/**
 * Loads an ONNX file. parallel: `threads(2)` predicts on two threads, each with a session of its own, until the model is closed; the
 * numbers are the same, bit by bit. Default: this thread alone. Throws when there is no file, when it is damaged, or when its columns
 * cannot be read.
 */
export async function loadModel(path: string, options: ModelOptions = {}): Promise<SavedModel> {
  requireCrew("loadModel", options);
  const bytes = await readFile(path);
  const summary = summarizeOnnx(bytes, path);
  requireEnds(path, summary);
  for (const value of summary.inputs) requireFeedable(path, value);
  for (const value of summary.outputs) requireReadable(path, value);
  const schema = schemaFromMetadata(summary.metadata, path);
  const texts = textsFromMetadata(summary.metadata, path);
  const infer = options.parallel?.infer ?? inferAlone;
  const inference = await infer({ runtime: await nodeRuntime(), name: path, bytes });
  const dates = (schema?.features ?? []).filter(({ ofDate }) => ofDate !== undefined).map(sourceOf);
  const parts: Parts = {
    inference,
    inputs: summary.inputs,
    categories: new Map([
      ...categoriesOf(schema),
      ...texts.map(({ name }) => [name, new Set<string>()] as const),
    ]),
    dates: new Set(dates),
    rowsPerRun: texts.length > 0 ? textsPerRun : rowsPerRun,
  };
  let closing: Promise<void> | undefined;
  return Object.freeze({
    schema,
    summary,
    predict: (rows: RawColumns, rowsName = `${path}, predict`) => predict(rowsName, parts, rows),
    close: () => {
      closing ??= inference.close();
      return closing;
    },
  });
}

/** What a prediction needs of a loaded model. */
interface Parts {
  readonly inference: Inference;
  readonly inputs: readonly OnnxValue[];
  /**
   * The categories of the table's columns of texts, by column; of those that are cut into words none. Empty for a model that was not
   * made from a table.
   */
  readonly categories: ReadonlyMap<string, ReadonlySet<string>>;
  /** The table's columns of dates. */
  readonly dates: ReadonlySet<string>;
  readonly rowsPerRun: number;
}

function categoriesOf(schema: TableSchema | undefined): Parts["categories"] {
  const columns = (schema?.features ?? [])
    .filter((feature) => feature.kind === "category")
    .filter(({ ofDate }) => ofDate === undefined);
  return new Map(columns.map(({ name, categories }) => [name, new Set(categories)]));
}

async function predict(where: string, parts: Parts, rows: RawColumns): Promise<Record<string, AnyArray>> {
  requireColumns(where, rows);
  const count = rowCount(where, parts.inputs, rows);
  const chunks: Arrays[] = [];
  for await (const outputs of inOrder(begin(where, parts, rows, count), parts.inference.ahead))
    chunks.push(outputs);
  return joinRows(chunks, count);
}

/** Begins with some rows after the others, as fast as it is asked to. */
async function* begin(
  where: string,
  { inference, inputs, categories, dates, rowsPerRun: rowsAtOnce }: Parts,
  rows: RawColumns,
  count: number,
): AsyncGenerator<{ readonly result: Promise<Arrays> }> {
  for (let start = 0; start < count; start += rowsAtOnce) {
    const end = Math.min(count, start + rowsAtOnce);
    const feeds = Object.fromEntries(
      inputs.map((input) => {
        const values = { all: rows[input.name]!, start, end };
        const feed =
          input.dtype !== "string"
            ? numberFeed(where, input, values)
            : dates.has(input.name)
              ? dateFeed(where, input, values)
              : textFeed(input, values, categories.get(input.name));
        return [input.name, feed];
      }),
    );
    const result = inference.run(feeds).then((outputs) => {
      requireRows(where, outputs, end - start);
      return outputs;
    });
    yield { result };
  }
}

/** A model of somebody else may take nothing from rows, give nothing, or call it what no object can hold. */
function requireEnds(path: string, { inputs, outputs }: OnnxSummary): void {
  const names = [...inputs, ...outputs].map(({ name }) => name);
  if (inputs.length > 0 && outputs.length > 0 && !names.includes("__proto__")) return;
  fail(path, {
    expected: "inputs and outputs, none of them called __proto__",
    got: `${inputs.length} inputs, ${outputs.length} outputs${names.length === 0 ? "" : `: ${names.join(", ")}`}`,
    fix: "load a model that this package has saved",
  });
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

/** What comes out must be one of our arrays. */
function requireReadable(path: string, { name, dtype }: OnnxValue): void {
  if (Object.hasOwn(onnxDType, dtype)) return;
  fail(`${path}, output "${name}"`, {
    expected: `a tensor of ${Object.keys(onnxDType).join(", ")}`,
    got: dtype,
    fix: "load a model that this package has saved, or cast the output in whatever writes the file",
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

function rowCount(where: string, inputs: readonly OnnxValue[], rows: RawColumns): number {
  const missing = inputs.map(({ name }) => name).filter((name) => !Object.hasOwn(rows, name));
  if (missing.length > 0) {
    fail(where, {
      expected: `columns ${inputs.map(({ name }) => name).join(", ")}`,
      got: `no ${missing.join(", ")}`,
      fix: "add the columns, empty where a value is missing",
    });
  }
  const lengths = inputs.map(({ name }) => rows[name]!.length);
  const uneven = inputs.find((_, index) => lengths[index] !== lengths[0]);
  if (uneven !== undefined || lengths[0] === 0) {
    fail(where, {
      expected: "columns of one length, at least 1",
      got: inputs.map(({ name }, index) => `${name} ${lengths[index]}`).join(", "),
      fix: "give every column one value per row",
    });
  }
  return lengths[0] ?? 0;
}

/** A column and which of its rows are fed. */
interface FedRows {
  readonly all: RawColumns[string];
  readonly start: number;
  readonly end: number;
}

/** Texts as a table has them, where the model was made from one; as they are for a model of somebody else. */
function textFeed(
  { shape: [, ...ones] }: OnnxValue,
  { all, start, end }: FedRows,
  categories: ReadonlySet<string> | undefined,
): StringArray {
  const data = Array.from({ length: end - start }, (_, index) => {
    const value = all[start + index];
    const text = value === null || value === undefined ? "" : String(value);
    if (categories === undefined) return text;
    const trimmed = trimBlanks(text);
    return isMissing(trimmed) && !categories.has(trimmed) ? "" : trimmed;
  });
  return { dtype: "string", shape: [end - start, ...ones.map(Number)], data };
}

/** Dates as a table has them. The file itself takes what is no date for missing; here it is refused, as in a table. */
function dateFeed(where: string, { name }: OnnxValue, { all, start, end }: FedRows): StringArray {
  const data = Array.from({ length: end - start }, (_, index) => {
    const value = all[start + index];
    const text = value === null || value === undefined ? "" : trimBlanks(String(value));
    if (isMissing(text)) return "";
    if (isDate(text)) return text;
    return fail(`${where}, column "${name}", row ${start + index}`, {
      expected: `${expectedDate}, or nothing where it is missing`,
      got: kindOf(value),
      fix: "correct the value, or leave it empty",
    });
  });
  return { dtype: "string", shape: [end - start], data };
}

function numberFeed(where: string, input: OnnxValue, { all, start, end }: FedRows): NdArray {
  const dtype = input.dtype as NumericDType; // requireFeedable saw to it, and the caller has taken the strings
  const shape = [end - start, ...input.shape.slice(1).map(Number)];
  const width = elementCount(shape.slice(1));
  const data = allocate(dtype, width * (end - start));
  for (let row = start; row < end; row++) {
    const value = all[row];
    const place = () => `${where}, column "${input.name}", row ${row}`; // only errors need it
    const list = (Array.isArray(value) ? (value as readonly RawValue[]) : [value as RawValue]).map((one) =>
      numberOf(place, one),
    );
    if (list.length !== width) {
      fail(place(), {
        expected: `${width} numbers`,
        got: String(list.length),
        fix: "give every row the shape the model was trained on",
      });
    }
    if (dtype !== "float32") for (const one of list) requireWhole(place, dtype, one);
    // Integer inputs of this package are int32 or uint8; both take plain numbers.
    (data as Float32Array).set(list, (row - start) * width);
  }
  return { dtype, shape, data };
}

function numberOf(place: () => string, value: RawValue): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  if (value === null || value === undefined) return Number.NaN;
  // Callers without types may pass anything.
  const number = typeof value === "string" ? parseNumber(value) : undefined;
  if (number !== undefined) return number;
  if (typeof value === "string" && isMissing(trimBlanks(value))) return Number.NaN;
  return fail(place(), {
    expected: "a number that fits float32, or nothing where it is missing",
    got: kindOf(value),
    fix: "correct the value, or leave it empty",
  });
}

/** A typed array would make 0 of a missing value, and another number of a fraction. */
function requireWhole(place: () => string, dtype: string, value: number): void {
  const [least, most] = dtype === "uint8" ? [0, 255] : [-(2 ** 31), 2 ** 31 - 1];
  if (Number.isInteger(value) && value >= least && value <= most) return;
  fail(place(), {
    expected: `a whole number from ${least} to ${most} (${dtype})`,
    got: Number.isNaN(value) ? "none" : String(value),
    fix: "correct the value: only columns of float32 may miss one",
  });
}
