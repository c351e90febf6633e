import assert from "node:assert/strict";
import { test } from "node:test";
import { requireSeveralColumns } from "./open-table.ts";

test("a single column is refused; only of a text is it said what separates columns", () => {
  const name = "a.csv";
  assert.throws(() => requireSeveralColumns({ name, columns: ["a"], unit: "line" }), {
    message:
      'a.csv: expected at least two columns, separated by comma, tab, semicolon or bar, got one column, "a". ' +
      "Fix: add a column: a table needs a target and at least one feature; " +
      'or name what separates them: dialect: { delimiter: ":" }',
  });
  assert.throws(() => requireSeveralColumns({ name, columns: ["a"], unit: "row" }), {
    message:
      'a.csv: expected at least two columns, got one column, "a". ' +
      "Fix: add a column: a table needs a target and at least one feature",
  });
  requireSeveralColumns({ name, columns: ["a", "b"], unit: "line" });
});
