import assert from "node:assert/strict";
import { test } from "node:test";
import { areFinite, LaneStatistics, requireSeveralValues } from "./statistics.ts";

const outputs = (...valuesPerSample: number[]) => [
  {
    layer: "batchNorm",
    channels: 2,
    observed: valuesPerSample.map((values, index) => ({
      mean: `mean ${index}`,
      variance: `variance ${index}`,
      valuesPerSample: values,
    })),
  },
];

/** What a program would put out for some values, alike in both channels but for their place. */
function put(statistics: LaneStatistics, values: readonly number[], index = 0): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const fetches = statistics.fetches();
  (fetches[`mean ${index}`]!.data as Float32Array).set([mean, mean + 100]);
  (fetches[`variance ${index}`]!.data as Float32Array).set([variance, variance]);
}

const values = Array.from({ length: 24 }, (_, i) => 4096 + ((i * i * 7) % 32)); // exact in float32, and far from zero
const direct = {
  mean: values.reduce((sum, value) => sum + value, 0) / values.length,
  squares: 0,
};
direct.squares = values.reduce((sum, value) => sum + (value - direct.mean) ** 2, 0);

test("lanes of unequal microbatches give the moments of all values", () => {
  const statistics = new LaneStatistics(outputs(2));
  // Microbatches of 2, 4, 4 and 2 samples of two values each, in two lanes.
  const cuts = [0, 4, 12, 20, 24];
  for (const [index, slot] of [0, 0, 1, 1].entries()) {
    const part = values.slice(cuts[index], cuts[index + 1]);
    put(statistics, part);
    statistics.take(part.length / 2, slot, index % 2 === 0);
  }
  statistics.merge({ into: 0, from: 1 });
  const [moments] = statistics.at(0);
  assert.equal(moments!.count, 24);
  // Microbatches tell their means and variances as float32, of 4096 and of about 100: 2⁻²⁴ of each.
  assert.ok(Math.abs(moments!.mean[0]! - direct.mean) < 4096 * 2 ** -24, String(moments!.mean));
  assert.ok(Math.abs(moments!.mean[1]! - direct.mean - 100) < 4196 * 2 ** -24, String(moments!.mean));
  assert.ok(
    Math.abs(moments!.squares[0]! - direct.squares) < 1e-5 * direct.squares,
    String(moments!.squares),
  );
});

test("a lane starts anew with its first microbatch", () => {
  const statistics = new LaneStatistics(outputs(1));
  put(statistics, [1, 3]);
  statistics.take(2, 0, true);
  put(statistics, [5, 7]);
  statistics.take(2, 0, true);
  assert.deepEqual(statistics.at(0), [
    { count: 2, mean: Float64Array.of(6, 106), squares: Float64Array.of(2, 2) },
  ]);
});

test("a layer that is applied to several tensors sees the values of all", () => {
  const statistics = new LaneStatistics(outputs(1, 2));
  put(statistics, [1, 3]);
  put(statistics, [4, 4, 6, 6], 1);
  statistics.take(2, 0, true);
  assert.deepEqual(statistics.at(0), [
    // 1, 3, 4, 4, 6, 6
    { count: 6, mean: Float64Array.of(4, 104), squares: Float64Array.of(18, 18) },
  ]);
});

test("statistics that are no numbers are told from those that are", () => {
  const moments = (value: number) => [
    { count: 2, mean: Float64Array.of(0), squares: Float64Array.of(value) },
  ];
  assert.ok(areFinite(moments(1)));
  assert.ok(!areFinite(moments(Number.POSITIVE_INFINITY)));
  assert.ok(!areFinite([{ count: 2, mean: Float64Array.of(Number.NaN), squares: Float64Array.of(1) }]));
});

test("one value per channel is refused, several values of one sample are not", () => {
  requireSeveralValues(outputs(2), 1);
  requireSeveralValues(outputs(1), 2);
  assert.throws(() => requireSeveralValues(outputs(2, 1), 1), {
    name: "MicrobatchError",
    message:
      'batchNorm, in training: expected more than one value per channel in every microbatch, got a microbatch of 1 sample, with one value per channel. Fix: choose plan.batchSize and plan.microbatchSize so that no sample is left alone, or plan.lastBatch "drop" or "carry"',
  });
});
