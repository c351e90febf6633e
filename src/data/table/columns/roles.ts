/** What each column of a table is for: target, weight, feature, to divide or draw samples by, or nothing. */
import { sourceOf } from "../../../array/schema.ts";
import { fail } from "../../../errors.ts";
import { nearest } from "../../nearest.ts";
import type { LikeOptions, TableOptions } from "../options.ts";
import type { IgnoredReason } from "./columns.ts";

/** A column that is no feature, and why. */
export interface IgnoredColumn {
  readonly column: string;
  readonly reason: IgnoredReason;
  /** The column that it is identical to. */
  readonly to?: string;
}

/** What every column of the file is for. */
export interface Roles {
  readonly targets: readonly string[];
  /** One name, or none. */
  readonly weights: readonly string[];
  /** In the dataset, and no features. */
  readonly kept: readonly string[];
  readonly features: readonly string[];
  readonly ignored: readonly IgnoredColumn[];
}

/** The columns that are read. */
export function columnsOf({ targets, weights, kept, features }: Roles): string[] {
  return [...targets, ...weights, ...kept, ...features];
}

/**
 * Throws when an option names no column, or one column has two roles. columns: the header, "" where it has no name.
 * mayLackTarget: whether there may be nothing to predict.
 */
export function assignRoles(
  path: string,
  columns: readonly string[],
  options: TableOptions,
  mayLackTarget = false,
): Roles {
  const named = columns.filter((name) => name !== "");
  const weights = options.weight === undefined ? [] : [options.weight];
  requireNamed(path, "weight", weights, named);
  if (options.like !== undefined) return rolesLike(path, named, options, weights);
  const targets = typeof options.target === "string" ? [options.target] : [...options.target];
  const asked = [...new Set(options.ignore ?? [])];
  const texts = Object.keys(options.texts ?? {});
  const kept = [...new Set([...(options.keep ?? []), ...texts])];
  const typed = Object.keys(options.types ?? {});
  requireNamed(path, "target", targets, named);
  requireNamed(path, "ignore", asked, named);
  requireNamed(path, "keep", options.keep ?? [], named);
  requireNamed(path, "texts", texts, named);
  requireNamed(path, "types", typed, named);
  if (targets.length === 0 && !mayLackTarget) {
    refuse(path, "target", "at least one column", "none", "name the column to predict");
  }
  for (const option of ["missing", "outliers"] as const) {
    const left = named.filter((name) => !asked.includes(name));
    requireNamed(path, `clean.${option}`, Object.keys(options.clean?.[option] ?? {}), left);
  }
  requireOneRole(path, options, { targets, weights, kept, asked, typed });
  const uses = [...targets, ...weights, ...kept, ...asked];
  return {
    targets,
    weights,
    kept,
    features: named.filter((name) => !uses.includes(name)),
    ignored: [
      ...columns.filter((name) => name === "").map((column) => ({ column, reason: "unnamed" as const })),
      ...asked.map((column) => ({ column, reason: "asked" as const })),
    ],
  };
}

/** The roles of a schema. Whatever else the file has is not looked at. */
function rolesLike(
  path: string,
  named: readonly string[],
  { like, texts = {} }: LikeOptions,
  weights: readonly string[],
): Roles {
  const kept = Object.keys(texts);
  requireNamed(path, "texts", kept, named);
  const targets = like.targets.map(({ name }) => name);
  const features = [...new Set(like.features.map(sourceOf))];
  const needed = [...features, ...targets];
  const lacking = needed.filter((name) => !named.includes(name));
  if (lacking.length > 0) {
    const meant = nearest(
      lacking[0]!,
      named.filter((name) => !needed.includes(name)),
    );
    fail(path, {
      expected: `the columns of the first table, ${needed.join(", ")}`,
      got: `no ${lacking.join(", ")}`,
      fix:
        meant === undefined
          ? "add the columns, empty where a value is missing"
          : `rename "${meant}" to "${lacking[0]}"`,
    });
  }
  const used = weights.find((name) => needed.includes(name));
  if (used !== undefined) {
    const role = targets.includes(used) ? "target" : "feature";
    const expected = "a column that is no target and no feature";
    refuse(path, "weight", expected, `the ${role} "${used}"`, "name another column");
  }
  const twice = kept.find((name) => needed.includes(name) || weights.includes(name));
  if (twice !== undefined)
    refuse(path, "texts", "columns that have no other use", `"${twice}"`, "name another column");
  return { targets, weights, kept, features, ignored: [] };
}

