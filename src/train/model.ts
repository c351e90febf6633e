/** A trained model: its parameters, what it predicts, how good it is, and its ONNX file. */
import type { AnyArray, NdArray, StringArray } from "../array/array.ts";
import { allocate, type NumericDType, type TypedArray } from "../array/dtype.ts";
import { schemaToMetadata, textsToMetadata } from "../array/schema.ts";
import { elementCount } from "../array/shape.ts";
import type { Dataset } from "../data/dataset.ts";
import { writeFileAtomically } from "../data/files.ts";
import { allSamples, withWeight } from "../data/samples.ts";
import { fail } from "../errors.ts";
import { rawRow, rawText } from "../nn/raw-row.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import type { CrewFactory, LoadableProgram } from "../parallel/crew.ts";
import { evaluateOnce } from "../parallel/evaluation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { encodeSafetensors } from "../safetensors/encode.ts";
import { foldMetrics } from "./evaluate.ts";
import { placeholders } from "./placeholders.ts";
import { describeColumn, type Row } from "./plan.ts";
import { requireCrew, requireDataset } from "./plan-fields.ts";
import type { ResolvedPlan } from "./resolve.ts";
import type { Trace } from "./trace.ts";

/** Who predicts and judges. */
export interface ModelOptions {
  /**
   * Who computes: `threads(2)` for two threads, which are started and ended with the call. Default: this thread alone. The numbers
   * are the same, bit by bit.
   */
  readonly parallel?: CrewFactory;
}

