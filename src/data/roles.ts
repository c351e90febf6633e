/** What each column of a table is for: target, weight, feature, or nothing. */
import { fail, kindOf } from "../errors.ts";
import type { IgnoredReason } from "./columns.ts";
import type { CsvHeader } from "./csv-header.ts";
import { nearest } from "./nearest.ts";

/** What `table` needs to know. */
export interface TableOptions {
  /** The column to predict, or several. Samples without a value there are left out and counted. */
  readonly target: string | readonly string[];
  /** Default: decided by the target's values. Applies to every target. */
  readonly task?: "regression" | "classification";
  /** What features are, where it should not be decided by their values. */
  readonly types?: Readonly<Record<string, "number" | "category">>;
  /** Columns to leave out. */
  readonly ignore?: readonly string[];
  /** The column of sample weights: a number from 0 on in every line. It is no feature. */
  readonly weight?: string;
}

/** A column that is no feature, and why. */
export interface IgnoredColumn {
  readonly column: string;
  readonly reason: IgnoredReason;
}

/** What every column of the file is for. */
export interface Roles {
  readonly targets: readonly string[];
  /** One name, or none. */
  readonly weights: readonly string[];
  readonly features: readonly string[];
  readonly ignored: readonly IgnoredColumn[];
}

/** Throws when an option names no column, or one column has two roles. */
export function assignRoles(path: string, header: CsvHeader, options: TableOptions): Roles {
  checkOptions(path, options);
  const targets = typeof options.target === "string" ? [options.target] : [...options.target];
  const weights = options.weight === undefined ? [] : [options.weight];
  const asked = options.ignore ?? [];
  const forced = Object.keys(options.types ?? {});
  const named = header.names.filter((name) => name !== "");
  for (const [option, names] of Object.entries({
    target: targets,
    weight: weights,
    ignore: asked,
    types: forced,
  })) {
    for (const name of names) if (!named.includes(name)) noSuchColumn(path, option, name, named);
  }
  checkChoice(path, "task", options.task, ["regression", "classification"]);
  for (const [name, type] of Object.entries(options.types ?? {})) {
    checkChoice(path, `types, "${name}"`, type, ["number", "category"]);
  }
  const uses = [...targets, ...weights, ...asked];
  const twice = uses.find((name, index) => uses.indexOf(name) !== index);
  const wrongType = forced.find((name) => uses.includes(name));
  if (targets.length === 0 || twice !== undefined || wrongType !== undefined) {
    fail(`${path}, options`, {
      expected: "at least one target, and every column in one of target, weight, ignore, types",
      got: targets.length === 0 ? "no target" : `"${twice ?? wrongType}" in two of them`,
      fix:
        wrongType !== undefined && targets.includes(wrongType)
          ? `for a target use task: "classification" or "regression"`
          : "name it once",
    });
  }
  return {
    targets,
    weights,
    features: named.filter((name) => !uses.includes(name)),
    ignored: [
      ...header.names.filter((name) => name === "").map((column) => ({ column, reason: "unnamed" as const })),
      ...asked.map((column) => ({ column, reason: "asked" as const })),
    ],
  };
}

const isText = (value: unknown) => typeof value === "string";
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
/** Typed by TableOptions, so that an option that is missing here does not compile. */
const kinds: Readonly<
  Record<keyof TableOptions, readonly [expected: string, holds: (value: unknown) => boolean]>
> = {
  target: ["the name of a column, or a list of names", (value) => isText(value) || isTexts(value)],
  task: ["a task", isText],
  types: [
    "{ column: type }",
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  ],
  ignore: ["a list of names", isTexts],
  weight: ["the name of a column", isText],
};

/** JavaScript may pass anything. */
function checkOptions(path: string, options: unknown): void {
  const given = typeof options === "object" && options !== null ? Object.entries(options) : [];
  const unknown = given.find(([name]) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined || !given.some(([name, value]) => name === "target" && value !== undefined)) {
    fail(`${path}, options`, {
      expected: `target, and at most ${Object.keys(kinds).slice(1).join(", ")}`,
      got: unknown === undefined ? "no target" : `"${unknown[0]}"`,
      fix: unknown === undefined ? 'for example table(path, { target: "price" })' : "rename or remove it",
    });
  }
  for (const [name, [expected, holds]] of Object.entries(kinds)) {
    const value = given.find(([option]) => option === name)?.[1];
    if (value === undefined || holds(value)) continue;
    fail(`${path}, option ${name}`, { expected, got: kindOf(value), fix: "correct it, or leave it out" });
  }
}

/** JavaScript and command lines may pass anything. */
function checkChoice(
  path: string,
  option: string,
  value: string | undefined,
  choices: readonly string[],
): void {
  if (value === undefined || choices.includes(value)) return;
  fail(`${path}, option ${option}`, {
    expected: choices.map((choice) => `"${choice}"`).join(" or "),
    got: JSON.stringify(value),
    fix: "choose one, or leave it out to decide by the values",
  });
}

function noSuchColumn(path: string, option: string, name: string, names: readonly string[]): never {
  const meant = nearest(name, names);
  return fail(`${path}, option ${option}`, {
    expected: `one of the columns ${names.join(", ")}`,
    got: `"${name}"`,
    fix: meant === undefined ? "name one of those" : `did you mean "${meant}"?`,
  });
}
