import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { arrays } from "../arrays.ts";
import { cached } from "../cache/cache.ts";
import type { Dataset } from "../dataset.ts";
import type { Source } from "../source.ts";
import { split } from "../split.ts";
import { openChanges } from "./changes.ts";
import { colour } from "./colour.ts";
import { crop } from "./crop.ts";
import { flip } from "./flip.ts";
import { AugmentedReader } from "./reader.ts";
import { type AugmentRing, claimed, done, raw, stateOf } from "./ring.ts";
import { type StartThread, startThread } from "./thread.ts";

const size = 1500;
const shape = [3, 20, 21];
const elements = 3 * 20 * 21;
const pixels = Uint8Array.from({ length: size * elements }, (_, at) => (at * 2654435761) >>> 24);
const columns = {
  image: { dtype: "uint8", shape },
  mask: { dtype: "uint8", shape: [4, 4] },
  label: { dtype: "int32", shape: [] },
} as const;
const masks = Uint8Array.from({ length: size * 16 }, (_, at) => at % 251);
const labels = Int32Array.from({ length: size }, (_, sample) => sample);
const memory = arrays({
  image: { data: pixels, shape: [size, ...shape] },
  mask: { data: masks, shape: [size, 4, 4] },
  label: labels,
});

const folder = temporaryFolder();
const source: Source<typeof columns> = {
  name: "images",
  columns,
  fingerprint: async () => "images",
  async *pieces() {
    yield { samples: size, columns: { image: pixels, mask: masks, label: labels } };
  },
};
/** One that gives its numbers a turn later, whatever is asked. */
const late: Dataset = {
  ...memory,
  read: async (column, samples, into) => {
    const wanted = samples.slice();
    await new Promise(setImmediate);
    await memory.read(column as "image", wanted, into);
  },
};

const augment = {
  image: [flip(), crop({ padding: 3 }), colour({ brightness: 0.4, contrast: 0.4, saturation: 0.4 })],
  mask: [flip()],
};
const reading = (dataset: Dataset) => ({ dataset, columns: ["label", "image", "mask"], augment, seed: 11 });
const changeImage = openChanges("image", augment.image, columns.image, 11);
const changeMask = openChanges("mask", augment.mask, columns.mask, 11);

interface Drawn {
  readonly sample: number;
  readonly epoch: number;
}

/** Reads and compares with what each sample is by itself. `at`: the sample of the memory that each is. */
async function requireSamples(
  reader: AugmentedReader,
  drawn: readonly Drawn[],
  at = (sample: number) => sample,
): Promise<void> {
  const [label, image, mask] = [
    new Int32Array(drawn.length),
    new Uint8Array(drawn.length * elements),
    new Uint8Array(drawn.length * 16),
  ];
  const of = (part: keyof Drawn) => Uint32Array.from(drawn, (one) => one[part]);
  await reader.read(of("sample"), of("epoch"), [label, image, mask]);
  for (const [index, { sample, epoch }] of drawn.entries()) {
    const whole = at(sample);
    assert.equal(label[index], whole);
    const expected = pixels.slice(whole * elements, (whole + 1) * elements);
    changeImage(expected, epoch, sample);
    assert.ok(Buffer.from(expected).equals(image.subarray(index * elements, (index + 1) * elements)));
    const expectedMask = masks.slice(whole * 16, (whole + 1) * 16);
    changeMask(expectedMask, epoch, sample);
    assert.ok(Buffer.from(expectedMask).equals(mask.subarray(index * 16, (index + 1) * 16)));
  }
}

/** Threads as they may be: ours, one that never comes, one that never does anything, one that dies over its work. */
const dying: StartThread = ({ control }, onFailure) => {
  const die = () => {
    for (let slot = 0; slot < 8; slot++) Atomics.compareExchange(control, stateOf(slot), raw, claimed);
    setTimeout(onFailure, 5);
  };
  setImmediate(die);
  return { keepAlive: () => {} };
};
const threads: Readonly<Record<string, StartThread | undefined>> = {
  ours: startThread,
  idle: () => ({ keepAlive: () => {} }),
  failed: (_, onFailure) => {
    onFailure();
    return { keepAlive: () => {} };
  },
  dying,
};

const datasets: Readonly<Record<string, () => Promise<Dataset>>> = {
  memory: async () => memory,
  disk: async () => cached(source, { folder, bytesInMemory: 0 }),
  late: async () => late,
};

const listOf = (length: number, epoch: number) =>
  Array.from({ length }, (_, at) => ({ sample: (at * 7919 + epoch) % size, epoch }));

