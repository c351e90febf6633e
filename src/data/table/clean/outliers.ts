/** Rows whose number is too far from the others. */
import { fail } from "../../../errors.ts";
import type { Cells } from "../cells/cells.ts";
import { exactLimit } from "../cells/figures.ts";
import { type ColumnProfile, profileColumns } from "../cells/profile.ts";
import type { Cleaning, OutlierLimits } from "./cleaning.ts";
import type { RestOfCells } from "./rest-of-cells.ts";

/** How many rows of a column were left out, and the limits that they are beyond. */
export interface OutlierCount {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/** Leaves them out, by the limits of what is there, and gives their count by column. */
export async function dropOutliers(
  rest: RestOfCells,
  outliers: NonNullable<Cleaning["outliers"]>,
): Promise<Record<string, OutlierCount>> {
  const names = Object.keys(outliers);
  if (names.length === 0) return {};
  const { cells } = rest;
  for (const profile of await profileColumns(cells, names)) requireNumbers(cells, profile);
  const counts: [string, OutlierCount][] = [];
  const conditions: string[] = [];
  for (const name of names) {
    const [from, to] = await limitsOf(cells, name, outliers[name]!);
    const value = cells.number(name);
    const inside = `coalesce(${value} between '${from}'::double and '${to}'::double, true)`;
    const [row] = await cells.database.rows(
      `select count(*) filter (not ${inside})::double from ${cells.kept}`,
    );
    counts.push([name, { count: Number(row![0]), from, to }]);
    conditions.push(inside);
  }
  if (counts.some(([, { count }]) => count > 0)) await rest.keep(conditions.join(" and "));
  return Object.fromEntries(counts);
}

async function limitsOf(cells: Cells, name: string, limits: OutlierLimits): Promise<[number, number]> {
  const numbers = `(select ${cells.number(name)} as n from ${cells.kept})`;
  if ("quantiles" in limits) {
    const quantile = cells.samples <= exactLimit ? "quantile_cont" : "approx_quantile";
    const [low, high] = limits.quantiles;
    const [row] = await cells.database.rows(
      `select ${quantile}(n, ${low})::double, ${quantile}(n, ${high})::double from ${numbers}`,
    );
    return [Number(row![0]), Number(row![1])];
  }
  const [row] = await cells.database.rows(`select favg(n), stddev_pop(n), min(n), max(n) from ${numbers}`);
  const [mean, deviation, least, most] = row!.map(Number);
  // Of equal numbers the mean may be the one next to them.
  if (deviation === 0) return [least!, most!];
  return [mean! - limits.deviations * deviation!, mean! + limits.deviations * deviation!];
}

function requireNumbers({ path }: Cells, { name, numbers, present }: ColumnProfile): void {
  if (numbers === present && present > 0) return;
  fail(`${path}, option clean.outliers, "${name}"`, {
    expected: "a column of numbers",
    got: present === 0 ? "no value" : `${numbers} numbers among ${present} values`,
    fix: "remove it, or correct the values",
  });
}
