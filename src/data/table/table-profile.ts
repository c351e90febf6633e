/**
 * A table in figures, for people to look at before they train: what its columns hold, and what reading makes
 * of them.
 */
import type { FeatureColumn, TargetColumn } from "../../array/schema.ts";
import { MicrobatchError } from "../../errors.ts";
import { type Cells, loadCells } from "./cells/cells.ts";
import {
  distinctValues,
  exactLimit,
  identicalColumns,
  type NumberFigures,
  numberFigures,
  topValues,
  type ValueCount,
} from "./cells/figures.ts";
import { type ColumnProfile, profileColumns } from "./cells/profile.ts";
import { type CleaningReport, cleanCells } from "./clean/clean-cells.ts";
import { decideFeatures, type IgnoredReason } from "./columns/columns.ts";
import { dateSpan } from "./columns/dates.ts";
import { assignRoles, type Roles } from "./columns/roles.ts";
import { decideTarget, decideWeight } from "./columns/targets.ts";
import { wantedNumbers } from "./decided-table.ts";
import { inputName, type TableInput } from "./formats/input.ts";
import { readingOf, requireRecords, withTable } from "./formats/open-table.ts";
import { checkOptions, type TargetOptions } from "./options.ts";

/** What `profileTable` may be told: what `table` is, and the target may be left out. */
export type ProfileOptions = Omit<TargetOptions, "target" | "like"> & Partial<Pick<TargetOptions, "target">>;

/** A whole table in figures. */
export interface TableProfile extends CleaningReport {
  readonly path: string;
  /** How the file is written: "separated by commas, packed with gzip". */
  readonly dialect: string;
  /** Records below the header. */
  readonly records: number;
  /** Those that would be samples; all figures are of these. */
  readonly samples: number;
  /** Records left out because a target is missing. */
  readonly withoutTarget: number;
  /** In the order of the file. */
  readonly columns: readonly ProfiledColumn[];
  /** Columns that hold the same in every sample, in lists of two and more. */
  readonly identical: readonly (readonly string[])[];
  /** False where there are so many samples that quantiles and counts of different values are estimates. */
  readonly isExact: boolean;
}

/** A column in figures, and what reading makes of it. */
export interface ProfiledColumn {
  readonly name: string;
  readonly role: "target" | "weight" | "feature" | "left out";
  /** What its values are; "mixed" where reading refuses them, with the problem. */
  readonly type: "number" | "category" | "ordered category" | "class" | "date" | "mixed" | IgnoredReason;
  /** How many samples have a value, and how many have none. Unknown of columns that are not read. */
  readonly present?: number;
  readonly missing?: number;
  /** How many different values there are. */
  readonly distinct?: number;
  /** Where all values are numbers. */
  readonly numbers?: NumberFigures;
  /** The earliest and the latest value of a column of dates, as they are written. */
  readonly span?: readonly [earliest: string, latest: string];
  /** The ten most frequent values of a column of texts or classes. */
  readonly top?: readonly ValueCount[];
  /** The categories or classes it is read as, at most 1000 where nothing else was asked for. */
  readonly categories?: number;
  /** Why reading the table would end here, with what to do. */
  readonly problem?: string;
}

/**
 * Reads a table once and says what is in it: for each column its type, what is missing, how many values
 * differ, means and quantiles, the most frequent values; and what `table` would do with it. Nothing is
 * refused that can be shown: what would end the reading is in `problem`. Statistics are of the numbers as
 * float64, missing ones left out.
 * Memory: 512 MB for the cells, and more on the disk.
 * Throws for a file that cannot be read as a table, and for options that name no column.
 */
export async function profileTable(input: TableInput, options: ProfileOptions = {}): Promise<TableProfile> {
  const path = inputName(input);
  checkOptions(path, { target: [], ...options });
  const all = { target: [], ...options };
  return withTable(input, { memoryLimit: "512MB", ...readingOf(options) }, async (opened, store) => {
    const names = opened.columns;
    const roles = assignRoles(path, names, all, options.target === undefined);
    requireRecords(opened);
    const columns = names.filter((name) => name !== "" && !(options.ignore ?? []).includes(name));
    const numbers = wantedNumbers(roles, all);
    const loaded = await loadCells(opened, store, { columns, numbers, targets: roles.targets });
    const unread = opened.bad?.skipped.count ?? 0;
    const { cells, found } = await cleanCells(loaded, roles, all, opened.bad);
    const { described, identical } = await describeColumns(cells, columns, roles, options);
    const { records, dialect } = opened;
    return {
      path,
      dialect,
      records: records + unread,
      samples: cells.samples,
      withoutTarget: records - loaded.samples,
      ...found,
      columns: names.map(
        (name): ProfiledColumn =>
          described.get(name) ?? { name, role: "left out", type: name === "" ? "unnamed" : "asked" },
      ),
      identical,
      isExact: cells.samples <= exactLimit,
    };
  });
}

