/** Cleaning inside the database: rows are left out as was asked for, and every one is counted. */
import { sourceOf, type TableSchema } from "../../../array/schema.ts";
import { fail, type Proof } from "../../../errors.ts";
import type { Cells } from "../cells/cells.ts";
import { sqlText } from "../cells/database.ts";
import { countDuplicates, exactLimit, sameColumns } from "../cells/figures.ts";
import { type ColumnProfile, profileColumns } from "../cells/profile.ts";
import { countDates, expectedDate, isNoDate } from "../columns/dates.ts";
import type { Roles } from "../columns/roles.ts";
import type { TableOptions } from "../options.ts";
import type { Cleaning, OutlierLimits } from "./cleaning.ts";
import { requireFillable } from "./filling.ts";
import { BadRowCount, reasonOf, type SkippedRow, type SkippedRows, toldRows } from "./skipped-rows.ts";

/** Rows that could be read and were left out, as was asked for. One may be counted in several columns. */
export interface DroppedRows {
  readonly rows: number;
  /** Rows without a value, by column. */
  readonly missing: Readonly<Record<string, number>>;
  /** Rows whose number is not between two limits, by column. */
  readonly outliers: Readonly<Record<string, OutlierCount>>;
  /** Rows that are the same as an earlier one. */
  readonly duplicates: number;
}

export interface OutlierCount {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/** What cleaning has left and left out. */
export interface CleanedCells {
  readonly cells: Cells;
  readonly found: CleaningReport;
}

/** What cleaning has found and left out. */
export interface CleaningReport {
  /** Rows that cannot be read, where those were to be skipped. */
  readonly skipped?: SkippedRows;
  /** Rows that could be read, where some were to be left out. */
  readonly dropped?: DroppedRows;
  /**
   * Samples that are the same as an earlier one in every column that is read, where there are any; dropped or not. Not
   * counted in more than five million samples, unless they are dropped.
   */
  readonly duplicates?: number;
}

/**
 * Leaves out, in this order: rows with values that cannot be read, rows without a value, rows that are the same as an
 * earlier one, outliers by the limits of what is left then. bad: what was left out before; it has the limit.
 */
export async function cleanCells(
  cells: Cells,
  roles: Roles,
  options: TableOptions,
  bad: BadRowCount | undefined,
): Promise<CleanedCells> {
  const {
    missing = {},
    outliers = {},
    duplicates: policy,
    badRows = "error",
  }: Cleaning = options.clean ?? {};
  requireFillable(cells.path, roles, missing);
  const rest = new RestOfCells(cells);
  const count = bad ?? (badRows === "error" ? undefined : new BadRowCount(cells.path, badRows));
  if (count !== undefined) await skipUnreadable(rest, roles, options, count);
  const readable = rest.cells.samples;
  const without = await dropMissing(rest, missing);
  const names = [...roles.targets, ...roles.weights, ...roles.kept, ...roles.features];
  const isCounted = policy === "drop" || rest.cells.samples <= exactLimit;
  const duplicates = isCounted ? await countDuplicates(rest.cells, names) : undefined;
  if (policy === "drop" && duplicates! > 0) await rest.keepFirst(names);
  const beyond = await dropOutliers(rest, outliers);
  if (rest.cells.samples === 0 && cells.samples > 0) nothingLeft(cells);
  const dropped = {
    rows: readable - rest.cells.samples,
    missing: without,
    outliers: beyond,
    duplicates: policy === "drop" ? duplicates! : 0,
  };
  const isAsked =
    policy === "drop" || Object.values(missing).includes("drop") || Object.keys(outliers).length > 0;
  return {
    cells: rest.cells,
    found: {
      ...(count !== undefined && { skipped: count.skipped }),
      ...(isAsked && { dropped }),
      ...(duplicates !== undefined && duplicates > 0 && { duplicates }),
    },
  };
}

/** The cells that are left. Each step makes a table of its own, so that later queries need not repeat its conditions. */
class RestOfCells {
  cells: Cells;
  #table = "cells";
  #steps = 0;

  constructor(cells: Cells) {
    this.cells = cells;
  }

