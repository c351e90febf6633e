/** The columns of a table in figures. */
import type { Cells } from "./cells.ts";

/** A column over the samples whose targets are present. */
export interface ColumnProfile {
  readonly name: string;
  /** How many samples have a value. */
  readonly present: number;
  /** How many values are numbers that fit float32, and how many of those are whole. */
  readonly numbers: number;
  readonly integers: number;
  readonly minimum: number;
  readonly maximum: number;
  /** How many values are numbers or would be if float32 could hold them, infinities among them. */
  readonly numeric: number;
  /** How many values have a comma; in a table with decimal commas, a point. */
  readonly commas: number;
}

/** Columns per query: each takes memory for its different values, and a query takes some milliseconds to plan. */
const columnsPerQuery = 8;

/** Profiles the columns, each in one pass. */
export async function profileColumns(cells: Cells, names: readonly string[]): Promise<ColumnProfile[]> {
  return inGroups(names, async (some) => {
    // A number in a query of its own is computed once; as a term it would be at every place that uses it.
    const casts = some.map((name) => {
      const id = cells.id(name);
      const any = cells.isNumbers(name) ? "" : `, anynumber(${cells.text(name)}) as d${id}`;
      return `${id}, ${cells.number(name)} as n${id}${any}`;
    });
    const figures = some.map((name) => {
      const id = cells.id(name);
      const asTexts = `count(d${id})::double, count(*) filter (contains(${id}, '${cells.decimal === "," ? "." : ","}'))::double`;
      return `[count(${id})::double, count(n${id})::double,
        count(*) filter (n${id} = trunc(n${id}) and abs(n${id}) <= ${Number.MAX_SAFE_INTEGER})::double,
        coalesce(min(n${id}), 0), coalesce(max(n${id}), 0),
        ${cells.isNumbers(name) ? `count(${id})::double, 0` : asTexts}]`;
    });
    const rows = await cells.database.rows(
      `select unnest([${figures.join(", ")}]) from (select ${casts.join(", ")} from ${cells.kept})`,
    );
    return some.map((name, index) => profileOf(name, rows[index]![0]));
  });
}

function profileOf(name: string, list: unknown): ColumnProfile {
  // A list of the figures above, as the database gives one.
  const figures = (list as { readonly items: readonly number[] }).items;
  const [present, numbers, integers, minimum, maximum, numeric, commas] = figures as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { name, present, numbers, integers, minimum, maximum, numeric, commas };
}

/** How many different values each SQL term has. */
export async function countDistinct(cells: Cells, terms: readonly string[]): Promise<number[]> {
  return inGroups(terms, async (some) => {
    const counts = some.map((term) => `count(distinct ${term})::double`).join(", ");
    const [row] = await cells.database.rows(`select ${counts} from ${cells.kept}`);
    return row!.map(Number);
  });
}

/** Asks for some of the list at a time, and joins what comes. */
export async function inGroups<Item, Result>(
  items: readonly Item[],
  ask: (some: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += columnsPerQuery) {
    results.push(...(await ask(items.slice(start, start + columnsPerQuery))));
  }
  return results;
}
