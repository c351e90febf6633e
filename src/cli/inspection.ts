/** microbatch inspect: what a model file takes, gives and holds. */
import {
  type FeatureStatistics,
  schemaFromMetadata,
  statisticsFromMetadata,
  type TableSchema,
  type TargetStatistics,
  type TextColumn,
  textsFromMetadata,
} from "../array/schema.ts";
import { readFile } from "../data/files.ts";
import { type OnnxSummary, type OnnxValue, summarizeOnnx } from "../onnx/decode.ts";
import { digits } from "../report/console.ts";
import type { InspectFlags } from "./inspect.ts";
import { print, styled } from "./say.ts";
import { type Trainable, trainableLines, trainableOf, trainableTitle } from "./trainable.ts";

/** Prints what is in the file. Nothing is run, so a model of anybody's will do. */
export async function runInspect(file: string, { json }: InspectFlags): Promise<void> {
  const bytes = await readFile(file);
  const found = { ...inspectionOf(file, bytes), trainable: await trainableOf(file) };
  if (json === true) print(JSON.stringify(found));
  else for (const line of linesOf(found)) print(line);
}

/** Everything the file says, as plain JSON. */
interface Inspection {
  readonly model: string;
  readonly bytes: number;
  readonly opset: number;
  readonly producer: string;
  readonly inputs: readonly ColumnDescription[];
  readonly outputs: readonly OutputDescription[];
  /** How many numbers were trained, in which tensors; of another's model every float. */
  readonly parameters: number;
  readonly tensors: OnnxSummary["initializers"];
  /** How many floats stand beside them: means, deviations and the like. */
  readonly fixed: number;
  readonly operators: OnnxSummary["operators"];
  /** Which weights finetune could train, and what blocks the others. */
  readonly trainable: Trainable;
  /** The record of the run, where this package made the file. */
  readonly run: unknown;
  /** The model that the run began with, where finetune made the file. */
  readonly finetuned: unknown;
  /** What else stands in the metadata, as it stands there. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface ColumnDescription {
  readonly name: string;
  readonly dtype: string;
  readonly shape: OnnxValue["shape"];
  /** What the name says in brackets: "length [mm]". */
  readonly unit?: string;
  /** What the column was in the training samples, where the file says. */
  readonly statistics?: FeatureStatistics;
  readonly categories?: readonly string[];
  /** Where the model cuts the column into words: how many of them count, and how many it lists. */
  readonly text?: Omit<TextColumn, "name">;
  /** Where the column has dates: what their parts were in the training samples, where the file says. */
  readonly parts?: readonly FeatureStatistics[];
}

interface OutputDescription {
  readonly name: string;
  readonly dtype: string;
  readonly shape: OnnxValue["shape"];
  readonly target?: string;
  readonly labels?: readonly string[];
  readonly statistics?: TargetStatistics;
}

/** Keys of the metadata that are told in other words. */
const own = [
  "microbatch",
  "microbatch.schema",
  "microbatch.statistics",
  "microbatch.finetuned",
  "microbatch.texts",
];

function inspectionOf(file: string, bytes: Uint8Array): Omit<Inspection, "trainable"> {
  const summary = summarizeOnnx(bytes, file);
  const { metadata } = summary;
  const schema = schemaFromMetadata(metadata, file);
  const known = statisticsFromMetadata(metadata, file);
  const texts = textsFromMetadata(metadata, file);
  const rest = Object.entries(metadata).filter(([key]) => !own.includes(key));
  return {
    model: file,
    bytes: bytes.length,
    opset: summary.opset,
    producer: [summary.producer, summary.producerVersion].filter((part) => part !== "").join(" "),
    inputs: summary.inputs.map((value) => describeInput(value, schema, known?.features ?? [], texts)),
    outputs: summary.outputs.map((value) => describeOutput(value, schema, known?.targets ?? [])),
    ...holdings(summary, parsed(metadata.microbatch)),
    operators: summary.operators,
    run: parsed(metadata.microbatch),
    finetuned: jsonOf(metadata["microbatch.finetuned"]),
    metadata: Object.fromEntries(rest),
  };
}

function parsed(text: string | undefined): unknown {
  const record = jsonOf(text);
  return typeof record === "object" && record !== null && "plan" in record ? record.plan : null;
}

function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? null : JSON.parse(text);
  } catch {
    return null; // somebody else's key of that name
  }
}

