/** Columns of numbers that float32 cannot tell apart well, such as times in seconds since 1970. */
import type { Cells } from "../cells/cells.ts";
import { type ColumnProfile, inGroups } from "../cells/profile.ts";

/**
 * Those of the columns whose rounding to float32 moves a number by more than a thousandth of the column's
 * deviation. Only few are looked at: the others' range says that they have nothing to fear.
 */
export async function impreciseColumns(
  cells: Cells,
  profiles: readonly ColumnProfile[],
): Promise<readonly string[]> {
  const suspects = profiles.filter(isSuspect).map(({ name }) => name);
  const lost = await inGroups(suspects, async (some) => {
    const numbers = some.map((name, index) => `${cells.number(name)} as n${index}`).join(", ");
    const terms = some.map((_, at) => `max(abs(n${at} - n${at}::float::double)) * 1000 > stddev_pop(n${at})`);
    const [row] = await cells.database.rows(
      `select ${terms.join(", ")} from (select ${numbers} from ${cells.kept})`,
    );
    return row!.map((value) => value === true);
  });
  return suspects.filter((_, index) => lost[index]);
}

function isSuspect({ present, integers, minimum, maximum }: ColumnProfile): boolean {
  const largest = Math.max(-minimum, maximum);
  if (integers === present && largest <= 2 ** 24) return false; // exact
  // Of so many numbers, two of them so far apart, the deviation is at least this.
  const leastDeviation = (maximum - minimum) / Math.sqrt(2 * present);
  return 1000 * 2 ** -24 * largest > leastDeviation;
}
