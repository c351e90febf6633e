import assert from "node:assert/strict";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { allSamples } from "../samples.ts";
import { statistics } from "../statistics.ts";
import { cachedTable } from "./cached-table.ts";
import { type Table, type TableOptions, table } from "./table.ts";

const folder = temporaryFolder();
const cache = join(folder, "cache");

async function numbersOf(data: Table): Promise<Record<string, number[]>> {
  const numbers: Record<string, number[]> = {};
  for (const [name, { dtype }] of Object.entries(data.columns)) {
    const values = dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
    await data.read(name, allSamples(data), values);
    numbers[name] = [...values];
  }
  return numbers;
}

const example = (name: string) => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));

test("a table from the cache is the table from the file: numbers, schema, report, split and statistics", async () => {
  const grades = { types: { cut: ["Fair", "Good", "Very Good", "Premium", "Ideal"] } };
  const tables: readonly (readonly [string, TableOptions])[] = [
    [example("penguins/penguins.csv"), { target: "species" }],
    [example("penguins/penguins.csv"), { target: ["body_mass_g", "sex"], ignore: ["island"] }],
    [example("churn/churn.csv"), { target: "churn" }],
    [example("diamonds/diamonds.csv.gz"), { target: "price", weight: "carat", ...grades }],
  ];
  for (const [path, options] of tables) {
    const [memory, disk] = [await table(path, options), await cachedTable(path, options, { folder: cache })];
    assert.deepEqual([disk.size, disk.weight, disk.columns], [memory.size, memory.weight, memory.columns]);
    assert.deepEqual(disk.schema, memory.schema);
    assert.deepEqual(disk.report, memory.report);
    assert.deepEqual(await numbersOf(disk), await numbersOf(memory));
    const parts = [memory, disk].map((all) => all.split({ validation: 0.2, seed: 5 }).training);
    assert.deepEqual(await statistics(parts[1]!), await statistics(parts[0]!));
  }
});

test("a table is read once, again when the file has changed, and as another cache with other options", async () => {
  const own = join(folder, "changing");
  const path = join(folder, "changing.csv");
  const rows = (slope: number) =>
    Array.from({ length: 30 }, (_, row) => `${Math.sin(row)},${slope * Math.sin(row) + 1}`);
  const write = (slope: number) => writeFile(path, `x,y\n${rows(slope).join("\n")}\n`);
  const reasons: string[] = [];
  const open = (options: TableOptions) =>
    cachedTable(path, options, { folder: own, onRebuild: (reason) => reasons.push(reason) });
  const madeAt = async () =>
    Promise.all(
      (await readdir(own)).map(
        async (key) => JSON.parse(await readFile(join(own, key, "manifest.json"), "utf8")).made,
      ),
    );
  await write(2);
  await utimes(path, 1, 1);
  await open({ target: "y" });
  const first = await madeAt();
  await open({ target: "y" });
  assert.deepEqual(await madeAt(), first, "not made again");
  await write(3);
  const changed = await open({ target: "y" });
  assert.deepEqual(reasons, [`the cache of ${path} is made anew: what it was made from has changed`]);
  const { y } = await numbersOf(changed);
  assert.equal(y![5], Math.fround(3 * Math.sin(5) + 1));
  await open({ target: "x" });
  assert.equal((await readdir(own)).length, 2);
});

test("what is wrong with a table is told as it is without a cache, and leaves nothing behind", async () => {
  const own = join(folder, "refused");
  const path = join(folder, "refused.csv");
  const tables: readonly (readonly [string, TableOptions])[] = [
    ["a,y\n1,2\n3,four\n5,6\n7,8\n9,1\n2,3\n4,5\n6,7\n8,9\n3,1\n2,4\n", { target: "y" }],
    ["a,y\n1,2\n3\n", { target: "y" }],
    ["a,copy,y\n1,5,5\n2,6,6\n3,7,7\n", { target: "y", task: "regression" }],
    ["a,y\n1,2\n2,3\n", { target: "z" }],
  ];
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: Error) => `${error.name} ${error.message}`,
    );
  for (const [text, options] of tables) {
    await writeFile(path, text);
    const [memory, disk] = [
      await refusal(table(path, options)),
      await refusal(cachedTable(path, options, { folder: own })),
    ];
    assert.match(memory, /^MicrobatchError .*expected/);
    assert.equal(disk, memory);
  }
  assert.deepEqual(await readdir(own), []);
  const classes = await table(example("penguins/penguins.csv"), { target: "species" });
  const other = (await readFile(example("penguins/penguins.csv"), "utf8")).replace("Gentoo", "Emperor");
  await writeFile(path, other);
  const like = { like: classes.schema };
  assert.equal(await refusal(cachedTable(path, like, { folder: own })), await refusal(table(path, like)));
  await assert.rejects(cachedTable(join(folder, "nowhere.csv"), { target: "y" }, { folder: own }), {
    message: `read ${join(folder, "nowhere.csv")}: expected a file, got nothing of that name. Fix: check the name; the folder looked in is ${folder}`,
  });
});
