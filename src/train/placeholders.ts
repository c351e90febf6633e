/** The columns of a dataset as tensors, for whatever is traced on them. */
import type { Dataset } from "../data/dataset.ts";
import { nearest } from "../data/nearest.ts";
import { fail } from "../errors.ts";
import { input } from "../graph/tensor.ts";
import type { Row } from "./plan.ts";

/**
 * One [batch, …] tensor per column. Reading a column that is not there throws: in a table's row nothing else would tell
 * a misspelled one. Throws for a column whose name a program could use for itself.
 */
export function placeholders(data: Dataset): Row {
  const entries = Object.entries(data.columns).map(([name, { dtype, shape }]) => {
    if (name.startsWith("#") || name === "__proto__") {
      fail(`${data.name}, column "${name}"`, {
        expected: "a name that does not begin with #, and not __proto__",
        got: `"${name}"`,
        fix: "rename the column: names with # belong to the programs, __proto__ to JavaScript",
      });
    }
    return [name, input(name, ["batch", ...shape], dtype)];
  });
  const row: Row = Object.freeze(Object.fromEntries(entries));
  return new Proxy(row, {
    get(target, name) {
      // A promise asks what it is given for "then", JSON for "toJSON".
      if (Reflect.has(target, name) || typeof name === "symbol" || name === "then" || name === "toJSON")
        return Reflect.get(target, name);
      const columns = Object.keys(target);
      const meant = nearest(name, columns);
      return fail(`${data.name}, column "${name}"`, {
        expected: `one of the columns ${columns.join(", ")}`,
        got: `"${name}"`,
        fix: meant === undefined ? "name one of those" : `did you mean "${meant}"?`,
      });
    },
  });
}
