import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { profileTable } from "../data/table/table-profile.ts";
import { linesOf } from "./profiling.ts";

const folder = temporaryFolder();
const penguins = fileURLToPath(new URL("../../examples/penguins/penguins.csv", import.meta.url));

test("a table is told in columns that fit 80 characters, with its target, its features and what reading does", async () => {
  const profile = await profileTable(penguins, { target: "species" });
  assert.deepEqual(linesOf({ ...profile, path: "penguins.csv" }, 80), [
    "penguins.csv: 344 rows, 7 columns, separated by commas",
    "target            missing  distinct  most frequent",
    "species                 -         3  Adelie 44 %, Gentoo 36 %, Chinstrap 20 %",
    "numbers           missing      mean deviation     least      50 %      most",
    "bill_length_mm          2     43.92     5.452      32.1     44.45      59.6",
    "bill_depth_mm           2     17.15     1.972      13.1      17.3      21.5",
    "flipper_length_mm       2     200.9     14.04       172       197       231",
    "body_mass_g             2     4,202     800.8     2,700     4,050     6,300",
    "categories        missing  distinct  most frequent",
    "island                  -         3  Biscoe 49 %, Dream 36 %, Torgersen 15 %",
    "sex                    11         2  male 50 %, female 50 %",
    "remarks",
    "  missing values of 5 columns are filled inside the model",
  ]);
});

test("dates are told from the earliest to the latest moment, whatever the zones they are written in", async () => {
  const path = join(folder, "dates.csv");
  const times = [
    "2024-03-05T23:00:00-05:00",
    "2024-03-06 01:00",
    "",
    "2024-03-05T23:30Z",
    "2024-03-06T01:00+02:00",
  ];
  await writeFile(path, `sold,y\n${times.map((text, row) => `${text},${row}`).join("\n")}\n`);
  const lines = linesOf({ ...(await profileTable(path, { target: "y" })), path: "dates.csv" }, 80);
  assert.deepEqual(lines.slice(3, 5), [
    "dates      missing  distinct  from … to …",
    "sold             1         4  2024-03-06T01:00+02:00 … 2024-03-05T23:00:00-05:00",
  ]);
});

test("wider screens get more quantiles, and no line of a table is wider than the screen", async () => {
  const path = join(folder, "wide.csv");
  const name = "a column whose name is longer than what fits on any screen";
  const texts = Array.from({ length: 40 }, (_, row) => `text number ${row % 7} of some length`);
  await writeFile(path, `"${name}",t,y\n${texts.map((text, row) => `${row},${text},${row}`).join("\n")}\n`);
  const profile = await profileTable(path, { target: "y" });
  for (const width of [80, 100, 120]) {
    const lines = linesOf({ ...profile, path: "wide.csv" }, width);
    const longest = Math.max(...lines.filter((line) => !line.startsWith("  ")).map((line) => line.length));
    assert.ok(longest <= width, `${longest} of ${width}`);
    assert.equal(lines[1]!.includes("25 %"), width >= 100);
    assert.equal(lines[1]!.includes("95 %"), width >= 120);
  }
});
