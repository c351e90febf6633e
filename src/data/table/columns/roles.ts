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
    const cleaned = Object.keys(options.clean?.[option] ?? {});
    requireNamed(
      path,
      `clean.${option}`,
      cleaned,
      named.filter((name) => !asked.includes(name)),
    );
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
    refuse(
      path,
      "weight",
      "a column that is no target and no feature",
      `the ${role} "${used}"`,
      "name another column",
    );
  }
  const twice = kept.find((name) => needed.includes(name) || weights.includes(name));
  if (twice !== undefined)
    refuse(path, "texts", "columns that have no other use", `"${twice}"`, "name another column");
  return { targets, weights, kept, features, ignored: [] };
}

/** A column may be a target, the weight, ignored, or a feature of a said type: one of those. */
function requireOneRole(
  path: string,
  options: TableOptions,
  names: Readonly<Record<"targets" | "weights" | "kept" | "asked" | "typed", readonly string[]>>,
): void {
  const { targets, weights, kept, asked, typed } = names;
  const twice = targets.find((name, index) => targets.indexOf(name) !== index);
  if (twice !== undefined) refuse(path, "target", "every column once", `"${twice}" twice`, "name it once");
  const [weighing] = weights.filter((name) => targets.includes(name));
  if (weighing !== undefined) {
    refuse(
      path,
      "weight",
      "a column that is no target",
      `the target "${weighing}"`,
      "name another column, or leave it out",
    );
  }
  for (const name of kept) {
    const role = targets.includes(name)
      ? "target"
      : weights.includes(name)
        ? "weight"
        : asked.includes(name)
          ? "ignored"
          : undefined;
    if (role === undefined) continue;
    const fix =
      role === "ignored" ? "name it in one of both" : "leave it out: it is in the dataset, and no feature";
    const got = role === "ignored" ? `"${name}", which is ignored` : `the ${role} "${name}"`;
    refuse(
      path,
      options.texts !== undefined && Object.hasOwn(options.texts, name) ? "texts" : "keep",
      "columns that have no other use",
      got,
      fix,
    );
  }
  for (const name of asked) {
    const role = targets.includes(name) ? "target" : weights.includes(name) ? "weight" : undefined;
    if (role === undefined) continue;
    const fix =
      role === "target"
        ? "name another target, or do not ignore it"
        : "do not ignore it: it is no feature anyway";
    refuse(path, "ignore", "columns that are neither target nor weight", `the ${role} "${name}"`, fix);
  }
  for (const name of typed) {
    if (options.texts !== undefined && Object.hasOwn(options.texts, name))
      refuse(path, "types", "features", `the text "${name}"`, "leave it out: texts says what it is");
    if (targets.includes(name)) {
      const fix = `for a target use task: "classification" or task: "regression"`;
      refuse(path, "types", "features", `the target "${name}"`, fix);
    }
    if (weights.includes(name))
      refuse(path, "types", "features", `the weight "${name}"`, "leave it out: it is a number");
    if (asked.includes(name))
      refuse(path, "types", "features", `"${name}", which is ignored`, "name it in one of both");
  }
}

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
