import assert from "node:assert/strict";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { dateFeatures } from "../../array/schema.ts";
import { MicrobatchError } from "../../errors.ts";
import type { Dataset } from "../dataset.ts";
import { allSamples } from "../samples.ts";
import { statistics } from "../statistics.ts";
import { type JsonLinesOptions, jsonLines, jsonLinesSource } from "./json-lines.ts";

const folder = temporaryFolder();
const path = join(folder, "t.jsonl");

async function linesOf(content: string | Uint8Array, options: JsonLinesOptions = { target: "y" }) {
  await writeFile(path, content);
  return jsonLines(path, options);
}
async function refusal(content: string | Uint8Array, options?: unknown): Promise<string> {
  // What JavaScript may pass although the types forbid it.
  return failure(linesOf(content, options as JsonLinesOptions | undefined));
}
async function failure(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.then(
    () => assert.fail("the file was read"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof MicrobatchError, error instanceof Error ? error.stack : String(error));
  return error.message.replaceAll(`${folder}/`, "");
}
async function numbers(data: Dataset, column: string): Promise<number[]> {
  const { dtype, shape } = data.columns[column]!;
  const into = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }[dtype];
  const values = new into(data.size * shape.reduce((product, size) => product * size, 1));
  await data.read(column, allSamples(data), values);
  return [...values];
}
const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const houses = Array.from({ length: 60 }, (_, index) => ({
  size: index % 9 === 4 ? null : 50 + index * 1.25,
  kind: ["flat", "house", null, "villa"][index % 4]!,
  heated: index % 3 === 0,
  built: index % 5 === 0 ? "NA" : ` ${1900 + index} `,
  sold: `2024-0${1 + (index % 3)}-01`,
  price: 100_000 + 1000 * index,
}));

const dates = dateFeatures("sold", false).map(({ name }) => name);

test("numbers, texts, booleans and what is missing are what a table makes of them", async () => {
  const data = await linesOf(jsonl(houses), { target: "price" });
  assert.deepEqual(data.schema, {
    features: [
      { kind: "number", name: "size" },
      { kind: "category", name: "kind", categories: ["flat", "house", "villa"] },
      { kind: "category", name: "heated", categories: ["false", "true"] },
      { kind: "number", name: "built" },
      ...dateFeatures("sold", false),
    ],
    targets: [{ task: "regression", name: "price" }],
  });
  assert.equal(data.size, 60);
  assert.deepEqual((await numbers(data, "size")).slice(3, 6), [53.75, Number.NaN, 56.25]);
  assert.deepEqual((await numbers(data, "kind")).slice(0, 5), [0, 1, -1, 2, 0]);
  assert.deepEqual((await numbers(data, "heated")).slice(0, 4), [1, 0, 0, 1]);
  assert.deepEqual((await numbers(data, "built")).slice(0, 2), [Number.NaN, 1901]);
  assert.deepEqual(data.report, {
    records: 60,
    withoutTarget: 0,
    missing: { size: 7, kind: 15, built: 12 },
    unlisted: {},
    ignored: [],
    imprecise: [],
  });
  const { training, validation } = data.split({ validation: 0.25, seed: 1 });
  assert.equal(training.size + validation.size, 60);
  assert.equal((await statistics(training)).samples, training.size);
});

test("a file is the same packed, with a byte order mark, other line ends, empty lines and no end", async () => {
  const text = jsonl(houses);
  const plain = await (await linesOf(text, { target: "price" })).fingerprint();
  const variants = [
    gzipSync(text),
    `\ufeff${text}`,
    text.replaceAll("\n", "\r\n"),
    `\n \n${text.replaceAll("\n", "\n\n")}`,
    text.trimEnd(),
    text.replaceAll(",", "\t, ").replaceAll("null", " null"),
  ];
  for (const variant of variants) {
    assert.equal(await (await linesOf(variant, { target: "price" })).fingerprint(), plain);
  }
});

test("a key that is not there is missing, wherever it comes first", async () => {
  const rows = houses.map(({ size, price }, index) => ({
    ...(index > 50 && { late: index % 7 }),
    ...(size !== null && { size }),
    ...(index % 2 === 0 && { price }),
    never: null,
  }));
  const data = await linesOf(jsonl(rows), { target: "price" });
  assert.deepEqual(
    data.schema.features.map(({ name }) => name),
    ["size", "late"],
  );
  assert.deepEqual([data.size, data.report.records, data.report.withoutTarget], [30, 60, 30]);
  assert.deepEqual(data.report.ignored, [{ column: "never", reason: "empty" }]);
  assert.deepEqual(data.report.missing, { never: 30, size: 4, late: 26 });
  assert.deepEqual((await numbers(data, "late")).slice(-5), [Number.NaN, 3, 5, 0, 2]);
});

