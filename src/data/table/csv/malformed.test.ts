import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import { allSamples } from "../../samples.ts";
import { table } from "../table.ts";

const folder = temporaryFolder();

/** A record as a simple reader of whole files sees it. */
interface SimpleRecord {
  readonly line: number;
  readonly lines: number;
  readonly fields: readonly string[];
  readonly isBad: boolean;
}

/**
 * A second reader of CSV, by regular expressions over the whole file, a byte a character: no code and no idea in common
 * with the scan. Gives the line of a quote that is never closed instead, if there is one.
 */
function readSimply(content: Uint8Array, columns: number): SimpleRecord[] | number {
  const text = Buffer.from(content).toString("latin1");
  const records: SimpleRecord[] = [];
  const field = /( ?"(?:[^"]|"")*"(?!"))( *)([^,\r\n]*)|([^,\r\n]*)/y;
  const end = /,|\r\n|\r|\n|$/y;
  const lineAt = (at: number) => text.slice(0, at).split(/\r\n|\r|\n/).length;
  let fields: string[] = [];
  let isBehind = false; // text behind a closing quote
  let startOfRecord = 0;
  let lineEnd: string | undefined;
  let endBefore: string | undefined;
  let at = 0;
  for (;;) {
    field.lastIndex = at;
    const [whole, quoted, , behind = "", plain = ""] = field.exec(text)!;
    if (quoted === undefined && /^ ?"/.test(plain)) return lineAt(at + plain.indexOf('"'));
    // Text behind a closing quote is bad, whatever the field then is.
    if (behind !== "") isBehind = true;
    fields.push(quoted === undefined ? plain : quoted.trim().slice(1, -1).replaceAll('""', '"') + behind);
    end.lastIndex = at + whole.length;
    const [found] = end.exec(text)!;
    const startOfEnd = end.lastIndex - found.length;
    at = end.lastIndex;
    if (found === ",") continue;
    const raw = text.slice(startOfRecord, startOfEnd);
    if (found !== "") lineEnd ??= found;
    const isOther = [found, endBefore].some((one) => one !== undefined && one !== "" && one !== lineEnd);
    const line = lineAt(startOfRecord);
    if (raw !== "") {
      const isBad = fields.length !== columns || isBehind || isOther || /\0/.test(raw) || !isUtf8(raw);
      const texts = fields.map((one) => Buffer.from(one, "latin1").toString("utf8"));
      records.push({ line, lines: raw.split(/\r\n|\r|\n/).length, fields: texts, isBad });
    }
    if (found === "") return records.slice(1);
    [fields, isBehind, startOfRecord, endBefore] = [[], false, at, found];
  }
}

function isUtf8(raw: string): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(raw, "latin1"));
    return true;
  } catch {
    return false;
  }
}

/** A cell as the documentation of `table` has it. */
const missing = ["", "na", "n/a", "nan", "null", "none", "?"];
const cell = (field: string) => {
  const trimmed = field.replace(/^\p{Zs}+|\p{Zs}+$/gu, "");
  return missing.includes(trimmed.toLowerCase()) ? undefined : trimmed;
};
const isNumber = (text: string) =>
  /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) && Math.abs(Number(text)) < 3.4028235e38;

type Row = readonly [x: number | undefined, colour: string | undefined, y: number];

/** The rows that can be read, and the lines of those that cannot. */
function keepSimply(records: readonly SimpleRecord[]): {
  readonly rows: readonly Row[];
  readonly bad: readonly SimpleRecord[];
} {
  const rows: Row[] = [];
  const bad: SimpleRecord[] = [];
  for (const record of records) {
    const [x, colour, y] = record.fields.map(cell);
    if (record.isBad) bad.push(record);
    else if (y === undefined) continue;
    else if (!isNumber(y) || (x !== undefined && !isNumber(x))) bad.push({ ...record, lines: 1 });
    else rows.push([x === undefined ? undefined : Math.fround(Number(x)), colour, Math.fround(Number(y))]);
  }
  return { rows, bad };
}

const options = { target: "y", task: "regression", types: { x: "number", colour: "category" } } as const;

async function rowsOf(path: string): Promise<{ readonly rows: Row[]; readonly skipped: unknown }> {
  const read = await table(path, { ...options, clean: { badRows: { skip: 1000 } } });
  const [x, codes, y] = [new Float32Array(read.size), new Int32Array(read.size), new Float32Array(read.size)];
  await read.read("x", allSamples(read), x);
  await read.read("colour", allSamples(read), codes);
  await read.read("y", allSamples(read), y);
  const { categories = [] } = read.columns.colour!;
  return {
    rows: Array.from({ length: read.size }, (_, row) => [
      Number.isNaN(x[row]) ? undefined : x[row],
      categories[codes[row]!],
      y[row]!,
    ]),
    skipped: read.report.skipped,
  };
}

