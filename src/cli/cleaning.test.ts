import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { profileTable } from "../data/table/table-profile.ts";
import { cleaningOf, cleaningOfSecond, cleaningOptions } from "./cleaning.ts";
import { linesOf } from "./profiling.ts";
import { inFlags } from "./words.ts";

const folder = temporaryFolder();

function flagsOf(...argv: readonly string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  for (const option of cleaningOptions()) command.addOption(option);
  command.parse([...argv], { from: "user" });
  return command.opts();
}

test("flags say what is left out as the option clean does, and none say nothing", () => {
  assert.deepEqual(cleaningOf(flagsOf()), {});
  const all =
    "--skip-bad-rows 0.01 --drop-missing a --drop-missing b=c --fill d=median --fill e=f=g --without-indicator e=f --drop-outliers x=y=4 --drop-outliers z=0.01..0.99 --drop-duplicates --rare 5";
  assert.deepEqual(cleaningOf(flagsOf(...all.split(" "))), {
    clean: {
      badRows: { skip: 0.01 },
      missing: {
        a: "drop",
        "b=c": "drop",
        d: { fill: "median" },
        "e=f": { fill: "g", indicator: false },
      },
      outliers: { "x=y": { deviations: 4 }, z: { quantiles: [0.01, 0.99] } },
      duplicates: "drop",
      rareCategories: { atLeast: 5 },
    },
  });
  assert.deepEqual(cleaningOfSecond(flagsOf(...all.split(" "))), { clean: { badRows: { skip: 0.01 } } });
  assert.deepEqual(cleaningOfSecond(flagsOf("--drop-duplicates")), {});
});

test("limits that are none are refused with an example", () => {
  for (const [flag, text, message] of [
    ["--skip-bad-rows", "0", /Expected a whole number of lines from 1 on, or a share above 0 and below 1/],
    ["--skip-bad-rows", "1.5", /Expected a whole number of lines/],
    ["--skip-bad-rows", "", /Expected a whole number of lines/],
    ["--drop-outliers", "x", /"price=4" deviations from the mean, or "price=0\.01\.\.0\.99" quantiles/],
    ["--drop-outliers", "x=", /Expected a column/],
    ["--drop-outliers", "x=-1", /Expected a column/],
    ["--drop-outliers", "x=0.9..0.1", /Expected a column/],
    ["--drop-outliers", "x=0.1..1.1", /Expected a column/],
    ["--drop-outliers", "x=..", /Expected a column/],
    ["--rare", "0", /Expected a whole number from 1 on/],
    [
      "--fill",
      "x",
      /Expected a column and what fills it: "age=median" \(or mean, mode\), "age=0", or "city=unknown"/,
    ],
    ["--fill", "x=", /Expected a column and what fills it/],
    ["--fill", "=mean", /Expected a column and what fills it/],
    ["--fill", "x=NA", /Expected a column and what fills it/],
  ] as const) {
    assert.throws(() => flagsOf(flag, text), message, `${flag} ${text}`);
  }
  assert.throws(() => flagsOf("--drop-outliers", "x=1", "--drop-outliers", "x=2"), /"x" has limits already/);
  assert.throws(() => flagsOf("--fill", "x=1", "--fill", "x=mean"), /"x" is filled already/);
});

test("a column is either filled or dropped, and only what is filled has an indicator to leave out", () => {
  assert.throws(() => cleaningOf(flagsOf("--drop-missing", "a", "--fill", "a=mode")), {
    message:
      '--drop-missing: expected columns that --fill does not fill, got "a", filled with mode. Fix: keep one of both',
  });
  assert.throws(() => cleaningOf(flagsOf("--fill", "a=mode", "--without-indicator", "b")), {
    message:
      '--without-indicator: expected columns that --fill fills, got "b". Fix: add --fill "b=mode", or leave it out',
  });
});

test("what is left out is counted in the profile, with the lines of rows that cannot be read", async () => {
  const path = join(folder, "t.csv");
  const rows = Array.from(
    { length: 20 },
    (_, row) => `${row === 4 ? "" : row},${row === 9 ? "1O" : row * row}`,
  );
  await writeFile(path, `x,y\n${rows.join("\n")}\n1,2,3\n3,9\n99,1\n7,\n`);
  const flags = "--skip-bad-rows 2 --drop-missing x --drop-outliers x=3 --drop-duplicates".split(" ");
  const profile = await profileTable(path, { target: "y", ...cleaningOf(flagsOf(...flags)) });
  assert.deepEqual(linesOf({ ...profile, path: "t.csv" }, 80).slice(0, 9), [
    "t.csv: 24 rows, 2 columns, separated by commas",
    "  left out  1 row without a target",
    "  left out  2 rows that cannot be read; the first:",
    '            line 11, column "y": expected a number that fits float32, got "1O"',
    "            line 22: expected 2 fields, as in the header, got 3",
    "  left out  1 row without x",
    "  left out  1 row the same as an earlier one",
    "  left out  1 row whose x is not from -47.66 to 76.72",
    "  figures   of the other 18 rows",
  ]);
});

test("a profile says of a filling that cannot be what training would end with, in the words of the flag", async () => {
  const path = join(folder, "f.csv");
  await writeFile(path, "x,y\n1,2\n,3\n3,4\n");
  const profile = await profileTable(path, { target: "y", ...cleaningOf(flagsOf("--fill", "x=unknown")) });
  assert.deepEqual(
    linesOf(profile, 100)
      .slice(-1)
      .map((line) => line.replaceAll(path, "f.csv")),
    [
      '  training would end: f.csv, --fill, "x": expected fill to be "mean", "median", "mode" or a number that fits float32: ' +
        'the column has numbers, got "unknown". Fix: for example --fill "x=median"',
    ],
  );
});

test("errors speak of the flags", async () => {
  const path = join(folder, "e.csv");
  await writeFile(path, "x,c,y\n1,a,2\n2,b,3,4\n3,a\n");
  const messageOf = (...flags: readonly string[]) =>
    profileTable(path, { target: "y", ...cleaningOf(flagsOf(...flags)) }).then(
      () => assert.fail("the table was read"),
      (error: Error) => inFlags(error.message.replaceAll(path, "e.csv")),
    );
  assert.equal(
    await messageOf("--skip-bad-rows", "1"),
    "e.csv, line 3: expected at most 1 lines that cannot be read, got 2, the first here: expected 3 fields, as in the " +
      "header, got 4. Fix: correct them, or skip more: --skip-bad-rows",
  );
  assert.match(
    await messageOf("--skip-bad-rows", "2", "--drop-missing", "q"),
    /^e\.csv, --drop-missing and --fill: expected one of the columns x, c, y, got "q"/,
  );
  assert.equal(
    await messageOf("--skip-bad-rows", "2", "--fill", "y=mean"),
    'e.csv, --fill: expected features to fill, got the target "y". Fix: remove it',
  );
  assert.match(
    await messageOf("--skip-bad-rows", "2", "--drop-outliers", "c=2"),
    /^e\.csv, --drop-outliers, "c": expected a column of numbers/,
  );
});
