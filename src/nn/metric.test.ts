import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { input } from "../graph/tensor.ts";
import * as classification from "./classification-metrics.ts";
import type { Metric } from "./metric.ts";
import * as regression from "./regression-metrics.ts";

const { accuracy, auc, f1, logLoss } = classification;
const { mae, r2, rmse } = regression;

interface DataSet {
  readonly name: string;
  readonly kind: "binary" | "classes" | "regression";
  readonly weights: readonly number[];
  readonly label: readonly number[];
  readonly score: readonly number[];
  readonly probabilities: readonly (readonly number[])[];
  readonly target: readonly (number | readonly number[])[];
  readonly predicted: readonly (number | readonly number[])[];
}
interface Result {
  readonly dataset: string;
  readonly metric: string;
  readonly unweighted: number;
  readonly weighted: number;
}
const golden: { readonly datasets: readonly DataSet[]; readonly results: readonly Result[] } = JSON.parse(
  await readFile(new URL("../../test/golden/metrics.json", import.meta.url), "utf8"),
);

/** A metric and the numbers its tensors have, sample by sample. */
interface Judged {
  readonly metric: Metric;
  readonly values: readonly (readonly number[])[];
}

const batch = input("logits", ["batch"]);
const labels = input("labels", ["batch"], "int32");
const columns = (count: number) => input("predicted", count === 1 ? ["batch"] : ["batch", count]);

/** Our metric for a name of scikit-learn's, fed so that float32 holds what matters exactly. */
function judged(name: string, data: DataSet): Judged | undefined {
  if (data.kind === "regression") {
    const make = { rmse, mae, r2 }[name];
    const k = Array.isArray(data.target[0]) ? data.target[0].length : 1;
    return (
      make && { metric: make(columns(k), columns(k)), values: [data.predicted.flat(), data.target.flat()] }
    );
  }
  if (data.kind === "classes") {
    const logits = input("logits", ["batch", data.probabilities[0]!.length]);
    const make = { accuracy, logLoss, f1Macro: f1, rocAucMacro: auc }[name];
    return (
      make && { metric: make(logits, labels), values: [data.probabilities.flat().map(Math.log), data.label] }
    );
  }
  const make = { accuracy, logLoss, rocAuc: auc, f1 }[name];
  // A score is a probability; accuracy and f1 need its side of one half, the area its order, the loss its logit.
  const logit = (p: number) => (name === "logLoss" ? Math.log(p / (1 - p)) : name === "rocAuc" ? p : p - 0.5);
  return make && { metric: make(batch, labels), values: [data.score.map(logit), data.label] };
}

/** Folds in chunks of so many samples, as microbatches arrive. */
function folded({ metric, values }: Judged, weights: readonly number[], chunk = weights.length): number {
  const fold = metric.start();
  for (let start = 0; start < weights.length; start += chunk) {
    const end = Math.min(start + chunk, weights.length);
    const part = (list: readonly number[]) => {
      const perSample = list.length / weights.length;
      return Float32Array.from(list.slice(start * perSample, end * perSample));
    };
    fold.add({ values: values.map(part), weights: part(weights) });
  }
  return fold.finish();
}

/** Ours, but for mse (rmse squared), precision and recall (f1 is made of them) and the confusion matrix. */
const left = new Set(["mse", "confusion", "precision", "recall", "precisionMacro", "recallMacro"]);

for (const { dataset, metric: name, unweighted, weighted } of golden.results) {
  if (left.has(name)) continue;
  test(`${name} of "${dataset}" is scikit-learn's, weighted or not, in chunks or at once`, () => {
    const data = golden.datasets.find((one) => one.name === dataset)!;
    const ours = judged(name, data);
    assert.ok(ours, `${name} is not judged`);
    const even = data.weights.map(() => 1);
    for (const [weights, expected] of [
      [even, unweighted],
      [data.weights, weighted],
    ] as const) {
      const got = folded(ours, weights);
      // Counts and exact float32 numbers agree to float64; logits of probabilities are rounded to float32, 6e-8.
      const tolerance = name === "logLoss" ? 1e-6 : 1e-13;
      assert.ok(Math.abs(got - expected) <= tolerance, `${got} instead of ${expected}`);
      for (const chunk of [1, 3, 7]) assert.equal(folded(ours, weights, chunk), got);
    }
  });
}

