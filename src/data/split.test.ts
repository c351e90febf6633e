import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { randomSequence } from "../array/random.ts";
import { arrays } from "./arrays.ts";
import type { Dataset } from "./dataset.ts";
import type { Split } from "./shares.ts";
import { split, splitSamples } from "./split.ts";
import { table } from "./table/table.ts";

const folder = temporaryFolder();

type Parts = Split<Uint32Array>;
const partsOf = ({ training, validation, test }: Parts) => [training, validation, ...(test ? [test] : [])];

const seeds = fc.integer({ min: 0, max: 2 ** 40 });
const shares = fc.record(
  {
    validation: fc.double({ min: 0.001, max: 0.6, noNaN: true }),
    test: fc.double({ min: 0.001, max: 0.39, noNaN: true }),
  },
  { requiredKeys: ["validation"] },
);

test("the division of old versions stays", () => {
  // As version 0.1.0 gave them: runs on old splits must be repeatable.
  assert.deepEqual([...splitSamples(40, { seed: 7 }).validation], [4, 11, 12, 18, 23, 32, 33]);
  assert.deepEqual(splitSamples(40, { seed: 7 }).test, undefined);
});

test("a draw decides: below validation, below validation and test together, or training", () => {
  const draw = randomSequence(3, "split");
  const { training, validation, test } = splitSamples(1000, { validation: 0.3, test: 0.25, seed: 3 });
  const where = (from: number, to: number) =>
    [...Array(1000).keys()].filter((s) => draw(s) >= from && draw(s) < to);
  assert.deepEqual([...validation], where(0, 0.3));
  assert.deepEqual([...test!], where(0.3, 0.55));
  assert.deepEqual([...training], where(0.55, 1));
});

test("validation is the same whether there is a test part or not, and adding samples moves no old one", () => {
  for (const seed of [0, 1, 2 ** 40]) {
    const { validation } = splitSamples(500, { validation: 0.2, seed });
    assert.deepEqual(splitSamples(500, { validation: 0.2, test: 0.3, seed }).validation, validation);
    const larger = splitSamples(800, { validation: 0.2, test: 0.3, seed });
    const old = splitSamples(500, { validation: 0.2, test: 0.3, seed });
    partsOf(old).forEach((samples, part) => {
      assert.deepEqual(
        [...partsOf(larger)[part]!].filter((sample) => sample < 500),
        [...samples],
      );
    });
  }
});

test("every sample is in one part, and no part is empty, however small the table and the shares", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 30 }), shares, seeds, (size, options, seed) => {
      const parts = partsOf(splitSamples(size, { ...options, seed }));
      assert.equal(parts.length, options.test === undefined ? 2 : 3);
      assert.ok(parts.every((samples) => samples.length > 0));
      for (const samples of parts)
        assert.deepEqual(
          [...samples],
          [...samples].sort((a, b) => a - b),
        );
      assert.deepEqual(
        parts.flatMap((samples) => [...samples]).sort((a, b) => a - b),
        [...Array(size).keys()],
      );
    }),
  );
});

test("an empty part gets the sample that was drawn nearest to it, and others stay", () => {
  const draw = randomSequence(5, "split");
  const draws = Array.from({ length: 20 }, (_, sample) => draw(sample));
  const { validation, test } = splitSamples(20, { validation: 1e-6, test: 1e-6, seed: 5 });
  const inOrder = [...draws.keys()].sort((a, b) => draws[a]! - draws[b]!);
  assert.deepEqual([[...validation], [...test!]], [[inOrder[0]], [inOrder[1]]]);
  const { training } = splitSamples(20, { validation: 0.5, test: 0.5 - 1e-9, seed: 5 });
  assert.deepEqual([...training], [inOrder[19]]);
});

