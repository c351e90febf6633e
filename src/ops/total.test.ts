import assert from "node:assert/strict";
import { test } from "node:test";
import { centralDifferences } from "../../test/reference/check.ts";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { randomSequence } from "../array/random.ts";
import { concrete } from "../array/shape.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { tanh } from "./activation.ts";
import { add, mul } from "./arithmetic.ts";
import { gradient } from "./gradient.ts";
import { affine } from "./matmul.ts";
import { slice } from "./movement.ts";
import { sum } from "./reduction.ts";

const draw = randomSequence(3, "test");
const samples = 3;

/** Checks gradients by central differences in float64 and by ONNX Runtime, and counts their nodes by op. */
async function counted(build: (...leaves: Tensor[]) => Tensor, leaves: readonly Tensor[]) {
  const of = sum(build(...leaves));
  const gradients = gradient(of, leaves);
  const feeds = new Map<Tensor, Feed>(
    leaves.map(({ shape }, index) => {
      const size = concrete(shape, samples);
      const data = Array.from(
        { length: size.reduce((a, b) => a * b, 1) },
        (_, at) => draw(100 * index + at) - 0.5,
      );
      return [leaves[index]!, { shape: size, data }];
    }),
  );
  const values = evaluate(gradients, feeds);
  const got = await runTensors(
    Object.fromEntries(gradients.map((tensor, index) => [String(index), tensor])),
    feeds,
  );
  values.forEach(({ data }, index) => {
    const differences = centralDifferences(of, leaves[index]!, feeds);
    data.forEach((value, at) => {
      assert.ok(Math.abs(value - differences[at]!) < 1e-7, `leaf ${index}, element ${at}`); // step² and rounding / step
      assert.ok(Math.abs(value - got[index]!.data[at]!) < 1e-5, `leaf ${index}, element ${at}`); // float32
    });
  });
  const forward = new Set(sorted([of]));
  const names = sorted(gradients).filter((tensor) => !forward.has(tensor));
  return (name: string) => names.filter(({ op }) => op.name === name).length;
}

const x = input("x", ["batch", 6]);
const part = (from: number, to: number) => slice(x, { start: from, end: to });

test("what slices cut apart is joined again, without zeros and sums", async () => {
  const count = await counted(
    () => add(mul(tanh(part(0, 2)), part(2, 4)), mul(part(4, 6), tanh(part(2, 4)))),
    [x],
  );
  assert.deepEqual([count("concat"), count("pad")], [1, 0]);
});

test("what no slice took is zeros, at the ends and in between", async () => {
  const count = await counted(() => mul(part(1, 2), tanh(part(4, 5))), [x]);
  assert.deepEqual([count("concat"), count("pad")], [1, 2]);
});

test("slices that overlap, of several axes, and beside other uses, are added", async () => {
  await counted(() => mul(part(0, 4), part(2, 6)), [x]);
  await counted(() => add(tanh(x), add(x, x)), [x]);
  await counted(() => add(sum(mul(tanh(x), x)), sum(mul(part(0, 3), part(3, 6)))), [x]);
  const y = input("y", ["batch", 2, 2]);
  const [left, right] = [slice(y, { end: 1 }, 1), slice(y, { start: 1 }, 1)];
  const [upper, lower] = [slice(y, { end: 1 }, 2), slice(y, { start: 1 }, 2)];
  const count = await counted(() => add(sum(mul(left, right)), sum(mul(tanh(upper), lower))), [y]);
  assert.equal(count("concat"), 2);
});

test("weights that many steps share get one product over all of them", async () => {
  const weight = input("weight", [2, 2]);
  const bias = input("bias", [2]);
  const start = input("start", ["batch*2", 2]);
  const steps = (times: number) => (w: Tensor, b: Tensor, s: Tensor) => {
    let state = s;
    for (let step = 0; step < times; step++) state = tanh(affine(state, w, b));
    return state;
  };
  const leaves = [weight, bias, start];
  const twice = await counted(steps(2), leaves);
  assert.equal(twice("gemm"), 2 + 2 + 2); // of the weight, the bias and what flows back
  const often = await counted(steps(5), leaves);
  assert.equal(often("gemm"), 1 + 1 + 5);
  const wide = leaves.map((leaf, index) => input(`wide${index}`, leaf.shape, "float64"));
  assert.equal((await counted(steps(5), wide))("gemm"), 1 + 1 + 5);
});

test("weights shared by steps of different lengths are right", async () => {
  const weight = input("weight", [2, 3]);
  const a = input("a", ["batch", 3]);
  const b = input("b", ["batch", 2, 3]);
  const build = (w: Tensor, one: Tensor, two: Tensor) => {
    const long = sum(tanh(affine(two, w)));
    const short = [0.5, 1, 2].map((factor) => sum(tanh(affine(mul(one, factor), w))));
    return add(
      long,
      short.reduce((left, right) => add(left, right)),
    );
  };
  await counted(build, [weight, a, b]);
});