  async keep(condition: string): Promise<void> {
    const next = `cells${++this.#steps}`;
    const { database, kept } = this.cells;
    // The record number becomes a column of that name, which the database then takes for rowid.
    await database.run(
      `create table ${next} as select rowid as rowid, columns('^c[0-9]+$') from ${kept} and (${condition}) order by rowid`,
    );
    await database.run(`drop ${await this.#kind()} ${this.#table}`);
    this.#table = next;
    const [row] = await database.rows(`select count(*)::double from ${next}`);
    const { raw: _, ...rest } = this.cells;
    this.cells = { ...rest, kept: `${next} where true`, samples: Number(row![0]) };
  }

  /** What typed formats show of a file is a view. */
  async #kind(): Promise<"view" | "table"> {
    const [row] = await this.cells.database.rows(
      `select count(*)::double from duckdb_views() where view_name = '${this.#table}'`,
    );
    return row![0] === 0 ? "table" : "view";
  }

  async keepFirst(names: readonly string[]): Promise<void> {
    const { kept } = this.cells;
    const columns = sameColumns(this.cells, names).join(", ");
    await this.keep(`rowid in (select min(rowid) from ${kept} group by ${columns})`);
  }
}

/** A value that a row must not have. */
interface Unreadable {
  readonly name: string;
  readonly condition: string;
  readonly expected: Proof["expected"];
}

async function skipUnreadable(
  rest: RestOfCells,
  roles: Roles,
  options: TableOptions,
  bad: BadRowCount,
): Promise<void> {
  const { cells } = rest;
  const names = [...roles.targets, ...roles.weights, ...roles.features];
  const profiles = await profileColumns(cells, names);
  const found = [
    ...profiles.flatMap((profile) => unreadable(cells, profile, roles, options) ?? []),
    ...(await unreadableDates(cells, profiles, roles, options)),
  ];
  const rows = new Map<number, Omit<SkippedRow, "line">>();
  for (const { name, condition, expected } of found) {
    const values = await cells.database.rows(
      `select rowid::double, ${cells.text(name)} from ${cells.kept} and ${condition} order by rowid limit ${toldRows}`,
    );
    for (const [record, value] of values) {
      const got = value === null ? "nothing" : JSON.stringify(value);
      if (!rows.has(Number(record)))
        rows.set(Number(record), { column: name, reason: reasonOf({ expected, got }) });
    }
  }
  const before = cells.samples;
  const total = before + bad.skipped.count;
  if (rows.size > 0) {
    await rest.keep(found.map(({ condition }) => `not (${condition})`).join(" and "));
    const first = [...rows].sort(([a], [b]) => a - b).slice(0, toldRows);
    for (const [record, row] of first) {
      const { path, line } = await cells.placeOf(record);
      bad.tell({ ...(path !== cells.path && { path }), line, ...row });
    }
    bad.addUntold(before - rest.cells.samples, before - rest.cells.samples);
  }
  bad.require(total);
}

/** Values that are no dates, in columns of dates. */
async function unreadableDates(
  cells: Cells,
  profiles: readonly ColumnProfile[],
  { features }: Roles,
  { like, types = {} }: TableOptions,
): Promise<Unreadable[]> {
  const typeOf = (name: string) => (Object.hasOwn(types, name) ? types[name] : undefined);
  const known = like?.features.filter(({ ofDate }) => ofDate !== undefined).map(sourceOf);
  const isSaid = (name: string) => known?.includes(name) ?? typeOf(name) === "date";
  const candidates = profiles.filter(({ name, present, numbers }) => {
    if (!features.includes(name)) return false;
    return isSaid(name) || (like === undefined && typeOf(name) === undefined && numbers < present);
  });
  const counts = await countDates(
    cells,
    candidates.map(({ name }) => name),
  );
  return candidates.flatMap(({ name, present }) => {
    const { dates } = counts.get(name)!;
    if (dates === present || !(isSaid(name) || dates >= 0.9 * present)) return [];
    return [{ name, condition: isNoDate(cells, name), expected: expectedDate }];
  });
}