test("every exported metric was judged by scikit-learn", () => {
  const names = new Set(
    golden.results.map(({ metric }) => metric.replace("Macro", "").replace("rocAuc", "auc")),
  );
  const exported = Object.keys({ ...classification, ...regression });
  assert.deepEqual(
    exported.filter((name) => !names.has(name)),
    [],
  );
});

test("a metric is NaN where it is not defined", () => {
  const none = (metric: Metric) => metric.start().finish();
  for (const make of [accuracy, logLoss, f1, auc])
    assert.ok(Number.isNaN(none(make(batch, labels))), make.name);
  for (const make of [rmse, mae, r2]) assert.ok(Number.isNaN(none(make(batch, batch))), make.name);
  const empty = { metric: rmse(batch, batch), values: [[], []] };
  assert.ok(Number.isNaN(folded(empty, [], 1)));
  const weightless = { metric: rmse(batch, batch), values: [[1], [2]] };
  assert.ok(Number.isNaN(folded(weightless, [0])));
  const oneClass = {
    metric: auc(batch, labels),
    values: [
      [1, 2, 3],
      [1, 0, 1],
    ],
  };
  assert.ok(Number.isNaN(folded(oneClass, [1, 0, 1])));
  const noOnes = {
    metric: f1(batch, labels),
    values: [
      [-1, -2],
      [0, 0],
    ],
  };
  assert.ok(Number.isNaN(folded(noOnes, [1, 1])));
  const constant = {
    metric: r2(batch, batch),
    values: [
      [1, 2],
      [5, 5],
    ],
  };
  assert.ok(Number.isNaN(folded(constant, [1, 1])));
});

test("a sample of weight 0 counts for nothing, whatever was predicted", () => {
  const values = [
    [1, Number.POSITIVE_INFINITY],
    [2, 0],
  ];
  for (const make of [rmse, mae]) assert.equal(folded({ metric: make(batch, batch), values }, [1, 0]), 1);
  const bad = [
    [3, Number.NaN],
    [1, 0],
  ];
  assert.equal(folded({ metric: accuracy(batch, labels), values: bad }, [1, 0]), 1);
  const unscored = {
    metric: auc(batch, labels),
    values: [
      [3, 1, Number.NaN],
      [1, 0, 1],
    ],
  };
  assert.equal(folded(unscored, [1, 1, 0]), 1);
  assert.equal(folded({ metric: logLoss(batch, labels), values: bad }, [0, 1]), Number.NaN);
  assert.equal(
    folded(
      {
        metric: logLoss(batch, labels),
        values: [
          [0, Number.NaN],
          [1, 0],
        ],
      },
      [1, 0],
    ),
    Math.log(2),
  );
});

test("a NaN prediction is never right, and shows in every other metric", () => {
  const values = [
    [Number.NaN, Number.NaN, 1],
    [0, 1, 1],
  ];
  const weights = [1, 1, 1];
  assert.equal(folded({ metric: accuracy(batch, labels), values }, weights), 1 / 3);
  for (const make of [auc, logLoss]) {
    assert.ok(Number.isNaN(folded({ metric: make(batch, labels), values }, weights)), make.name);
  }
  for (const make of [rmse, mae, r2]) {
    assert.ok(Number.isNaN(folded({ metric: make(batch, batch), values }, weights)), make.name);
  }
  const logits = input("logits", ["batch", 2]);
  const rows = [
    [Number.NaN, 5, 0, 1],
    [0, 1],
  ];
  assert.equal(folded({ metric: accuracy(logits, labels), values: rows }, [1, 1]), 0.5);
});

test("equal logits predict the first class, and a logit of 0 predicts 1", () => {
  const logits = input("logits", ["batch", 3]);
  const values = [
    [0, 0, 0, 0, 0, 0],
    [0, 1],
  ];
  assert.equal(folded({ metric: accuracy(logits, labels), values }, [1, 1]), 0.5);
  assert.equal(
    folded(
      {
        metric: accuracy(batch, labels),
        values: [
          [0, 0],
          [0, 1],
        ],
      },
      [1, 3],
    ),
    0.75,
  );
});

test("logLoss stays finite for logits that a probability could not hold", () => {
  const far = {
    metric: logLoss(batch, labels),
    values: [
      [2000, -2000],
      [0, 0],
    ],
  };
  assert.equal(folded(far, [1, 1]), 1000);
  const logits = input("logits", ["batch", 2]);
  assert.equal(folded({ metric: logLoss(logits, labels), values: [[2000, 0], [1]] }, [1]), 2000);
});

