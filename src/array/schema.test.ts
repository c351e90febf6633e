import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaFromMetadata, schemaOf, schemaToMetadata, type TableStatistics } from "./schema.ts";

const statistics: TableStatistics = {
  samples: 3,
  features: [
    { kind: "number", name: "age", mean: 2, deviation: 1, minimum: 1, maximum: 3, missing: 0, fill: 2 },
    {
      kind: "category",
      name: "sex",
      categories: ["ä", '"f"'],
      codes: [0, 2],
      counts: [1, 1],
      missing: 1,
      other: 0,
    },
  ],
  targets: [
    { task: "regression", name: "price", mean: 4, deviation: 2 },
    { task: "classification", name: "kind", categories: ["a", "b"], counts: [2, 1] },
  ],
};

test("a schema comes back from the metadata of an ONNX file as it was", () => {
  const schema = schemaOf(statistics);
  assert.deepEqual(schema, {
    features: [
      { kind: "number", name: "age" },
      { kind: "category", name: "sex", categories: ["ä", '"f"'] },
    ],
    targets: [
      { task: "regression", name: "price" },
      { task: "classification", name: "kind", categories: ["a", "b"] },
    ],
  });
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
    null,
  ];
  for (const value of damaged) {
    assert.throws(
      () => schemaFromMetadata({ "microbatch.schema": JSON.stringify(value) }),
      /expected the columns of a table/,
    );
  }
});
