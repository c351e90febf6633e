/** The answers a table knows: how they are read, and how a saved model's outputs are judged by them. */
import {
  type ClassificationTarget,
  outputNames,
  statisticsFromMetadata,
  type TableSchema,
  type TargetColumn,
  type TargetStatistics,
} from "../array/schema.ts";
import type { RawPiece } from "../data/table/raw-rows.ts";
import { fail } from "../errors.ts";
import { input } from "../graph/tensor.ts";
import type { MetricFold } from "../nn/metric.ts";
import type { SavedModel } from "../train/saved-model.ts";
import type { EvaluateFlags } from "./evaluate.ts";
import { type Outputs, requireClasses } from "./model-rows.ts";
import { refuseTextModel } from "./text-model.ts";
import { type Head, headOf } from "./training/heads.ts";

/** Rows whose answers are known: a table's, or images whose folders say them. */
export type AnsweredRows = Pick<RawPiece, "names" | "rows" | "columns" | "numbers" | "parse" | "placeOf">;

/** A target and how its answers are read and judged. */
export interface Answer {
  readonly target: TargetColumn;
  /** The table's column. */
  readonly column: string;
  /** The table's column of weights, where rows do not all count the same. */
  readonly weight?: string;
  /** The model's output that is judged: the number, or the probabilities. */
  readonly output: string;
  readonly head: Head;
  /** Whether the file knows what the training samples were, which the trivial model needs. */
  readonly hasBaseline: boolean;
  readonly own: Readonly<Record<string, MetricFold>>;
  readonly trivial: Readonly<Record<string, MetricFold>>;
  /** Rows that have an answer, and count. */
  count: number;
}

/** What is judged: the asked target, or all of the model. Throws for a model that does not say what it predicts. */
export function answersOf(
  file: string,
  model: SavedModel,
  { target: asked, weight }: Pick<EvaluateFlags, "target" | "weight">,
): Answer[] {
  refuseTextModel(file, model.summary.metadata);
  const schema = model.schema;
  if (schema === undefined || schema.targets.length === 0) {
    return fail(file, {
      expected: "a model that knows its target, as train saves it",
      got: "none in its metadata",
      fix: "predict with it, and compare",
    });
  }
  requireClasses(file, model);
  const isOnly = schema.targets.length === 1;
  const chosen =
    asked === undefined || isOnly ? schema.targets : schema.targets.filter(({ name }) => name === asked);
  if (chosen.length === 0) {
    const expected = `one of the model's targets ${schema.targets.map(({ name }) => name).join(", ")}`;
    fail("--target", { expected, got: `"${asked}"`, fix: "name one of them, or leave --target out for all" });
  }
  const known = statisticsFromMetadata(model.summary.metadata, file)?.targets ?? [];
  const weighed = weight === undefined ? {} : { weight };
  return chosen.map((target) => ({
    ...answerOf(file, model, schema, target, known, isOnly ? asked : undefined),
    ...weighed,
  }));
}

function answerOf(
  file: string,
  { summary }: SavedModel,
  schema: TableSchema,
  target: TargetColumn,
  known: readonly TargetStatistics[],
  column = target.name,
): Answer {
  const names = outputNames(schema, target.name);
  const output = target.task === "regression" ? names.prediction : names.probabilities;
  if (!summary.outputs.some(({ name }) => name === output)) {
    fail(file, {
      expected: `an output "${output}" to judge`,
      got: summary.outputs.map(({ name }) => name).join(", "),
      fix: "name the output so in the plan's serve",
    });
  }
  const statistics = known.find(({ name }) => name === target.name);
  const head = headOf(statistics ?? unknownStatistics(target), false);
  const folds = () => foldsOf(head, target);
  return {
    target,
    column,
    output,
    head,
    hasBaseline: statistics !== undefined,
    own: folds(),
    trivial: folds(),
    count: 0,
  };
}

/** For heads of models that do not say: their metrics are the same, their baseline is not asked for. */
function unknownStatistics(target: TargetColumn): TargetStatistics {
  return target.task === "regression"
    ? { ...target, mean: 0, deviation: 1 }
    : { ...target, counts: target.categories.map(() => 1) };
}

