/**
 * Columns where numbers and texts are mixed: a slip of the pen would silently make categories of a column of
 * numbers.
 */
import { fail } from "../../../errors.ts";
import { parseNumber } from "../../numbers.ts";
import { type Cells, whereIs } from "../cells/cells.ts";
import { sqlText } from "../cells/database.ts";
import type { ColumnProfile } from "../cells/profile.ts";

/** Whether nearly all values are of a kind, so that the others are slips: nine in ten. */
export const areNearlyAll = (count: number, present: number) => count >= 0.9 * present;

/** What else may be done about it: to read the column as text. For a feature. */
export const featureAsText = (name: string) =>
  `types: { ${JSON.stringify(name)}: "category" } to read the column as text`;

/** For a target. */
export const targetAsText = `task: "classification" to predict it as a class`;

/**
 * Throws for a column in which nine values in ten are numbers, since the tenth is a slip and no category, and
 * for numbers with a decimal comma where a point is what the table has, or the other way round (nine in ten
 * again: the others may be marks for missing ones).
 */
export async function refuseNearlyNumbers(
  cells: Cells,
  profile: ColumnProfile,
  asText: string,
): Promise<void> {
  const { name, present, numeric, commas } = profile;
  if (areNearlyAll(numeric, present)) await refuseText(cells, profile, asText);
  if (commas === 0) return;
  const text = cells.text(name);
  const { decimal, mark } = cells.decimal === "," ? withComma : withPoint;
  const has = `contains(${text}, ${sqlText(mark)})`;
  const [row] = await cells.database.rows(
    `select count(*) filter (regexp_full_match(${text}, ${sqlText(numbersOf(mark))}))::double,
            count(*) filter (regexp_full_match(${text}, ${sqlText(grouped)}))::double,
            first(${text} order by rowid) filter (${has}), min(rowid) filter (${has})::double from ${cells.kept}`,
  );
  const [matching, withThousands, example, record] = row!;
  if (!areNearlyAll(Number(matching), present)) return;
  const isDialect = cells.isCsv === true && cells.decimal === undefined && Number(withThousands) === 0;
  fail(`${await whereIs(cells, Number(record))}, column "${name}"`, {
    expected: `numbers with a decimal ${decimal} and nothing between thousands`,
    got: `"${example}"`,
    fix: `${isDialect ? commaHint : ""}write decimal ${decimal}s, or ${asText}`,
  });
}

const commaHint = 'dialect: { decimal: "," } if that is a decimal comma; else ';

/** What stands in front of decimals, and what must not. */
const withPoint = { decimal: "point", mark: "," };
const withComma = { decimal: "comma", mark: "." };

/** Numbers with that mark in front of their decimals, or with a decimal comma and marks between thousands. */
const numbersOf = (mark: string) =>
  `[+-]?(([0-9]+|${thousands})([${mark},][0-9]*)?|[${mark}][0-9]+)([eE][+-]?[0-9]+)?`;
const thousands = "[0-9]{1,3}([. ][0-9]{3})+";
const grouped = `[+-]?${thousands}(,[0-9]+)?`;

/** Throws at the first value that is no number. asText: what else may be done, where there is a choice. */
export async function refuseText(cells: Cells, profile: ColumnProfile, asText?: string): Promise<never> {
  const { name, numbers, present } = profile;
  const text = cells.text(name);
  const [row] = await cells.database.rows(
    `select rowid::double, ${text} from ${cells.kept} and ${cells.id(name)} is not null and ${cells.number(name)} is null
     order by rowid limit 1`,
  );
  const [record, value] = row!;
  const isComma =
    cells.isCsv === true && cells.decimal === undefined && parseNumber(String(value), ",") !== undefined;
  return fail(`${await whereIs(cells, Number(record))}, column "${name}"`, {
    expected: `a number that fits float32, as ${numbers} of ${present} values are`,
    got: JSON.stringify(value),
    fix: `${isComma ? commaHint : ""}correct the value, or leave it empty if it is missing${asText === undefined ? "" : `, or ${asText}`}`,
  });
}
