import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { randomSequence, uniformAt } from "../array/random.ts";
import { arrays } from "./arrays.ts";
import { type Fold, foldSamples, folds } from "./folds.ts";
import { split } from "./split.ts";

/** The number of each sample's fold; checks that every sample is in one, and in the training part of all others. */
function foldOf(made: readonly Fold<Uint32Array>[], size: number): number[] {
  const found = Array<number>(size).fill(-1);
  made.forEach(({ training, validation }, fold) => {
    for (const sample of validation) {
      assert.equal(found[sample], -1, `sample ${sample} is in two folds`);
      found[sample] = fold;
    }
    assert.deepEqual(
      [...training, ...validation].sort((a, b) => a - b),
      [...Array(size).keys()],
    );
    assert.ok(validation.length > 0);
  });
  assert.ok(!found.includes(-1));
  return found;
}

test("folds part the samples, none is empty, and each sample's draw says which", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 60 }),
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      (size, count, seed) => {
        fc.pre(count <= size);
        foldOf(foldSamples(size, count, seed), size);
      },
    ),
  );
  const draw = randomSequence(8, "folds");
  const size = 1000;
  assert.deepEqual(
    foldOf(foldSamples(size, 7, 8), size),
    Array.from({ length: size }, (_, sample) => Math.floor(draw(sample) * 7)),
  );
  foldOf(foldSamples(255, 255), 255);
});

test("adding samples moves none to another fold; with an identity neither does another order", () => {
  const names = Array.from({ length: 900 }, (_, sample) => `id ${(sample * 31) % 907}`);
  assert.deepEqual(foldOf(foldSamples(900, 5, 1), 900).slice(0, 500), foldOf(foldSamples(500, 5, 1), 500));
  const found = foldOf(foldSamples(900, 5, 1, { identities: names }), 900);
  const backwards = foldOf(foldSamples(900, 5, 1, { identities: [...names].reverse() }), 900);
  assert.deepEqual(backwards.reverse(), found);
  assert.equal(found[17], Math.floor(uniformAt(1, "folds", names[17]!, 0) * 5));
});

test("no group is in two folds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 4, maxLength: 80 }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      (groups, seed) => {
        fc.pre(new Set(groups).size >= 4);
        const found = foldOf(foldSamples(groups.length, 4, seed, { groups }), groups.length);
        const pairs = new Set(groups.map((group, sample) => `${group} ${found[sample]}`));
        assert.equal(pairs.size, new Set(groups).size);
      },
    ),
  );
});

test("a group's fold is that of its name", () => {
  const groups = Array.from({ length: 2000 }, (_, sample) => `g${sample % 300}`);
  assert.deepEqual(
    foldOf(foldSamples(2000, 4, 6, { groups }), 2000),
    groups.map((name) => Math.floor(uniformAt(6, "folds", name, 0) * 4)),
  );
});

test("folds of a dataset are its parts, and those of a training part by the same seed and column are new", async () => {
  const data = arrays({ id: Int32Array.from({ length: 1000 }, (_, sample) => 5 * sample) }, { name: "toy" });
  const made = await folds(data, 3, { identity: "id" });
  assert.deepEqual(
    made.map(({ training, validation }) => training.size + validation.size),
    [1000, 1000, 1000],
  );
  assert.equal(made[1]!.validation.name, "validation part of fold 1 of toy");
  const { training } = split(data, { identity: "id", seed: 4 });
  // σ = √(800 · 0.2 · 0.8) = 11.
  for (const { validation } of await folds(training, 5, { identity: "id", seed: 4 }))
    assert.ok(Math.abs(validation.size - training.size / 5) < 4 * 11.3);
  await assert.rejects(folds(made[0]!.training, 3, { identity: "id" }), {
    message:
      `folds: expected about ${Math.round(made[0]!.training.size / 3)} of ${made[0]!.training.size} in a part of 0.333, got 0, ` +
      "since they were chosen by a split with the same seed and column. Fix: pass another seed",
  });
});

test("numbers of folds that cannot be, and two ways at once, are refused", async () => {
  const refused = (size: number, count: unknown, what: string) =>
    assert.throws(() => foldSamples(size, count as number), { message: `folds: expected ${what}` });
  refused(10, 1, "a whole number of folds from 2 to 10, got 1. Fix: for example folds(data, 5)");
  refused(3, 4, "a whole number of folds from 2 to 3, got 4. Fix: for example folds(data, 3)");
  refused(999, 256, "a whole number of folds from 2 to 255, got 256. Fix: for example folds(data, 5)");
  refused(9, "3", 'a whole number of folds from 2 to 9, got "3". Fix: for example folds(data, 5)');
  refused(1, 2, "at least two samples, got 1. Fix: train without validation");
  await assert.rejects(folds(arrays({ id: [1, 2] }), 2, { identity: "id", group: "id" }), {
    message:
      "folds of arrays: expected identity or group, got both. " +
      "Fix: leave identity out: the samples of a group go where its name says",
  });
  assert.throws(() => foldSamples(4, 3, 0, { groups: [1, 1, 2, 2] }), {
    message:
      "folds: expected at least 3 groups, got 2. Fix: ask for fewer parts, or divide by another column",
  });
});
