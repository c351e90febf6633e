/** A table in the database, and what its columns are: decided by their values, or by the schema of a first table. */
import type { FeatureColumn, TableSchema } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { type Cells, loadCells } from "./cells/cells.ts";
import { type ColumnProfile, profileColumns } from "./cells/profile.ts";
import { cleanCells } from "./clean/clean-cells.ts";
import type { BadRowCount } from "./clean/skipped-rows.ts";
import { decideFeatures, sameAsEarlier } from "./columns/columns.ts";
import { requireFreeNames } from "./columns/dates.ts";
import { keptValues } from "./columns/kept.ts";
import { numbersIn, refuseUnknownClass, requireLike } from "./columns/like.ts";
import { impreciseColumns } from "./columns/precision.ts";
import { assignRoles, columnsOf, type IgnoredColumn, type Roles } from "./columns/roles.ts";
import { decideTarget, decideWeight } from "./columns/targets.ts";
import { textValues } from "./columns/texts.ts";
import { featureValues, targetValues, type ValueColumn, weightValues } from "./columns/values.ts";
import { inputName, type TableInput } from "./formats/input.ts";
import { readingOf, requireRecords, requireSeveralColumns, withTable } from "./formats/open-table.ts";
import { checkOptions, saidType, type TableOptions, type TargetOptions } from "./options.ts";
import type { TableReport } from "./table-data.ts";

/** A table in the database whose columns are decided, and checked as far as that needs no numbers. */
export interface DecidedTable {
  readonly cells: Cells;
  readonly schema: TableSchema;
  /** Whether that is the schema of a first table. */
  readonly isLike: boolean;
  /** How the numbers of each column are had. */
  readonly targets: readonly ValueColumn[];
  readonly weights: readonly ValueColumn[];
  readonly features: readonly ValueColumn[];
  /** What is known before the numbers are read. */
  readonly report: Omit<TableReport, "unlisted" | "truncated">;
}

/** Opens a table, decides its columns and hands it over. The database is gone afterwards. */
export async function withDecided<Result>(
  input: TableInput,
  options: TableOptions,
  limits: { readonly memoryLimit?: string },
  use: (decided: DecidedTable) => Promise<Result>,
): Promise<Result> {
  const path = inputName(input);
  checkOptions(path, options);
  return withTable(input, { ...limits, ...readingOf(options) }, async (opened, store) => {
    requireSeveralColumns(opened);
    const roles = assignRoles(path, opened.columns, options);
    requireRecords(opened);
    const [columns, numbers] = [columnsOf(roles), wantedNumbers(roles, options)];
    const cells = await loadCells(opened, store, { columns, numbers, targets: roles.targets });
    return use(await decide(cells, roles, opened.records, options, opened.bad));
  });
}

/** Columns that are numbers where all their values are: not those whose texts may be categories, classes, or shown. */
export function wantedNumbers({ targets, features }: Roles, options: TableOptions): string[] {
  if (options.like !== undefined) return numbersIn(options.like);
  const { types, task } = options;
  const isNumber = (name: string) => (saidType(name, types) ?? "number") === "number";
  return [...features.filter(isNumber), ...(task === "classification" ? [] : targets)];
}

/**
 * Cleans what is in the database, and decides its columns. records: how many were read, samples or not. bad: those that
 * could not be, where such are skipped.
 */
export async function decide(
  loaded: Cells,
  roles: Roles,
  records: number,
  options: TableOptions,
  bad?: BadRowCount,
): Promise<DecidedTable> {
  if (loaded.samples === 0) noSamples(loaded.path, roles, records);
  const unread = bad?.skipped.count ?? 0; // before cleaning adds those that were read
  const { cells, found } = await cleanCells(loaded, roles, options, bad);
  const profiles = new Map(
    (await profileColumns(cells, columnsOf(roles))).map((profile) => [profile.name, profile]),
  );
  const { schema, ignored } =
    options.like === undefined
      ? await decideColumns(cells, roles, profiles, options)
      : { schema: await requireLike(cells, options.like, profiles), ignored: roles.ignored };
  const values = await valuesOf(cells, schema, roles, profiles, options);
  const missing = [...profiles.values()].filter(({ present }) => present < cells.samples);
  const report = {
    records: records + unread,
    withoutTarget: records - loaded.samples,
    ...found,
    missing: Object.fromEntries(missing.map(({ name, present }) => [name, cells.samples - present])),
    ignored,
    imprecise: await impreciseColumns(cells, floatsOf(values, profiles)),
  };
  return { cells, schema, isLike: options.like !== undefined, ...values, report };
}

