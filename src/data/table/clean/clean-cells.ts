/** Cleaning inside the database: rows are left out as was asked for, and every one is counted. */
import { fail } from "../../../errors.ts";
import type { Cells } from "../cells/cells.ts";
import { countDuplicates, exactLimit } from "../cells/figures.ts";
import { columnsOf, type Roles } from "../columns/roles.ts";
import type { TableOptions } from "../options.ts";
import type { Cleaning } from "./cleaning.ts";
import { requireFillable } from "./filling.ts";
import { dropOutliers, type OutlierCount } from "./outliers.ts";
import { RestOfCells } from "./rest-of-cells.ts";
import { BadRowCount, type SkippedRows } from "./skipped-rows.ts";
import { skipUnreadable } from "./unreadable.ts";

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
  const duplicates = await countedDuplicates(rest, columnsOf(roles), policy === "drop");
  const beyond = await dropOutliers(rest, outliers);
  if (rest.cells.samples === 0 && cells.samples > 0) nothingLeft(cells);
  const dropped = {
    rows: readable - rest.cells.samples,
    missing: without,
    outliers: beyond,
    duplicates: policy === "drop" ? duplicates : 0,
  };
  const isAsked =
    policy === "drop" || Object.values(missing).includes("drop") || Object.keys(outliers).length > 0;
  return {
    cells: rest.cells,
    found: {
      ...(count !== undefined && { skipped: count.skipped }),
      ...(isAsked && { dropped }),
      ...(duplicates > 0 && { duplicates }),
    },
  };
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

/** How many there are, 0 where they are neither dropped nor counted. */
async function countedDuplicates(
  rest: RestOfCells,
  names: readonly string[],
  isDropped: boolean,
): Promise<number> {
  if (!isDropped && rest.cells.samples > exactLimit) return 0;
  const duplicates = await countDuplicates(rest.cells, names);
  if (isDropped && duplicates > 0) await rest.keepFirst(names);
  return duplicates;
}

function nothingLeft({ path, samples }: Cells): never {
  return fail(`${path}, option clean`, {
    expected: "samples that are left after cleaning",
    got: `none of ${samples}`,
    fix: "leave out less",
  });
}