/** The metrics of training, folded here from numbers that the saved model gives. */
function foldsOf(head: Head, target: TargetColumn): Record<string, MetricFold> {
  const predicted = input("predicted", ["batch", head.outputs]);
  const answer =
    target.task === "regression" ? input(target.name, ["batch", 1]) : input(target.name, ["batch"], "int32");
  return Object.fromEntries(
    Object.entries(head.metrics).map(([name, make]) => [
      name,
      make(predicted, { [target.name]: answer }).start(),
    ]),
  );
}

/** Rows without an answer count for nothing. */
export async function addPiece(answer: Answer, piece: AnsweredRows, outputs: Outputs): Promise<void> {
  const { head, own, trivial, output, weight } = answer;
  const actual = await actualOf(answer, piece);
  const counts = weight === undefined ? undefined : await weightsOf(weight, piece);
  const weights = actual.map((value, row) => (Number.isNaN(value) ? 0 : (counts?.[row] ?? 1)));
  const known = actual.map((value) => (Number.isNaN(value) ? 0 : value));
  // float32, as every numeric output of a saved model that is judged
  const predicted = numbersOf(head, outputs[output]!.data as Float32Array, piece.rows);
  const constant = Float32Array.from(predicted, (_, index) => head.trivial[index % head.outputs]!);
  for (const fold of Object.values(own)) fold.add({ values: [predicted, known], weights });
  for (const fold of Object.values(trivial)) fold.add({ values: [constant, known], weights });
  answer.count += weights.reduce((sum, one) => sum + (one > 0 ? 1 : 0), 0);
}

/** How much each row counts. Throws where that is missing or below 0, as in training. */
async function weightsOf(column: string, piece: AnsweredRows): Promise<Float32Array> {
  const values = piece.numbers[column];
  if (values === undefined) {
    const fix = "name one of those, or leave --weight out";
    return fail("--weight", {
      expected: `one of the columns ${piece.names.join(", ")}`,
      got: `"${column}"`,
      fix,
    });
  }
  const weights = Float32Array.from(values);
  const wrong = weights.findIndex((weight) => !(weight >= 0));
  if (wrong < 0) return weights;
  return fail(`${await piece.placeOf(wrong)}, column "${column}"`, {
    expected: "a weight: a number from 0 on",
    got: Number.isNaN(values[wrong]) ? "none" : String(values[wrong]),
    fix: "correct it; 0 leaves the row out",
  });
}

/** Probabilities as logits again: log p, or for two classes log p₁ − log p₀. */
function numbersOf(head: Head, data: Float32Array, rows: number): Float32Array {
  if (head.task === "regression") return data;
  const logs = Float64Array.from(data, (probability) => Math.log(Math.max(probability, smallest)));
  if (head.task === "multi-class") return Float32Array.from(logs);
  return Float32Array.from({ length: rows }, (_, row) => logs[2 * row + 1]! - logs[2 * row]!);
}
/** The smallest positive float32: what was less has become 0. */
const smallest = 2 ** -149;

async function actualOf({ target, column }: Answer, piece: AnsweredRows): Promise<Float32Array> {
  if (target.task === "regression") return Float32Array.from(piece.numbers[column]!);
  const codes = new Map(target.categories.map((category, code) => [category, code]));
  const isWhole = target.categories.every((category) => /^-?\d+$/.test(category));
  const actual = new Float32Array(piece.rows);
  for (let row = 0; row < piece.rows; row++) {
    const text = piece.columns[column]![row] ?? null;
    const code = text === null ? Number.NaN : codes.get(isWhole ? wholeText(text, piece) : text);
    if (code === undefined) unknownClass(await piece.placeOf(row), target, column, text);
    actual[row] = code;
  }
  return actual;
}

/** 1 and 1.0 are one class, as they are for `table`; 0x1 is no number there, and none here. */
function wholeText(text: string, { parse }: AnsweredRows): string {
  const value = parse(text);
  return Number.isSafeInteger(value) ? String(value) : text;
}

function unknownClass(
  where: string,
  target: ClassificationTarget,
  column: string,
  text: string | null,
): never {
  const { categories } = target;
  fail(`${where}, column "${column}"`, {
    expected: `one of the model's classes ${categories.slice(0, 10).join(", ")}${categories.length > 10 ? ", …" : ""}`,
    got: JSON.stringify(text),
    fix: "correct the value, or leave it empty",
  });
}
