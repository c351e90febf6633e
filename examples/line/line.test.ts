import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { loadModel } from "../../src/node.ts";
import { microbatchIn } from "../../test/command-line.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

/** The answer to judge by: the least-squares line in closed form. */
async function leastSquares(): Promise<{ readonly slope: number; readonly intercept: number }> {
  const text = await readFile(join(import.meta.dirname, "line.csv"), "utf8");
  const points = text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(",").map(Number) as [number, number]); // two columns, as the header says
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [meanX, meanY] = [mean(([x]) => x), mean(([, y]) => y)];
  const slope = mean(([x, y]) => (x - meanX) * (y - meanY)) / mean(([x]) => (x - meanX) ** 2);
  return { slope, intercept: meanY - slope * meanX };
}

it("draws of 5 points with replacement lead to the least-squares line, slope and intercept", async () => {
  const { code, stderr } = await microbatch(
    "train",
    join(import.meta.dirname, "plan.ts"),
    "--out",
    "line.onnx",
  );
  assert.equal(code, 0, stderr);
  const model = await loadModel(join(folder, "line.onnx"));
  const { prediction } = await model.predict({ x: [0, 1] });
  await model.close();
  const [at0, at1] = [...prediction!.data].map(Number) as [number, number]; // two rows
  const { slope, intercept } = await leastSquares();
  // 4000 draws of 5 points with noise 1 and a rate that falls to 0 leave about 0.01; three times that never happens.
  assert.ok(Math.abs(at1 - at0 - slope) < 0.03, `slope ${at1 - at0} instead of ${slope}`);
  assert.ok(Math.abs(at0 - intercept) < 0.03, `intercept ${at0} instead of ${intercept}`);
  const readme = await readFile(join(import.meta.dirname, "README.md"), "utf8");
  assert.ok(readme.includes(`y = ${(at1 - at0).toFixed(2)}`), "the README's line is the one that is learned");
  assert.ok(readme.includes(`least squares  y = ${slope.toFixed(3)} x + ${intercept.toFixed(3)}`));
});