type Names = Readonly<Record<"targets" | "weights" | "kept" | "asked" | "typed", readonly string[]>>;

/** A column may be a target, the weight, ignored, or a feature of a said type: one of those. */
function requireOneRole(path: string, { texts = {} }: TableOptions, names: Names): void {
  const { targets, weights, kept, asked, typed } = names;
  const twice = targets.find((name, index) => targets.indexOf(name) !== index);
  if (twice !== undefined) refuse(path, "target", "every column once", `"${twice}" twice`, "name it once");
  const weighing = weights.find((name) => targets.includes(name));
  if (weighing !== undefined) {
    const fix = "name another column, or leave it out";
    refuse(path, "weight", "a column that is no target", `the target "${weighing}"`, fix);
  }
  const isText = (name: string) => Object.hasOwn(texts, name);
  for (const name of kept) {
    const use = useOf(name, names);
    if (use === undefined) continue;
    const option = isText(name) ? "texts" : "keep";
    refuse(path, option, "columns that have no other use", called(name, use), keptFixes[use]);
  }
  for (const name of asked) {
    const use = useOf(name, names);
    if (use === undefined || use === "ignored") continue;
    refuse(path, "ignore", "columns that are neither target nor weight", called(name, use), askedFixes[use]);
  }
  for (const name of typed) {
    const fix = "leave it out: texts says what it is";
    if (isText(name)) refuse(path, "types", "features", `the text "${name}"`, fix);
    const use = useOf(name, names);
    if (use !== undefined) refuse(path, "types", "features", called(name, use), typedFixes[use]);
  }
}

type Use = "target" | "weight" | "ignored";

function useOf(name: string, { targets, weights, asked }: Names): Use | undefined {
  if (targets.includes(name)) return "target";
  if (weights.includes(name)) return "weight";
  return asked.includes(name) ? "ignored" : undefined;
}

const called = (name: string, use: Use) =>
  use === "ignored" ? `"${name}", which is ignored` : `the ${use} "${name}"`;

/** What to do about a column that has two uses, one of them being kept, ignored or typed. */
const keptFixes: Readonly<Record<Use, string>> = {
  target: "leave it out: it is in the dataset, and no feature",
  weight: "leave it out: it is in the dataset, and no feature",
  ignored: "name it in one of both",
};
const askedFixes: Readonly<Record<Exclude<Use, "ignored">, string>> = {
  target: "name another target, or do not ignore it",
  weight: "do not ignore it: it is no feature anyway",
};
const typedFixes: Readonly<Record<Use, string>> = {
  target: 'for a target use task: "classification" or task: "regression"',
  weight: "leave it out: it is a number",
  ignored: "name it in one of both",
};

function requireNamed(
  path: string,
  option: string,
  names: readonly string[],
  columns: readonly string[],
): void {
  const unknown = names.find((name) => !columns.includes(name));
  if (unknown === undefined) return;
  const meant = nearest(unknown, columns);
  const fix = meant === undefined ? "name one of those" : `did you mean "${meant}"?`;
  refuse(path, option, `one of the columns ${columns.join(", ")}`, `"${unknown}"`, fix);
}

function refuse(path: string, option: string, expected: string, got: string, fix: string): never {
  return fail(`${path}, option ${option}`, { expected, got, fix });
}
