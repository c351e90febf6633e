import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { splitByTime } from "../data/split-by-time.ts";
import { bytes } from "./options.ts";
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

test("what does not fit into memory is told with flags", () => {
  assert.equal(
    inFlags(
      "plan.microbatchSize: expected at most 148, to fit into 260 MiB that are free, got 256, for which the process would hold 368 MiB. " +
        "Fix: microbatchSize: 148, or a larger memoryBudget",
    ),
    "--microbatch-size: expected at most 148, to fit into 260 MiB that are free, got 256, for which the process would hold 368 MiB. " +
      "Fix: --microbatch-size 148, or a larger --memory-budget",
  );
  assert.equal(
    inFlags("plan.memoryBudget: expected at least 114 MiB. Fix: fewer threads, or a larger memoryBudget"),
    "--memory-budget: expected at least 114 MiB. Fix: fewer threads, or a larger --memory-budget",
  );
});

test("a memory budget is typed with its unit", () => {
  assert.deepEqual(["800MB", "1.5GB", "512MiB", "2GiB"].map(bytes), [8e8, 1.5e9, 2 ** 29, 2 ** 31]);
  for (const wrong of ["2", "0MB", "-1GB", "2TB", "GB", "1e400GB", ""]) {
    assert.throws(
      () => bytes(wrong),
      { message: "Expected bytes such as 800MB, 1.5GB, 512MiB or 2GiB." },
      wrong,
    );
  }
});
