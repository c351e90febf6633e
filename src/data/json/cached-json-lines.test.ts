import assert from "node:assert/strict";
import { rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { cached } from "../cache/cache.ts";
import type { Dataset } from "../dataset.ts";
import { allSamples } from "../samples.ts";
import type { Table } from "../table/table.ts";
import { cachedJsonLines } from "./cached-json-lines.ts";
import { type JsonLinesOptions, jsonLines, jsonLinesSource } from "./json-lines.ts";

const folder = temporaryFolder();
const path = join(folder, "t.jsonl");
const cache = { folder: join(folder, "cache") };
const options: JsonLinesOptions = {
  target: "y",
  weight: "w",
  keep: ["day"],
  clean: { badRows: { skip: 2 } },
};

/** `count` samples with a list and missing values, and a line that is none. */
function lines(count: number, add = 0): string {
  const samples = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      x: i / 8 + add,
      kind: i % 5 === 0 ? null : `k${i % 3}`,
      ...(i % 7 > 0 && { list: [i, null, add] }),
      day: `2024-01-${10 + (i % 9)}`,
      w: 1 + (i % 2),
      y: ((i * i) % 17) / 3,
    }),
  );
  return `${samples.toSpliced(3, 0, "no line").join("\n")}\n`;
}

async function contentOf(data: Dataset): Promise<Record<string, number[]>> {
  const content: Record<string, number[]> = {};
  for (const [column, { dtype, shape }] of Object.entries(data.columns)) {
    const room = data.size * shape.reduce((product, size) => product * size, 1);
    const into = dtype === "float32" ? new Float32Array(room) : new Int32Array(room);
    await data.read(column, allSamples(data), into);
    content[column] = [...into];
  }
  return content;
}

async function assertSame(disk: Table, memory: Table): Promise<void> {
  for (const part of ["columns", "schema", "report", "weight", "size", "name"] as const)
    assert.deepEqual(disk[part], memory[part], part);
  assert.deepEqual(await contentOf(disk), await contentOf(memory));
}

test("a cached JSON Lines file is the one in memory, report and all, whenever and however it is opened", async () => {
  await writeFile(path, lines(90));
  const memory = await jsonLines(path, options);
  assert.equal(memory.report.skipped!.count, 1);
  for (const time of ["first", "second"]) {
    const disk = await cachedJsonLines(path, options, cache);
    await assertSame(disk, memory);
    assert.equal(disk.split({ validation: 0.2 }).validation.schema, disk.schema, time);
    await assertSame(await cached(await jsonLinesSource(path, options), cache), memory);
  }
});

test("opening it reads nothing of the file, until its time or size says that it has changed", async () => {
  await writeFile(path, lines(50));
  const time = new Date("2024-05-01T12:00:00Z"); // whole seconds, which can be set again
  await utimes(path, time, time);
  const { size } = await stat(path);
  const before = await cachedJsonLines(path, options, cache);
  await writeFile(path, "x".repeat(size));
  await utimes(path, time, time);
  const builds: string[] = [];
  const told = {
    ...cache,
    onBuild: () => builds.push("built"),
    onRebuild: (why: string) => builds.push(why),
  };
  assert.deepEqual(await contentOf(await cachedJsonLines(path, options, told)), await contentOf(before));
  assert.deepEqual(builds, []);
  await writeFile(path, lines(60, 1));
  assert.equal((await cachedJsonLines(path, options, told)).size, 60);
  assert.deepEqual(builds, [`the cache of ${path} is made anew: what it was made from has changed`, "built"]);
  // Other options are another cache.
  assert.equal((await cachedJsonLines(path, { ...options, weight: "x" }, told)).weight, "x");
  assert.equal(builds.length, 3);
});

test("what is wrong with the file or the options is told as by jsonLines, and nothing is left behind", async () => {
  const told = async (reading: Promise<unknown>) =>
    reading.then(
      () => assert.fail("it was read"),
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  await writeFile(path, lines(20).replaceAll("no line", "no line\nnor here\nnor there"));
  const own = { folder: join(folder, "own") };
  assert.equal(await told(cachedJsonLines(path, options, own)), await told(jsonLines(path, options)));
  assert.equal(
    await told(cachedJsonLines(path, { target: "q" }, own)),
    await told(jsonLines(path, { target: "q" })),
  );
  const wrong = { goal: "y" } as unknown as JsonLinesOptions;
  assert.equal(await told(cachedJsonLines(path, wrong, own)), await told(jsonLines(path, wrong)));
  await rm(path);
  assert.match(
    await told(cachedJsonLines(path, options, own)),
    /t\.jsonl: expected a file, got nothing of that name\./,
  );
});
