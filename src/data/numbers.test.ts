import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { withDatabase } from "../../test/with-database.ts";
import { isMissing, missingMarkers, parseNumber, trimBlanks } from "./numbers.ts";
import { defineNumbers } from "./table/cells/cells.ts";
import { sqlText } from "./table/cells/database.ts";
import { csvProof } from "./table/csv/csv-table.ts";

const folder = temporaryFolder();

test("a number is decimal, fits float32 and may have blanks around it", () => {
  for (const text of ["1", "+3", "-4.5", ".5", "6.", "7e1", "8E-2", "007", " 2 ", "\t5\n", "\u00a05"]) {
    assert.equal(parseNumber(text), Number(text), text);
  }
  assert.equal(parseNumber("3.4028234663852886e38"), 3.4028234663852886e38);
  for (const text of [
    "",
    " ",
    ".",
    "-",
    "e5",
    "1e",
    "0x1F",
    "1_000",
    "1,5",
    "1 000",
    "12%",
    "inf",
    "NaN",
    "true",
  ]) {
    assert.equal(parseNumber(text), undefined, text);
  }
  for (const text of ["Infinity", "1e39", "-1e39", "1e999", "3.40282347e38", "+-1", "--1", "１"]) {
    assert.equal(parseNumber(text), undefined, text);
  }
});

test("with decimal commas a number has a comma where it would have a point, and a text with a point is none", () => {
  for (const text of ["1,5", "-,5", "6,", "7,0e-1", " 2 ", "3"]) {
    assert.equal(parseNumber(text, ","), Number(text.replace(",", ".")), text);
  }
  for (const text of ["1.5", "1.234,5", "1,234,5", ",", "1 234,5", "1,5,"]) {
    assert.equal(parseNumber(text, ","), undefined, text);
  }
  assert.equal(parseNumber("1,5"), undefined);
});

test("the database trims, and takes for numbers, exactly what this does", async () => {
  const characters = [
    "0",
    "1",
    "9",
    ".",
    ",",
    "+",
    "-",
    "e",
    "E",
    "_",
    " ",
    "\t",
    "\n",
    "\u00a0",
    "\u3000",
    "x",
    "٣",
    "i",
  ];
  const number = fc.oneof(fc.float({ noNaN: true }).map(String), fc.double({ noNaN: true }).map(String));
  const blanks = fc.string({
    unit: fc.constantFrom(" ", "\t", "\u00a0", "\r", "\u2028"),
    maxLength: 2,
  });
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 6 }),
    fc
      .tuple(blanks, fc.oneof(number, fc.constantFrom("inf", "nan", "1e999", "0b1", "1e5.5")), blanks)
      .map((parts) => parts.join("")),
    number.map((written) => written.replace(".", ",")),
  );
  const options = { name: "t", threads: 1, temporaryFolder: join(folder, "spill"), damaged: csvProof };
  for (const decimal of [undefined, ","] as const) {
    await withDatabase(options, async (database) => {
      await defineNumbers(database, decimal);
      await fc.assert(
        fc.asyncProperty(fc.array(text, { minLength: 200, maxLength: 200 }), async (texts) => {
          const list = texts.map(sqlText).join(", ");
          const rows = await database.rows(
            `select trim(v), number(trim(v)) from (select unnest([${list}]) as v)`,
          );
          texts.forEach((given, index) => {
            const [trimmed, value] = rows[index]!;
            assert.equal(trimBlanks(given), trimmed, JSON.stringify(given));
            assert.equal(parseNumber(given, decimal) ?? null, value, JSON.stringify(given));
          });
        }),
        { numRuns: 30 },
      );
    });
  }
});

test("a marker stands for a missing value in any case, and nothing longer does", () => {
  for (const marker of missingMarkers) {
    assert.ok(
      isMissing(marker) && isMissing(marker.toUpperCase()) && isMissing(marker.toLowerCase()),
      marker,
    );
  }
  for (const text of ["0", "-", "none at all", "nay", "NA NA"]) assert.ok(!isMissing(text), text);
});