test("r2 does not cancel where the targets are large", () => {
  const values = [
    [16777214, 16777216, 16777215],
    [16777214, 16777216, 16777212],
  ];
  const mean = (16777214 + 16777216 + 16777212) / 3;
  const spread = values[1]!.reduce((sum, y) => sum + (y - mean) ** 2, 0);
  assert.ok(Math.abs(folded({ metric: r2(batch, batch), values }, [1, 1, 1]) - (1 - 9 / spread)) < 1e-12);
});

test("answers per token and per column are averaged with their sample's weight", () => {
  const tokens = accuracy(input("logits", ["batch", 2, 3]), input("labels", ["batch", 2], "int32"));
  const right = [9, 0, 0];
  const values = [
    [...right, ...right, ...right, ...right],
    [0, 1, 0, 0],
  ];
  assert.equal(folded({ metric: tokens, values }, [3, 1]), (3 * 1 + 1 * 2) / 8);
  const answers = accuracy(input("logits", ["batch", 2]), input("labels", ["batch", 2]));
  assert.equal(
    folded(
      {
        metric: answers,
        values: [
          [1, -1, 1, 1],
          [1, 1, 1, 1],
        ],
      },
      [1, 1],
    ),
    0.75,
  );
});

test("a column of one and no column hold the same numbers", () => {
  const column = input("column", ["batch", 1]);
  const values = [
    [1, 3],
    [2, 5],
  ];
  for (const metric of [rmse(column, batch), rmse(batch, column), rmse(column, column)]) {
    assert.equal(folded({ metric, values }, [1, 1]), Math.sqrt(2.5));
  }
  assert.equal(
    folded(
      {
        metric: f1(column, labels),
        values: [
          [1, -3],
          [1, 0],
        ],
      },
      [1, 1],
    ),
    1,
  );
});

test("what a metric reads from the program is float32, one row per sample", async () => {
  const { tensors } = accuracy(input("logits", ["batch", 2]), labels);
  assert.deepEqual(
    tensors.map(({ dtype, shape }) => [dtype, shape]),
    [
      ["float32", ["batch", 2]],
      ["float32", ["batch"]],
    ],
  );
  const { y } = await runTensors({ y: tensors[1]! }, new Map([[labels, { shape: [2], data: [3, 7] }]]));
  assert.deepEqual([...y.data], [3, 7]);
});

test("a metric says which way is better", () => {
  const better = (metric: Metric) => `${metric.name}: ${metric.better}`;
  const all = [accuracy, logLoss, f1, auc].map((make) => make(batch, labels));
  assert.deepEqual([...all, ...[rmse, mae, r2].map((make) => make(batch, batch))].map(better), [
    "accuracy: higher",
    "logLoss: lower",
    "f1: higher",
    "auc: higher",
    "rmse: lower",
    "mae: lower",
    "r2: higher",
  ]);
});

test("metrics refuse what does not fit, and say what to type instead", () => {
  const wide = input("logits", ["batch", 3]);
  const fold = (metric: Metric, label: number) => () =>
    metric
      .start()
      .add({ values: [Float32Array.of(0, 0, 0), Float32Array.of(label)], weights: Float32Array.of(1) });
  const refusals: readonly (readonly [() => unknown, string])[] = [
    [
      () => rmse(wide, batch),
      "rmse: expected targets of the predictions' shape [batch, 3], got [batch]. Fix: one target per number that the model predicts",
    ],
    [
      () => auc(wide, wide),
      "auc: expected one logit per sample, [batch] or [batch, 1], or one label per sample, got [batch, 3]. Fix: measure one column: slice(logits, { start: 0, end: 1 })",
    ],
    [
      () => f1(wide, wide),
      "f1: expected one logit per sample, [batch] or [batch, 1], or one label per sample, got [batch, 3]. Fix: measure one column: slice(logits, { start: 0, end: 1 })",
    ],
    [
      fold(accuracy(wide, labels), 3),
      "accuracy: expected labels from 0 to 2, got 3. Fix: give the model one output per class",
    ],
    [
      fold(auc(batch, labels), 0.5),
      "auc: expected labels from 0 to 1, got 0.5. Fix: labels of a binary task are 0 or 1",
    ],
  ];
  for (const [call, message] of refusals) assert.throws(call, { name: "MicrobatchError", message });
});
