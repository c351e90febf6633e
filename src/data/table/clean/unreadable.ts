/** Rows with values that cannot be read: which values are none of what their column has to hold. */
import { expectedDate } from "../../../array/date.ts";
import type { Proof } from "../../../errors.ts";
import type { Cells } from "../cells/cells.ts";
import { sqlText } from "../cells/database.ts";
import { type ColumnProfile, profileColumns } from "../cells/profile.ts";
import { countDates, isNoDate } from "../columns/dates.ts";
import { datesIn, numbersIn } from "../columns/like.ts";
import { areNearlyAll } from "../columns/mixed.ts";
import type { Roles } from "../columns/roles.ts";
import { saidType, type TableOptions } from "../options.ts";
import type { RestOfCells } from "./rest-of-cells.ts";
import { type BadRowCount, reasonOf, type SkippedRow, toldRows } from "./skipped-rows.ts";

/** A value that a row must not have. */
interface Unreadable {
  readonly name: string;
  readonly condition: string;
  readonly expected: Proof["expected"];
}

/** Leaves out the rows with values that cannot be read, and counts them. Throws where they are too many. */
export async function skipUnreadable(
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
  const total = cells.samples + bad.skipped.count;
  const first = await firstRows(cells, found);
  if (first.length > 0) {
    await rest.keep(found.map(({ condition }) => `not (${condition})`).join(" and "));
    for (const [record, row] of first) {
      const { path, line } = await cells.placeOf(record);
      bad.tell({ ...(path !== cells.path && { path }), line, ...row });
    }
    const rows = cells.samples - rest.cells.samples;
    bad.addUntold(rows, rows);
  }
  bad.require(total);
}

/** The first rows that have such a value, by their records, in order. */
async function firstRows(
  cells: Cells,
  found: readonly Unreadable[],
): Promise<[record: number, row: Omit<SkippedRow, "line">][]> {
  const rows = new Map<number, Omit<SkippedRow, "line">>();
  for (const { name, condition, expected } of found) {
    const values = await cells.database.rows(
      `select rowid::double, ${cells.text(name)} from ${cells.kept} and ${condition} order by rowid limit ${toldRows}`,
    );
    for (const [record, value] of values) {
      if (rows.has(Number(record))) continue;
      const got = value === null ? "nothing" : JSON.stringify(value);
      rows.set(Number(record), { column: name, reason: reasonOf({ expected, got }) });
    }
  }
  return [...rows].sort(([a], [b]) => a - b).slice(0, toldRows);
}

/** Values that are no dates, in columns of dates. */
async function unreadableDates(
  cells: Cells,
  profiles: readonly ColumnProfile[],
  { features }: Roles,
  { like, types }: TableOptions,
): Promise<Unreadable[]> {
  const known = like === undefined ? undefined : datesIn(like);
  const isSaid = (name: string) => known?.includes(name) ?? saidType(name, types) === "date";
  const candidates = profiles.filter(({ name, present, numbers }) => {
    if (!features.includes(name)) return false;
    return isSaid(name) || (like === undefined && saidType(name, types) === undefined && numbers < present);
  });
  const counts = await countDates(
    cells,
    candidates.map(({ name }) => name),
  );
  return candidates.flatMap(({ name, present }) => {
    const { dates } = counts.get(name)!;
    if (dates === present || !(isSaid(name) || areNearlyAll(dates, present))) return [];
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
  const { name, present, numbers } = profile;
  const [text, number] = [cells.text(name), cells.number(name)];
  if (weights.includes(name)) {
    return { name, condition: `(${number} is null or ${number} < 0)`, expected: "a weight from 0 on" };
  }
  const type = saidType(name, options.types);
  if (Array.isArray(type)) {
    const listed = type.map((category) => sqlText(category)).join(", ");
    const expected = `one of ${type.map((category) => JSON.stringify(category)).join(", ")}`;
    return { name, condition: `coalesce(${text} not in (${listed}), false)`, expected };
  }
  if (numbers === present || !mustBeNumbers(profile, targets, options)) return undefined;
  const condition = `(${cells.id(name)} is not null and ${number} is null)`;
  return { name, condition, expected: "a number that fits float32" };
}

function mustBeNumbers(
  { name, present, numeric }: ColumnProfile,
  targets: readonly string[],
  { like, task, types }: TableOptions,
): boolean {
  if (like !== undefined) return numbersIn(like).includes(name);
  const said = targets.includes(name) ? task : saidType(name, types);
  return said === undefined ? areNearlyAll(numeric, present) : said === "regression" || said === "number";
}
