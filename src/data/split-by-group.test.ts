import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { uniformAt } from "../array/random.ts";
import { arrays } from "./arrays.ts";
import type { Split } from "./shares.ts";
import { split, splitSamples } from "./split.ts";
import { splitByGroup, splitSamplesByGroup } from "./split-by-group.ts";
import { table } from "./table/table.ts";

const folder = temporaryFolder();

const partsOf = ({ training, validation, test }: Split<Uint32Array>) => [
  training,
  validation,
  ...(test === undefined ? [] : [test]),
];
/** Name → number of its part; fails where a name is in two. */
function sides(names: readonly (string | number)[], parts: readonly Uint32Array[]) {
  const found = new Map<string | number, number>();
  parts.forEach((samples, part) => {
    for (const sample of samples) {
      const name = names[sample]!;
      assert.equal(found.get(name) ?? part, part, `${name} is in two parts`);
      found.set(name, part);
    }
  });
  return found;
}

const seeds = fc.integer({ min: 0, max: 2 ** 40 });
const names = fc.array(fc.oneof(fc.string({ maxLength: 3 }), fc.integer({ min: 0, max: 20 })), {
  minLength: 3,
  maxLength: 80,
});

test("no group is in two parts, none is lost, no part is empty, and the order of the samples moves nothing", () => {
  fc.assert(
    fc.property(names, seeds, fc.boolean(), (groups, seed, hasTest) => {
      fc.pre(new Set(groups.map(String)).size >= 3);
      const options = { validation: 0.3, seed, ...(hasTest && { test: 0.2 }) };
      const parts = partsOf(splitSamplesByGroup(groups, options));
      assert.deepEqual(
        parts.flatMap((samples) => [...samples]).sort((a, b) => a - b),
        [...groups.keys()],
      );
      assert.ok(parts.every((samples) => samples.length > 0));
      const found = sides(groups, parts);
      const reversed = [...groups].reverse();
      assert.deepEqual(sides(reversed, partsOf(splitSamplesByGroup(reversed, options))), found);
    }),
  );
});

test("a group goes where the draw of its text falls, whoever else is there", () => {
  const seed = 2 ** 33 + 1;
  const groups = Array.from({ length: 3000 }, (_, sample) => `customer ${(sample * 7919) % 500}`);
  const { training, validation, test } = splitSamplesByGroup(groups, { validation: 0.3, test: 0.1, seed });
  const found = sides(groups, [training, validation, test!]);
  for (const [name, part] of found) {
    const drawn = uniformAt(seed, "split", String(name), 0);
    assert.equal(part, drawn < 0.3 ? 1 : drawn < 0.4 ? 2 : 0);
  }
  const more = [...groups.slice(0, 900), ...Array.from({ length: 5000 }, (_, index) => `other ${index}`)];
  const later = sides(more, partsOf(splitSamplesByGroup(more, { validation: 0.3, test: 0.1, seed })));
  for (const name of groups.slice(0, 900)) assert.equal(later.get(name), found.get(name));
});

test("numbers and texts of the same digits are the same group, and the share is near the asked one", () => {
  const numbers = Array.from({ length: 4000 }, (_, sample) => sample % 1000);
  const options = { validation: 0.25, seed: 4 };
  const { validation } = splitSamplesByGroup(numbers, options);
  assert.deepEqual(splitSamplesByGroup(numbers.map(String), options).validation, validation);
  const mixed = numbers.map((number, sample) => (sample < 2000 ? number : String(number)));
  assert.deepEqual(splitSamplesByGroup(mixed, options).validation, validation);
  const few = splitSamplesByGroup([3, "", "", "3", "4"], { validation: 0.3, seed: 0 });
  const isValidated = [0, 3].map((sample) => few.validation.includes(sample));
  assert.equal(isValidated[0], isValidated[1]);
  // 1000 groups of 4: σ of the number of groups is √(1000 · 0.25 · 0.75) = 13.7.
  assert.ok(Math.abs(validation.length / 4 - 250) < 4 * 13.7);
});

test("by identity each sample goes where its value says, stratified or not, in whatever order", () => {
  const size = 600;
  const id = Int32Array.from({ length: size }, (_, sample) => (sample * 7919) % 100_003);
  const kind = id.map((value) => (value % 100 === 0 ? 1 : 0));
  const options = { validation: 0.2, test: 0.1, seed: 9, identity: "id", stratify: "kind" };
  const idsOf = (order: readonly number[]) => {
    const data = arrays({
      id: Int32Array.from(order, (sample) => id[sample]!),
      kind: Int32Array.from(order, (sample) => kind[sample]!),
    });
    const { training, validation, test } = split(data, options);
    return [training, validation, test!].map((part) => {
      const values = new Int32Array(part.size);
      part.read("id", Uint32Array.from(values.keys()), values);
      return [...values].sort((a, b) => a - b);
    });
  };
  const samples = Array.from({ length: size }, (_, sample) => sample);
  const whole = idsOf(samples);
  assert.deepEqual(idsOf([...samples].reverse()), whole);
  // Fewer samples: those that are left stay where they were.
  const half = idsOf(samples.slice(0, 300));
  half.forEach((ids, part) => {
    assert.ok(ids.every((one) => whole[part]!.includes(one)));
  });
  const names = Array.from(id, String);
  assert.deepEqual(
    [...splitSamples(size, { seed: 9 }, { identities: names }).validation],
    samples.filter((sample) => uniformAt(9, "split", names[sample]!, 0) < 0.2),
  );
});

