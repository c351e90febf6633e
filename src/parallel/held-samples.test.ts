import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import type { Dataset } from "../data/dataset.ts";
import { subset } from "../data/split.ts";
import { HeldReader, heldBytes, holdSamples } from "./held-samples.ts";

const image = Uint8Array.from({ length: 5 * 200 }, (_, at) => at % 251);
const data = arrays({
  numbers: [
    [1, 2],
    [3, 4],
    [5, 6],
    [7, 8],
    [9, 10],
  ],
  image: { data: image, shape: [5, 10, 20] },
  label: Int32Array.of(4, 3, 2, 1, 0),
});
const names = ["numbers", "image", "label"];
const bytes = 5 * (8 + 200 + 4);

test("held samples are those of the dataset, of a part of it too", () => {
  assert.equal(heldBytes(data, names), bytes);
  for (const dataset of [data, subset(data, [4, 0, 2])] as readonly Dataset[]) {
    const reader = new HeldReader(holdSamples(dataset, names, bytes)!);
    const samples = Uint32Array.of(2, 0, 0);
    for (const [name, room] of [
      ["numbers", () => new Float32Array(6)],
      ["image", () => new Uint8Array(600)],
      ["label", () => new Int32Array(3)],
    ] as const) {
      const [held, read] = [room(), room()];
      reader.read(name, samples, held);
      void dataset.read(name, samples, read);
      assert.deepEqual(held, read);
    }
  }
});

test("a sample that is not there is refused as the dataset refuses it", () => {
  const reader = new HeldReader(holdSamples(data, names, bytes)!);
  assert.throws(
    () => reader.read("label", Uint32Array.of(5), new Int32Array(1)),
    /^MicrobatchError: arrays: expected samples from 0 to 4, got 5\. Fix: draw samples below the dataset's size$/,
  );
});

test("what is too much, not in memory, late or broken is not held", () => {
  const { isInMemory: _, ...elsewhere } = data;
  const late: Dataset = {
    ...data,
    read: async (...what) => data.read(...(what as Parameters<typeof data.read>)),
  };
  const broken: Dataset = {
    ...data,
    read: () => {
      throw new Error("a bad sample");
    },
  };
  assert.equal(holdSamples(data, names, bytes - 1), undefined);
  for (const dataset of [elsewhere, late, broken] as readonly Dataset[])
    assert.equal(holdSamples(dataset, names, bytes), undefined);
});
