import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { allocate } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import { arrays } from "./arrays.ts";
import type { Dataset } from "./dataset.ts";
import { split, subset } from "./split.ts";
import { table } from "./table/table.ts";

const small = arrays({
  x: [
    [1, 2],
    [3, 4],
    [5, Number.NaN],
  ],
  label: Int32Array.of(2, 0, 1),
  image: { data: Uint8Array.from({ length: 12 }, (_, index) => index), shape: [3, 2, 2] },
});
const wine = await table(fileURLToPath(new URL("../../examples/wine/wine.csv", import.meta.url)), {
  target: "cultivar",
});
/** Every kind of dataset; a new source is one more line here. */
const datasets: readonly Dataset[] = [
  small,
  subset(small, [2, 0, 2, 1]),
  split(small).training,
  wine,
  wine.split().training,
];

async function read(data: Dataset, column: string, samples: readonly number[]): Promise<number[]> {
  const { dtype, shape } = data.columns[column]!;
  const into = allocate(dtype, samples.length * elementCount(shape));
  await data.read(column, Uint32Array.from(samples), into);
  return Array.from(into, Number);
}

for (const data of datasets) {
  test(`${data.name.split("/").at(-1)}: a sample reads the same alone, among others, in any order and again`, async () => {
    const all = [...Array(data.size).keys()];
    for (const column of Object.keys(data.columns)) {
      const stride = elementCount(data.columns[column]!.shape);
      const once = await read(data, column, all);
      assert.deepEqual(await read(data, column, all), once);
      const backwards = await read(data, column, all.toReversed());
      for (const sample of all) {
        const expected = once.slice(sample * stride, (sample + 1) * stride);
        assert.deepEqual(await read(data, column, [sample]), expected);
        const at = data.size - 1 - sample;
        assert.deepEqual(backwards.slice(at * stride, (at + 1) * stride), expected);
      }
    }
    assert.deepEqual(await read(data, Object.keys(data.columns)[0]!, []), []);
    await assert.rejects(
      async () => read(data, Object.keys(data.columns)[0]!, [data.size]),
      /expected samples from 0 to/,
    );
    assert.equal(await data.fingerprint(), await data.fingerprint());
  });
}
