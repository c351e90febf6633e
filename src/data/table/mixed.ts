/** Columns where numbers and texts are mixed: a slip of the pen would silently make categories of a column of numbers. */
import { fail } from "../../errors.ts";
import { type Cells, whereIs } from "./cells.ts";
import { sqlText } from "./database.ts";
import type { ColumnProfile } from "./profile.ts";

/** What else may be done about it: to read the column as text. For a feature. */
export const featureAsText = (name: string) =>
  `types: { ${JSON.stringify(name)}: "category" } to read the column as text`;

/** For a target. */
export const targetAsText = `task: "classification" to predict it as a class`;

/**
 * Throws for a column in which nine values in ten are numbers, since the tenth is a slip and no category, and for numbers
 * with a decimal comma (nine in ten again: the others may be marks for missing ones).
 */
export async function refuseNearlyNumbers(
  cells: Cells,
  profile: ColumnProfile,
  asText: string,
): Promise<void> {
  const { name, present, numeric, commas } = profile;
  if (numeric >= 0.9 * present) await refuseText(cells, profile, asText);
  if (commas === 0) return;
  const text = cells.text(name);
  const pattern = sqlText("[+-]?([0-9]+|[0-9]{1,3}([. ][0-9]{3})+)(,[0-9]+)?");
  const [row] = await cells.database.rows(
    `select count(*) filter (regexp_full_match(${text}, ${pattern}))::double,
            first(${text} order by rowid) filter (contains(${text}, ',')),
            min(rowid) filter (contains(${text}, ','))::double from ${cells.kept}`,
  );
  const [matching, example, record] = row!;
  if (Number(matching) < 0.9 * present) return;
  fail(`${await whereIs(cells, Number(record))}, column "${name}"`, {
    expected: "numbers with a decimal point and nothing between thousands",
    got: `"${example}"`,
    fix: `write decimal points, or ${asText}`,
  });
}

/** Throws at the first value that is no number. asText: what else may be done, where there is a choice. */
export async function refuseText(cells: Cells, profile: ColumnProfile, asText?: string): Promise<never> {
  const { name, numbers, present } = profile;
  const text = cells.text(name);
  const [row] = await cells.database.rows(
    `select rowid::double, ${text} from ${cells.kept} and ${cells.id(name)} is not null and ${cells.number(name)} is null
     order by rowid limit 1`,
  );
  const [record, value] = row!;
  return fail(`${await whereIs(cells, Number(record))}, column "${name}"`, {
    expected: `a number that fits float32, as ${numbers} of ${present} values are`,
    got: JSON.stringify(value),
    fix: `correct the value, or leave it empty if it is missing${asText === undefined ? "" : `, or ${asText}`}`,
  });
}