async function describeColumns(
  cells: Cells,
  names: readonly string[],
  roles: Roles,
  options: ProfileOptions,
): Promise<{ readonly described: ReadonlyMap<string, ProfiledColumn>; readonly identical: string[][] }> {
  const counts = await profileColumns(cells, names);
  const distinct = await distinctValues(
    cells,
    counts.map((one) => ({ name: one.name, isNumber: isNumbers(one) })),
  );
  const described = new Map<string, ProfiledColumn>();
  for (const [index, one] of counts.entries()) {
    described.set(one.name, await describeColumn(cells, one, distinct[index]!, roles, options));
  }
  const alike = Map.groupBy(
    counts.filter(({ present }) => present > 0).map(({ name }) => name),
    (name) => {
      const index = names.indexOf(name);
      const { name: _, commas, ...figures } = counts[index]!;
      return JSON.stringify([figures, distinct[index]]);
    },
  );
  const isNumber = (name: string) => described.get(name)?.numbers !== undefined;
  const identical = await identicalColumns(cells, alike, (name) =>
    isNumber(name) ? cells.number(name) : cells.text(name),
  );
  for (const group of identical) {
    const features = group.filter((name) => described.get(name)!.role === "feature");
    for (const name of features.slice(1)) {
      described.set(name, { ...described.get(name)!, role: "left out", type: "identical" });
    }
  }
  return { described, identical };
}

async function describeColumn(
  cells: Cells,
  counts: ColumnProfile,
  distinct: number,
  roles: Roles,
  options: ProfileOptions,
): Promise<ProfiledColumn> {
  const { name, present } = counts;
  const decided = await decidedOf(cells, counts, roles, options);
  const [numbers] = isNumbers(counts) ? await numberFigures(cells, [name]) : [];
  const isListed = decided.type !== "number" && decided.type !== "identifier" && present > 0;
  return {
    name,
    role: decided.role,
    type: decided.type,
    present,
    missing: cells.samples - present,
    distinct,
    ...(numbers !== undefined && { numbers }),
    ...(decided.type === "date" && { span: await dateSpan(cells, name) }),
    ...(isListed && { top: await topValues(cells, name, present, 10) }),
    ...(decided.categories !== undefined && { categories: decided.categories }),
    ...(decided.problem !== undefined && { problem: decided.problem }),
  };
}

const isNumbers = ({ present, numbers }: ColumnProfile) => present > 0 && numbers === present;

type Decided = Pick<ProfiledColumn, "role" | "type" | "categories" | "problem">;

/** What reading makes of a column; where it would end there, why. */
async function decidedOf(
  cells: Cells,
  counts: ColumnProfile,
  { targets, weights }: Roles,
  { task, types = {}, clean }: ProfileOptions,
): Promise<Decided> {
  const { name } = counts;
  const role = targets.includes(name) ? "target" : weights.includes(name) ? "weight" : "feature";
  try {
    if (role === "target") return { role, ...typeOf(await decideTarget(cells, counts, task)) };
    if (role === "weight") {
      await decideWeight(cells, counts);
      return { role, type: "number" };
    }
    const [decision] = await decideFeatures(cells, [counts], types, clean);
    const { features } = decision!;
    if (typeof features === "string") return { role: "left out", type: features };
    return { role, ...(features[0]!.ofDate === undefined ? typeOf(features[0]!) : { type: "date" }) };
  } catch (error) {
    if (!(error instanceof MicrobatchError)) throw error;
    const type = isNumbers(counts) ? "number" : role === "target" && counts.numbers === 0 ? "class" : "mixed";
    return { role, type, problem: error.message };
  }
}

function typeOf(column: FeatureColumn | TargetColumn): Pick<ProfiledColumn, "type" | "categories"> {
  if (!("categories" in column)) return { type: "number" };
  const categories = column.categories.length;
  if ("task" in column) return { type: "class", categories };
  return { type: column.isOrdered === true ? "ordered category" : "category", categories };
}
