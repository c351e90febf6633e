/** The categories of a table's columns, and their codes in SQL. */
import type { Cells } from "../cells/cells.ts";
import { sqlText } from "../cells/database.ts";
import { inGroups } from "../cells/profile.ts";

/** The different values of columns, in the order of their code points. */
export async function readCategories(cells: Cells, names: readonly string[]): Promise<string[][]> {
  return inGroups(names, async (some) => {
    const lists = some.map((name) => `list_sort(list(distinct ${cells.text(name)}))`).join(", ");
    const [row] = await cells.database.rows(`select ${lists} from ${cells.kept}`);
    return row!.map(textsOf);
  });
}

/**
 * The most frequent values of a column that at least so many samples have, the earlier of equally frequent ones, in the
 * order of their code points.
 */
export async function mostFrequent(
  cells: Cells,
  name: string,
  limit: number,
  atLeast: number,
): Promise<string[]> {
  const id = cells.text(name);
  const [row] = await cells.database.rows(
    `select list_sort(list(${id})) from (select ${id} from ${cells.kept} and ${id} is not null
      group by ${id} having count(*) >= ${atLeast} order by count(*) desc, ${id} limit ${limit})`,
  );
  return row![0] === null ? [] : textsOf(row![0]); // no list where there is no such value
}

/** A list of texts as the database gives one; it has nothing for a missing value. */
function textsOf(list: unknown): string[] {
  const { items } = list as { readonly items: readonly (string | null)[] };
  // A byte order mark in front of a text is dropped on the way here, which may make two the same.
  return [...new Set(items.filter((item) => item !== null))];
}

/**
 * Makes the categories of a column known to SQL and gives the term of the codes: positions in the list, −1 where `text`
 * is missing, the number of categories where it is not in the list.
 */
export async function codesOf(
  cells: Cells,
  name: string,
  categories: readonly string[],
  text: string = cells.text(name),
): Promise<string> {
  const type = `categories_${cells.id(name)}`;
  const unlisted = categories.length;
  if (unlisted === 0) return `case when ${text} is null then -1 else 0 end`;
  await cells.database.run(`create type ${type} as enum (${categories.map(sqlText).join(", ")})`);
  // Only what is none of them is looked at again. No category says that a value is missing.
  const value = text === cells.text(name) && !cells.isNumbers(name) ? (cells.raw?.(name) ?? text) : text;
  return `coalesce(enum_code(try_cast(${value} as ${type}))::integer, case when ${text} is null then -1 else ${unlisted} end)`;
}
