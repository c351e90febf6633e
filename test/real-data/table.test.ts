/** 10 000 collisions of birds with aircraft: a table with missing values, and classes from 11 to 4619 samples. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { records } from "../../src/data/records.ts";
import { allSamples } from "../../src/data/samples.ts";
import { cachedTable } from "../../src/data/table/cached-table.ts";
import { table } from "../../src/data/table/table.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { testWith, vega } from "./installed.ts";
import { assertMadeOnce, readColumn } from "./same-samples.ts";

const folder = temporaryFolder();
const path = join(vega.folder, "birdstrikes.csv");
const target = "Phase of flight";

/** What becomes of a day, as the platform's own calendar has it. */
const inWords = (options: Intl.DateTimeFormatOptions) => {
  const format = new Intl.DateTimeFormat("en", { timeZone: "UTC", ...options });
  return (day: Date) => format.format(day);
};
const dateParts: Readonly<Record<string, (day: Date) => string>> = {
  year: (day) => String(day.getUTCFullYear()),
  month: inWords({ month: "long" }),
  day: (day) => String(day.getUTCDate()),
  weekday: inWords({ weekday: "long" }),
  elapsed: (day) => String(day.getTime() / 86_400_000),
};

testWith(
  vega,
  "10 000 collisions with birds are the cells of their file, with what is missing, and come from a cache",
  async () => {
    // There is no quote in the file, so that lines and commas are all there is to it.
    const [header, ...lines] = readFileSync(path, "utf8")
      .trimEnd()
      .split(/\r?\n/)
      .map((line) => line.split(","));
    const cellsOf = (name: string) => {
      const part = dateParts[name.replace("Flight Date ", "")];
      const column = part === undefined ? name : "Flight Date";
      const cells = lines.map((line) => line[header!.indexOf(column)]!);
      return part === undefined ? cells : cells.map((cell) => part(new Date(`${cell}T00:00Z`)));
    };
    const data = await table(path, { target });
    const { records: count, missing, withoutTarget } = data.report;
    assert.deepEqual([count, withoutTarget, data.size], [10_000, 0, 10_000]);
    // "None" is one of the ways in which tables write that there is nothing, and is here the damage of most.
    assert.deepEqual(missing, { "Effect Amount of damage": 8939, "Speed IAS in knots": 2836 });
    for (const [name, { dtype, categories }] of Object.entries(data.columns)) {
      const cells = cellsOf(name);
      const values = Array.from(await readColumn(data, name, allSamples(data)), Number);
      if (dtype === "float32") {
        assert.deepEqual(
          values,
          cells.map((cell) => (cell === "" ? Number.NaN : Number(cell))),
          name,
        );
        continue;
      }
      const listed = new Set(categories);
      const expected = cells.map((cell) =>
        cell === "None" ? "missing" : listed.has(cell) ? cell : "not listed",
      );
      const found = values.map((code) => (code === -1 ? "missing" : (categories![code] ?? "not listed")));
      assert.deepEqual(found, expected, name);
    }
    assert.equal(data.columns["Cost Total $"]!.dtype, "float32");
    assert.ok(Object.keys(dateParts).every((part) => `Flight Date ${part}` in data.columns));

    const counts = Object.groupBy(cellsOf(target), (phase) => phase);
    assert.deepEqual([counts.Parked!.length, counts.Taxi!.length, counts.Approach!.length], [11, 18, 4619]);
    const { training, validation } = data.split({ validation: 0.2, seed: 5, stratify: target });
    for (const part of [training, validation]) {
      const codes = new Set(Array.from(await readColumn(part, target, allSamples(part)), Number));
      assert.equal(codes.size, 7, "a phase of 11 samples is on both sides");
    }
    await assertMadeOnce((options) => cachedTable(path, { target }, options), data, folder);
  },
);

testWith(vega, "3201 films as objects are those of their file, with what is missing", async () => {
  const films: readonly Readonly<Record<string, unknown>>[] = JSON.parse(
    readFileSync(join(vega.folder, "movies.json"), "utf8"),
  );
  const name = "IMDB Rating";
  async function* rated() {
    for (const film of films) yield { rating: film[name] ?? Number.NaN };
  }
  const data = await records(rated, { columns: { rating: { dtype: "float32" } } });
  const ratings = Array.from(await readColumn(data, "rating", allSamples(data)), Number);
  assert.deepEqual(
    ratings,
    films.map((film) => (film[name] === null ? Number.NaN : Math.fround(Number(film[name])))),
  );
  assert.equal(ratings.filter(Number.isNaN).length, films.filter((film) => film[name] === null).length);
});
