import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays, type ColumnValues } from "./arrays.ts";
import type { Dataset } from "./dataset.ts";
import { split, splitSamples, subset } from "./split.ts";

const read = async (dataset: Dataset, column: string, samples: readonly number[], length: number) => {
  const into =
    dataset.columns[column]!.dtype === "float32" ? new Float32Array(length) : new Int32Array(length);
  await dataset.read(column, Uint32Array.from(samples), into);
  return [...into];
};

test("plain numbers become float32 columns, typed arrays keep their dtype", async () => {
  const data = arrays({
    single: [1, 2, 3],
    pair: [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
    label: Int32Array.of(7, 8, 9),
    image: { data: Uint8Array.from({ length: 12 }, (_, index) => index), shape: [3, 2, 2] },
    row: { data: Float32Array.of(1, 2, 3), shape: [3, 1] },
  });
  assert.equal(data.size, 3);
  assert.equal(data.name, "arrays");
  assert.deepEqual(data.columns, {
    single: { dtype: "float32", shape: [] },
    pair: { dtype: "float32", shape: [2] },
    label: { dtype: "int32", shape: [] },
    image: { dtype: "uint8", shape: [2, 2] },
    row: { dtype: "float32", shape: [1] },
  });
  assert.deepEqual(await read(data, "single", [2, 0], 2), [3, 1]);
  assert.deepEqual(await read(data, "pair", [2, 2, 0], 6), [5, 6, 5, 6, 1, 2]);
  assert.deepEqual(await read(data, "label", [1], 3), [8, 0, 0]);
  const image = new Uint8Array(4);
  data.read("image", Uint32Array.of(1), image);
  assert.deepEqual([...image], [4, 5, 6, 7]);
});

test("samples long and short come out the same", async () => {
  for (const width of [1, 2, 127, 128, 129]) {
    const rows = [0, 1, 2].map((sample) => Array.from({ length: width }, (_, at) => sample * 1000 + at));
    const data = arrays({ x: rows });
    assert.deepEqual(await read(data, "x", [2, 0, 1], 3 * width), [...rows[2]!, ...rows[0]!, ...rows[1]!]);
  }
});

test("missing and infinite numbers stay as they are", async () => {
  const data = arrays({ x: [Number.NaN, Number.POSITIVE_INFINITY, 0.1] });
  assert.deepEqual(await read(data, "x", [0, 1, 2], 3), [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Math.fround(0.1),
  ]);
});

test("what cannot be a dataset is refused with what to type instead", () => {
  // What JavaScript may pass although the types forbid it.
  const refused = (values: unknown, options?: object) => () =>
    arrays(values as Record<string, ColumnValues>, options);
  assert.throws(() => arrays({ x: [[1, 2], [3]] }), {
    message:
      'arrays, column "x": expected 2 numbers in every sample, as in sample 0, got 1 in sample 1. ' +
      "Fix: give every sample the same number of numbers",
  });
  assert.throws(() => arrays({ x: [1, 2], y: [1] }, { name: "toy" }), {
    message:
      'toy: expected 2 samples in every column, as in "x", got 1 in "y". Fix: pass one value per sample in every column',
  });
  assert.throws(() => arrays({}), /expected at least one column with at least one sample, got no columns/);
  assert.throws(() => arrays({ x: [] }), /got no samples in column "x"/);
  assert.throws(() => arrays({ x: new Float32Array(0) }), /got no samples in column "x"/);
  assert.throws(() => arrays({ x: [[], []] }), /expected at least one number per sample, got 0 in sample 0/);
  assert.throws(refused({ x: [1, "2"] }), {
    message:
      'arrays, column "x": expected numbers that fit float32, got "2" in sample 1. Fix: use NaN for a missing number',
  });
  assert.throws(refused({ x: [1, null] }), /got null in sample 1\. Fix: use NaN/);
  assert.throws(
    refused({ x: [[1], 2] }),
    /expected 1 numbers in every sample, as in sample 0, got 2 as sample 1/,
  );
  assert.throws(refused({ x: [1, [2]] }), /expected numbers that fit float32, got a list in sample 1/);
  assert.throws(() => arrays({ x: [1, 1e39] }), /got 1e\+39 in sample 1\. Fix: scale the column/);
  assert.throws(refused({ x: Float64Array.of(1) }), {
    message:
      'arrays, column "x": expected number[], number[][], a Float32Array, Int32Array or Uint8Array, or { data, shape } ' +
      "with one of those, got a Float64Array. Fix: for other typed arrays: Float32Array.from(values)",
  });
  assert.throws(refused({ x: undefined }), /number\[\]\[\].*got undefined/);
  assert.throws(() => arrays({ x: { data: new Float32Array(6), shape: [2, 2] } }), {
    message:
      'arrays, column "x": expected a shape of 6 elements whose first dimension counts samples, got [2, 2]. ' +
      "Fix: for example [6] for single numbers",
  });
  assert.throws(() => arrays({ x: { data: new Float32Array(1), shape: [] } }), /got \[\]/);
});

test("weights are finite, not negative and not all zero", () => {
  const x = [1, 2];
  const weight = "weight";
  assert.equal(arrays({ x, weight: [0, 2] }, { weight }).weight, "weight");
  assert.throws(() => arrays({ x, weight: [1, -2] }, { weight }), {
    message:
      'arrays, weight "weight": expected finite weights from 0 on, not all 0, got -2 in sample 1. ' +
      "Fix: give that sample the weight 0 to leave it out",
  });
  assert.throws(() => arrays({ x, weight: [1, Number.NaN] }, { weight }), /got NaN in sample 1/);
  assert.throws(() => arrays({ x, weight: [0, 0] }, { weight }), /got 0 in every sample/);
  assert.throws(() => arrays({ x, weight: Int32Array.of(1, 1) }, { weight }), /got int32 of shape \[\]/);
  assert.throws(() => arrays({ x, weight: [[1], [1]] }, { weight }), /got float32 of shape \[1\]/);
});

test("reading a wrong column, sample or array is refused", async () => {
  const data = arrays({ x: [1, 2], label: Int32Array.of(0, 1) }, { name: "toy" });
  const into = new Float32Array(2);
  assert.throws(() => (data as Dataset).read("z", Uint32Array.of(0), into), {
    message: 'toy: expected one of the columns x, label, got "z". Fix: read one of those',
  });
  assert.throws(() => data.read("x", Uint32Array.of(0, 2), into), {
    message: "toy: expected samples from 0 to 1, got 2. Fix: draw samples below the dataset's size",
  });
  assert.throws(() => data.read("label", Uint32Array.of(0), into), {
    message:
      'toy, column "label": expected room for 1 int32 elements, got 2 elements in a Float32Array. ' +
      "Fix: read into a typed array of 1 int32 elements",
  });
  assert.throws(() => data.read("x", Uint32Array.of(0, 1, 0), into), /room for 3 float32 elements, got 2/);
});

test("the fingerprint changes with every name, dtype, shape and byte, and with nothing else", async () => {
  const variants = [
    arrays({ x: [1, 2, 3, 4], y: [1, 2, 3, 4] }),
    arrays({ x: [1, 2, 3, 4], z: [1, 2, 3, 4] }),
    arrays({ x: [1, 2, 3, 4], y: [1, 2, 3, 5] }),
    arrays({ x: [1, 2, 3, 4], y: Int32Array.of(1, 2, 3, 4) }),
    arrays({ x: [1, 2, 3, 4], y: [[1], [2], [3], [4]] }),
    arrays({ x: [1, 2, 3, 4], y: [1, 2, 3, 4] }, { weight: "y" }),
    subset(arrays({ x: [1, 2, 3, 4], y: [1, 2, 3, 4] }), [0, 1, 2, 3]),
    subset(arrays({ x: [1, 2, 3, 4], y: [1, 2, 3, 4] }), [0, 1, 3, 2]),
  ];
  const prints = await Promise.all(variants.map((data) => data.fingerprint()));
  assert.equal(new Set(prints).size, variants.length);
  assert.match(prints[0]!, /^[0-9a-f]{64}$/);
  const shared = new Float32Array(new SharedArrayBuffer(24), 4, 4);
  shared.set([1, 2, 3, 4]);
  assert.equal(await arrays({ x: shared, y: [1, 2, 3, 4] }, { name: "other" }).fingerprint(), prints[0]);
});

test("a subset reads the chosen samples in the chosen order, also of a subset", async () => {
  const data = arrays({ x: [10, 11, 12, 13, 14], w: [1, 1, 1, 1, 1] }, { weight: "w" });
  const part = subset(data, [4, 1, 1, 3]);
  assert.equal(part.size, 4);
  assert.equal(part.weight, "w");
  assert.equal(part.columns, data.columns);
  assert.deepEqual(await read(part, "x", [0, 1, 2, 3], 4), [14, 11, 11, 13]);
  assert.deepEqual(await read(subset(part, [3, 0]), "x", [1, 0], 2), [14, 13]);
  assert.throws(() => part.read("x", Uint32Array.of(4), new Float32Array(1)), {
    message:
      "part of arrays: expected samples from 0 to 3, got 4. Fix: draw samples below the dataset's size",
  });
  for (const wrong of [[5], [-1], [0.5], [Number.NaN]]) {
    assert.throws(() => subset(data, wrong), /subset, position 0: expected samples from 0 to 4, got/);
  }
  assert.throws(() => subset(data, []), {
    message: "subset: expected samples of arrays, from 0 to 4, got none. Fix: pass at least one sample",
  });
});

test("a split puts every sample on one side, and adding samples moves no old one", () => {
  for (const seed of [0, 1, 2 ** 40]) {
    const small = splitSamples(1000, { validation: 0.3, seed });
    const together = [...small.training, ...small.validation].sort((a, b) => a - b);
    assert.deepEqual(together, [...Array(1000).keys()]);
    const large = splitSamples(1500, { validation: 0.3, seed });
    assert.deepEqual(
      [...large.validation].filter((sample) => sample < 1000),
      [...small.validation],
    );
    // A binomial count: σ = √(1000 · 0.3 · 0.7) ≈ 14.5.
    assert.ok(Math.abs(small.validation.length - 300) < 4 * 14.5, `seed ${seed}: ${small.validation.length}`);
  }
  const sides = [0, 1].map((seed) => splitSamples(100, { seed }).validation.join());
  assert.notEqual(sides[0], sides[1]);
});

test("both sides of a split have a sample, however small the dataset or the share", () => {
  for (let seed = 0; seed < 50; seed++) {
    for (const size of [2, 3, 5]) {
      for (const validation of [1e-9, 0.2, 1 - 1e-9]) {
        const parts = splitSamples(size, { validation, seed });
        const place = `seed ${seed}, size ${size}, share ${validation}`;
        assert.ok(parts.training.length >= 1 && parts.validation.length >= 1, place);
        assert.equal(new Set([...parts.training, ...parts.validation]).size, size, place);
      }
    }
  }
});

test("a split reads like the dataset it came from", async () => {
  const data = arrays({ x: Array.from({ length: 20 }, (_, sample) => sample) }, { name: "toy" });
  const { training, validation } = split(data, { validation: 0.5, seed: 3 });
  const samples = splitSamples(20, { validation: 0.5, seed: 3 });
  assert.equal(training.name, "training part of toy");
  const positions = [...samples.validation.keys()];
  assert.deepEqual(await read(validation, "x", positions, positions.length), [...samples.validation]);
});

test("a share that is none, and a single sample, are refused", () => {
  assert.throws(() => splitSamples(1000, { validation: 200 }), {
    message:
      "split: expected validation as a share between 0 and 1, both excluded, got 200. Fix: validation: 0.2",
  });
  assert.throws(() => splitSamples(1000, { validation: 0 }), /got 0\. Fix: for example validation: 0\.2/);
  assert.throws(() => splitSamples(1), {
    message: "split: expected at least two samples, got 1. Fix: train without validation",
  });
  assert.throws(() => splitSamples(10, { seed: -1 }), /seed: expected a whole number/);
});

/** Checked by tsc, never run: the names of the columns are part of the type. */
export function columnNamesAreTyped(): void {
  const data = arrays({ x: [[1, 2]], label: Int32Array.of(0) }, { weight: "x" });
  const into = new Float32Array(2);
  data.read("x", Uint32Array.of(0), into);
  data.columns.label.shape.length;
  // @ts-expect-error there is no column "lable"
  data.read("lable", Uint32Array.of(0), into);
  // @ts-expect-error there is no column "lable"
  data.columns.lable;
  // @ts-expect-error the weight must be a column
  arrays({ x: [1] }, { weight: "y" });
  // @ts-expect-error text is no column of numbers
  arrays({ x: ["a"] });
  // @ts-expect-error float64 would be rounded without being asked
  arrays({ x: Float64Array.of(1) });
  type Row<D> = D extends Dataset<infer Columns> ? { readonly [Name in keyof Columns]: string } : never;
  const model = (row: Row<typeof data>) => row.x;
  // @ts-expect-error a misspelled column in a model function is a compile error
  const misspelled = (row: Row<typeof data>) => row.labels;
  const { training } = split(subset(data, [0]));
  training.columns.x satisfies { readonly shape: readonly number[] };
  // @ts-expect-error parts of a dataset know its columns too
  training.columns.z;
  void [model, misspelled];
}
