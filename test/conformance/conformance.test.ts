/** ONNX's own cases: as many pass as FEATURES.md says, and every other one has its reason there. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { casesFolder } from "./case.ts";
import { featuresOf, furtherOutcomes, outcomes, page } from "./features.ts";

const isInstalled = existsSync(casesFolder);
const missing = "ONNX's cases are not installed: apt-get install libonnx-testdata";

test("at least 700 of ONNX's 932 single-operator cases pass, with gradients that differences confirm; FEATURES.md says which of all 1072 do not", async (t) => {
  if (!isInstalled && process.env.CI !== "true") return t.skip(missing);
  assert.ok(isInstalled, missing);
  const results = await outcomes();
  assert.equal(results.length, 932);
  const passed = results.filter(({ problem }) => problem === undefined).length;
  assert.ok(passed >= 700, `${passed} pass`);
  const smooth = results.filter(({ problem, hasGradient }) => problem === undefined && hasGradient);
  const right = smooth.filter(({ gradientProblem }) => gradientProblem === undefined).length;
  assert.ok(right >= 550, `the gradients of ${right} of ${smooth.length} are confirmed`);
  const further = await furtherOutcomes();
  assert.equal(results.length + further.length, 1072);
  assert.equal(
    await readFile(page, "utf8"),
    featuresOf(results, further),
    "run: node test/conformance/features.ts",
  );
});
