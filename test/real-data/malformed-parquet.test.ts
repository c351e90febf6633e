/** Damaged Parquet files are refused in one line, or read as another reader reads them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { allSamples } from "../../src/data/samples.ts";
import { table } from "../../src/data/table/table.ts";
import { MicrobatchError } from "../../src/errors.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { hyparquet, testWith } from "./installed.ts";
import { readColumn } from "./same-samples.ts";
import { readSimply } from "./second-parquet.ts";

const folder = temporaryFolder();
const path = join(folder, "damaged.parquet");

/** A file of 300 rows: numbers and texts, with what is missing among both. */
async function written(settings: string): Promise<Buffer> {
  const target = join(folder, "whole.parquet");
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(
    `copy (select case when i % 11 = 3 then null else i / 4 end as x, ['red', 'light blue', 'grün', null][i % 4 + 1] as colour,
      i * 7 as n, 100.5 - i as y from range(300) t(i)) to '${target}' (format parquet, ${settings})`,
  );
  connection.closeSync();
  instance.closeSync();
  return readFileSync(target);
}

type Row = readonly [x: number, colour: string | null, n: number, y: number];

async function rowsOf(): Promise<Row[]> {
  const types = { x: "number", colour: "category", n: "number" } as const;
  const data = await table(path, { target: "y", task: "regression", types });
  const column = (name: string) => readColumn(data, name, allSamples(data));
  const [x, codes, n, y] = [await column("x"), await column("colour"), await column("n"), await column("y")];
  const { categories = [] } = data.columns.colour!;
  return Array.from(y, Number).map((value, row) => [
    Number(x[row]),
    categories[Number(codes[row])] ?? null,
    Number(n[row]),
    value,
  ]);
}

async function simpleRows(bytes: Uint8Array): Promise<Row[]> {
  const { x, colour, n, y } = await readSimply(bytes, ["x", "colour", "n", "y"]);
  const number = (value: unknown) =>
    value === null || value === undefined ? Number.NaN : Math.fround(Number(value));
  return y.map((value, row) => [
    number(x[row]),
    typeof colour[row] === "string" ? colour[row] : null,
    number(n[row]),
    number(value),
  ]);
}

/** "footer" damages what says where the columns are and of which type, "byte" any part. */
const damage = fc.record({
  kind: fc.constantFrom("flip", "byte", "footer", "cut", "insert", "remove", "zero"),
  at: fc.nat(2 ** 30),
  by: fc.integer({ min: 1, max: 255 }),
});

function damaged(whole: Buffer, { kind, at, by }: { kind: string; at: number; by: number }): Buffer {
  const bytes = Buffer.from(whole);
  const from = at % bytes.length;
  const inFooter = bytes.length - 1 - (at % (bytes.readUInt32LE(bytes.length - 8) + 8));
  const length = 1 + (by % 40);
  switch (kind) {
    case "flip":
      bytes[from]! ^= 1 << (by % 8);
      return bytes;
    case "byte":
      bytes[from] = by;
      return bytes;
    case "footer":
      bytes[inFooter]! ^= by;
      return bytes;
    case "cut":
      return bytes.subarray(0, from);
    case "insert":
      return Buffer.concat([bytes.subarray(0, from), Buffer.of(by), bytes.subarray(from)]);
    case "remove":
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)]);
    default:
      return bytes.fill(0, from, Math.min(bytes.length, from + length));
  }
}

for (const [what, settings, seed] of [
  ["packed with Snappy", "compression snappy", 31],
  ["packed with Zstandard", "compression zstd", 32],
  ["not packed", "compression uncompressed", 33],
  ["not packed, of the second version", "compression uncompressed, parquet_version v2", 34],
] as const) {
  testWith(
    hyparquet,
    `of 60 damaged Parquet files, ${what}, each is refused or read as another reader does`,
    async () => {
      const whole = await written(settings);
      await writeFile(path, whole);
      const sound = await rowsOf();
      assert.equal(sound.length, 300);
      assert.deepEqual(sound, await simpleRows(whole));
      const counts = { refused: 0, sound: 0, alike: 0, disputed: 0 };
      for (const each of fc.sample(damage, { numRuns: 60, seed })) {
        const bytes = damaged(whole, each);
        await writeFile(path, bytes);
        const found = await rowsOf().catch((error: unknown) => {
          assert.ok(error instanceof MicrobatchError, error instanceof Error ? error.stack : String(error));
          assert.match(error.message, /^[^\n]{20,1000}$/);
          assert.ok(error.message.startsWith(path), error.message);
          return "refused" as const;
        });
        if (found === "refused") counts.refused++;
        else if (JSON.stringify(found) === JSON.stringify(sound)) counts.sound++;
        else {
          // The format has no checksums: another digit is another number to every reader, as it is in CSV.
          const simple = await simpleRows(bytes).catch(() => undefined);
          if (JSON.stringify(found) === JSON.stringify(simple)) counts.alike++;
          else counts.disputed++;
        }
      }
      assert.ok(counts.refused > 15 && counts.sound > 2, JSON.stringify(counts));
      // What says which values are missing has no second form to be compared with. Where it alone is damaged, readers differ: 7
      // of 4800 files, most of the second version.
      assert.ok(counts.disputed <= 2, JSON.stringify(counts));
    },
  );
}
