/** Made-up numbers for a model file: rows to run it on, and a plan that trains all of it that can be trained. */
import type { AnyArray, NdArray } from "../array/array.ts";
import { allocate, type NumericDType } from "../array/dtype.ts";
import { randomSequence } from "../array/random.ts";
import { sourceOf } from "../array/schema.ts";
import { elementCount } from "../array/shape.ts";
import { arrays } from "../data/arrays.ts";
import { bug, MicrobatchError } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import type { OnnxFunction } from "../models/onnx-function.ts";
import type { OnnxValue } from "../onnx/decode.ts";
import { add, cast, mul, reshape, square, sum } from "../ops/index.ts";
import { sgd } from "../optim/index.ts";
import type { Plan } from "../train/plan.ts";
import type { RawColumns, RawValue } from "../train/saved-model.ts";
import type { OpenedModel } from "./training/finetune-open.ts";
import { openedWith, reachOf, readableOutputs } from "./training/finetune-reach.ts";

/** What a session is fed, by input. */
export type Fed = Readonly<Record<string, AnyArray>>;

const fedDtypes: readonly string[] = ["float32", "float64", "int32", "int64", "uint8", "bool"];

/**
 * Rows for every input: numbers from −1 to 1, and 0 or 1 where they are whole, which is a code of whatever has two. Says why not
 * where an input takes something else.
 */
export function madeUp(inputs: readonly OnnxValue[], rows: number): Record<string, NdArray> | string {
  const other = inputs.find(
    ({ dtype, shape }) =>
      !fedDtypes.includes(dtype) || shape.slice(1).some((size) => typeof size !== "number"),
  );
  if (other !== undefined)
    return `no rows can be made up for "${other.name}", ${other.dtype} [${other.shape.join(", ")}]: name a table`;
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const [first = rows, ...rest] = shape;
      const sizes = shape.length === 0 ? [] : [typeof first === "number" ? first : rows, ...rest.map(Number)];
      const known = dtype as NumericDType; // fedDtypes has it
      const data = allocate(known, elementCount(sizes));
      fillMadeUp(name, data);
      return [name, { dtype: known, shape: sizes, data }];
    }),
  );
}

function fillMadeUp(name: string, data: NdArray["data"]): void {
  const random = randomSequence(1, "verify", name);
  const isFloat = data instanceof Float32Array || data instanceof Float64Array;
  for (let index = 0; index < data.length; index++) {
    const value = isFloat ? 2 * random(index) - 1 : Math.floor(2 * random(index));
    if (data instanceof BigInt64Array) data[index] = BigInt(value);
    else (data as Float32Array)[index] = value; // all others take plain numbers
  }
}

/** What a session must be fed though nothing that is judged reads it: the raw columns in front of an encoder. */
export function withUnread({ summary }: OpenedModel, feeds: Fed, rows: number): Fed {
  const unread = summary.inputs.filter(({ name }) => !Object.hasOwn(feeds, name));
  const blank = unread.map(({ name, dtype, shape }): readonly [string, AnyArray] => {
    const sizes = [rows, ...shape.slice(1).map(Number)];
    const count = elementCount(sizes);
    if (dtype === "string") return [name, { dtype, shape: sizes, data: Array<string>(count).fill("") }];
    const known = dtype as NumericDType; // of a table's columns, which are float32 and texts
    return [name, { dtype: known, shape: sizes, data: allocate(known, count) }];
  });
  return { ...feeds, ...Object.fromEntries(blank) };
}

/** Raw rows for a model of a table: numbers, listed categories, dates and words. None for any other model. */
export function rawMadeUp({ schema, summary }: OpenedModel): RawColumns | undefined {
  if (schema === undefined) return undefined;
  const columns = summary.inputs.map(({ name, dtype, shape }) => {
    const random = randomSequence(1, "verify", name);
    const width = elementCount(shape.slice(1).map(Number));
    const feature = schema.features.find((one) => sourceOf(one) === name);
    const rawValue = (row: number): RawValue | readonly number[] => {
      if (dtype !== "string") {
        const numbers = Array.from({ length: width }, (_, index) => 2 * random(row * width + index) - 1);
        return dtype === "float32" ? numbers : numbers.map((value) => (value > 0 ? 1 : 0));
      }
      if (feature?.ofDate !== undefined) return `2024-0${1 + (row % 9)}-15`;
      const words = feature?.kind === "category" ? feature.categories : ["some words", "and others"];
      return words[Math.floor(words.length * random(row))] ?? null;
    };
    return [name, Array.from({ length: madeUpRows }, (_, row) => rawValue(row))] as const;
  });
  return Object.fromEntries(columns);
}

