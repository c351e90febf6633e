/** The columns of a dataset as tensors, for whatever is traced on them. */
import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import { input } from "../graph/tensor.ts";
import type { Row } from "./plan.ts";

/** One [batch, …] tensor per column. Throws for a column whose name a program could use for itself. */
export function placeholders(data: Dataset): Row {
  const entries = Object.entries(data.columns).map(([name, { dtype, shape }]) => {
    if (name.startsWith("#")) {
      fail(`${data.name}, column "${name}"`, {
        expected: "a name that does not begin with #",
        got: `"${name}"`,
        fix: "rename the column: names with # belong to the programs",
      });
    }
    return [name, input(name, ["batch", ...shape], dtype)];
  });
  return Object.freeze(Object.fromEntries(entries));
}
