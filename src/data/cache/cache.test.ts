import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { collect } from "../collect.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import type { Source } from "../source.ts";
import { cached, clearCaches, listCaches } from "./cache.ts";
import { layoutOf, RecordBuffer } from "./record-layout.ts";

const folder = temporaryFolder();

const columns = {
  image: { dtype: "uint8", shape: [3, 5] },
  x: { dtype: "float32", shape: [2] },
  label: { dtype: "int32", shape: [] },
  flag: { dtype: "uint8", shape: [] },
} as const satisfies ColumnSpecs;

/** Numbers that tell column, sample and element. */
function source(
  samples: number,
  change: Partial<Source<typeof columns>> = {},
): Source<typeof columns> & { reads: number } {
  const made = {
    reads: 0,
    name: "made",
    columns,
    fingerprint: async () => `made of ${samples}`,
    async *pieces() {
      made.reads++;
      for (let first = 0; first < samples; first += 1000) {
        const count = Math.min(1000, samples - first);
        const at = (elements: number, of: (index: number) => number) =>
          Array.from({ length: count * elements }, (_, index) => of(first * elements + index));
        yield {
          samples: count,
          columns: {
            image: Uint8Array.from(at(15, (index) => index * 7)),
            x: Float32Array.from(at(2, (index) => index / 3)),
            label: Int32Array.from(at(1, (index) => -index)),
            flag: Uint8Array.from(at(1, (index) => index % 2)),
          },
        };
      }
    },
    ...change,
  };
  return made;
}

async function readAll(data: Dataset<typeof columns>, samples: Uint32Array): Promise<unknown> {
  const room = {
    image: new Uint8Array(15 * samples.length),
    x: new Float32Array(2 * samples.length),
    label: new Int32Array(samples.length),
    flag: new Uint8Array(samples.length),
  };
  for (const [column, into] of Object.entries(room))
    await data.read(column as keyof typeof columns, samples, into); // its own keys
  return room;
}

test("a cache gives the numbers that memory gives, in any order, however often a sample comes", async () => {
  const made = source(3456);
  const memory = await collect(made);
  const all = Uint32Array.from({ length: 3456 }, (_, sample) => sample);
  for (const bytesInMemory of [0, 2 ** 30]) {
    const disk = await cached(made, { folder, bytesInMemory });
    assert.equal(disk.prefetch === undefined, bytesInMemory > 0);
    assert.equal(disk.size, 3456);
    assert.deepEqual(disk.columns, memory.columns);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3455), { minLength: 1, maxLength: 50 }), async (list) => {
        const samples = Uint32Array.from(list);
        assert.deepEqual(await readAll(disk, samples), await readAll(memory, samples));
      }),
      { numRuns: 100 },
    );
    assert.deepEqual(await readAll(disk, all), await readAll(memory, all));
  }
});

test("the second opening reads nothing of the source, and another fingerprint makes another cache", async () => {
  const own = join(folder, "second");
  const [first, second, other] = [source(100), source(100), source(101)];
  const reasons: string[] = [];
  const onRebuild = (reason: string) => reasons.push(reason);
  for (const one of [first, second, other]) await cached(one, { folder: own, onRebuild });
  assert.deepEqual([first.reads, second.reads, other.reads], [1, 0, 1]);
  assert.deepEqual(reasons, []);
  assert.equal((await readdir(own)).length, 2);
});

test("a weighted source keeps its weights, and a sample that is not there is refused", async () => {
  const weighed = { ...columns, weight: { dtype: "float32", shape: [] } } as const;
  const inner = source(40);
  const outer: Source<typeof weighed> = {
    name: "weighed",
    columns: weighed,
    weight: "weight",
    fingerprint: async () => "weighed",
    async *pieces() {
      for await (const { samples, columns: given } of inner.pieces())
        yield {
          samples,
          columns: { ...given, weight: Float32Array.from({ length: samples }, (_, at) => at / 4) },
        };
    },
  };
  for (const bytesInMemory of [0, 2 ** 30]) {
    const data = await cached(outer, { folder, bytesInMemory });
    const weights = new Float32Array(3);
    await data.read("weight", Uint32Array.of(39, 0, 7), weights);
    assert.deepEqual([...weights], [39 / 4, 0, 7 / 4]);
    const refusal = {
      message: "weighed: expected samples from 0 to 39, got 40. Fix: draw samples below the dataset's size",
    };
    assert.throws(() => data.read("weight", Uint32Array.of(40), weights), refusal);
    assert.throws(() => data.read("label", Uint32Array.of(1, 40), new Int32Array(2)), refusal);
  }
});