const madeUpRows = 7;

/** The first rows of an array. */
export function firstRows(array: AnyArray, rows: number): AnyArray {
  const [, ...rest] = array.shape;
  if (array.shape.length === 0) return array;
  const shape = [rows, ...rest];
  const count = elementCount(shape);
  if (array.dtype === "string") return { dtype: "string", shape, data: array.data.slice(0, count) };
  return { dtype: array.dtype, shape, data: array.data.slice(0, count) };
}

/** Made-up samples of a plan. */
const samples = 24;

/** A plan that trains what the file lets train, on made-up samples, by a loss of all its outputs. Says why there is none. */
export function filePlan(model: OpenedModel): Plan | string {
  const { trainable, blocked } = reachOf(model);
  if (trainable.length === 0)
    return `no weight could be trained: ${blocked[0]?.reason ?? "the file has none"}`;
  const traced = openedWith(model, { outputs: readableOutputs(model) });
  const again = traced instanceof MicrobatchError ? traced : traced.again(trainable);
  if (again instanceof MicrobatchError) return again.message;
  const { read } = again;
  const fixed = read.inputs.find(({ shape }) => shape[0] !== "batch");
  if (fixed !== undefined)
    return `batches cannot be split: "${fixed.name}" is [${fixed.shape.join(", ")}]${read.fixedBatch === undefined ? "" : ` (${read.fixedBatch})`}`;
  if (!again.made.some(isJudged)) return "no output has one row of numbers per sample";
  const fed = madeUp(read.inputs, samples);
  if (typeof fed === "string") return fed;
  const columns = read.inputs.map(({ name }, index) => [columnOf(index), columnArray(fed[name]!)] as const);
  return {
    data: arrays(Object.fromEntries(columns)),
    model: (row) => answersOf(read, row),
    loss: (predicted) => lossOf(Object.values(predicted)),
    optimizer: sgd({ learningRate: 1e-3, momentum: 0.9 }),
  } as Plan<Plan["data"]["columns"], Readonly<Record<string, Tensor>>> as unknown as Plan; // predictions only go back to this plan
}

const columnOf = (index: number) => `input ${index}`;

/** Columns have fewer dtypes than inputs. */
function columnArray({ dtype, shape, data }: NdArray) {
  const numbers = Array.from(data, Number);
  if (dtype.startsWith("float")) return { data: Float32Array.from(numbers), shape };
  return { data: dtype.startsWith("int") ? Int32Array.from(numbers) : Uint8Array.from(numbers), shape };
}

function answersOf(
  read: OnnxFunction,
  row: Readonly<Record<string, Tensor>>,
): Readonly<Record<string, Tensor>> {
  const inputs = read.inputs.map(({ name, dtype }, index) => {
    const column = row[columnOf(index)] ?? bug(`no column for input "${name}"`);
    return [name, column.dtype === dtype ? column : cast(column, dtype as NumericDType)] as const; // fedDtypes has it
  });
  return Object.fromEntries(
    Object.entries(read(Object.fromEntries(inputs))).filter(([, made]) => isJudged(made)),
  );
}

/** One row of numbers per sample. */
const isJudged = ({ dtype, shape }: Tensor) =>
  (dtype === "float32" || dtype === "float64") &&
  shape[0] === "batch" &&
  shape.slice(1).every((size) => typeof size === "number");

/** Of each sample the mean of o² + c·o over its outputs: c differs, since sums and norms of outputs may be fixed. */
function lossOf(outputs: readonly Tensor[]): Tensor {
  const losses = outputs.map((output) => {
    const width = elementCount(output.shape.slice(1).map(Number));
    const flat = reshape(cast(output, "float32"), ["batch", width]);
    const slopes = Float32Array.from({ length: width }, (_, index) => Math.sin(1 + index));
    const slant = mul(flat, constant({ dtype: "float32", shape: [width], data: slopes }));
    return mul(sum(add(square(flat), slant), { axes: [1] }), 1 / width);
  });
  return losses.reduce((total, loss) => add(total, loss));
}
