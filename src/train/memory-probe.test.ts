import assert from "node:assert/strict";
import { test } from "node:test";
import { usualSeconds } from "./memory-probe.ts";

test("a run takes as long as most do, and where the machine was busy with others, what it took of the processor", () => {
  assert.equal(usualSeconds([3, 1, 9], 13, 13), 3);
  assert.equal(usualSeconds([3, 1, 9], 13, 12), 3); // a run that read from a disk, or a clock that is coarse
  assert.equal(usualSeconds([3, 1, 9], 13, 6), 2);
  assert.equal(usualSeconds([5], 5, 20), 5); // other threads of the process had work
});
