import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Dialect } from "./csv-dialect.ts";
import { readHeader } from "./csv-header.ts";
import { scanCsv } from "./csv-scan.ts";
import { refuseBinary } from "./csv-text.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const header = (text: string, dialect?: Dialect) => readHeader("a.csv", bytesOf(text), dialect);
const scan = (content: string | Uint8Array, wanted?: number, dialect: Dialect = {}) => {
  const bytes = typeof content === "string" ? bytesOf(content) : content;
  const scanner = scanCsv("a.csv", readHeader("a.csv", bytes, dialect), {
    dialect,
    ...(wanted !== undefined && { wanted }),
  });
  scanner.push(bytes);
  return { ...scanner.finish(), line: scanner.wantedLine };
};

test("the delimiter is what the header has most of, outside quotes", () => {
  assert.deepEqual(header("a,b;c,d\n1;2;3;4\n"), { delimiter: ",", names: ["a", "b;c", "d"] });
  assert.deepEqual(header("a\tb\n"), { delimiter: "\t", names: ["a", "b"] });
  assert.deepEqual(header('a;"x,y,z,w";c'), { delimiter: ",", names: ['a;"x', "y", "z", 'w";c'] });
  assert.deepEqual(header('a;"x,y";c;d'), { delimiter: ";", names: ["a", "x,y", "c", "d"] });
  assert.deepEqual(header("a|b\r1|2"), { delimiter: "|", names: ["a", "b"] });
});

test("names are trimmed and unquoted, and may hold delimiters, quotes and line ends", () => {
  assert.deepEqual(header('\ufeff"a, 1", b ,"c ""q""","d\ne",,5" pipe\r\n1').names, [
    "a, 1",
    "b",
    'c "q"',
    "d\ne",
    "",
    '5" pipe',
  ]);
});

test("what is no header is refused with what to do", () => {
  assert.throws(() => header(""), {
    message:
      "a.csv: expected a header line with the names of the columns, got an empty file. " +
      "Fix: check that the file was written",
  });
  assert.throws(() => header("\n \n"), /got an empty file/);
  assert.throws(() => header("\na,b\n"), /got an empty first line\. Fix: remove the empty line/);
  assert.throws(() => header("a,b, a\n1,2,3\n"), {
    message:
      'a.csv: expected every column under a name of its own, got "a" as columns 1 and 3. ' +
      "Fix: rename one of them in the first line",
  });
  assert.throws(() => header("1,2.5,-3e4\n"), {
    message:
      "a.csv: expected a header line with the names of the columns, got numbers only: 1, 2.5, -3e4. " +
      'Fix: put a line with names in front, or name the columns: dialect: { names: ["a", "b", …] }',
  });
  assert.throws(() => header("sep=;\r\na;b\r\n1;2\r\n"), {
    message:
      'a.csv: expected a header line with the names of the columns, got "sep=;", a line for Excel. Fix: remove that line',
  });
  assert.deepEqual(header(",a\n").names, ["", "a"]);
});

test("files that are no text are told by their first bytes", () => {
  const refused =
    (...bytes: number[]) =>
    () =>
      refuseBinary("a.csv", Uint8Array.from(bytes));
  assert.throws(refused(0x1f, 0x8b, 8), {
    message: "a.csv: expected CSV text in UTF-8, got a compressed file. Fix: unpack it first",
  });
  assert.throws(refused(0x50, 0x41, 0x52, 0x31), /got a Parquet file\. Fix: export it as CSV/);
  assert.throws(
    refused(0xff, 0xfe, 65, 0),
    /expected CSV text in UTF-8, got UTF-16 text\. Fix: dialect: \{ encoding: "utf-16" \}/,
  );
});

test("records are counted and found by line, with every kind of line end", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    assert.equal(scan(`a,b${end}1,2${end}3,4`).records, 2);
    assert.equal(scan(`a,b${end}1,2${end}${end}3,4${end}${end}`).records, 2, "empty lines are no records");
    const nested = `a,b${end}1,"x${end}y"${end}${end}3,4${end}"5", "6" ${end}`;
    assert.deepEqual(
      [0, 1, 2, 3].map((wanted) => scan(nested, wanted).line),
      [2, 5, 6, undefined],
    );
  }
  assert.equal(
    scan('a,b\n1,"x\r\ny\rz"\n3,4', 1).line,
    5,
    "line ends inside quotes may differ, and all count",
  );
  assert.equal(scan('\ufeff"a,1",b\n1,2\n').records, 1);
  assert.equal(scan("a,b\n").records, 0);
  assert.equal(scan("a,b\nlonger,2\n").longest, 8);
});