test("more rows than the database takes at a time, over many pieces of the file, come whole and in order", async () => {
  const count = 60_000;
  const rows = Array.from({ length: count }, (_, index) => ({
    x: index,
    pair: index % 1000 === 7 ? null : [index, index / 2],
    ...(index >= 5000 && { late: `k${index % 3}` }),
    y: index % 2,
  }));
  const data = await linesOf(jsonl(rows));
  assert.equal(data.size, count);
  assert.deepEqual(
    await numbers(data, "x"),
    Array.from({ length: count }, (_, index) => index),
  );
  assert.deepEqual(data.columns.pair, { dtype: "float32", shape: [2] });
  assert.deepEqual(
    await numbers(data, "pair"),
    rows.flatMap(({ pair }) => pair ?? [Number.NaN, Number.NaN]),
  );
  assert.deepEqual(
    await numbers(data, "late"),
    rows.map((_, index) => (index < 5000 ? -1 : index % 3)),
  );
  assert.deepEqual(data.report.missing, { late: 5000, pair: 60 });
  const bad = `${jsonl(rows)}{"x": "one", "y": 1}\n`;
  assert.match(
    await refusal(bad, { target: "y" }),
    /^t\.jsonl, line 60001, column "x": expected a number that fits float32/,
  );
});

test("lists of numbers are columns beside the schema, null in them is missing", async () => {
  const text = '{"v":[1,null,-0.5],"y":1.5}\n{"y":2}\n{"v":null,"y":3.5}\n{"v":[4,5,1e-50],"y":4}\n';
  const data = await linesOf(text);
  assert.deepEqual(data.schema, { features: [], targets: [{ task: "regression", name: "y" }] });
  assert.deepEqual(await numbers(data, "v"), [
    1,
    Number.NaN,
    -0.5,
    ...Array<number>(6).fill(Number.NaN),
    4,
    5,
    0,
  ]);
  assert.deepEqual(data.report.missing, { v: 2 });
  const single = await linesOf('{"v":[1],"w":-0,"y":1.5}\n{"v":[2],"w":8,"y":2.5}\n');
  assert.deepEqual(
    [single.columns.v, await numbers(single, "v")],
    [{ dtype: "float32", shape: [1] }, [1, 2]],
  );
  assert.deepEqual(await numbers(single, "w"), [-0, 8]);
});

test("without a target every key is a feature or a list", async () => {
  const data = await linesOf('{"v":[1,2],"a":1}\n{"v":[3,4],"a":2}\n', {});
  assert.deepEqual(data.schema, { features: [{ kind: "number", name: "a" }], targets: [] });
  assert.deepEqual(Object.keys(data.columns), ["a", "v"]);
  const lists = await linesOf('{"v":[1,2]}\n{"v":[3,4]}\n', {});
  assert.deepEqual(lists.schema, { features: [], targets: [] });
  assert.match(
    await refusal('{"a":1}\n{"a":1}\n', {}),
    /expected at least one column to predict from, got "a" \(constant\)/,
  );
});

test("only the named keys are read, and others may hold anything", async () => {
  const rows = houses.map((row, index) => ({
    ...row,
    notes: { text: "…" },
    list: [index],
    w: 1 + (index % 2),
  }));
  const options = { target: "price", weight: "w" };
  const some = await linesOf(jsonl(rows), { ...options, columns: ["kind", "list"] });
  assert.deepEqual(Object.keys(some.columns), ["price", "w", "kind", "list"]);
  assert.equal(some.weight, "w");
  const most = await linesOf(jsonl(rows), { ...options, ignore: ["notes", "list"] });
  assert.deepEqual(Object.keys(most.columns), ["price", "w", "size", "kind", "heated", "built", ...dates]);
  assert.deepEqual(most.report.ignored, [
    { column: "notes", reason: "asked" },
    { column: "list", reason: "asked" },
  ]);
  assert.equal(
    await refusal(jsonl(rows), { ...options, columns: ["kinds"] }),
    "t.jsonl, option columns: expected keys of the file, size, kind, heated, built, sold, price, notes, list, w, " +
      'got "kinds". Fix: did you mean "kind"?',
  );
});

