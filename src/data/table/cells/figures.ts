/** What a table's columns hold, in figures for people: means, quantiles, frequent values. Computed by the database. */
import type { Cells } from "./cells.ts";
import { inGroups } from "./profile.ts";

/** The shares of the numbers below each quantile. */
export const quantileShares = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/** A column of numbers, in float64. */
export interface NumberFigures {
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  /** The population's: √(Σ(x−mean)²/count). */
  readonly deviation: number;
  /**
   * The number below which a share of the numbers lies, by that share; between two numbers in proportion, as
   * NumPy's are.
   */
  readonly quantiles: Readonly<Record<`${(typeof quantileShares)[number]}`, number>>;
}

/** A value that several samples have. */
export interface ValueCount {
  readonly value: string;
  readonly count: number;
  /** Of the samples that have a value. */
  readonly share: number;
}

/** Up to so many samples, quantiles and counts of different values are exact; they take memory for every value. */
export const exactLimit = 5_000_000;

/**
 * The figures of columns whose values are all numbers. Of more than `exactLimit` samples the quantiles are
 * estimates.
 */
export async function numberFigures(cells: Cells, names: readonly string[]): Promise<NumberFigures[]> {
  const isExact = cells.samples <= exactLimit;
  const figures: NumberFigures[] = [];
  for (const name of names) {
    // favg adds with compensation; the deviation is Welford's.
    const [row] = await cells.database.rows(
      `select min(n), max(n), favg(n), stddev_pop(n),
        ${isExact ? "quantile_cont" : "approx_quantile"}(n, [${quantileShares.join(", ")}])
       from (select ${cells.number(name)} as n from ${cells.kept})`,
    );
    const [minimum, maximum, mean, deviation] = row!.map(Number);
    const [p05, p25, p50, p75, p95] = (row![4] as { readonly items: readonly number[] }).items.map(Number); // its list
    figures.push({
      minimum: minimum!,
      maximum: maximum!,
      mean: mean!,
      deviation: deviation!,
      quantiles: { 0.05: p05!, 0.25: p25!, 0.5: p50!, 0.75: p75!, 0.95: p95! },
    });
  }
  return figures;
}

/**
 * How many different values each column has: of numbers different numbers, of more than `exactLimit` samples
 * an estimate.
 */
export async function distinctValues(
  cells: Cells,
  columns: readonly { readonly name: string; readonly isNumber: boolean }[],
): Promise<number[]> {
  const isExact = cells.samples <= exactLimit;
  return inGroups(columns, async (some) => {
    const counts = some.map(({ name, isNumber }) => {
      const value = isNumber ? cells.number(name) : cells.text(name);
      return `${isExact ? `count(distinct ${value})` : `approx_count_distinct(${value})`}::double`;
    });
    const [row] = await cells.database.rows(`select ${counts.join(", ")} from ${cells.kept}`);
    return row!.map(Number);
  });
}

/** The most frequent values of a column, of equally frequent ones the first in the order of code points. */
export async function topValues(
  cells: Cells,
  name: string,
  present: number,
  most: number,
): Promise<ValueCount[]> {
  const id = cells.text(name);
  const rows = await cells.database.rows(
    `select ${id}, count(*)::double from ${cells.kept} and ${id} is not null
     group by ${id} order by count(*) desc, ${id} limit ${most}`,
  );
  return rows.map(([value, count]) => ({
    value: String(value),
    count: Number(count),
    share: Number(count) / present,
  }));
}

/** How many samples have the same value in every one of the columns, and in every list, as an earlier sample. */
export async function countDuplicates(cells: Cells, names: readonly string[]): Promise<number> {
  if (names.length === 0) return 0;
  // 64 bits of each sample, not the samples: two different ones would share them once in 10^8 tables of a
  // million samples.
  const [row] = await cells.database.rows(
    `select count(distinct hash(${sameColumns(cells, names).join(", ")}))::double from ${cells.kept}`,
  );
  return cells.samples - Number(row![0]);
}

/** What must be the same in duplicates. */
export function sameColumns(cells: Cells, names: readonly string[]): string[] {
  return [...names.map((name) => cells.id(name)), ...(cells.lists ?? []).map(({ sql }) => sql)];
}

/**
 * Columns that hold the same in every sample: lists of two and more names, each in the order given.
 * candidates: names by what the columns have in common, since only few columns are worth comparing. termOf:
 * the SQL of what is compared.
 */
export async function identicalColumns(
  cells: Cells,
  candidates: ReadonlyMap<string, readonly string[]>,
  termOf: (name: string) => string,
): Promise<string[][]> {
  const names = [...candidates.values()].filter((some) => some.length > 1).flat();
  // A sum over all samples of what a value and its place come to: equal columns have equal sums. The database mixes two
  // values so that the sum would lose which belonged together; mixed once more it does not.
  const prints = await inGroups(names, async (some) => {
    const sums = some.map((name) => `bit_xor(hash(hash(rowid, ${termOf(name)})))::varchar`).join(", ");
    const [row] = await cells.database.rows(`select ${sums} from ${cells.kept}`);
    return row!.map(String);
  });
  const identical: string[][] = [];
  for (const group of Map.groupBy(names, (_, index) => prints[index]!).values()) {
    const [first, ...others] = group;
    const same = [first!];
    for (const other of others) if (await isSame(cells, termOf(first!), termOf(other))) same.push(other);
    if (same.length > 1) identical.push(same);
  }
  return identical;
}

async function isSame(cells: Cells, one: string, other: string): Promise<boolean> {
  const rows = await cells.database.rows(
    `select 1 from ${cells.kept} and ${one} is distinct from ${other} limit 1`,
  );
  return rows.length === 0;
}
