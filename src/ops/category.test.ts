import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { argMax, categoryCodes, categoryNames, oneHot } from "./index.ts";

const strings = input("strings", ["batch"], "string");
const codes = input("codes", ["batch"], "int32");

refuses("categories", [
  [
    "codes that are no whole numbers",
    () => oneHot(input("x", ["batch"]), 3),
    `oneHot: expected int32 or int64 indices, got float32. Fix: cast them first: cast(x, "int32")`,
  ],
  [
    "a depth of 0",
    () => oneHot(codes, 0),
    "oneHot: expected a depth that is a whole number from 1 on, got 0. Fix: pass the number of categories",
  ],
  [
    "numbers for strings",
    () => categoryCodes(codes, ["a"]),
    "categoryCodes: expected a string tensor, got int32. Fix: numbers need no codes; use them as they are",
  ],
  [
    "a category twice",
    () => categoryCodes(strings, ["a", "b", "a"]),
    `categoryCodes: expected categories that are not empty, each once, got "a" twice. Fix: remove one of them`,
  ],
  [
    "an empty category",
    () => categoryCodes(strings, ["a", ""]),
    `categoryCodes: expected categories that are not empty, each once, got "". Fix: remove it: "" already means missing`,
  ],
  [
    "a code for missing values that is no whole number",
    () => categoryCodes(strings, ["a"], { missing: 0.5 }),
    "categoryCodes: expected a whole number as missing, got 0.5. Fix: for example -1",
  ],
  [
    "a code for unseen strings that is no whole number",
    () => categoryCodes(strings, ["a"], { unseen: Number.NaN }),
    "categoryCodes: expected a whole number as unseen, got NaN. Fix: for example -1",
  ],
  [
    "names for what is no whole number",
    () => categoryNames(input("x", ["batch"]), ["a"]),
    `categoryNames: expected int32 or int64 indices, got float32. Fix: cast them first: cast(x, "int32")`,
  ],
  [
    "a name twice",
    () => categoryNames(codes, ["a", "a"]),
    `categoryNames: expected categories that are not empty, each once, got "a" twice. Fix: remove one of them`,
  ],
]);

test("a code gives its column a 1, a code outside gives zeros only", async () => {
  for (const dtype of ["int32", "int64"] as const) {
    const leaf = input("leaf", ["batch"], dtype);
    const got = await runTensors(
      { hot: oneHot(leaf, 3) },
      new Map([[leaf, { shape: [4], data: [2, 0, -1, 3] }]]),
    );
    assert.deepEqual([got.hot.dtype, got.hot.shape], ["float32", [4, 3]]);
    assert.deepEqual([...got.hot.data], [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  }
});

test("codes of any shape get a last axis", () => {
  assert.deepEqual(oneHot(input("grid", ["batch", 2], "int64"), 5).shape, ["batch", 2, 5]);
  assert.deepEqual(oneHot(input("one", [], "int32"), 5).shape, [5]);
});

const words = new Map([[strings, { shape: [5], data: ["b", "a", "", "c", "ä ß 漢"] }]]);

test("a string's code is its position; a missing one is −1, an unseen one is a code of its own", async () => {
  const got = await runTensors({ codes: categoryCodes(strings, ["a", "b", "ä ß 漢"]) }, words);
  assert.deepEqual([got.codes.dtype, ...got.codes.data], ["int32", 1, 0, -1, 3, 2]);
});

test("the codes of missing and unseen strings can be chosen", async () => {
  const got = await runTensors({ codes: categoryCodes(strings, ["a"], { missing: 7, unseen: -2 }) }, words);
  assert.deepEqual([...got.codes.data], [-2, 0, 7, -2, -2]);
});

test("other texts can mean missing, unless a category is called that", async () => {
  const options = { missingTexts: ["c", "a", "ä ß 漢", "c", ""] };
  const got = await runTensors({ codes: categoryCodes(strings, ["a"], options) }, words);
  assert.deepEqual([...got.codes.data], [1, 0, -1, -1, -1]);
});

test("one-hot of codes gives an unseen category a column, a missing one none", async () => {
  const got = await runTensors({ hot: oneHot(categoryCodes(strings, ["a", "b"]), 3) }, words);
  assert.deepEqual([...got.hot.data], [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1]);
});

test("the names of codes are the strings they were made of; a code outside has none", async () => {
  const categories = ["a", "b", "ä ß 漢"];
  for (const dtype of ["int32", "int64"] as const) {
    const leaf = input("leaf", ["batch"], dtype);
    const feeds = new Map([[leaf, { shape: [6], data: [2, 0, 1, -1, 3, 2 ** 31 - 1] }]]);
    const { names } = await runTensors({ names: categoryNames(leaf, categories) }, feeds);
    assert.deepEqual(
      [names.dtype, names.shape, names.text],
      ["string", [6], ["ä ß 漢", "a", "b", "", "", ""]],
    );
  }
  const there = categoryNames(categoryCodes(strings, ["b", "ä ß 漢"]), ["b", "ä ß 漢"]);
  assert.deepEqual((await runTensors({ there }, words)).there.text, ["b", "", "", "", "ä ß 漢"]);
});

test("a classifier puts out the name of the class with the largest logit", async () => {
  const logits = input("logits", ["batch", 3]);
  const feeds = new Map([[logits, { shape: [3, 3], data: [0, 2, 1, -1, -1, -2, -3, -2, 5] }]]);
  const { name } = await runTensors({ name: categoryNames(argMax(logits), ["x", "y", "z"]) }, feeds);
  assert.deepEqual(name.text, ["y", "x", "z"]);
});

test("a hundred thousand categories are checked in no time", () => {
  const many = Array.from({ length: 100_000 }, (_, index) => `category ${index}`);
  const began = performance.now();
  categoryCodes(strings, many);
  // Comparing each with all before it took two minutes; with a set it is 25 ms.
  assert.ok(performance.now() - began < 1000);
});