test("what was hinted comes augmented, from any dataset and through more samples than a ring holds", async () => {
  for (const open of Object.values(datasets)) {
    const reader = new AugmentedReader(reading(await open()));
    const list = [0, 1, 2].flatMap((epoch) => listOf(size, epoch));
    for (let from = 0; from < list.length; from += 300) {
      const hinted = list.slice(from, from + 600 > list.length ? list.length : from + 300);
      for (const epoch of [0, 1, 2]) {
        const own = hinted.filter((one) => one.epoch === epoch).map(({ sample }) => sample);
        if (own.length > 0) reader.hint(Uint32Array.from(own), epoch);
      }
      for (let at = from; at < from + 300; at += 100) await requireSamples(reader, list.slice(at, at + 100));
    }
    reader.close();
  }
});

test("whatever is hinted, read or passed over, and whoever augments, the bytes are the samples' own", async () => {
  const drawn = fc.record({ sample: fc.nat(size - 1), epoch: fc.constantFrom(0, 1, 2 ** 32 - 1) });
  const list = fc.array(drawn, { minLength: 1, maxLength: 40 });
  const kinds = ["hint", "hint", "follow", "follow", "skip", "other", "twice", "rest"] as const;
  const action = fc.record({ kind: fc.constantFrom(...kinds), list });
  for (const [name, start] of Object.entries(threads)) {
    for (const [from, open] of Object.entries(datasets)) {
      const dataset = await open();
      await fc
        .assert(
          fc.asyncProperty(fc.array(action, { maxLength: 20 }), async (actions) => {
            const reader = new AugmentedReader(reading(dataset), start);
            let hinted: Drawn[] = [];
            for (const { kind, list } of actions) {
              if (kind === "hint") {
                for (const { sample, epoch } of list) reader.hint(Uint32Array.of(sample), epoch);
                hinted.push(...list);
              } else if (kind === "rest") await new Promise((resolve) => setTimeout(resolve, 1));
              else if (kind === "other" || hinted.length === 0) await requireSamples(reader, list);
              else {
                const next = hinted.splice(0, list.length);
                const kept = kind === "skip" ? next.filter((_, at) => at % 3 !== 1) : next;
                await requireSamples(reader, kind === "twice" ? kept.flatMap((one) => [one, one]) : kept);
              }
            }
            reader.close();
            hinted = [];
          }),
          { numRuns: name === "ours" ? 12 : 25 },
        )
        .catch((error) => assert.fail(`${name} over ${from}: ${error.message}`));
    }
  }
});

test("the thread augments what was hinted while this one does nothing, and ends when the reader is closed", async () => {
  let ring: AugmentRing | undefined;
  let hasEnded = false;
  const reader = new AugmentedReader(reading(memory), (given, onFailure) => {
    ring = given;
    return startThread!(given, () => {
      hasEnded = true;
      onFailure();
    });
  });
  const list = listOf(500, 3);
  reader.hint(
    Uint32Array.from(list, ({ sample }) => sample),
    3,
  );
  const { control, samples } = ring!;
  const states = () =>
    Array.from({ length: Math.ceil(500 / samples) }, (_, slot) => Atomics.load(control, stateOf(slot)));
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5)); // the test's own limit ends it
  };
  await until(() => states().every((state) => state === done));
  await requireSamples(reader, list);
  reader.close();
  await until(() => hasEnded);
});

test("a part of a dataset is augmented by its own numbers of its samples", async () => {
  const { training } = split(await datasets.disk!(), { seed: 4 });
  const chosen = new Int32Array(training.size);
  await training.read(
    "label",
    Uint32Array.from({ length: training.size }, (_, at) => at),
    chosen,
  );
  const reader = new AugmentedReader(reading(training));
  const list = Array.from({ length: 200 }, (_, at) => ({ sample: (at * 37) % training.size, epoch: 5 }));
  reader.hint(
    Uint32Array.from(list, ({ sample }) => sample),
    5,
  );
  await requireSamples(reader, list, (sample) => chosen[sample]!);
  reader.close();
});

test("a hint of samples that are not there does no harm, and reading them says so", async () => {
  for (const open of Object.values(datasets)) {
    const reader = new AugmentedReader(reading(await open()));
    reader.hint(Uint32Array.of(1, 2, size), 0);
    await requireSamples(reader, [{ sample: 1, epoch: 0 }]);
    await assert.rejects(
      async () =>
        reader.read(Uint32Array.of(size), Uint32Array.of(0), [
          new Int32Array(1),
          new Uint8Array(elements),
          new Uint8Array(16),
        ]),
      /expected samples from 0 to 1499, got 1500/,
    );
    await requireSamples(reader, [{ sample: 2, epoch: 0 }]);
    reader.close();
  }
});