test("with stratify training has every class, and every part each class with enough samples", () => {
  const classes = fc.array(fc.integer({ min: -1, max: 6 }), { minLength: 3, maxLength: 60 });
  fc.assert(
    fc.property(classes, shares, seeds, (codes, options, seed) => {
      const divided = splitSamples(codes.length, { ...options, seed }, { classes: codes });
      const parts = partsOf(divided);
      assert.deepEqual(
        parts.flatMap((samples) => [...samples]).sort((a, b) => a - b),
        [...codes.keys()],
      );
      assert.ok(parts.every((samples) => samples.length > 0));
      const count = (samples: Iterable<number>, code: number) =>
        [...samples].filter((s) => codes[s] === code).length;
      const all = new Set(codes);
      // With fewer samples than classes and other parts, a part that would be empty takes the only one of a class.
      const hasRoom = codes.length >= all.size + parts.length - 1;
      for (const code of all) {
        if (hasRoom) assert.ok(count(divided.training, code) >= 1, `training lacks ${code}`);
        if (count(codes.keys(), code) < parts.length) continue;
        for (const samples of parts) assert.ok(count(samples, code) >= 1, `a part lacks ${code}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("stratify moves as few samples as it must: the one of the class that was drawn nearest", () => {
  const seed = 11;
  const codes = Array.from({ length: 200 }, (_, sample) => (sample % 50 === 7 ? 1 : 0)); // 7, 57, 107, 157
  const plain = splitSamples(200, { validation: 0.01, seed });
  const divided = splitSamples(200, { validation: 0.01, seed }, { classes: codes });
  const draw = randomSequence(seed, "split");
  const rare = [7, 57, 107, 157].sort((a, b) => draw(a) - draw(b));
  assert.ok(
    rare.every((sample) => !plain.validation.includes(sample)),
    "the seed shows nothing",
  );
  assert.deepEqual(
    [...divided.validation],
    [...plain.validation, rare[0]!].sort((a, b) => a - b),
  );
});

test("the parts of a table are tables, stratified by a class or by a category", async () => {
  const path = join(folder, "t.csv");
  const lines = Array.from(
    { length: 90 },
    (_, index) => `${index},${index < 3 ? "rare" : "often"},${"uv"[index % 2]}`,
  );
  await writeFile(path, `x,c,y\n${lines.join("\n")}\n`);
  const data = await table(path, { target: "y" });
  for (let seed = 0; seed < 5; seed++) {
    const { training, validation, test } = data.split({ validation: 0.1, test: 0.1, stratify: "c", seed });
    for (const part of [training, validation, test!]) {
      assert.equal(part.schema, data.schema);
      const codes = new Int32Array(part.size);
      await part.read("c", Uint32Array.from(codes.keys()), codes);
      assert.deepEqual([...new Set(codes)].sort(), [0, 1]);
    }
    assert.equal(training.name, `training part of ${path}`);
    assert.equal(test!.name, `test part of ${path}`);
    const again = training.split({ stratify: "y" });
    assert.equal(again.training.size + again.validation.size, training.size);
  }
});

test("shares that leave nothing to train on, too few samples and wrong columns are refused", () => {
  assert.throws(() => splitSamples(10, { validation: 0.6, test: 0.5 }), {
    message:
      "split: expected validation and test together below 1, got 0.6 + 0.5. " +
      "Fix: for example validation: 0.2, test: 0.2",
  });
  assert.throws(() => splitSamples(1000, { test: 100 }), {
    message: "split: expected test as a share between 0 and 1, both excluded, got 100. Fix: test: 0.1",
  });
  assert.throws(
    () => splitSamples(10, { test: 0 }),
    /expected test as a share .* got 0\. Fix: for example test: 0\.2/,
  );
  assert.throws(() => splitSamples(2, { test: 0.2 }), {
    message: "split: expected at least three samples, got 2. Fix: leave test out",
  });
  const data = arrays({ x: [1, 2, 3], k: Int32Array.of(0, 1, 0) }, { name: "toy" });
  assert.throws(() => split(data, { stratify: "x" }), {
    message:
      'split of toy, stratify: expected the name of a column of classes or categories, got "x", a column of numbers. ' +
      "Fix: one of k",
  });
  assert.throws(() => split(data, { stratify: "z" }), /got no such column, "z"\. Fix: one of k$/);
  assert.throws(() => split(arrays({ x: [1, 2] }), { stratify: "z" }), /Fix: leave stratify out$/);
  const far: Dataset = { ...data, read: async () => {} };
  assert.throws(() => split(far, { stratify: "k" }), {
    message:
      "split of toy, stratify: expected a column in memory, got one that is read from elsewhere. " +
      "Fix: use splitSamples with its codes, and subset",
  });
});

test("a column is read in pieces, so that records on disk are never in memory all at once", () => {
  const size = 150_000;
  const kind = Int32Array.from({ length: size }, (_, sample) => sample % 3);
  const data = arrays({ kind }, { name: "large" });
  let most = 0;
  const counted: Dataset<typeof data.columns> = {
    ...data,
    read(column, samples, into) {
      most = Math.max(most, samples.length);
      return data.read(column, samples, into);
    },
  };
  const { validation } = split(counted, { stratify: "kind", seed: 4 });
  assert.ok(most <= 2 ** 16, String(most));
  const { validation: expected } = splitSamples(size, { seed: 4 }, { classes: kind });
  assert.equal(validation.size, expected.length);
});
