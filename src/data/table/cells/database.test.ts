import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import { withDatabase } from "../../../../test/with-database.ts";
import { csvProof } from "../csv/csv-table.ts";
import { type Database, sqlText } from "./database.ts";

const folder = temporaryFolder();

async function refusal(memoryLimit: string, work: (database: Database) => Promise<unknown>): Promise<Error> {
  const options = {
    name: "t.csv",
    threads: 1,
    temporaryFolder: join(folder, "spill"),
    memoryLimit,
    damaged: csvProof,
  };
  return withDatabase(options, work).then(
    () => assert.fail("it worked"),
    (error: Error) => error,
  );
}
/** 30 MB, which do not compress. */
const large = "create table large as select md5(range::varchar) as a from range(1000000)";

test("a result comes in pieces of at most 2048 rows, in order, and another query may follow before its end", async () => {
  await withDatabase(
    { name: "t.csv", threads: 2, temporaryFolder: join(folder, "spill"), damaged: csvProof },
    async (database) => {
      const rows: unknown[] = [];
      const sizes: number[] = [];
      for await (const piece of database.pieces("select range::double, 'x' || range from range(5000)")) {
        assert.equal(piece.columns[1]![0], `x${rows.length}`);
        rows.push(...piece.columns[0]!);
        sizes.push(piece.rows);
      }
      assert.deepEqual(rows, [...Array(5000).keys()]);
      assert.ok(Math.max(...sizes) <= 2048, sizes.join());
      for await (const { columns } of database.pieces("select range::double from range(100000)")) {
        assert.equal(columns[0]![1], 1);
        break;
      }
      assert.deepEqual(await database.rows("select 7::double"), [[7]]);
    },
  );
  assert.deepEqual(await readdir(folder), []);
});

test("a lack of memory, of disk and of files is told as such, with what to do", async () => {
  const noMemory = await refusal("8MB", (database) =>
    database.rows("select list(md5(range::varchar)) from range(1000000)"),
  );
  assert.equal(
    noMemory.message,
    "t.csv: expected a table that 8MB of memory and temporary files can hold, got a larger one. " +
      "Fix: leave columns out that are no features, or read fewer lines",
  );
  const noDisk = await refusal("16MB", async (database) => {
    await database.run("set max_temp_directory_size = '1MB'");
    await database.run(large);
  });
  assert.equal(
    noDisk.message,
    `t.csv: expected room for temporary files in ${folder}, got a full disk. ` +
      "Fix: make room there, or name another folder: TMPDIR=…",
  );
  const noFile = await refusal("100MB", (database) =>
    database.run(`from read_csv(${sqlText(join(folder, "gone"))})`),
  );
  assert.equal(
    noFile.message,
    "t.csv: expected a file, and a folder for temporary files, that can be used to the end, " +
      `got No files found that match the pattern "${join(folder, "gone")}". Fix: check the file and the folder ${folder}`,
  );
  for (const error of [noMemory, noDisk, noFile]) {
    assert.equal(error.name, "MicrobatchError");
    assert.ok(error.cause instanceof Error);
  }
});

test("whatever else the database says is a mistake of this package and comes as it is", async () => {
  const error = await refusal("100MB", (database) => database.rows("select nothing from nowhere"));
  assert.equal(error.name, "Error");
  assert.match(error.message, /^Catalog Error/);
});