function describeInput(
  { name, dtype, shape }: OnnxValue,
  schema: TableSchema | undefined,
  known: readonly FeatureStatistics[],
  texts: readonly TextColumn[],
): ColumnDescription {
  const text = texts.find((one) => one.name === name);
  const feature = schema?.features.find((one) => one.name === name);
  const statistics = known.find((one) => one.name === name);
  const parts = known.filter(({ ofDate }) => ofDate?.column === name);
  const isDate = schema?.features.some(({ ofDate }) => ofDate?.column === name) ?? false;
  const unit = /[[(]([^\])]+)[\])]\s*$/.exec(name)?.[1];
  return {
    name,
    dtype,
    shape,
    ...(unit !== undefined && { unit }),
    ...(feature?.kind === "category" && { categories: feature.categories }),
    ...(statistics !== undefined && { statistics }),
    ...(isDate && { parts }),
    ...(text !== undefined && { text: { words: text.words, length: text.length } }),
  };
}

function describeOutput(
  { name, dtype, shape }: OnnxValue,
  schema: TableSchema | undefined,
  known: readonly TargetStatistics[],
): OutputDescription {
  const target = schema?.targets.find(
    (one) =>
      name === one.name ||
      ["prediction", "probabilities"].some((what) =>
        schema.targets.length === 1 ? name === what : name === `${what} of ${one.name}`,
      ),
  );
  const statistics = known.find((one) => one.name === target?.name);
  return {
    name,
    dtype,
    shape,
    ...(target !== undefined && { target: target.name }),
    ...(target?.task === "classification" && { labels: target.categories }),
    ...(statistics !== undefined && { statistics }),
  };
}

function linesOf(found: Inspection): string[] {
  const { inputs, outputs, tensors } = found;
  const width = Math.min(
    32,
    Math.max(...[...inputs, ...outputs, ...tensors].map(({ name }) => name.length), 0),
  );
  const title = (text: string) => styled("bold", text, process.stdout);
  const entry = (name: string, text: string) => `  ${name.padEnd(width)}  ${text}`.trimEnd();
  return [
    `${found.model}: ${sizeOf(found.bytes)}, ONNX opset ${found.opset}${found.producer === "" ? "" : `, by ${found.producer}`}`,
    title("takes"),
    ...inputs.map((column) => entry(column.name, inputText(column))),
    title("gives"),
    ...outputs.map((output) => entry(output.name, outputText(output))),
    ...tensorLines(found, title, entry),
    title(trainableTitle(found.trainable)),
    ...trainableLines(found.trainable),
    title("computes"),
    `  ${Object.entries(found.operators)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}`,
    ...runLines(found, title),
    ...metadataLines(found.metadata, title, entry),
  ];
}

/** What was trained, where the file says; else every float: whole numbers are axes, shapes and codes. */
function holdings(
  { initializers }: OnnxSummary,
  run: unknown,
): Pick<Inspection, "parameters" | "tensors" | "fixed"> {
  const trained = trainedNames(run);
  const floats = initializers.filter(({ dtype }) => /^b?float/.test(dtype));
  const tensors = floats.filter(({ name }) => trained === undefined || trained.has(name));
  const count = (some: OnnxSummary["initializers"]) => some.reduce((sum, { elements }) => sum + elements, 0);
  return { parameters: count(tensors), tensors, fixed: count(floats) - count(tensors) };
}

function tensorLines(
  { tensors, parameters, fixed }: Inspection,
  title: (text: string) => string,
  entry: (name: string, text: string) => string,
): string[] {
  const count = (value: number) => value.toLocaleString("en-US");
  return [
    title(`holds ${count(parameters)} parameters`),
    ...shortened(
      tensors.map(({ name, shape, dtype }) =>
        entry(name, `${shape.length === 0 ? "one number" : shape.join(" × ")}  ${dtype}`),
      ),
    ),
    ...(fixed > 0 ? [`  and ${count(fixed)} fixed numbers: means, deviations and the like`] : []),
  ];
}

function trainedNames(run: unknown): ReadonlySet<string> | undefined {
  if (typeof run !== "object" || run === null || !("parameters" in run)) return undefined;
  const { parameters } = run;
  return Array.isArray(parameters) ? new Set(parameters.map((one) => one?.name)) : undefined;
}

/** Twelve at most; JSON has them all. */
function shortened(lines: readonly string[]): string[] {
  if (lines.length <= 13) return [...lines];
  return [...lines.slice(0, 12), `  … and ${lines.length - 12} more (--json lists them)`];
}

