/** What each option of a field of the plan must be, for callers without types: a table with one entry per option. */
import { fail, kindOf } from "../errors.ts";

/** One option. */
export interface Option {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
  readonly fix: string;
}

/**
 * Refuses names that are not in the table, and values that cannot be; undefined is as good as left out. `kind` is what the table
 * depends on, where there are several: it is told with a name that is unknown.
 */
export function checkOptions(
  where: string,
  given: object,
  table: Readonly<Record<string, Option>>,
  kind = "",
): void {
  for (const [name, value] of Object.entries(given)) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option === undefined) {
      fail(`${where}${kind}`, {
        expected: `only ${Object.keys(table).join(", ")}`,
        got: name,
        fix: "correct the name, or leave it out",
      });
    }
    const { expected, holds, fix } = option;
    if (value !== undefined && !holds(value)) fail(`${where}.${name}`, { expected, got: kindOf(value), fix });
  }
}
