/** The area of several classes where scikit-learn's numbers (metric.test.ts) do not reach. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../graph/tensor.ts";
import { auc } from "./classification-metrics.ts";
import type { Metric } from "./metric.ts";

const labels = input("labels", ["batch"], "int32");

function folded(metric: Metric, values: readonly (readonly number[])[], weights: readonly number[]): number {
  const fold = metric.start();
  fold.add({
    values: values.map((list) => Float32Array.from(list)),
    weights: Float32Array.from(weights),
  });
  return fold.finish();
}

const three = input("logits", ["batch", 3]);
const areaOf = (values: readonly (readonly number[])[], weights: readonly number[]) =>
  folded(auc(three, labels), values, weights);

test("the area of two classes is that of one logit, their difference", () => {
  const rows = Array.from({ length: 60 }, (_, i) => [Math.sin(i), Math.cos(2 * i)].map(Math.fround));
  const ones = rows.map((_, i) => ((i * i) % 3 === 0 ? 1 : 0));
  const weights = rows.map((_, i) => 0.5 + (i % 4));
  const two = folded(auc(input("logits", ["batch", 2]), labels), [rows.flat(), ones], weights);
  const differences = rows.map(([no, yes]) => yes! - no!);
  const one = folded(auc(input("logit", ["batch"]), labels), [differences, ones], weights);
  assert.ok(Math.abs(two - one) < 1e-15); // the mean of two equal areas
});

test("a class that no sample has, or every one, has no area and does not count for the mean", () => {
  const logits = [1, 0, -9, 0, 1, -9, 0.5, 2, -9];
  assert.equal(areaOf([logits, [0, 1, 1]], [1, 1, 1]), 1); // 2 never occurs
  assert.equal(areaOf([logits, [0, 1, 2]], [1, 1, 0]), 1); // nor has it weight here
  assert.ok(Number.isNaN(areaOf([logits, [2, 2, 2]], [1, 1, 1])));
  assert.ok(Number.isNaN(areaOf([logits, [0, 1, 2]], [0, 0, 1])));
});

test("classes are ranked by log-odds, where probabilities are all 0 or 1 and no difference is left", () => {
  // Softmax gives 1, 0, 0 for every row, in float64 too; class 0 is the surer the later the row.
  const logits = [800, 0, -9, 801, 0, -9, 802, 0, -9, 803, 0, -9];
  const ranks = [0, 0, 1, 0]; // of class 0: 0 and 1 lose against row 2, row 3 wins; class 1 the other way round
  assert.equal(areaOf([logits, ranks], [1, 1, 1, 1]), (1 / 3 + 1 / 3) / 2);
});

test("infinite logits rank above and below all others, and undefined probabilities leave no area", () => {
  const infinity = Number.POSITIVE_INFINITY;
  const sure = [5, -infinity, -infinity, infinity, 0, 1, 9, 1, 0, 0, infinity, 3];
  // Class 0: rows 0 and 1 lie highest, equally; row 2 below them, row 3 lowest. Class 1: row 3 highest, row 2 next.
  assert.equal(areaOf([sure, [0, 0, 1, 1]], [1, 1, 1, 1]), 1);
  assert.equal(areaOf([sure, [0, 1, 1, 1]], [1, 1, 1, 1]), (2.5 / 3 + 2 / 3 + 0.5 / 3) / 2);
  for (const row of [
    [Number.NaN, 1, 2],
    [1, Number.NaN, 2],
    [infinity, 1, infinity],
    [-infinity, -infinity, -infinity],
  ]) {
    assert.ok(
      Number.isNaN(
        areaOf(
          [
            [1, 0, 0, ...row],
            [0, 1],
          ],
          [1, 1],
        ),
      ),
      `${row}`,
    );
    assert.equal(
      areaOf(
        [
          [1, 0, 0, 0, 1, 0, ...row],
          [0, 1, 2],
        ],
        [1, 1, 0],
      ),
      1,
      `${row}, without weight`,
    );
  }
});