function inputText(column: ColumnDescription): string {
  const { dtype, shape, unit, statistics, categories, parts, text } = column;
  if (text !== undefined)
    return `text      the first ${text.length} words, ${text.words.toLocaleString("en-US")} listed`;
  if (parts !== undefined) return dateText(parts);
  const unitText = unit === undefined ? "" : ` ${unit}`;
  if (statistics?.kind === "number") {
    const { mean, deviation, minimum, maximum, missing, quartiles } = statistics;
    const quarters = quartiles === undefined ? "" : `, quartiles ${quartiles.map(digits).join(", ")}`;
    return (
      `number    ${digits(mean)} ± ${digits(deviation)}${unitText}, from ${digits(minimum)} to ${digits(maximum)}${quarters}` +
      missingText(missing, digits(statistics.fill))
    );
  }
  if (categories !== undefined) {
    const isOrdered = statistics?.kind === "category" && statistics.isOrdered === true;
    const { missing = 0, fill = undefined } = statistics?.kind === "category" ? statistics : {};
    return `${isOrdered ? "ordered " : "category"}  ${listed(categories, isOrdered ? " < " : ", ")}${missingText(missing, fill)}`;
  }
  return `${dtype}  [${shape.join(", ")}]${unitText}`;
}

function dateText(parts: readonly FeatureStatistics[]): string {
  const elapsed = parts.find(({ ofDate }) => ofDate?.part === "elapsed");
  if (elapsed?.kind !== "number") return "date";
  // Days since 1970; an invalid date is nobody's, but files are.
  const dayOf = (days: number) => {
    const date = new Date(days * 86_400_000);
    return Number.isNaN(date.getTime()) ? "?" : date.toISOString().slice(0, 10);
  };
  const range = `from ${dayOf(elapsed.minimum)} to ${dayOf(elapsed.maximum)}`;
  return `date      ${range}, as ${parts.map(({ ofDate }) => ofDate!.part).join(", ")}${missingText(elapsed.missing)}`;
}

const missingText = (count: number, fill?: string) =>
  count === 0 ? "" : `; ${count} missing${fill === undefined ? "" : `, filled with ${fill}`}`;

function outputText({ dtype, shape, labels, statistics, target }: OutputDescription): string {
  const what = target === undefined ? "" : `${target}: `;
  if (labels !== undefined) return `${dtype === "string" ? "text" : dtype}  ${what}${listed(labels, ", ")}`;
  const range =
    statistics?.task === "regression"
      ? `${what}${digits(statistics.mean)} ± ${digits(statistics.deviation)} in training`
      : `[${shape.join(", ")}]`;
  return `${dtype}  ${range}`;
}

const listed = (texts: readonly string[], separator: string) =>
  texts.slice(0, 8).join(separator) + (texts.length > 8 ? `, … (${texts.length})` : "");

/** The parts of a run's record that people ask for. Files are anybody's, so nothing is taken for granted. */
function runLines({ run, finetuned }: Inspection, title: (text: string) => string): string[] {
  if (typeof run !== "object" || run === null) return [];
  const record = run as { readonly [field: string]: unknown }; // an object, of whatever fields
  const shown = (value: unknown) =>
    typeof value === "string" || typeof value === "number" ? String(value) : "?";
  const text = (field: string) => shown(record[field]);
  const part = (field: string, inner: string) => {
    const value = record[field];
    const isRecord = typeof value === "object" && value !== null;
    return shown(isRecord ? (value as { readonly [field: string]: unknown })[inner] : undefined); // as above
  };
  const before = finetuned as {
    readonly model?: { readonly name?: unknown; readonly sha256?: unknown };
  } | null; // as above
  const begun = `  begun with ${shown(before?.model?.name)}, sha256 ${shown(before?.model?.sha256).slice(0, 16)}…`;
  return [
    title("trained"),
    ...(before === null ? [] : [begun]),
    `  on ${part("data", "samples")} samples of ${part("data", "name")}`,
    `  ${part("optimizer", "name")}, batch ${text("batchSize")}, microbatch ${text("microbatchSize")}, lanes ${text("lanes")}, seed ${text("seed")}`,
    `  ${part("backend", "name")} ${part("backend", "version")} on ${part("backend", "processor")}; data sha256 ${part("data", "sha256").slice(0, 16)}…`,
  ];
}

function metadataLines(
  metadata: Readonly<Record<string, string>>,
  title: (text: string) => string,
  entry: (name: string, text: string) => string,
): string[] {
  const entries = Object.entries(metadata);
  if (entries.length === 0) return [];
  return [
    title("metadata"),
    ...shortened(
      entries.map(([key, value]) => entry(key, value.length > 60 ? `${value.slice(0, 60)}…` : value)),
    ),
  ];
}

function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 2 ** 20 ? `${digits(bytes / 1024)} KiB` : `${digits(bytes / 2 ** 20)} MiB`;
}