/** What training gives. Holds its own copy of the parameters; there is nothing to dispose of. */
export interface Model {
  /** Everything that made it. */
  readonly plan: ResolvedPlan;
  /** Trained values by name: "linear1.weight" [out, in]. */
  readonly parameters: ReadonlyMap<string, NdArray>;
  /**
   * Predictions for every sample, by output name: `const { prediction } = await model.predict(data)`. Strings where the
   * plan serves names of classes.
   */
  predict(data: Dataset, options?: ModelOptions): Promise<Readonly<Record<string, AnyArray>>>;
  /** The mean loss and the plan's metrics over a dataset with the training columns. */
  evaluate(data: Dataset, options?: ModelOptions): Promise<Readonly<Record<string, number>>>;
  /** The inference program with its parameters as the bytes of an ONNX file; tables go in as raw rows. */
  toOnnx(metadata?: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer>;
  /** Writes `toOnnx()` under a temporary name, syncs it and renames it. */
  save(path: string, metadata?: Readonly<Record<string, string>>): Promise<void>;
  /**
   * The parameters and running statistics by name as the bytes of a safetensors file, in PyTorch's layout: weights [out, in].
   * Training goes on from them where a plan of the same layers is given them as `initialWeights`.
   */
  toSafetensors(metadata?: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer>;
  /** Writes `toSafetensors()` under a temporary name, syncs it and renames it. */
  saveSafetensors(path: string, metadata?: Readonly<Record<string, string>>): Promise<void>;
}

/** What a model is made of. */
export interface ModelParts {
  readonly trace: Trace;
  readonly parameters: ReadonlyMap<string, NdArray>;
  readonly resolved: ResolvedPlan;
  readonly runtime: Runtime;
  readonly data: Dataset;
}

/** Key of the file's metadata under which the record of the run lies; the schema has its own. */
const recordKey = "microbatch";

/** Makes a model from a finished run. */
export function createModel(parts: ModelParts): Model {
  const { trace, parameters, resolved } = parts;
  const toOnnx = (metadata: Readonly<Record<string, string>> = {}) => {
    const program = trace.serve(servedRow(parts.data));
    const used = new Set(program.inputs.map(({ name }) => name));
    const values = new Map([...parameters].filter(([name]) => used.has(name)));
    return encodeOnnx(program, { values, metadata: { ...ownMetadata(parts), ...metadata } });
  };
  const toSafetensors = (metadata: Readonly<Record<string, string>> = {}) =>
    encodeSafetensors(parameters, { ...ownMetadata(parts), ...metadata });
  const run = (
    program: LoadableProgram,
    dataset: Dataset,
    samples: Uint32Array,
    { parallel }: ModelOptions,
  ) => {
    checkColumns(program, parts.data, dataset);
    const microbatchSize = resolved.evaluationMicrobatchSize;
    return evaluateOnce(parts.runtime, { program, dataset, parameters, microbatchSize }, samples, parallel);
  };
  return Object.freeze({
    plan: resolved,
    parameters,
    predict: async (data: Dataset, options: ModelOptions = {}) => {
      requireDataset("model.predict", data);
      requireCrew("model.predict", options);
      const chunks: Readonly<Record<string, AnyArray>>[] = [];
      const evaluated = run(trace.inference, data, allSamples(data), options);
      for await (const { outputs } of evaluated) chunks.push(outputs);
      return joinRows(chunks, data.size);
    },
    evaluate: async (data: Dataset, options: ModelOptions = {}) => {
      requireDataset("model.evaluate", data);
      requireCrew("model.evaluate", options);
      const samples = await withWeight(data, allSamples(data));
      return foldMetrics(run(trace.evaluation, data, samples, options), trace.metrics);
    },
    toOnnx,
    save: (path: string, metadata?: Readonly<Record<string, string>>) =>
      writeFileAtomically(path, toOnnx(metadata)),
    toSafetensors,
    saveSafetensors: (path: string, metadata?: Readonly<Record<string, string>>) =>
      writeFileAtomically(path, toSafetensors(metadata)),
  });
}

/** A column of texts that is the codes of their words. */
interface WordColumn {
  readonly name: string;
  readonly categories: readonly string[];
  /** How many words of each text count. */
  readonly length: number;
}

function wordColumns({ columns }: Dataset): WordColumn[] {
  return Object.entries(columns).flatMap(([name, spec]) => {
    const { isWords, categories = [] } = spec;
    return isWords ? [{ name, categories, length: spec.shape[0]! }] : [];
  });
}

/** What every saved file says of itself: the table's columns, and the record of the run. */
function ownMetadata({ data, resolved }: ModelParts): Record<string, string> {
  const schema = data.schema === undefined ? {} : schemaToMetadata(data.schema);
  const texts = data.schema === undefined ? [] : wordColumns(data);
  const columns = texts.map(({ name, categories, length }) => ({
    name,
    words: categories.length - 1,
    length,
  }));
  return {
    ...schema,
    ...(columns.length > 0 && textsToMetadata(columns)),
    [recordKey]: JSON.stringify({ version: 1, plan: withoutFolders(resolved) }),
  };
}

/** What a saved model takes: of a table raw rows, and beside them what its schema does not know, such as lists of numbers. */
function servedRow(data: Dataset): Row {
  const { schema, weight } = data;
  if (schema === undefined) return placeholders(data);
  const known = new Set([...schema.features, ...schema.targets].map(({ name }) => name));
  const others = Object.entries(placeholders(data)).filter(([name]) => !known.has(name) && name !== weight);
  const texts = wordColumns(data).map(
    ({ name, categories, length }) => [name, rawText(name, categories, length)] as const,
  );
  return { ...Object.fromEntries([...others, ...texts]), ...rawRow(schema) };
}

/** A file travels; where its data lay on the machine that made it is nobody's business. */
function withoutFolders(resolved: ResolvedPlan): ResolvedPlan {
  const { data } = resolved;
  const name = data.name.replace(/(?:[A-Za-z]:)?(?:[^\s\\/]*[\\/])+/g, "");
  return { ...resolved, data: { ...data, name } };
}

/** Joins the rows of chunks, output by output. */
export function joinRows(
  chunks: readonly Readonly<Record<string, AnyArray>>[],
  rows: number,
): Record<string, AnyArray> {
  const joined: Record<string, AnyArray> = {};
  for (const [name, first] of Object.entries(chunks[0] ?? {})) {
    const [, ...rest] = first.shape;
    const parts = chunks.map((chunk) => chunk[name]!);
    const shape = [rows, ...rest];
    // Chunks of one output have one dtype, so all of its arrays are of the first one's kind.
    joined[name] =
      first.dtype === "string"
        ? { dtype: "string", shape, data: (parts as StringArray[]).flatMap(({ data }) => data) }
        : {
            dtype: first.dtype,
            shape,
            data: joinNumbers(parts as NdArray[], first.dtype, elementCount(shape)),
          };
  }
  return joined;
}

function joinNumbers(parts: readonly NdArray[], dtype: NumericDType, count: number): TypedArray {
  const data = allocate(dtype, count);
  let at = 0;
  for (const part of parts) {
    (data as Float32Array).set(part.data as Float32Array, at); // of one kind, as above
    at += part.data.length;
  }
  return data;
}

function checkColumns(program: LoadableProgram, training: Dataset, data: Dataset): void {
  const missing = program.columns.find(({ column }) => !Object.hasOwn(data.columns, column));
  if (missing !== undefined) {
    fail(data.name, {
      expected: `columns ${program.columns.map(({ column }) => column).join(", ")}`,
      got: Object.keys(data.columns).join(", "),
      fix: `add the column "${missing.column}"`,
    });
  }
  for (const { column } of program.columns) {
    const [trained, given] = [
      describeColumn(training.columns[column]!),
      describeColumn(data.columns[column]!),
    ];
    if (trained === given) continue;
    fail(`${data.name}, column "${column}"`, {
      expected: `${trained}, as in training`,
      got: given,
      fix: "give the column the type and shape that the model was trained on",
    });
  }
}
