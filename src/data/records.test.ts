import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MicrobatchError } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import { type RecordColumn, records, recordsSource } from "./records.ts";
import { allSamples } from "./samples.ts";

const columns = {
  x: { dtype: "float32" },
  grid: { dtype: "uint8", shape: [2, 2] },
  kind: { dtype: "int32", categories: ["cat", "dog"] },
  count: { dtype: "int32" },
} as const;
const sample = (index: number) => ({
  x: index / 4,
  grid: [
    [index % 256, 1],
    [2, 3],
  ],
  kind: index % 3 === 0 ? "cat" : "dog",
  count: -index,
  more: "not looked at",
});
function* samples(count: number) {
  for (let index = 0; index < count; index++) yield sample(index);
}
async function* slowly(count: number) {
  for (const row of samples(count)) {
    if (row.count % 1000 === 0) await null;
    yield row;
  }
}
async function numbers(data: Dataset, column: string): Promise<number[]> {
  const { dtype, shape } = data.columns[column]!;
  const into = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }[dtype];
  const values = new into(data.size * shape.reduce((product, size) => product * size, 1));
  await data.read(column, allSamples(data), values);
  return [...values];
}
async function failure(reading: () => unknown): Promise<string> {
  try {
    await reading();
  } catch (error) {
    assert.ok(error instanceof MicrobatchError, String(error));
    return error.message;
  }
  return assert.fail("the samples were read");
}
/** What is refused of a single sample with a column x. */
const refusal = (column: RecordColumn, value: unknown) =>
  failure(() => records([{ x: value }], { columns: { x: column } }));

test("a list, a generator and an asynchronous generator give the same samples, in order", async () => {
  const count = 10_000;
  const all = [
    await records([...samples(count)], { columns }),
    await records(samples(count), { columns }),
    await records(slowly(count), { columns }),
    await records(() => slowly(count), { columns, name: "made", weight: "x" }),
  ];
  const [first] = all;
  assert.deepEqual(first!.columns, {
    x: { dtype: "float32", shape: [] },
    grid: { dtype: "uint8", shape: [2, 2] },
    kind: { dtype: "int32", shape: [], categories: ["cat", "dog"] },
    count: { dtype: "int32", shape: [] },
  });
  assert.equal(all[3]!.name, "made");
  assert.equal(all[3]!.weight, "x");
  for (const data of all) {
    assert.equal(data.size, count);
    for (const column of Object.keys(columns)) {
      assert.deepEqual(await numbers(data, column), await numbers(first!, column));
    }
  }
  assert.deepEqual((await numbers(first!, "kind")).slice(0, 4), [0, 1, 1, 0]);
  assert.deepEqual((await numbers(first!, "grid")).slice(4 * 4097, 4 * 4098), [4097 % 256, 1, 2, 3]);
  assert.equal((await numbers(first!, "x"))[9999], 2499.75);
  assert.equal((await numbers(first!, "count"))[9999], -9999);
});

test("a value of a shape is lists within each other, a flat list, or a typed array", async () => {
  const data = await records(
    [
      {
        x: [
          [1, 2, 3],
          [4, 5, Number.NaN],
        ],
      },
      { x: [1, 2, 3, 4, 5, Number.POSITIVE_INFINITY] },
      { x: Float64Array.of(1, 2, 3, 4, 5, 0.1) },
      { x: [Uint8Array.of(1, 2, 3), new Float32Array(3)] },
    ],
    { columns: { x: { dtype: "float32", shape: [2, 3] } } },
  );
  const rows = await numbers(data, "x");
  assert.deepEqual(rows.slice(0, 6), [1, 2, 3, 4, 5, Number.NaN]);
  assert.deepEqual(rows.slice(6, 12), [1, 2, 3, 4, 5, Number.POSITIVE_INFINITY]);
  assert.deepEqual(rows.slice(12, 18), [1, 2, 3, 4, 5, Math.fround(0.1)]);
  assert.deepEqual(rows.slice(18), [1, 2, 3, 0, 0, 0]);
});

test("samples come in pieces of at most 4096 and about a megabyte", async () => {
  const sizes = async (shape: readonly number[], count: number) => {
    const value = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const rows = Array<{ x: Float32Array }>(count).fill({ x: value });
    const found: number[] = [];
    for await (const piece of recordsSource(rows, { columns: { x: { dtype: "float32", shape } } }).pieces()) {
      found.push(piece.samples);
    }
    return found;
  };
  assert.deepEqual(await sizes([1], 10_000), [4096, 4096, 1808]);
  assert.deepEqual(await sizes([2 ** 17], 5), [2, 2, 1]);
  assert.deepEqual(await sizes([2 ** 19], 2), [1, 1]);
  assert.deepEqual(await sizes([1], 8192), [4096, 4096]);
});

test("a piece stays as it is when the next one comes", async () => {
  const pieces = [];
  const source = recordsSource(samples(9000), { columns });
  for await (const piece of source.pieces()) pieces.push(piece.columns.count);
  assert.deepEqual([pieces[0]![1], pieces[1]![0], pieces[2]![0]], [-1, -4096, -8192]);
});