test("a second file is read by the schema of the first, its lists where they are named", async () => {
  const rows = houses.map((row, index) => ({ ...row, v: [index] }));
  const first = await linesOf(jsonl(rows), { target: "price" });
  const others = jsonl([
    { kind: "castle", price: 5, v: [7], size: 3, more: {} },
    { heated: true, price: 6, built: null, sold: "2024-01-01", kind: "flat" },
  ]);
  const second = await linesOf(others, { like: first.schema, columns: ["v"] });
  assert.deepEqual(second.schema, first.schema);
  assert.deepEqual(await numbers(second, "kind"), [3, 0]);
  assert.deepEqual(await numbers(second, "v"), [7, Number.NaN]);
  assert.deepEqual(second.report.unlisted, { kind: 1 });
  assert.ok(!("v" in (await linesOf(others, { like: first.schema })).columns));
  assert.match(
    await refusal('{"price":1}\n', { like: first.schema }),
    /expected the columns of the first table/,
  );
});

test("a line that is no sample is refused with its number and key", async () => {
  const refused = async (line: string, message: string) =>
    assert.equal(await refusal(`{"x":1,"y":2}\n\n${line}\n{"x":2,"y":3}\n`), `t.jsonl, line 3${message}`);
  const object = ": expected a JSON object, got";
  const correct = "Fix: correct or remove the line";
  await refused('{"x":1,"y":}', `${object} "{\\"x\\":1,\\"y\\":}". ${correct}`);
  await refused("x,y", `${object} "x,y". ${correct}`);
  await refused("[1,2]", `${object} "[1,2]". ${correct}`);
  await refused("null", `${object} "null". ${correct}`);
  await refused('{"x":NaN}', `${object} "{\\"x\\":NaN}". ${correct}`);
  await refused(`{"x":${"1".repeat(80)}`, `${object} "{\\"x\\":${"1".repeat(55)}…". ${correct}`);
  await refused('{"x":1,"y":2,"x":1}', ': expected every key once, got "x" twice. Fix: remove one of them');
  const kinds = "expected a number, a text, true, false, null, or a list of numbers, got an object.";
  const parts = "Fix: give its parts keys of their own, or name the keys to read: columns";
  await refused('{"x":{"a":1}}', `, key "x": ${kinds} ${parts}`);
  const list = ', key "v": expected numbers that fit float32 in a list, got';
  const leave = "Fix: correct the line, or leave the key out";
  await refused('{"v":[1,"2"]}', `${list} "2" at place 1. ${leave}`);
  await refused('{"v":[[1]]}', `${list} a list at place 0. ${leave}`);
  await refused('{"v":[1e40]}', `${list} 1e+40 at place 0. ${leave}`);
  await refused('{"v":[true]}', `${list} true at place 0. ${leave}`);
  const none =
    ', key "v": expected at least one number in a list, got none. Fix: write null where the list is missing';
  await refused('{"v":[]}', none);
  await refused(
    '{"x":[1]}',
    `, key "x": expected a single value, as in line 1, got a list of 1 number. ${leave}`,
  );
  await refused(
    '{"x":"\\ud800"}',
    ', key "x": expected Unicode text, got "\\ud800", half a character. Fix: correct the line',
  );
  await refused(
    '{"x":"a\\u0000"}',
    ', key "x": expected Unicode text, got "a\\u0000", a zero byte. Fix: correct the line',
  );
  const first = '{"v":[1,2],"y":1}\n';
  assert.equal(
    await refusal(`${first}{"v":[1,2,3],"y":1}\n`),
    `t.jsonl, line 2, key "v": expected a list of 2 numbers, as in line 1, got a list of 3 numbers. ${leave}`,
  );
  assert.equal(
    await refusal(`${first}{"v":7,"y":1}\n`),
    `t.jsonl, line 2, key "v": expected a list of 2 numbers, as in line 1, got 7. ${leave}`,
  );
  const latin = Buffer.from('{"x":"a","y":1}\n{"x":"\u00e9","y":2}\n', "latin1");
  assert.equal(
    await refusal(latin),
    "t.jsonl, line 2: expected text in UTF-8, got other bytes. Fix: save the file as UTF-8",
  );
  assert.equal(
    await refusal(JSON.stringify(houses)),
    `t.jsonl, line 1${object} "[{\\"size\\":50,\\"kind\\":\\"flat\\",\\"heated\\":true,\\"built\\":\\"NA\\",\\"sold\\":…". ` +
      "Fix: write one object to a line: jq -c '.[]' array.json > lines.jsonl",
  );
});

