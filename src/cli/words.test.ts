import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { splitByTime } from "../data/split-by-time.ts";
import { inFlags } from "./words.ts";

const said = (times: readonly number[]) =>
  splitByTime(arrays({ t: times }, { name: "a.csv" }), "t").then(
    () => assert.fail("it was divided"),
    (error: Error) => inFlags(error.message),
  );

test("what --time cannot divide by is told with flags", async () => {
  assert.equal(
    await said([1, Number.NaN]),
    'splitByTime of a.csv, "t": expected a value of "t" in every sample, got none in sample 1, and in 1 of 2 in all. ' +
      'Fix: leave those rows out with --drop-missing "t"',
  );
  assert.equal(
    await said([3, 3]),
    "splitByTime: expected at least 2 different times, got 1. Fix: leave --group or --time out, or name a column with more of them",
  );
});
