import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { ndarray } from "../array/array.ts";
import { randomSequence } from "../array/random.ts";
import { constant, input } from "../graph/tensor.ts";
import { inputsOf } from "../graph/walk.ts";
import { dropout } from "../nn/dropout.ts";
import { tracing } from "../nn/mode.ts";
import { scaledDotProductAttention } from "./attention.ts";
import { gradient } from "./gradient.ts";

const [samples, heads, time, size] = [3, 2, 4, 3];
const count = samples * heads * time * size;
const draw = randomSequence(5, "test");
const feed = () => ({
  shape: [samples, heads, time, size],
  data: Array.from({ length: count }, (_, at) => 4 * draw(at) - 2),
});

/** What each query of sample s may see: keys that are real, and not later. */
const seen = (mask: readonly number[], query: number, isCausal: boolean) =>
  mask.flatMap((real, key) => (real !== 0 && (!isCausal || key <= query) ? [key] : []));

/** The same, written with loops over the keys that are seen; zeros where there is none. */
function plainly(
  q: number[],
  k: number[],
  v: number[],
  masks: readonly (readonly number[])[],
  isCausal: boolean,
) {
  const out: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    for (let head = 0; head < heads; head++) {
      const at = (position: number) => ((sample * heads + head) * time + position) * size;
      for (let query = 0; query < time; query++) {
        const keys = seen(masks[sample]!, query, isCausal);
        const fits = keys.map((key) => {
          let fit = 0;
          for (let place = 0; place < size; place++) fit += q[at(query) + place]! * k[at(key) + place]!;
          return Math.exp(fit / Math.sqrt(size));
        });
        const total = fits.reduce((a, b) => a + b, 0);
        for (let place = 0; place < size; place++)
          out.push(keys.reduce((mean, key, index) => mean + (fits[index]! / total) * v[at(key) + place]!, 0));
      }
    }
  }
  return out;
}

const masks = [
  [1, 1, 1, 1],
  [0, 0, 1, 0],
  [0, 0, 0, 0],
];

for (const causal of [false, true]) {
  for (const dtype of ["float32", "int32", "uint8", "bool"] as const) {
    test(`hidden keys weigh nothing, and a query that sees none gets zeros: ${dtype} mask, causal ${causal}`, async () => {
      const [q, k, v] = ["q", "k", "v"].map((name) => input(name, ["batch", heads, time, size]));
      const mask = input("mask", ["batch", time], dtype);
      const y = scaledDotProductAttention(q!, k!, v!, { causal, mask });
      const [dq, dk, dv] = gradient(y, [q!, k!, v!]);
      const [feedQ, feedK, feedV] = [feed(), feed(), feed()];
      const feeds = new Map([
        [q!, feedQ],
        [k!, feedK],
        [v!, feedV],
        [mask, { shape: [samples, time], data: masks.flat() }],
      ]);
      const got = await runTensors({ y, dq: dq!, dk: dk!, dv: dv! }, feeds);
      const want = plainly(feedQ.data, feedK.data, feedV.data, masks, causal);
      // A dozen roundings of float32 (6e-8) on numbers up to 2.
      want.forEach((value, at) => {
        assert.ok(Math.abs(got.y.data[at]! - value) < 2e-6, `element ${at}`);
      });
      const last = heads * time * size * 2; // where the sample of padding alone begins
      for (const { data } of Object.values(got)) {
        assert.ok(data.every(Number.isFinite));
        assert.ok(data.slice(last).every((value) => value === 0));
      }
    });
  }
}

test("keys that are hidden do not matter, however large they are", async () => {
  const make = (loud: number) => {
    const leaf = (values: number[]) => constant(ndarray("float32", [1, 1, 3, 1], Float32Array.from(values)));
    const mask = constant(ndarray("int32", [1, 3], Int32Array.of(0, 1, 1)));
    const keys = leaf([loud, 1, loud]);
    return scaledDotProductAttention(leaf([1, 1, 1]), keys, leaf([loud, 5, 7]), { causal: true, mask });
  };
  const { quiet, loud } = await runTensors({ quiet: make(1), loud: make(1e6) });
  assert.deepEqual([...quiet.data.slice(0, 2)], [0, 5]);
  assert.deepEqual([...loud.data.slice(0, 2)], [0, 5]);
});

