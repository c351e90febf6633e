import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { randomSequence } from "../array/random.ts";
import { elementCount } from "../array/shape.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { parametersOf, sorted } from "../graph/walk.ts";
import { gradient } from "../ops/gradient.ts";
import { attention } from "./attention.ts";
import { tracing } from "./mode.ts";

const draw = randomSequence(9, "test");
const [time, features] = [4, 6];

/** Numbers for a tensor's parameters, and a sample of x that is changed from some position on. */
function feeds(of: Tensor, x: Tensor, changedFrom = time): Map<Tensor, Feed> {
  const result = new Map<Tensor, Feed>();
  for (const [index, tensor] of parametersOf([of]).entries()) {
    const shape = tensor.shape as readonly number[]; // a parameter's is fixed
    const data = Array.from({ length: elementCount(shape) }, (_, at) => draw(1000 * (index + 1) + at) - 0.5);
    result.set(tensor, { shape, data });
  }
  const data = Array.from(
    { length: time * features },
    (_, at) => draw(at) + (at >= changedFrom * features ? 3 : 0),
  );
  return result.set(x, { shape: [1, time, features], data });
}

/** How far each position's output moves when x changes from a position on. */
function moved(of: Tensor, x: Tensor, from: number): number[] {
  const [before] = evaluate([of], feeds(of, x));
  const [after] = evaluate([of], feeds(of, x, from));
  return Array.from({ length: time }, (_, position) => {
    const place = (at: number) => at + position * features;
    return Math.max(
      ...Array.from({ length: features }, (__, at) =>
        Math.abs(before!.data[place(at)]! - after!.data[place(at)]!),
      ),
    );
  });
}

for (const rotary of [false, true]) {
  test(`what comes later changes nothing before it in causal attention, rotary ${rotary}`, () => {
    const x = input("x", ["batch", time, features]);
    const causal = moved(attention({ heads: 3, causal: true, rotary })(x), x, 2);
    assert.deepEqual(
      causal.map((distance) => distance > 1e-6),
      [false, false, true, true],
    );
    assert.deepEqual(causal.slice(0, 2), [0, 0]);
    const free = moved(attention({ heads: 3, causal: false, rotary })(x), x, 2);
    assert.ok(free.every((distance) => distance > 1e-6));
  });
}

test("rotary attention depends on how far positions are apart, not on where they are", () => {
  const x = input("x", ["batch", time, features]);
  const mask = input("mask", ["batch", time]);
  const y = attention({ heads: 1, causal: true, rotary: true })(x, mask);
  const known = feeds(y, x);
  // The same two vectors at positions 0 and 1, and at 1 and 2 behind padding.
  const [first, second] = [0, 1].map((start) => {
    const data = Array.from({ length: time * features }, (_, at) =>
      at < start * features ? 9 : draw(5000 + at - start * features),
    );
    const real = Array.from({ length: time }, (_, at) => Number(at >= start));
    const all = new Map([...known, [x, { shape: [1, time, features], data }] as const]);
    const [value] = evaluate([y], all.set(mask, { shape: [1, time], data: real }));
    return value!.data.slice((start + 1) * features, (start + 2) * features);
  });
  second!.forEach((value, at) => {
    assert.ok(Math.abs(value - first![at]!) < 1e-6); // sines and cosines are float32 constants
  });
});

test("a sequence of padding alone gets the output's bias, and no gradient but the bias's", () => {
  const x = input("x", ["batch", time, features]);
  const mask = input("mask", ["batch", time], "uint8");
  const y = attention({ heads: 2, causal: false })(x, mask);
  const all = feeds(y, x).set(mask, { shape: [1, time], data: [0, 0, 0, 0] });
  const parameters = parametersOf([y]);
  const bias = parameters.find(
    ({ leaf }) => leaf?.kind === "parameter" && leaf.label.endsWith("output.bias"),
  )!;
  const [value, ...slopes] = evaluate([y, ...gradient(y, [x, ...parameters])], all);
  assert.deepEqual(
    [...value!.data],
    Array.from({ length: time }, () => [...(all.get(bias)!.data as number[])]).flat(),
  );
  slopes.forEach(({ data }, index) => {
    const isBias = index > 0 && parameters[index - 1] === bias;
    assert.ok(
      data.every((slope) => slope === (isBias ? time : 0)),
      String(index),
    );
  });
});

test("the three projections' gradient is one product: their parts are joined, not added", () => {
  const x = input("x", ["batch", time, features]);
  const y = attention({ heads: 2, causal: true })(x);
  const before = new Set(sorted([y]));
  const added = sorted(gradient(y, [x, ...parametersOf([y])])).filter((tensor) => !before.has(tensor));
  const count = (name: string) => added.filter(({ op }) => op.name === name).length;
  assert.deepEqual([count("concat"), count("pad"), count("add")], [1, 0, 0]);
});

test("dropout acts in training alone, on one mask per head", () => {
  const x = input("x", ["batch", time, features]);
  const layer = attention({ heads: 2, causal: true, dropout: 0.1 });
  const shapes = (training: boolean) => tracing({ training }, () => layer(x)).masks.map(({ shape }) => shape);
  assert.deepEqual(shapes(true), [[2, time, time]]);
  assert.deepEqual(shapes(false), []);
});

test("wrong options and shapes say what to type instead", () => {
  const refused = (call: () => unknown, message: string) => assert.throws(call, { message });
  const x = (shape: readonly number[]) => input("x", ["batch", ...shape]);
  refused(
    () => attention({ heads: 0, causal: true }),
    "attention({ heads: 0 }): expected heads to be a whole number from 1 on, got 0. Fix: for example attention({ heads: 4, causal: true })",
  );
  refused(
    () => attention({ heads: 2, causal: undefined as unknown as boolean }), // what JavaScript may do
    "attention({ heads: 2 }): expected causal to be true or false, got undefined. Fix: true for models that say what comes next, false for those that see the whole text",
  );
  refused(
    () => attention({ heads: 2, causal: true })(x([6])),
    "attention({ heads: 2 }): expected x [batch, time, features] with a fixed time, got [batch, 6]. Fix: embedding(…) makes [batch, time, features] of tokens [batch, time]",
  );
  refused(
    () => attention({ heads: 4, causal: true })(x([3, 6])),
    "attention({ heads: 4 }): expected features that 4 heads divide, got 6. Fix: 8 features, or another number of heads",
  );
});
