import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { JsonColumns } from "./json-columns.ts";
import { parseLine } from "./json-object.ts";
import { readLines } from "./lines.ts";

const folder = temporaryFolder();
const path = join(folder, "t.jsonl");

/** What is stored of a file, line by line: the values of each key, and the lines that are bad. */
async function stored(content: Uint8Array) {
  await writeFile(path, content);
  const columns = new JsonColumns(() => true);
  const bad: number[] = [];
  for await (const { first, texts } of readLines(path)) {
    for (const [index, text] of texts.entries()) {
      if (text?.trim() === "") continue;
      const { object, problem } = parseLine(text);
      if (problem !== undefined || columns.add(object, first + index) !== undefined) bad.push(first + index);
    }
  }
  const kinds = columns.columns;
  return { ...columns.take(), kinds, bad };
}

test("whatever bytes are damaged, a line is bad or holds what JSON.parse says", async () => {
  const rows = Array.from({ length: 10 }, (_, index) => ({
    x: index / 4,
    s: "ab:é"[index % 4],
    v: [index, 2],
  }));
  const text = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const bytes = fc.oneof(fc.constantFrom(...Buffer.from('{}[]":,\\-.eE01 \n\rtxsv')), fc.nat(255));
  const changes = fc.array(fc.tuple(fc.nat(text.length - 1), bytes), { minLength: 1, maxLength: 4 });
  let [good, bad] = [0, 0];
  await fc.assert(
    fc.asyncProperty(changes, fc.boolean(), fc.nat(text.length), async (places, isCut, end) => {
      const damaged = Buffer.from(text.subarray(0, isCut ? end : text.length));
      for (const [at, byte] of places) if (at < damaged.length) damaged[at] = byte;
      const read = await stored(damaged);
      bad += read.bad.length;
      good += read.lines.length;
      const lines = damaged.toString("latin1").split("\n");
      const whole = lines.flatMap((line, index) => (line.trim() === "" ? [] : [index + 1]));
      assert.deepEqual(
        [...read.lines, ...read.bad].sort((a, b) => a - b),
        whole,
      );
      for (const [row, line] of read.lines.entries()) {
        // In UTF-8, or it would be bad.
        const object = JSON.parse(Buffer.from(lines[line - 1]!, "latin1").toString());
        for (const { key } of read.kinds) {
          const value = read.values.get(key)?.values[row] ?? null;
          assert.deepEqual(asJson(value), expectedOf(object[key] ?? null), `line ${line}, ${key}`);
        }
      }
    }),
    { numRuns: 400, seed: 3 },
  );
  assert.ok(good > 1000 && bad > 300, `${good} good, ${bad} bad`);
});

const missing = new Set(["", "na", "n/a", "nan", "null", "none", "?"]);

/** Lists of numbers; cells as their trimmed text. */
function asJson(value: number | string | Uint8Array | null) {
  return value instanceof Uint8Array ? [...new Float32Array(value.buffer)] : value;
}
function expectedOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (item === null ? Number.NaN : Math.fround(item)));
  if (value === null || value === undefined) return null;
  const text = Object.is(value, -0) ? "-0" : String(value).replace(/^ +| +$/g, "");
  return missing.has(text.toLowerCase()) ? null : text;
}

test("lines come whole and numbered, wherever a file's pieces end", async () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => "x".repeat((index * 7919) % 173));
  lines[777] = "é".repeat(600_000); // longer than a piece, and cut within a letter
  for (const end of ["", "\n"]) {
    await writeFile(path, lines.join("\n") + end);
    const read: (string | null)[] = [];
    for await (const { first, texts } of readLines(path)) {
      assert.equal(first, read.length + 1);
      read.push(...texts);
    }
    assert.deepEqual(read, lines);
  }
});

test("only the first line of a file loses a byte order mark", async () => {
  const piece = `${"x".repeat(2 ** 20 - 1)}\n`; // what is read at a time
  await writeFile(path, `${piece}\ufeffz\n`);
  const read: (string | null)[] = [];
  for await (const { texts } of readLines(path)) read.push(...texts);
  assert.equal(read[1], "\ufeffz");
});

test("a line that is no UTF-8 is told from its neighbours", async () => {
  await writeFile(
    path,
    Buffer.concat([
      Buffer.from("\ufeffé\n"),
      Buffer.of(0xff, 10),
      Buffer.from("\ufeffz\n\n"),
      Buffer.of(0xc3),
    ]),
  );
  const read: (string | null)[] = [];
  for await (const { texts } of readLines(path)) read.push(...texts);
  assert.deepEqual(read, ["é", null, "\ufeffz", "", null]); // only a file begins with a mark
});

test("a whole number that JavaScript would round comes as its text, at the top of an object alone", () => {
  const { object } = parseLine(
    '{"id":9007199254740993,"x":1e300,"v":[9007199254740995],"in":{"id":9007199254740997}}',
  );
  assert.deepEqual(object, {
    id: "9007199254740993",
    x: 1e300,
    v: [9007199254740996],
    in: { id: 9007199254740996 },
  });
});

test("keys are compared as what they mean", () => {
  const twice = (text: string) => parseLine(text).problem?.got;
  assert.equal(twice('{"a":1,"\\u0061":2}'), '"\\u0061" twice');
  assert.equal(twice('{"a\\\\":1,"b":":","a\\\\":2}'), '"a\\\\" twice');
  assert.equal(twice('{"a:":1,"b":"\\":","c":{"a:":1,"a:":2},"d":["a:","a:"]}'), undefined);
  assert.equal(twice('{"a":{"a":1},"b":"a","c":"a:"}'), undefined);
  assert.equal(twice('{"__proto__":1,"__proto__":2}'), '"__proto__" twice');
});