test("dropping no probability changes nothing, nor any gradient", async () => {
  const [q, k, v] = ["q", "k", "v"].map((name) => input(name, ["batch", heads, time, size]));
  const { result: dropped, masks: fed } = tracing({ training: true }, () =>
    scaledDotProductAttention(q!, k!, v!, { causal: true, drop: dropout(0.5) }),
  );
  assert.deepEqual(
    fed.map(({ shape }) => shape),
    [[heads, time, time]],
  );
  const plain = scaledDotProductAttention(q!, k!, v!, { causal: true, drop: dropout(0.5) });
  const [feedQ, feedK, feedV] = [feed(), feed(), feed()];
  const feeds = new Map([
    [q!, feedQ],
    [k!, feedK],
    [v!, feedV],
  ]);
  const mask = inputsOf([dropped]).find(({ dtype }) => dtype === "uint8")!;
  feeds.set(mask, {
    shape: [samples, heads, time, time],
    data: Array<number>(samples * heads * time * time).fill(1),
  });
  const outputs = Object.fromEntries(
    [plain, dropped].flatMap((y, which) => [
      [`${which} y`, y],
      ...gradient(y, [q!, k!, v!]).map((tensor, index) => [`${which} d${index}`, tensor] as const),
    ]),
  );
  const got = await runTensors(outputs, feeds);
  for (const name of ["y", "d0", "d1", "d2"]) {
    const scale = 2; // what is kept is divided by one half
    got[`0 ${name}`]!.data.forEach((value, at) => {
      assert.ok(Math.abs(got[`1 ${name}`]!.data[at]! - scale * value) < 1e-5, `${name} ${at}`); // as above
    });
  }
});

test("attention works in float64", async () => {
  const x = input("x", ["batch", 1, 2, 2], "float64");
  const y = scaledDotProductAttention(x, x, x, { causal: true });
  const [dx] = gradient(y, [x]);
  const got = await runTensors({ y, dx: dx! }, new Map([[x, { shape: [1, 1, 2, 2], data: [1, 0, 0, 1] }]]));
  assert.deepEqual(got.y.dtype, "float64");
  assert.deepEqual([...got.y.data.slice(0, 2)], [1, 0]);
});

test("shapes that do not belong together are named", () => {
  const x = (shape: readonly number[]) => input("x", ["batch", ...shape]);
  const refused = (call: () => unknown, message: string) => assert.throws(call, { message });
  refused(
    () => scaledDotProductAttention(x([4, 3]), x([4, 3]), x([4, 3])),
    "scaledDotProductAttention: expected queries [batch, heads, time, size], of which the last three are fixed, got [batch, 4, 3]. Fix: reshape to [batch, time, heads, size], then transpose(x, [0, 2, 1, 3])",
  );
  refused(
    () => scaledDotProductAttention(x([2, 4, 3]), x([2, 5, 2]), x([2, 5, 3])),
    "scaledDotProductAttention: expected keys of shape [batch, 2, 5, 3], got [batch, 2, 5, 2]. Fix: give queries, keys and values one batch and one number of heads, and as many values as keys",
  );
  refused(
    () => scaledDotProductAttention(x([2, 4, 3]), x([2, 5, 3]), x([2, 4, 3])),
    "scaledDotProductAttention: expected values of shape [batch, 2, 5, 3], got [batch, 2, 4, 3]. Fix: give queries, keys and values one batch and one number of heads, and as many values as keys",
  );
  refused(
    () => scaledDotProductAttention(x([2, 4, 3]), x([2, 5, 3]), x([2, 5, 3]), { causal: true }),
    "scaledDotProductAttention: expected as many keys as queries, to know which keys are before a query, got 5 keys and 4 queries. Fix: leave causal out, or attend to the same sequence",
  );
  const mask = input("mask", ["batch", 4]);
  refused(
    () => scaledDotProductAttention(x([2, 4, 3]), x([2, 5, 3]), x([2, 5, 3]), { mask }),
    "scaledDotProductAttention: expected a mask of shape [batch, 5], got [batch, 4]. Fix: one number per key of every sample: not 0 where it is real, 0 where it is padding",
  );
});
