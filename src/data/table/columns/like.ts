/** The columns of a second table by the schema of a first one: nothing is decided, everything is checked. */
import { type ClassificationTarget, sourceOf, type TableSchema } from "../../../array/schema.ts";
import { fail } from "../../../errors.ts";
import { type Cells, whereIs } from "../cells/cells.ts";
import type { ColumnProfile } from "../cells/profile.ts";
import { countDates, refuseNoDate } from "./dates.ts";
import { refuseText } from "./mixed.ts";

/** The columns of a first table that are numbers. */
export function numbersIn({ features, targets }: TableSchema): string[] {
  const numbers = features.filter(({ kind, ofDate }) => kind === "number" && ofDate === undefined);
  return [...numbers, ...targets.filter(({ task }) => task === "regression")].map(({ name }) => name);
}

/** Its columns of dates. */
export function datesIn({ features }: TableSchema): string[] {
  return [...new Set(features.filter(({ ofDate }) => ofDate !== undefined).map(sourceOf))];
}

/**
 * The schema's columns. Throws, naming line and column, for a text in a column of numbers or dates. A
 * category that the schema does not know is none: its code is the number of categories, as in a saved model.
 */
export async function requireLike(
  cells: Cells,
  schema: TableSchema,
  profiles: ReadonlyMap<string, ColumnProfile>,
): Promise<TableSchema> {
  for (const name of numbersIn(schema)) {
    const profile = profiles.get(name)!;
    if (profile.numbers < profile.present) await refuseText(cells, profile);
  }
  for (const [name, counts] of await countDates(cells, datesIn(schema))) {
    const profile = profiles.get(name)!;
    if (counts.dates < profile.present) await refuseNoDate(cells, profile, counts);
  }
  const { features, targets } = schema;
  return { features, targets };
}

/** Throws at the first class that the schema does not know. codes: the SQL term of the target's codes. */
export async function refuseUnknownClass(
  cells: Cells,
  { name, categories }: ClassificationTarget,
  codes: string,
): Promise<never> {
  const [row] = await cells.database.rows(
    `select rowid::double, ${cells.text(name)} from ${cells.kept} and ${codes} = ${categories.length}
     order by rowid limit 1`,
  );
  const [record, value] = row!;
  const shown = categories.slice(0, 10).map((category) => JSON.stringify(category));
  return fail(`${await whereIs(cells, Number(record))}, column "${name}"`, {
    expected: `one of the classes of the first table, ${shown.join(", ")}${categories.length > 10 ? ", …" : ""}`,
    got: JSON.stringify(value),
    fix: "correct the value, or leave it empty to leave the line out",
  });
}
