/** Reading tables: samples streamed by this package beside the same query streamed by DuckDB alone, and whole tables read. */
import fs from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { randomSequence } from "../../src/array/random.ts";
import { cities } from "../contenders/ours-reading.ts";
import type { Case } from "../harness/contender.ts";
import { ours } from "../harness/peers.ts";
import { interleave } from "../harness/rounds.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { type Bench, markdown, type Table, target, versionsOf, withContenders } from "../harness/table.ts";

const rows = 1_000_000;

/** CSV and Parquet, the same rows. */
export const reading: Table = async (bench) => {
  const count = bench.isQuick ? 20_000 : rows;
  const files = await write(bench, count);
  const cases: Record<string, Case> = {};
  for (const [format, file] of Object.entries(files)) {
    for (const by of ["duckdb", "samples", "table"] as const) {
      cases[`${format}, ${names[by]}`] = { kind: "reading", file, rows: count, by };
    }
  }
  bench.say("reading");
  return withContenders(Object.keys(cases).map(ours), async (contenders) => {
    const result = await interleave(contenders, ({ id }) => cases[id]!, { ...bench.effort, roundMs: 1 });
    const by = (id: string) => result.measured.find((one) => one.id === id)!; // one per case
    const share = (format: string, name: string) =>
      median(
        by(`${format}, ${name}`).medians.map(
          (ms, round) => by(`${format}, ${names.duckdb}`).medians[round]! / ms,
        ),
      );
    const text = [
      `${count} rows of six numbers and a category of five, one number missing in 5 % of them; ` +
        `CSV ${mebibytes(files.CSV)} MiB, Parquet ${mebibytes(files.Parquet)} MiB, in the page cache.`,
      "",
      markdown(
        ["", "ms, median (fastest)", "rows/s", "beside DuckDB alone"],
        result.measured.map(({ id, median: ms, min }) => {
          const [format, name] = id.split(", ") as [string, string];
          const speed = threeDigits(count / (ms / 1000));
          return [id, `${threeDigits(ms)} (${threeDigits(min)})`, speed, threeDigits(share(format, name))];
        }),
      ),
      "",
      "“Samples” are streamed from a table whose columns are decided: of CSV they then lie in the database, of Parquet in the file. " +
        "“The whole table” is `table(path)`: CSV is scanned for flaws and their lines, values are typed, profiled, searched for " +
        "duplicates and identical columns, categories listed, and the samples read.",
    ].join("\n");
    const targets = ["CSV", "Parquet"].flatMap((format) => [
      target(
        `reading, samples of ${format} per second beside DuckDB alone`,
        share(format, names.samples),
        "at least",
        0.8,
      ),
      target(
        `reading, the whole table from ${format} beside DuckDB alone`,
        share(format, names.table),
        "at least",
        0.8,
      ),
    ]);
    return {
      name: "reading",
      title: "Reading tables",
      text,
      data: result,
      targets,
      versions: versionsOf(contenders),
    };
  });
};

const names = { duckdb: "DuckDB alone", samples: "samples", table: "the whole table" } as const;

const mebibytes = (file: string) => threeDigits(fs.statSync(file).size / 2 ** 20);

async function write(
  { folder }: Bench,
  count: number,
): Promise<{ readonly CSV: string; readonly Parquet: string }> {
  const csv = path.join(folder, "reading.csv");
  const parquet = path.join(folder, "reading.parquet");
  const random = randomSequence(1, "bench", 0);
  let drawn = 0;
  const next = () => random(drawn++);
  const file = fs.openSync(csv, "w");
  fs.writeSync(file, "size,rooms,age,city,income,distance,price\n");
  for (let row = 0; row < count; ) {
    let text = "";
    for (const end = Math.min(count, row + 10_000); row < end; row++) {
      const [size, income, distance] = [20 + 200 * next(), 50_000 * next(), 30 * next()];
      const age = next() < 0.05 ? "" : (100 * next()).toFixed(2);
      const price = 3000 * size + 2 * income - 100 * distance;
      text += `${size.toFixed(3)},${1 + Math.floor(7 * next())},${age},${cities[Math.floor(5 * next())]},${income.toFixed(2)},${distance.toFixed(5)},${price.toFixed(2)}\n`;
    }
    fs.writeSync(file, text);
  }
  fs.closeSync(file);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`copy (from read_csv('${csv}')) to '${parquet}' (format parquet)`);
  connection.closeSync();
  instance.closeSync();
  return { CSV: csv, Parquet: parquet };
}