test("a cache that is damaged, cut short or half gone is made anew, and one line says why", async () => {
  const own = join(folder, "damaged");
  const made = source(2000);
  await cached(made, { folder: own });
  const [key] = await readdir(own);
  const place = join(own, key!);
  const samples = join(place, "samples.npy");
  const manifest = join(place, "manifest.json");
  const bytes = await readFile(samples);
  const flipped = (at: number) => Buffer.from(bytes).fill(bytes[at]! ^ 1, at, at + 1);
  const damages: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => truncate(samples, bytes.length - 1), /samples\.npy has \d+ bytes instead of \d+$/],
    [() => writeFile(samples, flipped(bytes.length - 1)), /block 0 of samples\.npy has changed$/],
    [() => writeFile(samples, flipped(20)), /its header has changed$/],
    [() => writeFile(manifest, "{"), /its manifest cannot be read$/],
    [() => writeFile(manifest, "{}"), /its manifest cannot be read$/],
    [() => import("node:fs/promises").then(({ rm }) => rm(samples)), /samples\.npy is missing$/],
    [() => import("node:fs/promises").then(({ rm }) => rm(manifest)), /it has no manifest$/],
  ];
  for (const [damage, reason] of damages) {
    await damage();
    const reasons: string[] = [];
    const before = made.reads;
    const data = await cached(made, { folder: own, onRebuild: (line) => reasons.push(line) });
    assert.equal(made.reads, before + 1);
    assert.equal(reasons.length, 1);
    assert.match(reasons[0]!, /^the cache of made is made anew: /);
    assert.match(reasons[0]!, reason);
    const label = new Int32Array(1);
    await data.read("label", Uint32Array.of(1999), label);
    assert.equal(label[0], -1999);
    assert.deepEqual(await readFile(samples), bytes, "the same bytes again");
  }
  assert.deepEqual(await readdir(own), [key]);
});

test("a source that fails half-way, or has no samples, leaves nothing behind", async () => {
  const own = join(folder, "failing");
  await mkdir(own);
  const failing = source(10, {
    async *pieces() {
      yield* source(10).pieces();
      throw new Error("half-way");
    },
  });
  await assert.rejects(cached(failing, { folder: own }), { message: "half-way" });
  const empty = source(0);
  await assert.rejects(cached(empty, { folder: own }), {
    message: /^made: expected at least one sample, got none/,
  });
  assert.deepEqual(await readdir(own), []);
});

test("what a process that is gone has left half made is removed, what a running one makes is not", async () => {
  const own = join(folder, "abandoned");
  const [gone, running] = ["0".repeat(32), "1".repeat(32)];
  await mkdir(join(own, `${gone}.${2 ** 22 + 1}.tmp`), { recursive: true }); // above the largest process number
  await mkdir(join(own, `${running}.${process.ppid}.tmp`));
  await cached(source(10), { folder: own });
  const names = (await readdir(own)).filter((name) => name.endsWith(".tmp"));
  assert.deepEqual(names, [`${running}.${process.ppid}.tmp`]);
});

test("caches that one process makes at the same time do not disturb each other, and of one only one is made", async () => {
  const own = join(folder, "together");
  const slowly = (made: ReturnType<typeof source>) => ({
    ...made,
    async *pieces() {
      await new Promise((resolve) => setTimeout(resolve, 50));
      yield* made.pieces();
    },
  });
  const [ten, twenty] = [source(10), source(20)];
  const sources = [ten, twenty, ten, ten].map(slowly);
  const opened = await Promise.all(sources.map((made) => cached(made, { folder: own })));
  assert.deepEqual(
    opened.map(({ size }) => size),
    [10, 20, 10, 10],
  );
  assert.deepEqual([ten.reads, twenty.reads], [1, 1]);
  assert.equal((await readdir(own)).length, 2);
});

test("processes that make the same caches at the same time all get them", async () => {
  const own = join(folder, "processes");
  const address = JSON.stringify(new URL("./cache.ts", import.meta.url));
  const start = Date.now() + 700;
  // Twelve caches, one every 50 ms; all have their samples, and so what is to be put in the same place, in one millisecond.
  const script = `
    const { cached } = await import(${address});
    const until = async (time) => {
      while (Date.now() < time - 10) await new Promise((resolve) => setTimeout(resolve, 5));
      while (Date.now() < time);
    };
    for (let round = 0; round < 12; round++) {
      const columns = { x: { dtype: "float32", shape: [] } };
      const pieces = async function* () {
        await until(${start} + 50 * round);
        yield { samples: 500, columns: { x: new Float32Array(500).fill(round) } };
      };
      const made = { name: "made", columns, fingerprint: async () => "made " + round, pieces };
      const data = await cached(made, { folder: ${JSON.stringify(own)}, bytesInMemory: 0 });
      const x = new Float32Array(1);
      await data.read("x", Uint32Array.of(499), x);
      if (x[0] !== round) throw new Error("other numbers");
    }`;
  const run = promisify(execFile);
  const processes = Array.from({ length: 3 }, () =>
    run(process.execPath, ["--input-type=module", "-e", script]),
  );
  await Promise.all(processes);
  assert.equal((await readdir(own)).length, 12);
});