test("bad lines may be left out, up to a limit, and are told", async () => {
  const lines = Array.from({ length: 40 }, (_, index) => `{"x":${index},"y":${index % 7}.5}`);
  lines[4] = "rubbish";
  lines[9] = '{"x":[1],"y":1,"new":3}';
  lines[39] = '{"x":1,"x":2}';
  const text = `${lines.join("\n")}\n`;
  const data = await linesOf(text, { target: "y", clean: { badRows: { skip: 3 } } });
  assert.equal(data.size, 37);
  assert.deepEqual(data.report.skipped, {
    count: 3,
    lines: 3,
    first: [
      { line: 5, reason: 'expected a JSON object, got "rubbish"' },
      { line: 10, column: "x", reason: "expected a single value, as in line 1, got a list of 1 number" },
      { line: 40, reason: 'expected every key once, got "x" twice' },
    ],
  });
  assert.deepEqual([data.report.records, data.report.withoutTarget], [40, 0]);
  assert.ok(!("new" in data.columns)); // of a line that was left out nothing stays
  assert.deepEqual((await numbers(data, "x")).slice(3, 10), [3, 5, 6, 7, 8, 10, 11]);
  assert.equal(
    await refusal(text, { target: "y", clean: { badRows: { skip: 2 } } }),
    "t.jsonl, line 5: expected at most 2 lines that cannot be read, " +
      'got 3, the first here: expected a JSON object, got "rubbish". Fix: correct them, or skip more: badRows: { skip: … }',
  );
  // A value that a table cannot have is a bad row too, at the line where it stands.
  lines[38] = '{"x":"two","y":1}';
  const more = await linesOf(lines.join("\n"), { target: "y", clean: { badRows: { skip: 0.1 } } });
  assert.deepEqual(
    [more.size, more.report.skipped?.first[2]],
    [36, { line: 39, column: "x", reason: 'expected a number that fits float32, got "two"' }],
  );
  assert.match(
    await refusal(lines.join("\n"), { target: "y", clean: { badRows: { skip: 0.09 } } }),
    /^t\.jsonl, line 5: expected at most 3 lines that cannot be read, got 4, the first here/,
  );
  const many = await linesOf("x\n".repeat(30) + text, { target: "y", clean: { badRows: { skip: 99 } } });
  assert.deepEqual([many.report.skipped?.count, many.report.skipped?.first.length], [33, 10]);
});

test("rows that cleaning leaves out take their lists with them, and lines keep their numbers", async () => {
  const rows = Array.from({ length: 20 }, (_, index) => ({
    x: index % 4 === 1 ? null : index % 10,
    v: index < 10 ? [index, 0] : [index - 10, 0],
    y: (index % 10) / 4,
  }));
  const clean = { missing: { x: "drop" }, duplicates: "drop" } as const;
  const data = await linesOf(jsonl(rows), { target: "y", clean });
  // Rows 1, 5, 9, 13 and 17 have no x; of rows 10 to 19 only 11, 15 and 19 are not the same as one that is left.
  assert.deepEqual(await numbers(data, "x"), [0, 2, 3, 4, 6, 7, 8, 1, 5, 9]);
  assert.deepEqual(
    (await numbers(data, "v")).filter((_, at) => at % 2 === 0),
    [0, 2, 3, 4, 6, 7, 8, 1, 5, 9],
  );
  assert.deepEqual(data.report.dropped, { rows: 10, missing: { x: 5 }, outliers: {}, duplicates: 5 });
  const bad = jsonl([...rows, { x: "one", v: [1, 1], y: 0 }]);
  assert.match(
    await refusal(bad, { target: "y", clean }),
    /^t\.jsonl, line 21, column "x": expected a number/,
  );
});

test("a file without an object, and options that mean nothing, are refused", async () => {
  const none = "t.jsonl: expected at least one line with a JSON object, got none";
  const fix = "Fix: check that the file was written, one object to a line";
  assert.equal(await refusal(""), `${none}. ${fix}`);
  assert.equal(await refusal("\n\n \n"), `${none}. ${fix}`);
  assert.equal(
    await refusal("x\n", { clean: { badRows: { skip: 5 } } }),
    `${none}: line 1 (expected a JSON object, got "x"). ${fix}`,
  );
  const text = jsonl(houses.map((row, index) => ({ ...row, v: [index, 1] })));
  const list =
    'expected keys with a single value in every line, got "v", lists of 2 numbers. Fix: name another key';
  assert.equal(await refusal(text, { target: "v" }), `t.jsonl, option target: ${list}`);
  assert.equal(await refusal(text, { target: "price", weight: "v" }), `t.jsonl, option weight: ${list}`);
  assert.equal(
    await refusal(text, { target: "price", types: { v: "number" } }),
    `t.jsonl, option types: ${list}`,
  );
  assert.match(
    await refusal(text, { target: "prize" }),
    /option target: expected one of .*, got "prize"\. Fix: did you mean "price"\?$/,
  );
  assert.match(
    await refusal(text, { tarket: "price" }),
    /^t\.jsonl, options: expected target, .* got "tarket"/,
  );
  assert.equal(
    await refusal(text, { columns: "size" }),
    't.jsonl, option columns: expected a list of keys, got "size". Fix: correct it, or leave it out',
  );
  assert.match(
    await failure(jsonLines(join(folder, "none"))),
    /^read none: expected a file, got nothing of that name/,
  );
});