test("a list and a function are read again, with the same fingerprint; what gives its samples once says so", async () => {
  const list = recordsSource([...samples(9000)], { columns });
  const anew = recordsSource(() => slowly(9000), { columns });
  assert.equal(list.size, 9000);
  assert.equal(anew.size, undefined);
  const fingerprint = await list.fingerprint();
  assert.equal(await anew.fingerprint(), fingerprint);
  assert.equal(await list.fingerprint(), fingerprint);
  assert.notEqual(await recordsSource(() => samples(8999), { columns }).fingerprint(), fingerprint);
  const renamed = { ...columns, kind: { dtype: "int32", categories: ["cat", "hound", "dog"] } } as const;
  assert.notEqual(await recordsSource(() => samples(9000), { columns: renamed }).fingerprint(), fingerprint);
  const once = recordsSource(samples(3), { columns, name: "made" });
  for await (const piece of once.pieces()) assert.equal(piece.samples, 3);
  assert.equal(
    await failure(() => once.fingerprint()),
    "made: expected a list, or a function that returns the objects anew, to read them a second time, " +
      "got one that gives them once. Fix: pass a function: () => readRows()",
  );
});

test("a reader that stops early closes what gives the samples", async () => {
  let isClosed = false;
  function* endless() {
    try {
      for (let index = 0; ; index++) yield sample(index);
    } finally {
      isClosed = true;
    }
  }
  for await (const piece of recordsSource(endless, { columns }).pieces()) {
    assert.equal(piece.samples, 4096);
    break;
  }
  assert.ok(isClosed);
});

test("a value that its column does not hold is refused at its sample", async () => {
  const place = 'records, sample 0, column "x": expected';
  const float = `${place} a number that fits float32, got`;
  const missing = "Fix: use NaN where it is missing";
  assert.equal(await refusal({ dtype: "float32" }, "3"), `${float} "3". ${missing}`);
  assert.equal(await refusal({ dtype: "float32" }, undefined), `${float} nothing. ${missing}`);
  assert.equal(await refusal({ dtype: "float32" }, null), `${float} null. ${missing}`);
  assert.equal(await refusal({ dtype: "float32" }, 1e39), `${float} 1e+39. ${missing}`);
  assert.equal(await refusal({ dtype: "float32" }, [1]), `${float} a list. ${missing}`);
  assert.equal(await refusal({ dtype: "float32" }, 3n), `${float} the bigint 3. ${missing}`);
  const correct = "Fix: correct it, or declare the column as float32";
  const int32 = `${place} a whole number from -2147483648 to 2147483647, got`;
  assert.equal(await refusal({ dtype: "int32" }, 2 ** 31), `${int32} 2147483648. ${correct}`);
  assert.equal(await refusal({ dtype: "int32" }, 0.5), `${int32} 0.5. ${correct}`);
  assert.equal(await refusal({ dtype: "int32" }, Number.NaN), `${int32} NaN. ${correct}`);
  assert.equal(await refusal({ dtype: "int32" }, true), `${int32} true. ${correct}`);
  const uint8 = `${place} a whole number from 0 to 255, got`;
  assert.equal(await refusal({ dtype: "uint8" }, -1), `${uint8} -1. ${correct}`);
  assert.equal(await refusal({ dtype: "uint8" }, 256), `${uint8} 256. ${correct}`);
  const kinds = { dtype: "int32", categories: ["a", "b"] } as const;
  const add = "Fix: correct it, or add it to the column's categories";
  assert.equal(await refusal(kinds, "c"), `${place} one of "a", "b", got "c". ${add}`);
  assert.equal(await refusal(kinds, 0), `${place} one of "a", "b", got 0. ${add}`);
  assert.equal(await refusal(kinds, null), `${place} one of "a", "b", got null. ${add}`);
  const many = Array.from({ length: 11 }, (_, index) => `k${index}`);
  assert.match(await refusal({ dtype: "int32", categories: many }, "c"), /"k8", "k9", …, got "c"/);
});

test("lists of other lengths than the shape are refused", async () => {
  const shaped = { dtype: "float32", shape: [2, 3] } as const;
  const place = 'records, sample 0, column "x": expected lists of the lengths [2, 3], got';
  const fix = "Fix: correct it, or the column's shape";
  assert.equal(await refusal(shaped, [1, 2, 3]), `${place} a list of 3 where 2 values should be. ${fix}`);
  assert.equal(
    await refusal(shaped, [
      [1, 2, 3],
      [4, 5],
    ]),
    `${place} a list of 2 where 3 values should be. ${fix}`,
  );
  assert.equal(await refusal(shaped, [[1, 2, 3], 4]), `${place} 4 where 3 values should be. ${fix}`);
  assert.equal(await refusal(shaped, 7), `${place} 7 where 2 values should be. ${fix}`);
  assert.equal(await refusal(shaped, "123456"), `${place} "123456" where 2 values should be. ${fix}`);
  assert.equal(await refusal(shaped, undefined), `${place} undefined where 2 values should be. ${fix}`);
  assert.match(await refusal(shaped, [1, 2, 3, 4, 5, "6"]), /expected a number that fits float32, got "6"/);
  assert.match(
    await refusal(shaped, [
      [1, 2, 3],
      [4, 5, [6]],
    ]),
    /expected a number that fits float32, got a list/,
  );
  assert.match(
    await refusal({ dtype: "float32", shape: [1] }, []),
    /got a list of 0 where 1 value should be/,
  );
});

