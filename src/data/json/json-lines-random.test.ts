import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { MicrobatchError } from "../../errors.ts";
import { type TableOptions, table } from "../table/table.ts";
import { jsonLines } from "./json-lines.ts";

const folder = temporaryFolder();
const path = join(folder, "t.jsonl");

const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** The same rows as CSV; null is an empty field. */
function csvOf(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const keys = Object.keys(rows[0]!);
  const cell = (value: unknown) => (value === null ? "" : `"${String(value).replaceAll('"', '""')}"`);
  return [keys, ...rows.map((row) => keys.map((key) => row[key]))]
    .map((row) => `${row.map(cell).join(",")}\n`)
    .join("");
}

/** Values of one kind; a column mixes them as tables do. */
const kinds = {
  whole: fc.integer({ min: -3, max: 6 }),
  number: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  large: fc.constantFrom(1e300, 3.4e38, 16_777_217, 2 ** 60, -1e-300, 0.1),
  text: fc.constantFrom("a", "b", "ä", " c ", "NA", "null", "", "?", "x,y", 'say "x"', "true", "1,5"),
  written: fc.constantFrom("1", "2.50", " 7", "-0", "1e3", ".5", "+4", "0x10", "1_000", "Infinity"),
  truth: fc.boolean(),
};
/** Of one kind, so that half of the tables can be read. */
const first = fc.constantFrom(fc.integer({ min: 0, max: 2 }), kinds.number, fc.constantFrom("no", "yes"));
const column = fc
  .subarray(Object.keys(kinds) as (keyof typeof kinds)[], { minLength: 1, maxLength: 2 })
  .map((names) => fc.oneof(...names.map((name) => kinds[name]), { weight: 1, arbitrary: fc.constant(null) }));
const randomTable = fc
  .tuple(first, fc.array(column, { minLength: 1, maxLength: 3 }), fc.integer({ min: 8, max: 40 }))
  .chain(([target, others, count]) => {
    const row = fc
      .tuple(target, ...others)
      .map((values) => Object.fromEntries(values.map((value, index) => [`c${index}`, value])));
    return fc.array(row, { minLength: count, maxLength: count });
  });

const cleaning = fc.constantFrom(
  undefined,
  undefined,
  { duplicates: "drop" as const },
  { missing: { c1: "drop" as const } },
  { badRows: { skip: 0.5 } },
);

test("a random table is the same from CSV and from JSON Lines, or refused in the same words", async () => {
  const csvPath = join(folder, "t.csv");
  const task = fc.constantFrom(undefined, "classification" as const, "regression" as const);
  let [read, refused] = [0, 0];
  await fc.assert(
    fc.asyncProperty(randomTable, task, cleaning, async (rows, as, clean) => {
      const options: TableOptions = {
        target: "c0",
        ...(as !== undefined && { task: as }),
        ...(clean !== undefined && { clean }),
      };
      await writeFile(csvPath, csvOf(rows));
      await writeFile(path, jsonl(rows));
      const results = await Promise.allSettled([table(csvPath, options), jsonLines(path, options)]);
      const [csv, json] = results;
      if (csv!.status === "rejected" || json!.status === "rejected") {
        const messages = results.map((result) =>
          result.status === "fulfilled"
            ? "read"
            : String(result.reason.message)
                .replaceAll(`${folder}/`, "")
                .replace(/t\.(csv|jsonl)/, "t")
                // The header is a line.
                .replace(/line (\d+)/, (_, line) => `line ${result === csv ? Number(line) - 1 : line}`),
        );
        assert.equal(messages[1], messages[0]);
        refused++;
        return;
      }
      const [expected, actual] = [csv!.value, json!.value];
      assert.deepEqual(actual.schema, expected.schema);
      assert.deepEqual(actual.columns, expected.columns);
      const { skipped } = expected.report;
      const first = skipped?.first.map((row) => ({ ...row, line: row.line - 1 })); // the header is a line
      const report = { ...expected.report, ...(skipped && { skipped: { ...skipped, first } }) };
      assert.deepEqual(actual.report, report);
      assert.equal(await actual.fingerprint(), await expected.fingerprint());
      read++;
    }),
    { numRuns: 60, seed: 8 },
  );
  assert.ok(read > 15 && refused > 15, `${read} read, ${refused} refused`);
});

test("a file of which any byte is damaged is refused, or the lines that are are skipped", async () => {
  const rows = Array.from({ length: 12 }, (_, index) => ({
    x: index / 4,
    s: "ab:é"[index % 4],
    y: index * 1.5,
  }));
  const text = Buffer.from(jsonl(rows));
  const bytes = fc.constantFrom(...Buffer.from('{}[]":,-.e1 \n\u00e9'), 0, 255);
  let [whole, partly] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.nat(text.length - 1), bytes, async (at, byte) => {
      const damaged = Buffer.from(text);
      damaged[at] = byte;
      await writeFile(path, damaged);
      const data = await jsonLines(path, { target: "y", clean: { badRows: { skip: 5 } } }).catch(
        (error: unknown) => {
          assert.ok(error instanceof MicrobatchError, error instanceof Error ? error.stack : String(error));
        },
      );
      if (data === undefined) return;
      if (data.report.skipped?.count === 0) whole++;
      else partly++;
      assert.ok(data.size >= 10 && data.size <= 12, String(data.size));
    }),
    { numRuns: 40, seed: 9 },
  );
  assert.ok(whole > 5 && partly > 5, `${whole} whole, ${partly} partly`);
});