const colours = ["red", '"light, blue"', '"say ""hi"""', "grün", '"two\nlines"', "NA", " dark red "];
const validRow = (row: number) =>
  `${row % 11 === 3 ? "" : row / 4},${colours[row % colours.length]},${row % 13 === 5 ? "?" : 100 - row}`;

/** What goes wrong with files: bytes lost, added and changed, pieces doubled and lost, cells that are no numbers. */
const fragments = ['"', ",", "\n", "\r", "\r\n", " ", "x", "\0", '""', '","', "inf", "1e39", "-", "é"].map(
  (text) => Buffer.from(text),
);
const wild = [[0xff], [0xc3], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]];
const mutation = fc.record({
  kind: fc.constantFrom("insert", "replace", "delete", "double", "cut"),
  at: fc.nat({ max: 2 ** 30 }),
  length: fc.integer({ min: 1, max: 30 }),
  bytes: fc.constantFrom(...fragments, ...wild.map((bytes) => Buffer.from(bytes))),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

function mutate(content: Buffer, { kind, at, length, bytes }: Mutation): Buffer {
  const from = at % Math.max(1, content.length);
  const piece = content.subarray(from, from + length);
  const parts = {
    insert: [bytes, content.subarray(from)],
    replace: [bytes, content.subarray(from + bytes.length)],
    delete: [content.subarray(from + Math.min(length, 3))],
    double: [piece, content.subarray(from)],
    cut: [content.subarray(from + length)],
  }[kind];
  return Buffer.concat([content.subarray(0, from), ...parts]);
}

test("of 120 damaged tables each is refused in one line that names the line, or read without what is bad, and nothing else", async () => {
  const ends = ["\n", "\r\n", "\r"];
  const outcomes = { sound: 0, skipped: 0, unclosed: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        rows: fc.integer({ min: 20, max: 60 }),
        end: fc.constantFrom(...ends),
        mutations: fc.array(mutation, { minLength: 1, maxLength: 6 }),
        isGzip: fc.boolean(),
      }),
      async ({ rows, end, mutations, isGzip }) => {
        const header = Buffer.from(`x,colour,y${end}`);
        const valid = Buffer.from(Array.from({ length: rows }, (_, row) => validRow(row) + end).join(""));
        const content = Buffer.concat([header, mutations.reduce(mutate, valid)]);
        const path = join(folder, "damaged.csv");
        await writeFile(path, isGzip ? gzipSync(content) : content);
        const records = readSimply(content, 3);
        const refusal = () =>
          table(path, options).then(
            () => undefined,
            (error: Error) => error,
          );
        if (typeof records === "number") {
          outcomes.unclosed++;
          for (const refused of [await refusal(), await rowsOf(path).catch((error: Error) => error)]) {
            assert.ok(refused instanceof Error && refused.name === "MicrobatchError", String(refused));
          }
          return;
        }
        const { rows: expected, bad } = keepSimply(records);
        fc.pre(expected.length > 2 && new Set(expected.map(([, , y]) => y)).size > 1);
        const refused = await refusal();
        if (bad.length === 0) {
          outcomes.sound++;
          assert.equal(refused, undefined);
        } else {
          outcomes.skipped++;
          assert.equal(refused?.name, "MicrobatchError", refused?.stack);
          assert.ok(!refused!.message.includes("\n"), refused!.message);
          const line = Number(/, line (\d+)/.exec(refused!.message)?.[1]);
          // Another line end is told in the line that it ends, which may be an empty one in front of the record.
          assert.ok(
            bad.some((one) => line >= one.line - 1 && line <= one.line + one.lines),
            refused!.message,
          );
        }
        const found = await rowsOf(path);
        assert.deepEqual(found.rows, expected);
        const lines = bad.reduce((sum, one) => sum + one.lines, 0);
        const {
          count,
          lines: skippedLines,
          first,
        } = found.skipped as {
          count: number;
          lines: number;
          first: readonly { line: number }[];
        };
        assert.deepEqual([count, skippedLines], [bad.length, lines]);
        assert.equal(first.length, Math.min(10, bad.length));
      },
    ),
    { numRuns: 120 },
  );
  // Otherwise the damage is not what it should be.
  assert.ok(outcomes.skipped > 100 && outcomes.unclosed > 0 && outcomes.sound > 0, JSON.stringify(outcomes));
});
