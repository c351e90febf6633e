import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaFromMetadata, schemaToMetadata, type TableSchema } from "./schema.ts";

const schema: TableSchema = {
  features: [
    { kind: "number", name: "age" },
    { kind: "category", name: "sex", categories: ["ä", '"f"'] },
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
    null,
  ];
  for (const value of damaged) {
    assert.throws(
      () => schemaFromMetadata({ "microbatch.schema": JSON.stringify(value) }),
      /expected the columns of a table/,
    );
  }
});