test("in a table a group is its text: rows before it, which change its code, move nothing", async () => {
  const rows = Array.from(
    { length: 400 },
    (_, row) => `${row % 40 < 4 ? "" : "c"}${row % 40},${row},${row % 3}`,
  );
  const read = async (name: string, lines: readonly string[]) => {
    const path = join(folder, name);
    await writeFile(path, `customer,x,y\n${lines.join("\n")}\n`);
    return table(path, { target: "y", types: { customer: "category" } });
  };
  const customersOf = async (data: Awaited<ReturnType<typeof read>>) => {
    const { training, validation } = await data.splitByGroup("customer", { validation: 0.3, seed: 2 });
    const { categories } = data.columns.customer!;
    const [left, right] = await Promise.all(
      [training, validation].map(async (part) => {
        assert.equal(part.schema, data.schema);
        const codes = new Int32Array(part.size);
        await part.read("customer", Uint32Array.from(codes.keys()), codes);
        return new Set(Array.from(codes, (code) => categories![code]!));
      }),
    );
    assert.ok(![...left!].some((customer) => right!.has(customer)));
    return right!;
  };
  const before = await customersOf(await read("a.csv", rows));
  const more = Array.from({ length: 300 }, (_, row) => `a${row},${row},1`);
  const after = await customersOf(await read("b.csv", [...more, ...rows]));
  assert.ok(before.size > 3);
  for (const customer of before) assert.ok(after.has(customer), customer);
  assert.equal([...after].filter((customer) => !customer.startsWith("a")).length, before.size);
});

test("samples without a group, columns without one, and too few groups are refused", async () => {
  const data = arrays(
    { g: [1, Number.NaN, 2, Number.NaN], image: { data: new Uint8Array(8), shape: [4, 2] } },
    { name: "toy" },
  );
  await assert.rejects(splitByGroup(data, "g"), {
    message:
      'splitByGroup of toy, "g": expected a value of "g" in every sample, got none in sample 1, and in 2 of 4 in all. ' +
      "Fix: fill the column, or leave those samples out with subset",
  });
  await assert.rejects(splitByGroup(data, "image"), {
    message:
      'splitByGroup of toy, "image": expected the name of a column with one value per sample, got "image", a column of ' +
      "shape [2]. Fix: one of g",
  });
  assert.throws(() => splitSamplesByGroup(["a", "a", "b"], { test: 0.2 }), {
    message:
      "splitByGroup: expected at least 3 groups, got 2. Fix: ask for fewer parts, or divide by another column",
  });
  assert.throws(() => splitSamplesByGroup(["a", "b"], { validation: 2 }), {
    message:
      "splitByGroup: expected validation as a share between 0 and 1, both excluded, got 2. Fix: for example validation: 0.2",
  });
});

test("categories that a column does not list cannot tell groups apart, and are refused", async () => {
  const path = join(folder, "many.csv");
  const rows = Array.from({ length: 2400 }, (_, row) => `c${row % 1200},${row % 2}`);
  await writeFile(path, `customer,y\n${rows.join("\n")}\n`);
  const data = await table(path, { target: "y" });
  await assert.rejects(data.splitByGroup("customer"), (error: Error) => {
    assert.match(
      error.message,
      /^splitByGroup of .*many\.csv, "customer": expected a column "customer" that lists all of its categories, got one that it does not list in sample \d+, beside 1000 that it does\. Fix: read the table with types: \{ customer: "category" \}, which lists all$/,
    );
    return true;
  });
  const all = await table(path, { target: "y", types: { customer: "category" } });
  const { validation } = await all.splitByGroup("customer");
  assert.ok(validation.size > 300);
});

test("splitting a part again with the same seed and names is refused, since nothing new is drawn", async () => {
  const id = Int32Array.from({ length: 1000 }, (_, sample) => 3 * sample);
  const { training } = split(arrays({ id }), { identity: "id", seed: 5 });
  const size = training.size;
  assert.throws(() => split(training, { identity: "id", seed: 5 }), {
    message:
      `split: expected about ${Math.round(0.2 * size)} of ${size} in a part of 0.2, got 0, since they were chosen by a split ` +
      "with the same seed and column. Fix: pass another seed",
  });
  await assert.rejects(
    splitByGroup(training, "id", { seed: 5 }),
    /^MicrobatchError: splitByGroup: .* got 0, since/,
  );
  const again = split(training, { identity: "id", seed: 6 });
  // σ = √(0.2 · 0.8 · 800) = 11.
  assert.ok(Math.abs(again.validation.size - 0.2 * size) < 4 * 11.4);
  // A column that is the same in most samples is no such case.
  const mostly = Int32Array.from({ length: 1000 }, (_, sample) => (sample < 900 ? 7 : sample));
  for (let seed = 0; seed < 20; seed++) split(arrays({ mostly }), { identity: "mostly", seed });
});

test("columns that are elsewhere are read for groups, and identities say how", async () => {
  const near = arrays({ id: Int32Array.from({ length: 50 }, (_, sample) => sample % 9) }, { name: "far" });
  const far: typeof near = {
    ...near,
    read: async (column, samples, into) => near.read(column, samples, into),
  };
  const here = await splitByGroup(near, "id");
  const there = await splitByGroup(far, "id");
  assert.equal(await there.validation.fingerprint(), await here.validation.fingerprint());
  assert.throws(() => split(far, { identity: "id" }), {
    message:
      "split of far, identity: expected a column in memory, got one that is read from elsewhere. " +
      "Fix: use splitSamples with its values, and subset",
  });
});
