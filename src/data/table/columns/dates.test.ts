import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { partsByDate } from "../../../../test/reference/indexed.ts";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import { dateParts } from "../../../array/date.ts";
import { allSamples } from "../../samples.ts";
import { cachedTable } from "../cached-table.ts";
import { type Table, type TableOptions, table } from "../table.ts";
import { profileTable } from "../table-profile.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");

async function tableFrom(rows: readonly string[], options: Partial<TableOptions> = {}, header = "when,y") {
  await writeFile(path, `${header}\n${rows.join("\n")}\n`);
  return table(path, { target: "y", ...options } as TableOptions);
}
async function refusal(rows: readonly string[], options: object = {}, header?: string): Promise<string> {
  const error = await tableFrom(rows, options, header).then(
    () => assert.fail("the table was read"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(path, "t.csv");
}
async function valuesOf(data: Table, name: string): Promise<number[]> {
  const values =
    data.columns[name]!.dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
  await data.read(name, allSamples(data), values);
  return [...values];
}

/** Dates of all kinds, at random from a seed. */
function texts(count: number): string[] {
  let state = 7;
  const next = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const two = (value: number) => String(value).padStart(2, "0");
  return Array.from({ length: count }, () => {
    const day = new Date(Date.UTC(1, 0, 1) + next(100_000) * 86_400_000 * 7);
    day.setUTCFullYear(1 + next(9999));
    const date = day.toISOString().slice(0, 10);
    const clock = `${"T "[next(2)]}${two(next(24))}:${two(next(60))}`;
    const seconds = ["", `:${two(next(60))}`, `:${two(next(60))}.${next(1000)}`][next(3)];
    const zone = ["", "", "Z", "+00", "+05:45", "-09:30", "-03", "+14:00"][next(8)];
    return next(4) === 0 ? date : `${date}${clock}${seconds}${zone}`;
  });
}

test("dates become their parts, as the language's own calendar has them, and missing ones are missing in all", async () => {
  const dates = texts(3000);
  const rows = dates.map((text, index) => `${index % 10 === 3 ? "NA" : text},${index}`);
  const data = await tableFrom(rows);
  assert.deepEqual(
    data.schema.features.map(({ name }) => name),
    dateParts.map((part) => `when ${part}`),
  );
  assert.deepEqual(data.report.missing, { when: 300 });
  assert.deepEqual(data.report.ignored, []);
  assert.deepEqual(data.report.unlisted, {});
  const firsts = { month: 1, weekday: 1, hour: 0, minute: 0 };
  for (const [at, part] of dateParts.entries()) {
    const got = await valuesOf(data, `when ${part}`);
    const first = Object.hasOwn(firsts, part) ? firsts[part as keyof typeof firsts] : undefined;
    const expected = dates.map((text, index) => {
      if (index % 10 === 3) return first === undefined ? Number.NaN : -1;
      return partsByDate(text)[at]! - (first ?? 0);
    });
    assert.deepEqual(got, expected, part);
  }
});

test("hours and minutes are features only where some date has a time", async () => {
  const rows = Array.from(
    { length: 12 },
    (_, month) => `2024-${String(month + 1).padStart(2, "0")}-15,${month}`,
  );
  const names = async (lines: readonly string[]) =>
    (await tableFrom(lines)).schema.features.map(({ name }) => name.slice("when ".length));
  assert.deepEqual(await names(rows), ["year", "month", "day", "weekday", "elapsed"]);
  assert.deepEqual(await names([...rows, "2024-01-15 00:00,5"]), [...dateParts]);
});

const some = Array.from({ length: 20 }, (_, day) => `2024-03-${String(day + 1).padStart(2, "0")},${day % 7}`);

test("types may say that dates are texts, and that few dates among texts are dates", async () => {
  const { schema } = await tableFrom(some, { types: { when: "category" } });
  assert.deepEqual(
    schema.features.map(({ kind, name }) => [kind, name]),
    [["category", "when"]],
  );
  const left = await tableFrom(
    some.map((row) => `${row},${row.length}${row.slice(-1)}`),
    { ignore: ["when"] },
    "when,y,z",
  );
  assert.deepEqual(left.report.ignored, [{ column: "when", reason: "asked" }]);
  assert.equal(
    await refusal(["2024-03-05,1", "soon,2", "later,3"], { types: { when: "date" } }),
    't.csv, line 3, column "when": expected a date as 2024-03-05, 2024-03-05 14:30 or 2024-03-05T14:30:00Z, as 1 of 3 ' +
      'values are, got "soon". Fix: correct the value, or leave it empty if it is missing, or types: { "when": "category" } ' +
      "to read the column as text",
  );
});

test("a slip in a column of dates ends the reading at its line, or is skipped where bad rows are", async () => {
  const rows = some.with(11, "2024-02-30,5");
  assert.equal(
    await refusal(rows),
    't.csv, line 13, column "when": expected a date as 2024-03-05, 2024-03-05 14:30 or 2024-03-05T14:30:00Z, as 19 of 20 ' +
      'values are, got "2024-02-30". Fix: correct the value, or leave it empty if it is missing, or ' +
      'types: { "when": "category" } to read the column as text',
  );
  const { size, report } = await tableFrom(rows, { clean: { badRows: { skip: 1 } } });
  assert.equal(size, 19);
  assert.deepEqual(report.skipped?.first, [
    {
      line: 13,
      column: "when",
      reason: 'expected a date as 2024-03-05, 2024-03-05 14:30 or 2024-03-05T14:30:00Z, got "2024-02-30"',
    },
  ]);
});

test("a second table has the parts of the first, and dates only where the first has", async () => {
  const { schema } = await tableFrom(["2024-03-05 10:00,1", "2024-04-05 12:30,2", "2024-05-06 11:00,3"]);
  const second = await tableFrom(["1999-12-31,1", ",2"], { like: schema, target: undefined } as object);
  assert.deepEqual(second.schema, schema);
  assert.deepEqual(await valuesOf(second, "when year"), [1999, Number.NaN]);
  assert.deepEqual(await valuesOf(second, "when month"), [11, -1]);
  assert.deepEqual(await valuesOf(second, "when hour"), [0, -1]);
  assert.match(
    await refusal(["1999-12-31,1", "never,2"], { like: schema, target: undefined }),
    /^t\.csv, line 3, column "when": expected a date as .*, as 1 of 2 values are, got "never"\. Fix: correct the value, or leave it empty if it is missing$/,
  );
  assert.match(
    await refusal(["1,2"], { like: schema, target: undefined }, "wen,y"),
    /expected the columns of the first table, when, y, got no when\. Fix: rename "wen" to "when"/,
  );
});

test("the same date everywhere is constant, dates as in an earlier column are identical, and parts need names of their own", async () => {
  const rows = some.map((row) => `2020-01-01,${row.slice(0, 10)},${row}`);
  const { report, schema } = await tableFrom(rows, {}, "start,day,when,y");
  assert.deepEqual(report.ignored, [
    { column: "start", reason: "constant" },
    { column: "when", reason: "identical", to: "day" },
  ]);
  assert.equal(schema.features.length, 5);
  assert.equal(
    await refusal(
      some.map((row, index) => `${index % 3},${row}`),
      {},
      "when year,when,y",
    ),
    't.csv, column "when": expected no other column to have the name of a part of its dates, "when year", got one that has. ' +
      'Fix: rename one of them, or types: { "when": "category" } to read the dates as text',
  );
});

test("what fills a date is decided part by part, and rows without one may be left out", async () => {
  const rows = [...some, ",3"];
  assert.equal(
    await refusal(rows, { clean: { missing: { when: { fill: "mode" } } } }),
    't.csv, option clean.missing, "when": expected "keep" or "drop" of dates, whose parts are filled one by one, ' +
      'got {"fill":"mode"}. Fix: remove it, or "drop" the rows without a date',
  );
  assert.equal((await tableFrom(rows, { clean: { missing: { when: "drop" } } })).size, 20);
});

test("a profile calls a column of dates by its name, and a cached table has the same parts", async () => {
  const data = await tableFrom([...some, ",3"]);
  const { columns } = await profileTable(path, { target: "y" });
  const [when] = columns;
  assert.deepEqual([when!.role, when!.type, when!.missing, when!.distinct], ["feature", "date", 1, 20]);
  assert.deepEqual(when!.span, ["2024-03-01", "2024-03-20"]);
  const cached = await cachedTable(path, { target: "y" }, { folder: join(folder, "cache") });
  assert.deepEqual(cached.schema, data.schema);
  for (const { name } of data.schema.features)
    assert.deepEqual(await valuesOf(cached, name), await valuesOf(data, name));
});

test("samples are divided in the order of their dates by the elapsed days", async () => {
  const data = await tableFrom(some.toReversed());
  const { validation } = await data.splitByTime("when elapsed", { validation: 0.2 });
  const days = new Float32Array(validation.size);
  await validation.read("when day", allSamples(validation), days);
  assert.deepEqual([...days].sort(), [17, 18, 19, 20]);
});
