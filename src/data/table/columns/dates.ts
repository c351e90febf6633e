/** Columns of dates: which ones are, and the parts of their dates in SQL, the same as `datePartsOf` computes them. */
import { type DatePart, datePattern, expectedDate, firstOfPart } from "../../../array/date.ts";
import { type FeatureColumn, sourceOf } from "../../../array/schema.ts";
import { fail } from "../../../errors.ts";
import { type Cells, whereIs } from "../cells/cells.ts";
import { sqlText } from "../cells/database.ts";
import { type ColumnProfile, inGroups } from "../cells/profile.ts";
import type { ValueColumn } from "./values.ts";

/** How many values of a column are dates, and how many of those have a time. */
export interface DateCounts {
  readonly dates: number;
  readonly times: number;
}

/**
 * A condition in SQL, never null: whether a text is a date. Most texts do not even look like one, which is
 * seen at once.
 */
const isDateText = (text: string) =>
  `case when ${text} like '____-__-__%'
    then regexp_full_match(${text}, ${sqlText(datePattern)}) and try_cast(left(${text}, 10) as date) is not null
    else false end`;

/** Counts the dates in columns of texts. */
export async function countDates(
  cells: Cells,
  names: readonly string[],
): Promise<ReadonlyMap<string, DateCounts>> {
  const counts = await inGroups(names, async (some) => {
    const terms = some.flatMap((name) => {
      const text = cells.text(name);
      const isDate = isDateText(text);
      return [
        `count(*) filter (${isDate})::double`,
        `count(*) filter ((${isDate}) and strlen(${text}) > 10)::double`,
      ];
    });
    const [row] = await cells.database.rows(`select ${terms.join(", ")} from ${cells.kept}`);
    return some.map((_, at) => ({ dates: Number(row![2 * at]), times: Number(row![2 * at + 1]) }));
  });
  return new Map(names.map((name, index) => [name, counts[index]!]));
}

/** The earliest and the latest of the dates in a column that has some, as they are written. */
export async function dateSpan(cells: Cells, name: string): Promise<[string, string]> {
  const text = cells.text(name);
  const elapsed = partTerms.elapsed(text);
  const [row] = await cells.database.rows(
    `select arg_min(${text}, ${elapsed}), arg_max(${text}, ${elapsed}) from ${cells.kept} and ${text} is not null`,
  );
  return [String(row![0]), String(row![1])];
}

/** A condition in SQL: a value that is no date. */
export function isNoDate(cells: Cells, name: string): string {
  return `(${cells.id(name)} is not null and not (${isDateText(cells.text(name))}))`;
}

/** Throws at the first value that is no date. asText: what else may be done, where there is a choice. */
export async function refuseNoDate(
  cells: Cells,
  { name, present }: Pick<ColumnProfile, "name" | "present">,
  { dates }: DateCounts,
  asText?: string,
): Promise<never> {
  const [row] = await cells.database.rows(
    `select rowid::double, ${cells.text(name)} from ${cells.kept} and ${isNoDate(cells, name)} order by rowid limit 1`,
  );
  const [record, value] = row!;
  return fail(`${await whereIs(cells, Number(record))}, column "${name}"`, {
    expected: `${expectedDate}, as ${dates} of ${present} values are`,
    got: JSON.stringify(value),
    fix: `correct the value, or leave it empty if it is missing${asText === undefined ? "" : `, or ${asText}`}`,
  });
}

/** Throws where a part of a date has the name of another column. */
export function requireFreeNames(
  path: string,
  features: readonly FeatureColumn[],
  others: readonly string[],
): void {
  const taken = features.find(({ name, ofDate }) => ofDate !== undefined && others.includes(name));
  if (taken === undefined) return;
  const column = sourceOf(taken);
  fail(`${path}, column "${column}"`, {
    expected: `no other column to have the name of a part of its dates, "${taken.name}"`,
    got: "one that has",
    fix: `rename one of them, or types: { ${JSON.stringify(column)}: "category" } to read the dates as text`,
  });
}

/** A part of each date: a number, NaN where it is missing, or a code, −1 where it is missing. */
export function datePartValues(
  cells: Cells,
  feature: FeatureColumn,
  { column, part }: NonNullable<FeatureColumn["ofDate"]>,
): ValueColumn {
  const { name } = feature;
  const text = cells.text(column);
  const number = partTerms[part](text);
  if (feature.kind === "number") {
    const sql = `case when ${text} is null then 'nan'::double else (${number})::double end`;
    return { name, spec: { dtype: "float32", shape: [1] }, sql };
  }
  const sql = `case when ${text} is null then -1 else (${number})::integer - ${firstOfPart(part)} end`;
  return { name, spec: { dtype: "int32", shape: [], categories: feature.categories }, sql };
}

const dateIn = (text: string) => `try_cast(left(${text}, 10) as date)`;
/** Two digits, 0 where there are none. */
const digitsAt = (text: string, at: number) => `coalesce(try_cast(substr(${text}, ${at}, 2) as integer), 0)`;
/** Behind hours and minutes: perhaps seconds, perhaps a zone. */
const zoneIn = (text: string) => `substr(${text}, 17)`;
const inZone = (text: string, pattern: string) =>
  `coalesce(try_cast(regexp_extract(${zoneIn(text)}, ${sqlText(pattern)}, 1) as integer), 0)`;

const hours = (text: string) => digitsAt(text, 12);
const minutes = (text: string) => digitsAt(text, 15);
const seconds = (text: string) =>
  `case when substr(${text}, 17, 1) = ':' then ${digitsAt(text, 18)} else 0 end`;
/** How many minutes the clock is ahead of UTC. */
const ahead = (text: string) =>
  `(case when contains(${zoneIn(text)}, '-') then -1 else 1 end
    * (60 * ${inZone(text, "[+-]([0-9]{2})")} + ${inZone(text, "[+-][0-9]{2}:([0-9]{2})")}))`;

/** In the numbers of DatePart, of a text that is a date. */
const partTerms: Readonly<Record<DatePart, (text: string) => string>> = {
  year: (text) => `year(${dateIn(text)})`,
  month: (text) => `month(${dateIn(text)})`,
  day: (text) => `day(${dateIn(text)})`,
  weekday: (text) => `isodow(${dateIn(text)})`,
  hour: hours,
  minute: minutes,
  elapsed: (text) =>
    `epoch(${dateIn(text)}) / 86400
      + ((60 * (60 * ${hours(text)} + ${minutes(text)} - ${ahead(text)}) + ${seconds(text)})::double / 86400)`,
};
