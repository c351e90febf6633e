import assert from "node:assert/strict";
import { it } from "node:test";
import { leastSquares, points, train } from "./line.ts";

it("microbatches of 5 drawn with replacement lead to the least-squares line, slope and intercept", async () => {
  const { parameters } = await train();
  const { slope, intercept } = leastSquares(points());
  // 4000 draws of 5 points with noise 1 and a rate that falls to 0 leave about 0.01; three times that never happens.
  assert.ok(Math.abs(Number(parameters.get("linear.weight")!.data[0]) - slope) < 0.03);
  assert.ok(Math.abs(Number(parameters.get("linear.bias")!.data[0]) - intercept) < 0.03);
});
