import assert from "node:assert/strict";
import { test } from "node:test";
import {
  dateFeatures,
  schemaFromMetadata,
  schemaToMetadata,
  statisticsFromMetadata,
  statisticsToMetadata,
  type TableSchema,
  type TableStatistics,
  textsFromMetadata,
  textsToMetadata,
} from "./schema.ts";

const schema: TableSchema = {
  features: [
    { kind: "number", name: "age" },
    { kind: "category", name: "sex", categories: ["ä", '"f"'] },
    { kind: "category", name: "grade", categories: ["poor", "good"], isOrdered: true },
    { kind: "number", name: "income", whenMissing: { fill: "median" } },
    { kind: "number", name: "rooms", whenMissing: { fill: -0.1, indicator: false } },
    { kind: "category", name: "city", categories: ["mode", "z"], whenMissing: { fill: "mode" } },
    ...dateFeatures("sold", true),
    { kind: "category", name: "zone", categories: ["a", "z"], whenMissing: { fill: "z", indicator: true } },
  ],
  targets: [
    { task: "regression", name: "price" },
    { task: "classification", name: "kind", categories: ["a", "b"] },
  ],
};

test("a schema comes back from the metadata of an ONNX file as it was", () => {
  const metadata = schemaToMetadata(schema);
  assert.deepEqual(Object.keys(metadata), ["microbatch.schema"]);
  assert.deepEqual(schemaFromMetadata({ other: "1", ...metadata }), schema);
});

test("metadata without a schema has none, and a damaged one is refused", () => {
  assert.equal(schemaFromMetadata({ author: "someone" }), undefined);
  assert.throws(() => schemaFromMetadata({ "microbatch.schema": "{" }), {
    message:
      'metadata "microbatch.schema": expected the columns of a table, as version 1 of this package writes them, ' +
      "got {. Fix: save the model again with this version of microbatch",
  });
  const damaged = [
    { version: 2, features: [], targets: [] },
    { version: 1, features: [{ kind: "number" }], targets: [] },
    { version: 1, features: [{ kind: "category", name: "a", categories: [1] }], targets: [] },
    { version: 1, features: [], targets: [{ task: "classification", name: "a" }] },
    { version: 1, features: [], targets: {} },
    { version: 1, features: [{ kind: "category", name: "a", categories: [], isOrdered: 1 }], targets: [] },
    ...[null, "mean", {}, { fill: "b" }, { fill: 1e39 }, { fill: true }, { fill: 1, indicator: 0 }].map(
      (whenMissing) => ({ version: 1, features: [{ kind: "number", name: "a", whenMissing }], targets: [] }),
    ),
    ...[null, {}, { column: "a" }, { column: 1, part: "year" }, { column: "a", part: "second" }].map(
      (ofDate) => ({
        version: 1,
        features: [{ kind: "number", name: "a year", ofDate }],
        targets: [],
      }),
    ),
    { version: 1, features: [{ kind: "category", name: "a", categories: [], isCyclic: 0 }], targets: [] },
    ...["mode", { fill: "b" }, { fill: 0 }, { fill: "a", indicator: null }].map((whenMissing) => ({
      version: 1,
      features: [{ kind: "category", name: "a", categories: ["a"], whenMissing }],
      targets: [],
    })),
    null,
  ];
  for (const value of damaged) {
    assert.throws(
      () => schemaFromMetadata({ "microbatch.schema": JSON.stringify(value) }),
      /expected the columns of a table/,
    );
  }
});

const statistics: TableStatistics = {
  samples: 9,
  features: [
    {
      kind: "number",
      name: "age",
      mean: 0.1 + 0.2,
      deviation: 1e-300,
      minimum: -(2 ** 53),
      maximum: 3.4028234663852886e38,
      missing: 2,
      fill: -0.5,
      quartiles: [-1 / 3, 0, 1e-45],
      logarithm: { mean: 0.1, deviation: 1 / 7 },
    },
    {
      kind: "category",
      name: "sex",
      categories: ['"f"'],
      codes: [1],
      counts: [7],
      missing: 2,
      other: 0,
      frequencies: [0, 7],
      whenMissing: { fill: "mode" },
      fill: '"f"',
    },
    {
      kind: "category",
      name: "grade",
      categories: ["poor", "good"],
      isOrdered: true,
      codes: [0, 1],
      counts: [0, 9],
      missing: 0,
      other: 0,
    },
  ],
  targets: [
    { task: "regression", name: "price", mean: 5, deviation: 0 },
    { task: "classification", name: "kind", categories: ["a", "b"], counts: [9, 0], weights: [0.1 + 0.2, 0] },
  ],
};

test("statistics come back from the metadata of an ONNX file as they were, to the last bit", () => {
  const metadata = statisticsToMetadata(statistics);
  assert.deepEqual(Object.keys(metadata), ["microbatch.statistics"]);
  assert.deepEqual(statisticsFromMetadata({ other: "1", ...metadata }), statistics);
  assert.equal(statisticsFromMetadata(schemaToMetadata(schema)), undefined);
});