/** What a column must not hold, where it holds some. */
function unreadable(
  cells: Cells,
  profile: ColumnProfile,
  { targets, weights }: Roles,
  options: TableOptions,
): Unreadable | undefined {
  const { name, present, numbers, numeric } = profile;
  const [text, number] = [cells.text(name), cells.number(name)];
  if (weights.includes(name)) {
    return {
      name,
      condition: `(${number} is null or ${number} < 0)`,
      expected: "a weight from 0 on",
    };
  }
  const type =
    options.types !== undefined && Object.hasOwn(options.types, name) ? options.types[name] : undefined;
  if (Array.isArray(type)) {
    const listed = type.map((category) => sqlText(category)).join(", ");
    const expected = `one of ${type.map((category) => JSON.stringify(category)).join(", ")}`;
    return { name, condition: `coalesce(${text} not in (${listed}), false)`, expected };
  }
  const isNearly = numeric >= 0.9 * present;
  const isWanted =
    options.like !== undefined
      ? isNumberOf(options.like, name)
      : targets.includes(name)
        ? options.task === "regression" || (options.task === undefined && isNearly)
        : type === "number" || (type === undefined && isNearly);
  if (!isWanted || numbers === present) return undefined;
  const condition = `(${cells.id(name)} is not null and ${number} is null)`;
  return { name, condition, expected: "a number that fits float32" };
}

function isNumberOf({ features, targets }: TableSchema, name: string): boolean {
  return (
    features.some((one) => one.name === name && one.kind === "number" && one.ofDate === undefined) ||
    targets.some((target) => target.name === name && target.task === "regression")
  );
}

async function dropMissing(
  rest: RestOfCells,
  missing: NonNullable<Cleaning["missing"]>,
): Promise<Record<string, number>> {
  const names = Object.keys(missing).filter((name) => missing[name] === "drop");
  if (names.length === 0) return {};
  const { cells } = rest;
  const counts = names.map((name) => `count(*) filter (${cells.id(name)} is null)::double`);
  const [row] = await cells.database.rows(`select ${counts.join(", ")} from ${cells.kept}`);
  if (row!.some((count) => Number(count) > 0)) {
    await rest.keep(names.map((name) => `${cells.id(name)} is not null`).join(" and "));
  }
  return Object.fromEntries(names.map((name, index) => [name, Number(row![index])]));
}

async function dropOutliers(
  rest: RestOfCells,
  outliers: NonNullable<Cleaning["outliers"]>,
): Promise<Record<string, OutlierCount>> {
  const names = Object.keys(outliers);
  if (names.length === 0) return {};
  const { cells } = rest;
  for (const profile of await profileColumns(cells, names)) requireNumbers(cells, profile);
  const counts: [string, OutlierCount][] = [];
  const conditions: string[] = [];
  for (const name of names) {
    const [from, to] = await limitsOf(cells, name, outliers[name]!);
    const value = cells.number(name);
    const inside = `coalesce(${value} between '${from}'::double and '${to}'::double, true)`;
    const [row] = await cells.database.rows(
      `select count(*) filter (not ${inside})::double from ${cells.kept}`,
    );
    counts.push([name, { count: Number(row![0]), from, to }]);
    conditions.push(inside);
  }
  if (counts.some(([, { count }]) => count > 0)) await rest.keep(conditions.join(" and "));
  return Object.fromEntries(counts);
}

async function limitsOf(cells: Cells, name: string, limits: OutlierLimits): Promise<[number, number]> {
  const numbers = `(select ${cells.number(name)} as n from ${cells.kept})`;
  if ("quantiles" in limits) {
    const quantile = cells.samples <= exactLimit ? "quantile_cont" : "approx_quantile";
    const [low, high] = limits.quantiles;
    const [row] = await cells.database.rows(
      `select ${quantile}(n, ${low})::double, ${quantile}(n, ${high})::double from ${numbers}`,
    );
    return [Number(row![0]), Number(row![1])];
  }
  const [row] = await cells.database.rows(`select favg(n), stddev_pop(n), min(n), max(n) from ${numbers}`);
  const [mean, deviation, least, most] = row!.map(Number);
  // Of equal numbers the mean may be the one next to them.
  if (deviation === 0) return [least!, most!];
  return [mean! - limits.deviations * deviation!, mean! + limits.deviations * deviation!];
}

function requireNumbers({ path }: Cells, { name, numbers, present }: ColumnProfile): void {
  if (numbers === present && present > 0) return;
  fail(`${path}, option clean.outliers, "${name}"`, {
    expected: "a column of numbers",
    got: present === 0 ? "no value" : `${numbers} numbers among ${present} values`,
    fix: "remove it, or correct the values",
  });
}

function nothingLeft({ path, samples }: Cells): never {
  return fail(`${path}, option clean`, {
    expected: "samples that are left after cleaning",
    got: `none of ${samples}`,
    fix: "leave out less",
  });
}