test("the sample is counted over all pieces", async () => {
  const rows = [...samples(5000), { ...sample(1), count: 1.5 }];
  assert.match(
    await failure(() => records(rows, { columns, name: "made" })),
    /^made, sample 5000, column "count": /,
  );
  const holes = [sample(0), null, sample(2)] as unknown as {
    readonly [Name in keyof typeof columns]: unknown;
  }[];
  assert.equal(
    await failure(() => records(holes, { columns })),
    "records, sample 1: expected an object, got null. Fix: give every sample as { column: value }",
  );
});

test("columns that are declared wrongly, and what cannot be iterated, are refused", async () => {
  const declared = (column: unknown) => refusal(column as RecordColumn, 1); // JavaScript may pass anything
  const place = 'records, column "x": expected';
  const dtypes = `${place} the dtype "float32", "int32" or "uint8", got`;
  assert.equal(await declared({}), `${dtypes} undefined. Fix: choose one`);
  assert.equal(await declared(undefined), `${dtypes} undefined. Fix: choose one`);
  assert.equal(await declared({ dtype: "float64" }), `${dtypes} "float64". Fix: choose one`);
  const shapes = `${place} a shape of whole numbers from 1 on, got`;
  for (const shape of [[0], [2.5], [-1], ["2"]]) {
    assert.equal(
      await declared({ dtype: "uint8", shape }),
      `${shapes} a list. Fix: for example shape: [28, 28]`,
    );
  }
  assert.match(await declared({ dtype: "uint8", shape: 3 }), /of whole numbers from 1 on, got 3\. Fix/);
  assert.equal(
    await declared({ dtype: "uint8", shape: [2 ** 20, 2 ** 10] }),
    `${place} at most 268435456 elements, got [1048576,1024]. Fix: make parts of the value samples of their own`,
  );
  for (const categories of [[], ["a", "a"], [1], "ab"]) {
    const got = typeof categories === "string" ? '"ab"' : "a list";
    assert.equal(
      await declared({ dtype: "int32", categories }),
      `${place} categories as a list of different texts, got ${got}. Fix: for example ["cat", "dog"]`,
    );
  }
  assert.equal(
    await declared({ dtype: "uint8", categories: ["a"] }),
    `${place} int32 and no shape for a column of categories, got uint8 []. Fix: dtype: "int32"`,
  );
  assert.equal(
    await failure(() => records([], { columns: {} })),
    'records: expected at least one column, got an object. Fix: for example columns: { x: { dtype: "float32" } }',
  );
  const rows = (given: unknown) =>
    failure(() => records(given as [{ x: 1 }], { columns: { x: { dtype: "int32" } } }));
  const iterable = "records: expected objects that can be iterated, or a function that returns them, got";
  const list = "Fix: pass a list of objects, or a generator of them";
  assert.equal(await rows("abc"), `${iterable} "abc". ${list}`);
  assert.equal(await rows({ x: 1 }), `${iterable} an object. ${list}`);
  assert.equal(await rows(() => 3), `${iterable} 3. ${list}`);
  assert.equal(
    await rows([]),
    "records: expected at least one sample, got none. Fix: check that the source was written to its end",
  );
  assert.equal(
    await failure(() => records(samples(3), { columns, weight: "count" })),
    'records, weight "count": expected the name of a column with one float32 number per sample, ' +
      "got int32 of shape []. Fix: give the weights as floats, one per sample",
  );
});

test("anything at all is read as it is or refused", async () => {
  let read = 0;
  const shape = fc.constantFrom([], [1], [2], [2, 1]);
  const dtype = fc.constantFrom("float32" as const, "int32" as const, "uint8" as const);
  const number = fc.oneof(fc.integer({ min: -2, max: 300 }), fc.double(), fc.integer());
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.oneof(number, fc.array(number, { maxLength: 3 })) },
    fc.array(fc.array(number, { maxLength: 2 }), { maxLength: 3 }),
    fc.anything(),
  );
  await fc.assert(
    fc.asyncProperty(value, shape, dtype, async (given, of, as) => {
      const data = await records([{ x: given }], { columns: { x: { dtype: as, shape: of } } }).catch(
        (error: unknown) => assert.ok(error instanceof MicrobatchError, String(error)),
      );
      if (data === undefined) return;
      read++;
      const flat = [given].flat(3).map((each) => (as === "float32" ? Math.fround(Number(each)) : each));
      // A zero has no sign as a whole number.
      assert.deepEqual((await numbers(data, "x")).map(String), flat.map(String));
    }),
    { numRuns: 1500, seed: 7 },
  );
  assert.ok(read > 60 && read < 1000, String(read));
});
