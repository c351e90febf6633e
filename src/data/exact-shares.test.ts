import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { arrays } from "./arrays.ts";
import { exactParts } from "./exact-shares.ts";
import { foldSamples, folds } from "./folds.ts";
import { partIntervals } from "./shares.ts";
import { split, splitSamples } from "./split.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 40 });
const classes = fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 3, maxLength: 200 });
const shares = fc.record(
  {
    validation: fc.double({ min: 0.01, max: 0.9, noNaN: true }),
    test: fc.double({ min: 0.01, max: 0.09, noNaN: true }),
  },
  { requiredKeys: ["validation"] },
);

const count = (chosen: Uint8Array, part: number, isWanted: (sample: number) => boolean) =>
  chosen.reduce((sum, found, sample) => sum + (found === part && isWanted(sample) ? 1 : 0), 0);

/** How far a count is beyond the two whole numbers beside what a share asks for; rounding may put a whole one beside itself. */
function beyond(counted: number, wanted: number): number {
  return Math.max(0, Math.abs(counted - wanted) - 1 + 1e-6);
}

test("of the first samples of every class, however many, validation has its share to less than one, test to less than two", () => {
  fc.assert(
    fc.property(classes, shares, seeds, (codes, options, seed) => {
      const parts = partIntervals("split", options, codes.length);
      const chosen = exactParts(codes.length, parts, { seed, use: "split", classes: codes });
      for (const code of new Set(codes)) {
        const members = [...codes.keys()].filter((sample) => codes[sample] === code);
        const counts = [0, 0, 0];
        members.forEach((sample, rank) => {
          counts[chosen[sample]!]!++;
          const wanted = options.validation * (rank + 1);
          assert.ok(beyond(counts[1]!, wanted) <= 2e-6, `${counts[1]} of ${rank + 1}, ${wanted} wanted`);
          assert.ok(Math.abs(counts[2]! - (options.test ?? 0) * (rank + 1)) < 2);
        });
      }
    }),
    { numRuns: 300 },
  );
});

test("samples that follow move none before them, even where their class changes the codes of others", () => {
  fc.assert(
    fc.property(classes, shares, seeds, (codes, options, seed) => {
      const parts = partIntervals("split", options, codes.length);
      const before = exactParts(codes.length, parts, { seed, use: "split", classes: codes });
      const more = [...codes.map((code) => code + 1), ...codes.map(() => 0), 7, 8, 9];
      const after = exactParts(more.length, parts, { seed, use: "split", classes: more });
      assert.deepEqual(after.slice(0, codes.length), before);
    }),
  );
});

test("validation is the same whether there is a test part or not", () => {
  const codes = Array.from({ length: 300 }, (_, sample) => (sample * sample) % 7);
  const of = (options: { validation: number; test?: number }) =>
    splitSamples(300, { ...options, seed: 5, exact: true }, { classes: codes });
  assert.deepEqual(of({ validation: 0.2, test: 0.3 }).validation, of({ validation: 0.2 }).validation);
});

test("seeds draw every sample of a turn equally often, and none is always in a part", () => {
  const runs = 2000;
  for (const validation of [0.2, 0.7]) {
    const parts = partIntervals("split", { validation }, 40);
    const hits = new Float64Array(40);
    for (let seed = 0; seed < runs; seed++) {
      exactParts(40, parts, { seed, use: "split" }).forEach((part, sample) => {
        hits[sample]! += part;
      });
    }
    // 0.2: turns of five. 0.7: turns of three or four, of which one is left to training: shares of 2/3 and 3/4.
    const allowed = validation === 0.2 ? [0.2] : [2 / 3, 3 / 4];
    for (const hit of hits) {
      // Four standard deviations: by chance one in 16 000 is farther off, and the seeds are fixed.
      assert.ok(
        allowed.some((share) => Math.abs(hit - runs * share) < 4 * Math.sqrt(runs * share * (1 - share))),
        `${hit} of ${runs}`,
      );
    }
  }
});

test("classes, and parts, are drawn independently of each other", () => {
  const size = 20_000;
  const codes = Array.from({ length: size }, (_, sample) => sample % 2);
  const parts = partIntervals("split", { validation: 0.2, test: 0.2 }, size);
  const chosen = exactParts(size, parts, { seed: 3, use: "split", classes: codes });
  // Neighbours are of the same rank in their classes: 10 000 pairs of chances 0.2 · 0.2, four deviations of √(10⁴ · 0.04).
  for (const [one, other] of [
    [1, 1],
    [1, 2],
    [2, 2],
  ]) {
    let pairs = 0;
    for (let sample = 0; sample < size; sample += 2)
      if (chosen[sample] === one && chosen[sample + 1] === other) pairs++;
    assert.ok(Math.abs(pairs - 400) < 80, `${one} beside ${other}: ${pairs}`);
  }
});

