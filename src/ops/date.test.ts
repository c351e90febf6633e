import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { partsByDate } from "../../test/reference/indexed.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { isDate } from "../array/date.ts";
import { input } from "../graph/tensor.ts";
import { datePartsOf } from "./index.ts";

const strings = input("strings", ["batch"], "string");
const parts = datePartsOf(strings);

/** What ONNX Runtime makes of texts, seven numbers each. */
async function partsIn(texts: readonly string[]): Promise<number[][]> {
  const { parts: got } = await runTensors(
    { parts },
    new Map([[strings, { shape: [texts.length], data: texts }]]),
  );
  return texts.map((_, at) => Array.from(got.data.subarray(7 * at, 7 * (at + 1))));
}

refuses("dates", [
  [
    "numbers for strings",
    () => datePartsOf(input("x", ["batch"])),
    "datePartsOf: expected a string tensor [batch], got float32 [batch]. Fix: pass one text per sample",
  ],
]);

test("every day of three centuries, and the ends of the calendar, have the parts of the language's own calendar", async () => {
  const first = Date.UTC(1799, 0, 1) / 86_400_000;
  const texts = [
    ...Array.from({ length: 301 * 366 }, (_, day) =>
      new Date((first + day) * 86_400_000).toISOString().slice(0, 10),
    ),
    "0001-01-01",
    "0004-02-29",
    "0400-02-29",
    "9999-12-31",
  ];
  assert.deepEqual(await partsIn(texts), texts.map(partsByDate));
});

test("times and zones are read: parts as the clock showed them, elapsed in UTC", async () => {
  const texts = [
    "2024-03-05 14:30",
    "2024-03-05T14:30",
    "2024-03-05T14:30:59",
    "2024-03-05T14:30:59.999999",
    "2024-03-05T00:00:00Z",
    "2024-03-05T23:59Z",
    "2024-03-05 01:00:00+02",
    "2024-03-05T01:00:00+05:45",
    "2024-12-31T23:00:00.5-09:30",
    "0001-01-01T00:00+14:00",
  ];
  const got = await partsIn(texts);
  assert.deepEqual(got, texts.map(partsByDate));
  assert.deepEqual(got[6]!.slice(0, 6), [2024, 3, 5, 2, 1, 0]);
  assert.equal(got[6]![6], Math.fround(Date.UTC(2024, 2, 4, 23) / 86_400_000));
  // One alone, and one without anything behind the date, have as many pieces as the longest.
  for (const text of texts) assert.deepEqual(await partsIn([text]), [partsByDate(text)]);
});

const wrong = [
  "",
  "NA",
  "2024",
  "2024-03",
  "2024-3-5",
  "2024-02-30",
  "2023-02-29",
  "1900-02-29",
  "2024-04-31",
  "2024-13-01",
  "2024-00-10",
  "2024-01-00",
  "2024-01-32",
  "0000-01-01",
  "-2024-01-01",
  "12024-01-01",
  "2024-03-05T",
  "2024-03-05T14",
  "2024-03-05T24:00",
  "2024-03-05T14:60",
  "2024-03-05T14:30:60",
  "2024-03-05T14:30:05,5",
  "2024-03-05T14:30:05.",
  "2024-03-05  14:30",
  "2024-03-05T14:30 +02:00",
  "2024-03-05T14:30+0200",
  "2024-03-05T14:30+15:00",
  "2024-03-05T14:30z",
  "2024-03-05Z",
  "2024-03-05\n",
  " 2024-03-05",
  "2024-03-05 2024-03-05",
  "05.03.2024",
  "03/05/2024",
  "20240305",
  "２０２４-03-05",
  "2024-03-0５",
  "not a date",
  "9".repeat(5000),
];

test("what is no date is missing in every part, whatever stands beside it", async () => {
  const around = ["2024-03-05", ...wrong, "2024-03-05T14:30:05+02:00"];
  const got = await partsIn(around);
  for (const [at, text] of around.entries()) {
    const isRight = at === 0 || at === around.length - 1;
    assert.equal(isDate(text), isRight, JSON.stringify(text));
    assert.deepEqual(got[at], isRight ? partsByDate(text) : Array(7).fill(Number.NaN), JSON.stringify(text));
  }
});

test("random texts of a date's letters are dates to ONNX Runtime where they are to this package", async () => {
  const letters = fc.string({ unit: fc.constantFrom(..."0123456789-:T Z+."), maxLength: 30 });
  const digits = (least: number, most: number) =>
    fc.integer({ min: least, max: most }).map((number) => String(number).padStart(2, "0"));
  const nearly = fc
    .tuple(
      fc.integer({ min: 0, max: 10000 }).map((number) => String(number).padStart(4, "0")),
      digits(0, 13),
      digits(0, 32),
      fc.constantFrom("T", " ", "t", ""),
      digits(0, 24),
      digits(0, 60),
      fc.constantFrom("", ":00", ":59.5", ":60", "."),
      fc.constantFrom("", "Z", "+01", "-12:30", "+14:60", "-15"),
    )
    .map(
      ([year, month, day, between, hour, minute, second, zone]) =>
        `${year}-${month}-${day}${between === "" ? "" : `${between}${hour}:${minute}${second}${zone}`}`,
    );
  const texts = fc.sample(fc.oneof(letters, nearly, nearly, nearly), { numRuns: 20_000, seed: 7 });
  const got = await partsIn(texts);
  const right = texts.filter(isDate).length;
  assert.ok(right > 1000 && right < 19_000, String(right));
  for (const [at, text] of texts.entries()) {
    const expected = isDate(text) ? partsByDate(text) : Array(7).fill(Number.NaN);
    assert.deepEqual(got[at], expected, JSON.stringify(text));
  }
});
