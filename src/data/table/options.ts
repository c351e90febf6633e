/**
 * What `table` is told, and whether that is anything at all: JavaScript and command lines may pass whatever
 * they like.
 */
import type { TableSchema } from "../../array/schema.ts";
import { fail, kindOf } from "../../errors.ts";
import { cellOf } from "../numbers.ts";
import { type Cleaning, checkCleaning, type LikeCleaning } from "./clean/cleaning.ts";
import { checkTexts, type EncodedTexts } from "./columns/texts.ts";
import { checkDialect, type Dialect } from "./csv/csv-dialect.ts";

/**
 * What a feature is: a number, one of some texts, a date as ISO 8601 writes it, or one of the given texts,
 * which stand in an order that means something, from least to most.
 */
export type ColumnType = "number" | "category" | "date" | readonly string[];

/** What `table` needs to know of a table to train on. */
export interface TargetOptions {
  /** The column to predict, or several. Samples without a value there are left out and counted. */
  readonly target: string | readonly string[];
  /** Default: decided by the target's values. Applies to every target. */
  readonly task?: "regression" | "classification";
  /** What features are, where it should not be decided by their values: types: { cut: ["Fair", "Good", "Ideal"] }. */
  readonly types?: Readonly<Record<string, ColumnType>>;
  /** Columns to leave out. */
  readonly ignore?: readonly string[];
  /** The column of sample weights: a number from 0 on in every line. It is no feature. */
  readonly weight?: string;
  /**
   * Columns that are in the dataset and are no features: what samples are divided by (`splitByGroup`,
   * `splitByTime`), or drawn by (`weighted`). Whole numbers are int32 [], other numbers float32 [1]; dates
   * are int32 [], days since 1970, or seconds where one has a time; texts are codes of categories, all of
   * which are listed. `types` may say another one.
   */
  readonly keep?: readonly string[];
  /** Columns of texts, and how they become codes of one length; no features: a model reads them by their names. */
  readonly texts?: EncodedTexts;
  /** What is done about rows that cannot be read, missing values, outliers and so on. Default: nothing is left out. */
  readonly clean?: Cleaning;
  /** How a CSV file is written, where its header does not show it; several files are all written so. */
  readonly dialect?: Dialect;
  readonly like?: never;
}

/** What `table` needs to know of another table with the columns of a first one: for validation, test and evaluation. */
export interface LikeOptions {
  /** The schema of the first table: its columns, codes and classes. Other columns of the file are not read. */
  readonly like: TableSchema;
  /** The column of sample weights: a number from 0 on in every line. */
  readonly weight?: string;
  /** What is done about rows that cannot be read. Default: the first ends the reading. */
  readonly clean?: LikeCleaning;
  /** Columns of texts, as the first table has them. */
  readonly texts?: EncodedTexts;
  /** How a CSV file is written: it may be another way than the first table's. */
  readonly dialect?: Dialect;
  readonly target?: never;
  readonly task?: never;
  readonly types?: never;
  readonly ignore?: never;
  readonly keep?: never;
}

/** What is said of a column: it may be called "constructor", which every object has. */
export function saidType(name: string, types: TargetOptions["types"] = {}): ColumnType | undefined {
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

/** Either a target, or the schema of a first table. */
export type TableOptions = TargetOptions | LikeOptions;

/**
 * Throws for an unknown option, for one of the wrong kind, and for `like` beside options that say the same
 * otherwise.
 */
export function checkOptions(path: string, options: unknown): void {
  const given = isObject(options) ? Object.entries(options).filter(([, value]) => value !== undefined) : [];
  const names = given.map(([name]) => name);
  const unknown = names.find((name) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined || !(names.includes("target") || names.includes("like"))) {
    fail(`${path}, options`, {
      expected:
        "target, and at most task, types, ignore, weight, keep, texts, clean, dialect; or like, and at most weight, texts, clean, dialect",
      got: unknown === undefined ? "no target" : `"${unknown}"`,
      fix: unknown === undefined ? 'for example table(path, { target: "price" })' : "rename or remove it",
    });
  }
  const extra = names.includes("like")
    ? names.find((name) => !["like", "weight", "texts", "clean", "dialect"].includes(name))
    : undefined;
  if (extra !== undefined) {
    fail(`${path}, options`, {
      expected: "at most weight, texts, clean and dialect beside like, which says everything else",
      got: `"${extra}" too`,
      fix: `remove ${extra}, or like`,
    });
  }
  for (const [name, value] of given) {
    const [expected, holds] = kinds[name as keyof typeof kinds]; // it is one of them, see above
    if (holds(value)) continue;
    fail(`${path}, option ${name}`, { expected, got: kindOf(value), fix: "correct it, or leave it out" });
  }
  const { task, types = {} } = options as TargetOptions; // their kinds are right, see above
  if (task !== undefined && task !== "regression" && task !== "classification") {
    const fix = "choose one, or leave it out to decide by the values";
    fail(`${path}, option task`, { expected: '"regression" or "classification"', got: kindOf(task), fix });
  }
  const { clean, dialect } = options as TableOptions; // the same
  if (clean !== undefined) checkCleaning(path, clean, names.includes("like"));
  if (dialect !== undefined) checkDialect(path, dialect);
  const { texts } = options as TableOptions; // the same
  if (texts !== undefined) checkTexts(path, texts);
  for (const [name, type] of Object.entries(types)) checkType(`${path}, option types, "${name}"`, type);
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown) => typeof value === "string";
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const isSchema = (value: unknown) =>
  isObject(value) &&
  "features" in value &&
  "targets" in value &&
  [value.features, value.targets].every(Array.isArray);

/** Typed by the options, so that one that is missing here does not compile. */
const kinds: Readonly<
  Record<
    keyof TargetOptions | keyof LikeOptions,
    readonly [expected: string, holds: (value: unknown) => boolean]
  >
> = {
  target: ["the name of a column, or a list of names", (value) => isText(value) || isTexts(value)],
  task: ["a task", isText],
  types: ["{ column: type }", isObject],
  ignore: ["a list of names", isTexts],
  weight: ["the name of a column", isText],
  keep: ["a list of names", isTexts],
  texts: ['{ column: { tokens: "bytes", length: 200 } }', isObject],
  dialect: ['how the file is written, as in { delimiter: ";", decimal: "," }', isObject],
  clean: ["what to do, as in { badRows: { skip: 20 } }", isObject],
  like: ["the schema of a table, as in table(path, { like: training.schema })", isSchema],
};

function checkType(where: string, type: ColumnType): void {
  if (type === "number" || type === "category" || type === "date") return;
  if (!Array.isArray(type)) {
    const expected = '"number", "category", "date", or a list of categories from least to most';
    fail(where, { expected, got: kindOf(type), fix: "choose one, or leave it out to decide by the values" });
  }
  const categories: readonly unknown[] = type;
  const wrong = categories.find((category) => typeof category !== "string" || cellOf(category) !== category);
  if (wrong !== undefined) {
    fail(where, {
      expected:
        "categories as they stand in the file: texts without blanks around them, and no missing value",
      got: kindOf(wrong),
      fix: "correct it, or remove it from the list",
    });
  }
  const twice = categories.find((category, index) => categories.indexOf(category) !== index);
  if (categories.length >= 2 && twice === undefined) return;
  fail(where, {
    expected: "at least two categories, each once, from least to most",
    got: twice === undefined ? `${categories.length}` : `${kindOf(twice)} twice`,
    fix: twice === undefined ? 'name all of them, or write "category"' : "name it once",
  });
}
