/** Columns that are kept beside the features: to divide samples by, or to draw them by. */
import type { ColumnSpec } from "../../dataset.ts";
import type { Cells } from "../cells/cells.ts";
import type { ColumnProfile } from "../cells/profile.ts";
import type { ColumnType } from "../options.ts";
import { codesOf, readCategories } from "./categories.ts";
import { areDates, requireListed } from "./columns.ts";
import { refuseText } from "./mixed.ts";
import { floatOf, type ValueColumn } from "./values.ts";

/**
 * How a kept column is had, so that different values stay different and later times are greater: whole
 * numbers and dates in int32 [], since float32 would make one of ids and seconds that differ; other numbers
 * in float32 [1], NaN where missing; all else as codes of its texts, however many, −1 where missing. Dates
 * are days since 1970, or seconds where one has a time. What int32 cannot hold, or lacks where a value is
 * missing, becomes codes too, of whole numbers only above 2²⁴.
 */
export async function keptValues(
  cells: Cells,
  profile: ColumnProfile,
  type: ColumnType | undefined,
): Promise<ValueColumn> {
  const { name, present, numbers } = profile;
  if (type === "number" && numbers < present) await refuseText(cells, profile);
  const isNumbers = numbers === present && (type === undefined || type === "number");
  if (isNumbers && (type === "number" || fitsFloat32(profile))) {
    return { name, spec: { dtype: "float32", shape: [1] }, sql: floatOf(cells, name) };
  }
  if (present === cells.samples && (type === undefined || type === "date")) {
    if (isNumbers && fitsInt32(profile)) return whole(name, cells.number(name));
    const times = isNumbers ? undefined : await timesOf(cells, profile);
    if (times !== undefined) return whole(name, times);
  }
  const categories = Array.isArray(type)
    ? await requireListed(cells, name, type)
    : (await readCategories(cells, [name]))[0]!;
  const spec: ColumnSpec = { dtype: "int32", shape: [], categories };
  return { name, spec, sql: await codesOf(cells, name, categories) };
}

const whole = (name: string, number: string): ValueColumn => ({
  name,
  spec: { dtype: "int32", shape: [] },
  sql: `(${number})::integer`,
});

/** Whole numbers up to 2²⁴ are all different in float32; of fractions it keeps seven digits, as of a feature. */
function fitsFloat32({ integers, present, minimum, maximum }: ColumnProfile): boolean {
  const largest = Math.max(-minimum, maximum);
  return integers === present ? largest <= 2 ** 24 : largest <= Number.MAX_SAFE_INTEGER;
}

function fitsInt32({ integers, present, minimum, maximum }: ColumnProfile): boolean {
  return integers === present && isInt32(minimum) && isInt32(maximum);
}

const isInt32 = (value: number) => value >= -(2 ** 31) && value < 2 ** 31;

/** The SQL of days or seconds since 1970, where every value is a date, and int32 holds them. */
async function timesOf(cells: Cells, profile: ColumnProfile): Promise<string | undefined> {
  if (!(await areDates(cells, profile))) return undefined;
  const text = cells.text(profile.name);
  // The database passes over the offset in "12:00+02:00" as a timestamp, and else would take this machine's time zone.
  const seconds = `floor(case when regexp_matches(${text}, ':.*[+-]') then epoch(try_cast(${text} as timestamptz))
    else epoch(try_cast(${text} as timestamp)) end)`;
  const [row] = await cells.database.rows(
    `select min(${seconds}), max(${seconds}), count(*) filter (${seconds} % 86400 <> 0)::double from ${cells.kept}`,
  );
  const [earliest, latest, withTime] = row!.map(Number);
  if (withTime === 0) return `${seconds} / 86400`;
  return isInt32(earliest!) && isInt32(latest!) ? seconds : undefined;
}