test("exact folds have the same number of each class, to one, and of all samples without classes", () => {
  fc.assert(
    fc.property(classes, fc.integer({ min: 2, max: 12 }), seeds, (codes, folds, seed) => {
      fc.pre(folds <= codes.length);
      const made = foldSamples(codes.length, folds, seed, { exact: true });
      for (const { validation } of made)
        assert.ok(Math.abs(validation.length - codes.length / folds) < 1 + 1e-9);
      const parts = Array.from({ length: folds }, (_, fold) => ({
        from: fold / folds,
        to: (fold + 1) / folds,
      }));
      const chosen = exactParts(codes.length, parts, { seed, use: "folds", classes: codes });
      for (const code of new Set(codes)) {
        const size = codes.filter((one) => one === code).length;
        for (let fold = 0; fold < folds; fold++) {
          const counted = count(chosen, fold, (sample) => codes[sample] === code);
          assert.ok(counted === Math.floor(size / folds) || counted === Math.ceil(size / folds));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("stratified folds have every class that has as many samples as there are folds", async () => {
  const kind = Int32Array.from({ length: 600 }, (_, sample) => (sample % 100 === 3 ? 1 : 0)); // six of class 1
  const data = arrays({ kind, x: Float32Array.from(kind.keys()) }, { name: "toy" });
  for (let seed = 0; seed < 5; seed++) {
    for (const exact of [false, true]) {
      for (const { training, validation } of await folds(data, 6, { stratify: "kind", exact, seed })) {
        const codes = new Int32Array(validation.size);
        await validation.read("kind", Uint32Array.from(codes.keys()), codes);
        const rare = codes.filter((code) => code === 1).length;
        assert.equal(rare, 1);
        assert.equal(training.size + validation.size, 600);
        if (exact) assert.equal(validation.size, 100);
      }
    }
  }
});

test("without exact a class's share is off as tosses of a coin are: by 2·√(n·p·(1−p)) in 5 of 100, and with it by less than one", () => {
  const [size, every, share] = [1000, 5, 0.2];
  const codes = Array.from({ length: size }, (_, sample) => (sample % every === 0 ? 1 : 0));
  const members = size / every;
  const wanted = members * share;
  const deviation = Math.sqrt(members * share * (1 - share));
  const runs = 1000;
  let far = 0;
  let squares = 0;
  for (let seed = 0; seed < runs; seed++) {
    const drawn = (exact: boolean) =>
      splitSamples(size, { validation: share, seed, exact }, { classes: codes }).validation.filter(
        (sample) => codes[sample] === 1,
      ).length;
    const off = drawn(false) - wanted;
    squares += off * off;
    if (Math.abs(off) > 2 * deviation) far++;
    assert.equal(drawn(true), wanted);
  }
  // 2σ of a binomial of 200 leaves 3 to 6 in 100 outside; of a thousand runs √(1000 · 0.05) = 7 more or fewer.
  assert.ok(far > 20 && far < 75, `${far} of ${runs} are beyond two deviations`);
  // The variance of a thousand runs is known to √(2 / 1000) = 4.5 %: three times that.
  assert.ok(Math.abs(squares / runs / deviation ** 2 - 1) < 0.14, `${squares / runs}`);
});

test("a class with as many samples as there are parts is in all of them, and training has every class", () => {
  fc.assert(
    fc.property(classes, shares, seeds, (codes, options, seed) => {
      fc.pre(codes.length >= new Set(codes).size + 2);
      const divided = splitSamples(codes.length, { ...options, seed, exact: true }, { classes: codes });
      const parts = [divided.training, divided.validation, ...(divided.test ? [divided.test] : [])];
      for (const code of new Set(codes)) {
        const counts = parts.map((samples) => samples.filter((sample) => codes[sample] === code).length);
        assert.ok(counts[0]! > 0);
        if (counts.reduce((sum, one) => sum + one, 0) >= parts.length)
          assert.ok(counts.every((one) => one > 0));
      }
    }),
    { numRuns: 300 },
  );
});

test("exact beside an identity or a group, and what is no yes or no, are refused", async () => {
  const data = arrays({ id: Int32Array.of(1, 2, 3, 4) }, { name: "toy" });
  const both = "expected identity or exact, got both. Fix: leave exact out: by an identity, a sample's part";
  assert.throws(() => split(data, { identity: "id", exact: true }), {
    message: `split of toy: ${both} depends on no other sample`,
  });
  assert.throws(() => splitSamples(4, { exact: true }, { identities: [1, 2, 3, 4] }), {
    message: `split: ${both} depends on no other sample`,
  });
  await assert.rejects(folds(data, 2, { identity: "id", exact: true }), {
    message: `folds of toy: ${both} depends on no other sample`,
  });
  await assert.rejects(folds(data, 2, { group: "id", exact: true }), {
    message:
      "folds of toy: expected exact or group, got both. " +
      "Fix: leave exact out: the samples of a group go where its name says",
  });
  await assert.rejects(folds(data, 2, { stratify: "kind" }), {
    message:
      "folds of toy, stratify: expected the name of a column of classes or categories, " +
      'got no such column, "kind". Fix: one of id',
  });
  assert.throws(() => split(data, { exact: "yes" as unknown as boolean }), {
    message: 'split of toy, exact: expected true or false, got "yes". Fix: exact: true',
  });
});