test("whole numbers beyond 2 ** 53 stay apart where they are names", async () => {
  const ids = ["9007199254740993", "9007199254740992", "-123456789012345678901234567890"];
  const text = Array.from({ length: 30 }, (_, index) => `{"id":${ids[index % 3]},"y":${index}.5}\n`).join("");
  const data = await linesOf(text, { target: "y", types: { id: "category" } });
  assert.deepEqual(data.columns.id?.categories, [...ids].sort());
  const asNumber = await linesOf(text);
  assert.deepEqual(
    (await numbers(asNumber, "id")).slice(0, 3),
    ids.map((id) => Math.fround(Number(id))),
  );
});

test("a line without an end within 64 MiB, and a line with ten thousand keys, are refused", async () => {
  const endless = gzipSync(`{"x":"${"a".repeat(2 ** 26)}`);
  assert.equal(
    await refusal(endless),
    "t.jsonl, line 1: expected a line end within 67108864 bytes, got none. " +
      "Fix: write one object to a line: jq -c '.[]' array.json > lines.jsonl",
  );
  const keys = `{"y":1,${Array.from({ length: 10_000 }, (_, index) => `"k${index}":1`).join(",")}}\n`;
  assert.equal(
    await refusal(keys),
    't.jsonl, line 1, key "k9999": expected at most 10000 different keys, got another one. ' +
      "Fix: make the keys values, or name those to read: columns",
  );
  const text = `${keys}{"k5":3,"y":2}\n`;
  assert.deepEqual(Object.keys((await linesOf(text, { target: "y", columns: ["k5"] })).columns), ["y", "k5"]);
});

test("a source gives the same samples piece by piece, twice, and says when its file has changed", async () => {
  const rows = Array.from({ length: 5000 }, (_, index) => ({
    a: index % 97,
    v: [index, -index],
    y: index / 2,
  }));
  const whole = await linesOf(jsonl(rows));
  const source = await jsonLinesSource(path, { target: "y" });
  assert.deepEqual(source.columns, whole.columns);
  assert.deepEqual(source.schema, whole.schema);
  assert.equal(source.size, 5000);
  for (let time = 0; time < 2; time++) {
    const read: number[] = [];
    let pieces = 0;
    for await (const { samples, columns } of source.pieces()) {
      read.push(...Array.from(columns.v!.subarray(0, 2 * samples), Number));
      pieces++;
    }
    assert.deepEqual(read, await numbers(whole, "v"));
    assert.ok(pieces > 1);
  }
  for await (const _ of source.pieces()) break;
  const before = await source.fingerprint();
  assert.equal(await (await jsonLinesSource(path, { target: "y" })).fingerprint(), before);
  assert.notEqual(await (await jsonLinesSource(path, { target: "a" })).fingerprint(), before);
  await utimes(path, new Date(), new Date(2020, 1, 1));
  assert.notEqual(await source.fingerprint(), before);
  assert.match(
    await failure(source.pieces().next()),
    /^read t\.jsonl: expected the file as it was when it was opened/,
  );
});

test("dates are dates in a second file too, which a schema names by their column", async () => {
  const { schema } = await linesOf(jsonl(houses), { target: "price", columns: ["sold", "price"] });
  const second = await linesOf(
    '{"sold":"1999-12-31 10:00","price":1,"other":[1]}\n{"sold":null,"price":2}\n',
    {
      like: schema,
    },
  );
  assert.deepEqual(await numbers(second, "sold year"), [1999, Number.NaN]);
  assert.deepEqual(await numbers(second, "sold month"), [11, -1]);
  assert.match(
    await refusal('{"sold":"never","price":1}\n', { like: schema }),
    /line 1, column "sold": expected a date as 2024-03-05, .*, as 0 of 1 values are, got "never"/,
  );
});