type Values = Pick<DecidedTable, "targets" | "weights" | "features">;

async function valuesOf(
  cells: Cells,
  schema: TableSchema,
  roles: Roles,
  profiles: ReadonlyMap<string, ColumnProfile>,
  { texts = {}, types }: TableOptions,
): Promise<Values> {
  const targets = await inOrder(schema.targets, (target) => targetValues(cells, target));
  const weights = await inOrder(roles.weights, async (name) => {
    await decideWeight(cells, profiles.get(name)!);
    return weightValues(cells, name);
  });
  const kept = await inOrder(roles.kept, (name) =>
    Object.hasOwn(texts, name)
      ? textValues(cells, name, texts[name]!)
      : keptValues(cells, profiles.get(name)!, saidType(name, types)),
  );
  const features = await inOrder(schema.features, (feature) => featureValues(cells, feature));
  return { targets, weights, features: [...features, ...kept, ...(cells.lists ?? [])] };
}

/** Of the columns that are float32; parts of dates are exact, and have no profile. */
function floatsOf(
  { targets, weights, features }: Values,
  profiles: ReadonlyMap<string, ColumnProfile>,
): ColumnProfile[] {
  const floats = [...targets, ...weights, ...features].filter(({ spec }) => spec.dtype === "float32");
  const names = new Set(floats.map(({ name }) => name));
  return [...profiles.values()].filter(({ name }) => names.has(name));
}

/** Throws at the first class that the schema of another table does not have. */
export async function requireKnownClasses(
  { cells, schema, targets }: DecidedTable,
  unlisted: TableReport["unlisted"],
): Promise<void> {
  for (const [index, target] of schema.targets.entries()) {
    if (target.task === "regression" || !Object.hasOwn(unlisted, target.name)) continue;
    await refuseUnknownClass(cells, target, targets[index]!.sql);
  }
}

/** One after the other: they share a database. */
async function inOrder<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

/** What the columns are, by their values. */
async function decideColumns(
  cells: Cells,
  roles: Roles,
  profiles: ReadonlyMap<string, ColumnProfile>,
  { task, types = {}, texts = {}, clean = {} }: TargetOptions,
): Promise<{ readonly schema: TableSchema; readonly ignored: readonly IgnoredColumn[] }> {
  const targets = await inOrder(roles.targets, (name) => decideTarget(cells, profiles.get(name)!, task));
  const decisions = await decideFeatures(
    cells,
    roles.features.map((name) => profiles.get(name)!),
    types,
    clean,
  );
  const same = await sameAsEarlier(cells, decisions, profiles);
  const features: FeatureColumn[] = [];
  const ignored = [...roles.ignored];
  for (const { name, features: found } of decisions) {
    const to = same.get(name);
    if (typeof found === "string") ignored.push({ column: name, reason: found });
    else if (to !== undefined) ignored.push({ column: name, reason: "identical", to });
    else features.push(...found);
  }
  requireFreeNames(cells.path, features, [...profiles.keys()]);
  const isEmpty = features.length === 0 && cells.lists === undefined && Object.keys(texts).length === 0;
  if (isEmpty) noFeatures(cells.path, ignored);
  return { schema: { features, targets }, ignored };
}

function noSamples(path: string, { targets }: Roles, records: number): never {
  fail(`${path}, target ${targets.map((name) => `"${name}"`).join(", ")}`, {
    expected: "a value in at least one line",
    got: `none in ${records} lines`,
    fix: "name another target",
  });
}

function noFeatures(path: string, ignored: readonly IgnoredColumn[]): never {
  return fail(path, {
    expected: "at least one column to predict from",
    got:
      ignored.length === 0
        ? "none beside the target"
        : ignored.map(({ column, reason }) => `"${column}" (${reason})`).join(", "),
    fix:
      ignored.length === 0
        ? "add features"
        : 'add features, or say what one is: types: { column: "category" }',
  });
}
