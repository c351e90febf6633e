/** A saved model, loaded back: raw rows in, predictions out, with the columns it was trained on. */
import type { NdArray } from "../array/array.ts";
import { allocate, type NumericDType } from "../array/dtype.ts";
import { schemaFromMetadata, type TableSchema } from "../array/schema.ts";
import { elementCount } from "../array/shape.ts";
import { readFile } from "../data/files.ts";
import { fail } from "../errors.ts";
import { type OnnxSummary, type OnnxValue, summarizeOnnx } from "../onnx/decode.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import type { Feed, Session } from "../runtime/runtime.ts";
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
  /** Predictions for every row, by output name. Columns the model does not read are ignored. */
  predict(rows: RawColumns): Promise<Readonly<Record<string, NdArray>>>;
  close(): Promise<void>;
}

/** Rows computed in one pass: a prediction's memory does not grow with the number of rows. */
const rowsPerRun = 1024;

/** Loads an ONNX file. Throws when there is none, when it is damaged, or when its columns cannot be read. */
export async function loadModel(path: string): Promise<SavedModel> {
  const bytes = await readFile(path);
  const summary = summarizeOnnx(bytes, path);
  const schema = schemaFromMetadata(summary.metadata);
  const session = await (await nodeRuntime()).load(path, bytes);
  return Object.freeze({
    schema,
    summary,
    predict: (rows: RawColumns) => predict(path, session, summary, rows),
    close: () => session.close(),
  });
}

async function predict(
  path: string,
  session: Session,
  summary: OnnxSummary,
  rows: RawColumns,
): Promise<Record<string, NdArray>> {
  const count = rowCount(path, summary, rows);
  const chunks: Readonly<Record<string, NdArray>>[] = [];
  for (let start = 0; start < count; start += rowsPerRun) {
    const end = Math.min(count, start + rowsPerRun);
    const feeds = Object.fromEntries(
      summary.inputs.map((input) => [input.name, feedOf(path, input, rows[input.name]!, start, end)]),
    );
    chunks.push(await session.bind(feeds).run());
  }
  return joinRows(chunks, count);
}

function rowCount(path: string, summary: OnnxSummary, rows: RawColumns): number {
  const missing = summary.inputs.filter(({ name }) => rows[name] === undefined).map(({ name }) => name);
  if (missing.length > 0) {
    fail(`${path}, predict`, {
      expected: `columns ${summary.inputs.map(({ name }) => name).join(", ")}`,
      got: `no ${missing.join(", ")}`,
      fix: "add the columns, empty where a value is missing",
    });
  }
  const lengths = summary.inputs.map(({ name }) => rows[name]!.length);
  const uneven = summary.inputs.find((_, index) => lengths[index] !== lengths[0]);
  if (uneven !== undefined || lengths[0] === 0) {
    fail(`${path}, predict`, {
      expected: "columns of one length, at least 1",
      got: summary.inputs.map(({ name }, index) => `${name} ${lengths[index]}`).join(", "),
      fix: "give every column one value per row",
    });
  }
  return lengths[0] ?? 0;
}

function feedOf(
  path: string,
  input: OnnxValue,
  values: RawColumns[string],
  start: number,
  end: number,
): Feed {
  const shape = [end - start, ...input.shape.slice(1).map(Number)];
  if (input.dtype === "string") {
    const data = Array.from({ length: end - start }, (_, index) => textOf(values[start + index]));
    return { dtype: "string", shape, data };
  }
  const width = elementCount(shape.slice(1));
  const data = allocate(input.dtype as NumericDType, width * (end - start)); // string was handled above
  for (let row = start; row < end; row++) {
    const value = values[row];
    const list = Array.isArray(value)
      ? (value as readonly number[])
      : [numberOf(path, input.name, row, value as RawValue)];
    if (list.length !== width) {
      fail(`${path}, predict, column "${input.name}", row ${row}`, {
        expected: `${width} numbers`,
        got: String(list.length),
        fix: "give every row the shape the model was trained on",
      });
    }
    // Integer inputs of this package are int32 or uint8; both take plain numbers.
    (data as Float32Array).set(list, (row - start) * width);
  }
  return { dtype: input.dtype as NumericDType, shape, data };
}

const textOf = (value: unknown) => (value === null || value === undefined ? "" : String(value));

function numberOf(path: string, column: string, row: number, value: RawValue): number {
  if (value === null || value === undefined || value === "") return Number.NaN;
  const number = Number(value);
  if (!Number.isNaN(number) || (typeof value === "number" && Number.isNaN(value))) return number;
  return fail(`${path}, predict, column "${column}", row ${row}`, {
    expected: "a number, or nothing where it is missing",
    got: `"${value}"`,
    fix: "correct the value, or leave it empty",
  });
}