test("who waits for a cache that cannot be made is told why, too", async () => {
  const own = join(folder, "together-in-vain");
  const empty = () => cached(source(0), { folder: own });
  const outcomes = await Promise.allSettled([empty(), empty()]);
  for (const outcome of outcomes) {
    assert.match(
      outcome.status === "rejected" ? outcome.reason.message : "",
      /^made: expected at least one sample/,
    );
  }
});

test("caches are listed and cleared, all or by what they were made from", async () => {
  const own = join(folder, "listed");
  assert.deepEqual(await listCaches({ folder: own }), []);
  await cached(source(10, { name: "ten" }), { folder: own });
  await cached(source(20, { name: "twenty" }), { folder: own });
  const { stride } = layoutOf(columns);
  const listed = await listCaches({ folder: own });
  assert.deepEqual(listed.map(({ name, samples }) => [name, samples]).sort(), [
    ["ten", 10],
    ["twenty", 20],
  ]);
  assert.ok(listed.every(({ bytes, samples }) => bytes > samples * stride));
  assert.deepEqual(
    (await clearCaches({ folder: own, name: "ten" })).map(({ name }) => name),
    ["ten"],
  );
  assert.deepEqual(
    (await listCaches({ folder: own })).map(({ name }) => name),
    ["twenty"],
  );
  await clearCaches({ folder: own });
  assert.deepEqual(await readdir(own), []);
});

test("a folder that cannot be written to is told as such", async () => {
  await writeFile(join(folder, "file"), "");
  await assert.rejects(cached(source(3), { folder: join(folder, "file") }), {
    name: "MicrobatchError",
    message:
      /^write the cache of made: expected a file, got a folder of that name|expected a folder in front of the last/,
  });
});

test("folders above the cache are made, and one in which the system makes none ends in a message", async () => {
  const deep = join(folder, "not", "yet", "there");
  assert.equal((await cached(source(3), { folder: deep })).size, 3);
  if (process.platform !== "linux") return;
  await assert.rejects(cached(source(3), { folder: "/proc/microbatch/cache" }), {
    message:
      "write the cache of made: expected a folder that takes new ones, " +
      "got /proc/microbatch/cache, in which the system makes none. Fix: use another folder",
  });
});

test("records are packed without holes but at their end, 4-byte elements at multiples of 4", () => {
  const { fields, stride } = layoutOf(columns);
  assert.deepEqual(
    fields.map(({ name, offset }) => [name, offset]),
    [
      ["x", 0],
      ["label", 8],
      ["image", 12],
      ["flag", 27],
    ],
  );
  assert.equal(stride, 28);
  const buffer = RecordBuffer.of(layoutOf(columns), 2);
  buffer.put(fields[1]!, Int32Array.of(5, 6), 0, 0, 2);
  const back = new Int32Array(1);
  buffer.take(fields[1]!, 1, 1, back);
  assert.deepEqual([...back], [6]);
});

test("what a reading found is kept, and its data is what the source says, without a second reading", async () => {
  const own = join(folder, "told");
  const counting = source(10);
  let report: { readonly even: number } | undefined;
  const told: Source<typeof columns, Dataset<typeof columns> & { readonly even: number }> = {
    ...counting,
    async *pieces() {
      report = undefined;
      yield* counting.pieces();
      report = { even: 5 };
    },
    report: () => report ?? assert.fail("it was asked before it was read"),
    dataOf: (dataset, found) => ({ ...dataset, ...(found as { even: number }) }),
  };
  const first = await cached(told, { folder: own });
  report = undefined;
  const second = await cached(told, { folder: own });
  assert.deepEqual([first.even, second.even, (await collect(told)).even], [5, 5, 5]);
  assert.equal(counting.reads, 2); // for the first cache and in memory
  // One that was made before its source told anything has nothing to tell.
  await cached(source(20), { folder: own });
  const { even } = await cached({ ...told, fingerprint: source(20).fingerprint }, { folder: own });
  assert.equal(even, 5);
});