test("the line of what is wrong is the line an editor shows", () => {
  assert.throws(() => scan('a,b\n1,"x\ny"\n3,4,5\n6,7\n'), {
    message:
      "a.csv, line 4: expected 2 fields, as in the header, got 3. Fix: quote fields that contain the delimiter",
  });
  assert.throws(() => scan("a,b\n1,2\n3\n"), {
    message:
      "a.csv, line 3: expected 2 fields, as in the header, got 1. Fix: add what is missing, or remove the line",
  });
  assert.throws(() => scan("a,b\n1,2\n  \n3,4"), /line 3: expected 2 fields, as in the header, got 1/);
  assert.throws(() => scan('a,b\n1,2\n3,"oops\n4,5\n6,7\n'), {
    message:
      "a.csv, line 3: expected a second quote that closes the field opened in this line, got the end of the file. " +
      'Fix: close the field, or write "" for a quote inside it; if quotes are text, dialect: { quote: "" }; ' +
      'if \\" is one, dialect: { escape: "\\\\" }',
  });
  assert.throws(() => scan('a,b\n1,"x"y\n'), {
    message:
      "a.csv, line 2: expected the delimiter or the end of the line behind a closing quote, got more text. " +
      'Fix: write "" for a quote inside a quoted field; if quotes are text, dialect: { quote: "" }; ' +
      'if \\" is one, dialect: { escape: "\\\\" }',
  });
  assert.throws(() => scan('a,b\n1,"x" "y"\n'), /line 2: .*got more text/);
  assert.throws(() => scan("a,b\r\n1,2\r\n3,4\n5,6\r\n"), {
    message:
      "a.csv, line 3: expected the line end \\r\\n, as in line 1, got \\n. " +
      "Fix: save the file with one kind of line end (dos2unix)",
  });
  assert.throws(() => scan("a,b\n1,2\r3,4\n"), /line 2: expected the line end \\n, as in line 1, got \\r\./);
  assert.throws(() => scan("a,b\n1,2\n1,x\0y\n"), /line 3: expected CSV text in UTF-8, got a zero byte/);
});

test("bytes that are no UTF-8 are named with their line", () => {
  const latin1 = Uint8Array.from("a,b\n1,2\n3,caf\xe9\n", (character) => character.charCodeAt(0));
  assert.throws(() => scan(latin1), {
    message:
      "a.csv, line 3: expected CSV text in UTF-8, got the byte 0xE9 where UTF-8 has none. " +
      'Fix: if it is Latin-1, dialect: { encoding: "latin1" }; else save it as UTF-8',
  });
  for (const bytes of [[0x80], [0xff], [0xe9, 0x20], [0xc3, 0xc3]]) {
    assert.throws(
      () => scan(Uint8Array.from([...bytesOf("a,b\n1,"), ...bytes, ...bytesOf("x\n")])),
      /where UTF-8 has none/,
    );
  }
  assert.equal(scan("a,b\nä,€\n\u{1f427},ñ\n").records, 2);
});

test("a file of any fields scans to its records, however it is cut into pieces", () => {
  const field = fc.string({ unit: fc.constantFrom("a", "1", " ", '"', ",", ";", "\n", "\r", "ä", "€") });
  const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
  const table = fc.record({
    delimiter: fc.constantFrom(",", ";"),
    end: fc.constantFrom("\n", "\r\n", "\r"),
    rows: fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { maxLength: 6 }),
    cut: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(table, ({ delimiter, end, rows, cut }) => {
      const lines = [["x", "y", "z"].join(delimiter), ...rows.map((row) => row.map(quoted).join(delimiter))];
      const bytes = bytesOf(lines.map((text) => text + end).join(""));
      const scanner = scanCsv("a.csv", { delimiter, names: ["x", "y", "z"] }, { wanted: rows.length - 1 });
      for (let at = 0; at < bytes.length; at += cut) scanner.push(bytes.subarray(at, at + cut));
      assert.equal(scanner.finish().records, rows.length);
      const before = lines
        .slice(0, -1)
        .map((text) => text + end)
        .join("");
      const line = before.replaceAll("\r\n", "\n").split(/[\n\r]/).length;
      if (rows.length > 0) assert.equal(scanner.wantedLine, line);
    }),
  );
});