test("thousands of class names are written once, in the schema, and statistics find them there", () => {
  const categories = Array.from({ length: 3000 }, (_, index) => `class number ${index}`);
  const kind = { task: "classification", name: "kind", categories } as const;
  const many: TableStatistics = {
    ...statistics,
    targets: [{ ...kind, counts: categories.map((_, index) => index) }],
  };
  const metadata = statisticsToMetadata(many);
  assert.ok(metadata["microbatch.statistics"]!.length < 3000 * 6);
  const whole = { ...schemaToMetadata({ features: [], targets: [kind] }), ...metadata };
  assert.deepEqual(statisticsFromMetadata(whole), many);
  const cut = { ...kind, categories: categories.slice(1) };
  for (const targets of [[], [cut], [{ ...kind, name: "other" }]]) {
    assert.throws(
      () => statisticsFromMetadata({ ...metadata, ...schemaToMetadata({ features: [], targets }) }),
      /^MicrobatchError: metadata "microbatch\.statistics": expected the statistics of a table/,
    );
  }
});

test("damaged statistics are refused", () => {
  assert.throws(() => statisticsFromMetadata({ "microbatch.statistics": "7" }), {
    message:
      'metadata "microbatch.statistics": expected the statistics of a table, as version 1 of this package writes them, ' +
      "got 7. Fix: save the model again with this version of microbatch",
  });
  const [age, sex, grade] = statistics.features;
  const [price, kind] = statistics.targets;
  const feature = (changed: object) => ({ ...statistics, features: [changed] });
  const target = (changed: object) => ({ ...statistics, targets: [changed] });
  const damaged: object[] = [
    { ...statistics, version: 2 },
    { ...statistics, samples: -1 },
    { ...statistics, features: {} },
    feature({ ...age, mean: null }),
    feature({ ...age, missing: 0.5 }),
    feature({ ...age, fill: undefined }),
    feature({ ...age, quartiles: [0, 1] }),
    feature({ ...age, quartiles: [0, 1, null] }),
    feature({ ...age, logarithm: { mean: 0 } }),
    feature({ ...age, logarithm: 1 }),
    feature({ ...sex, frequencies: [-1] }),
    feature({ ...sex, codes: [1, 2] }),
    feature({ ...sex, codes: ["1"] }),
    feature({ ...sex, counts: [] }),
    feature({ ...sex, counts: [-7] }),
    feature({ ...sex, other: "0" }),
    feature({ ...sex, fill: "m" }),
    feature({ ...sex, whenMissing: { fill: "m" } }),
    feature({ ...grade, isOrdered: "yes" }),
    target({ ...price, deviation: "0" }),
    target({ ...kind, counts: [9] }),
    target({ ...kind, counts: undefined }),
    target({ ...kind, task: "ranking" }),
  ];
  for (const one of damaged) {
    assert.throws(
      () => statisticsFromMetadata({ "microbatch.statistics": JSON.stringify({ version: 1, ...one }) }),
      /expected the statistics of a table/,
      JSON.stringify(one),
    );
  }
});

test("statistics of other targets than the schema's are refused: a model is judged by both", () => {
  const metadata = { ...schemaToMetadata(schema), ...statisticsToMetadata(statistics) };
  assert.deepEqual(statisticsFromMetadata(metadata), statistics);
  const [price, kind] = statistics.targets;
  const others = [
    [price],
    [kind, price],
    [price, { ...kind, categories: ["a", "c"] }],
    [price, { ...kind, categories: ["a", "b", "c"], counts: [1, 2, 3] }],
    [price, { task: "regression", name: "kind", mean: 0, deviation: 1 }],
  ];
  for (const targets of others) {
    const damaged = { "microbatch.statistics": JSON.stringify({ ...statistics, version: 1, targets }) };
    assert.throws(
      () => statisticsFromMetadata({ ...metadata, ...damaged }, "model.onnx"),
      /^MicrobatchError: model\.onnx, metadata "microbatch\.statistics": expected the statistics of a table/,
    );
  }
});

test("columns of texts come back from the metadata of a file, and damaged ones are refused", () => {
  const columns = [{ name: "note", words: 3, length: 16 }];
  assert.deepEqual(textsFromMetadata(textsToMetadata(columns)), columns);
  assert.deepEqual(textsFromMetadata({}), []);
  for (const damaged of [
    "7",
    '{"version":2,"columns":[]}',
    '{"version":1,"columns":[{"name":"a","words":-1,"length":1}]}',
  ]) {
    assert.throws(() => textsFromMetadata({ "microbatch.texts": damaged }, "m.onnx"), {
      message:
        'm.onnx, metadata "microbatch.texts": expected the texts of a table, as version 1 of this package writes them, ' +
        `got ${damaged}. Fix: save the model again with this version of microbatch`,
    });
  }
});
