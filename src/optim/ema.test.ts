import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { input } from "../graph/tensor.ts";
import { averaged, ema } from "./ema.ts";

test("the average keeps little in the beginning and decay in the end", () => {
  const { at } = ema({ decay: 0.99 });
  assert.deepEqual([0, 1, 10].map(at), [1 / 10, 2 / 11, 11 / 20]);
  assert.equal(at(1e6), 0.99);
  assert.equal(ema().decay, 0.999);
});

test("averaging is decay parts of the old and 1 − decay parts of the new", () => {
  const average = input("average", [3], "float64");
  const parameter = input("parameter", [3], "float64");
  const decay = input("decay", [], "float64");
  const feeds = new Map([
    [average, { shape: [3], data: [1, -2, 0.1] }],
    [parameter, { shape: [3], data: [5, 2, 0.1] }],
    [decay, { shape: [], data: [0.75] }],
  ]);
  const [result] = evaluate([averaged(average, parameter, decay)], feeds);
  assert.deepEqual([...result!.data], [2, -1, 0.1]); // the last has arrived and stays to the bit
});

test("a decay outside 0 … 1 is refused", () => {
  assert.throws(() => ema({ decay: 1 }), {
    message: "ema: expected decay to be a number from 0 to below 1, got 1. Fix: for example 0.999",
  });
});
