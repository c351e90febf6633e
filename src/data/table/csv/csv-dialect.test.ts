import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import type { Dataset } from "../../dataset.ts";
import { type JsonLinesOptions, jsonLines } from "../../json/json-lines.ts";
import { allSamples } from "../../samples.ts";
import { cachedTable } from "../cached-table.ts";
import { openTableDatabase } from "../cells/database.ts";
import { rawRows } from "../raw-rows.ts";
import { sql, table } from "../table.ts";
import { profileTable } from "../table-profile.ts";
import { checkDialect, type Dialect } from "./csv-dialect.ts";
import { csvProof, openCsv } from "./csv-table.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");
const store = await openTableDatabase("t.csv", { damaged: csvProof });
after(() => store.close());

/** A record as a simple reader of whole files sees it. */
interface SimpleRecord {
  readonly line: number;
  readonly lines: number;
  readonly fields: readonly string[];
  readonly isBad: boolean;
}

/**
 * A second reader, by regular expressions over the whole text: no code and no idea in common with the scan. Gives the line of
 * what ends the reading instead: a quote that is never closed, or other line ends than the first in front of the header.
 */
function readSimply(
  text: string,
  delimiter: string,
  columns: number,
  dialect: Dialect,
): SimpleRecord[] | number {
  const { quote = '"', escape: escaping = quote, comment, names } = dialect;
  const [d, q] = [delimiter, quote].map((one) => one.replace(/[\\|^]/, "\\$&"));
  const blanks = delimiter === " " ? "" : " *";
  const before = delimiter === " " ? "" : " ?"; // behind two a quote is text
  const inside =
    escaping === quote ? `(?:[^${q}]|${q}${q})*${q}(?!${q})` : `(?:[^${q}\\\\]|\\\\[\\s\\S])*${q}`;
  const plain = `([^${d}\\r\\n]*)`;
  const field = new RegExp(
    quote === "" ? `((?!))?()()${plain}` : `(${before}${q}${inside})(${blanks})${plain}|${plain}`,
    "y",
  );
  const end = new RegExp(`${d}|\\r\\n|\\r|\\n|$`, "y");
  const opening = new RegExp(`^${before}${q}`);
  const lineAt = (at: number) => text.slice(0, at).split(/\r\n|\r|\n/).length;
  const records: SimpleRecord[] = [];
  let isHeader = names === undefined;
  let lineEnd: string | undefined;
  let endBefore: string | undefined;
  let at = 0;
  while (at < text.length) {
    const from = at;
    const isComment = text[at] === comment;
    const fields: string[] = [];
    let isBehind = false; // text behind a closing quote
    let found = d;
    while (found === delimiter || fields.length === 0) {
      if (isComment) {
        end.lastIndex = at + /^[^\r\n]*/.exec(text.slice(at))![0].length;
        fields.push("");
      } else {
        field.lastIndex = at;
        const [whole, quoted, , behind = "", bare = ""] = field.exec(text)!;
        if (quote !== "" && quoted === undefined && opening.test(bare))
          return lineAt(at + bare.indexOf(quote));
        if (behind !== "") isBehind = true;
        const closed = quoted?.trim().slice(1, -1) ?? "";
        const opened =
          escaping === quote
            ? closed.replaceAll(quote + quote, quote)
            : closed.replaceAll(/\\([\s\S])/g, "$1");
        fields.push(quoted === undefined ? bare : opened);
        end.lastIndex = at + whole.length;
      }
      [found] = end.exec(text)!;
      at = end.lastIndex;
      if (found === "" || found !== delimiter) break;
    }
    const raw = text.slice(from, at - found!.length);
    if (found !== "") lineEnd ??= found;
    const isOther = [found, endBefore].some((one) => one !== undefined && one !== "" && one !== lineEnd);
    if (isOther && isHeader) return lineAt(from);
    endBefore = found;
    if (isComment || raw === "") continue;
    const isBad = fields.length !== columns || isBehind || isOther;
    if (!isHeader) records.push({ line: lineAt(from), lines: raw.split(/\r\n|\r|\n/).length, fields, isBad });
    isHeader = false;
  }
  return records;
}

/** What the file is read to: the cells of its records with their lines, and the lines of those that cannot be read. */
async function read(dialect: Dialect) {
  const opened = await openCsv(path, [path], { dialect, badRows: { skip: 1_000_000 } });
  const cells = opened.columns.map((_, index) => `coalesce(c${index}, '')`).join(", ");
  const rows = await store.database.rows(`select ${cells} from ${await opened.texts(store)}`);
  const lines: number[] = [];
  for (let record = 0; record < opened.records; record++) lines.push((await opened.placeOf(record)).line);
  return { rows, lines, bad: opened.bad!.skipped };
}

const windows1252 = new Map([["€", 0x80]]);
const encoders = {
  "utf-8": (text: string) => Buffer.from(text, "utf8"),
  latin1: (text: string) => Buffer.from(Array.from(text, (one) => windows1252.get(one) ?? one.charCodeAt(0))),
  "utf-16": (text: string) => Buffer.from(`\ufeff${text}`, "utf16le"),
};

const dialects: fc.Arbitrary<Dialect> = fc
  .record({
    delimiter: fc.constantFrom(",", ";", "\t", ":", " ", "^", "|", "\x01"),
    quotes: fc.constantFrom<Pick<Dialect, "quote" | "escape">>(
      {},
      { quote: '"' },
      { quote: "'" },
      { quote: "" },
      { escape: "\\" },
      { quote: "'", escape: "\\" },
    ),
    comment: fc.constantFrom(undefined, "#", "%"),
    names: fc.constantFrom(undefined, ["x", "y", "z"], ["x"]),
    encoding: fc.constantFrom("utf-8", "utf-8", "latin1", "utf-16"),
  })
  .map(({ delimiter, quotes, comment, names, encoding }) => ({
    delimiter,
    ...quotes,
    ...(comment !== undefined && { comment }),
    ...(names !== undefined && { names }),
    encoding,
  }));

/** A file in about that dialect: fields as they should be, and as they should not. */
const files = dialects.chain((dialect) => {
  const { delimiter = ",", quote = '"', escape: escaping = quote, comment = "#" } = dialect;
  const character = fc.constantFrom(
    "a",
    "1",
    " ",
    '"',
    "'",
    "\\",
    "#",
    "%",
    delimiter,
    "ä",
    "€",
    "\n",
    "\r",
    quote,
    escaping,
  );
  const any = fc.string({ unit: character, maxLength: 6 });
  const quoted = any.map((value) => {
    const masked = [...value]
      .map((one) => (one === quote || one === escaping ? escaping + one : one))
      .join("");
    return quote === ""
      ? value.replaceAll(/[\r\n]/g, "").replaceAll(delimiter, "")
      : `${quote}${masked}${quote}`;
  });
  const padded = fc
    .tuple(fc.constantFrom("", " ", "  "), quoted, fc.constantFrom("", " ", "  "))
    .map((parts) => parts.join(""));
  const plain = any.map((value) => `b${value.replaceAll(/[\r\n]/g, "").replaceAll(delimiter, "")}`);
  const field = fc.oneof(
    { weight: 12, arbitrary: quoted },
    { weight: 12, arbitrary: plain },
    { weight: 2, arbitrary: padded },
    any,
  );
  const columns = dialect.names?.length ?? 3;
  const row = fc
    .array(field, { minLength: columns, maxLength: columns })
    .map((fields) => fields.join(delimiter));
  const remark = any.map((value) => comment + value.replaceAll(/[\r\n]/g, ""));
  const line = fc.oneof({ weight: 20, arbitrary: row }, { weight: 3, arbitrary: remark }, any);
  return fc.record({
    dialect: fc.constant(dialect),
    end: fc.constantFrom("\n", "\r\n", "\r"),
    before: fc.array(remark, { maxLength: dialect.comment === undefined ? 0 : 2 }),
    lines: fc.array(line, { minLength: 1, maxLength: 8 }),
    isEnded: fc.boolean(),
  });
});

test("whatever is accepted in any dialect, the database reads to the cells that a second reader sees, and line by line", async () => {
  await fc.assert(
    fc.asyncProperty(files, async ({ dialect, end, before, lines, isEnded }) => {
      const { delimiter = ",", names, encoding = "utf-8" } = dialect;
      // Its number of fields is what the names are checked by, so it is sound.
      const columns = names?.length ?? 3;
      const first = (names === undefined ? ["x", "y", "z"] : names.map(() => "1")).join(delimiter);
      const text = [...before, first, ...lines].join(end) + (isEnded ? end : "");
      await writeFile(path, encoders[encoding](text));
      const expected = readSimply(text, delimiter, columns, dialect);
      const found = await read(dialect).catch((error: Error) => error);
      if (typeof expected === "number") {
        assert.ok(found instanceof Error, `line ${expected} was read`);
        assert.ok(
          found.message.startsWith(`${path}, line ${expected}: expected `),
          `${found.message}, not line ${expected}`,
        );
        return;
      }
      if (found instanceof Error) throw found;
      const good = expected.filter(({ isBad }) => !isBad);
      const bad = expected.filter(({ isBad }) => isBad);
      assert.deepEqual(
        found.rows,
        good.map(({ fields }) => fields),
      );
      assert.deepEqual(
        found.lines,
        good.map(({ line }) => line),
      );
      assert.deepEqual(
        [found.bad.count, found.bad.lines],
        [bad.length, bad.reduce((sum, { lines }) => sum + lines, 0)],
      );
    }),
    { numRuns: Number(process.env.DIALECT_RUNS ?? 200) },
  );
});

async function numbersOf(data: Dataset, name: string): Promise<number[]> {
  const into = new Float32Array(data.size);
  await data.read(name, allSamples(data), into);
  return [...into];
}

const refusalOf = async (work: () => unknown) => {
  const error = await (async () => work())().then(
    () => assert.fail("nothing was refused"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(path, "t.csv");
};

test("a large file whose fields hold line ends, or quotes here and there, is read to its last record", async () => {
  // Numbers from a small generator, so that the same fields come every time.
  let state = 7;
  const draw = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const parts = ['"', "\n", ",", "plain text", "\n\n", ",,,", "1,2\n", '",1,', '"\n'];
  const texts = Array.from({ length: 150_000 }, () =>
    Array.from({ length: 1 + draw(20) }, () => parts[draw(parts.length)]!).join(""),
  );
  // Quotes in fields that are not quoted, beside fields that are.
  const plain = texts.map((text, index) =>
    index % 2 === 0 ? text.replaceAll("\n", " ") : `b${text.replaceAll(/[,\n]/g, ";")}`,
  );
  for (const { mask, dialect, kept } of [
    { mask: '""', dialect: {}, kept: texts },
    { mask: '\\"', dialect: { escape: "\\" }, kept: texts },
    { mask: '""', dialect: {}, kept: plain },
  ] as const) {
    const field = (text: string) => (text[0] === "b" ? text : `"${text.replaceAll('"', mask)}"`);
    await writeFile(path, `x,text\n${kept.map((text, index) => `${index},${field(text)}\n`).join("")}`);
    let record = 0;
    for await (const piece of rawRows(path, { columns: [], dialect })) {
      for (let row = 0; row < piece.rows; row++, record++) {
        if (piece.texts[0]![row] === String(record) && piece.texts[1]![row] === kept[record]) continue;
        assert.fail(`record ${record} is ${piece.texts[0]![row]}: ${piece.texts[1]![row]}`);
      }
    }
    assert.equal(record, kept.length);
  }
});

test("every part of a dialect is checked, and every character says one thing", async () => {
  const refused = async (dialect: unknown, message: string) =>
    assert.equal(await refusalOf(() => checkDialect("t.csv", dialect)), `t.csv, option dialect${message}`);
  await refused(
    7,
    ': expected how the file is written, got 7. Fix: for example { delimiter: ";", decimal: "," }',
  );
  await refused(
    { separator: ";" },
    ": expected at most delimiter, quote, escape, names, comment, decimal, encoding, " +
      'got "separator". Fix: rename or remove it',
  );
  for (const delimiter of ["", ",,", "a", "7", '"', "'", "\n", "\r", "\v", "é", "\0", "\x7f", 7]) {
    await refused(
      { delimiter },
      `.delimiter: expected one character of ASCII that is no letter, digit, quote or line end, such as ":" or "\\t", ` +
        `got ${JSON.stringify(delimiter)}. Fix: correct it, or leave it out`,
    );
  }
  const rest = "Fix: correct it, or leave it out";
  await refused({ quote: "`" }, `.quote: expected "\\"", "'" or "", got "\`". ${rest}`);
  await refused({ escape: "/" }, `.escape: expected "\\"", "'" or "\\\\", got "/". ${rest}`);
  await refused(
    { escape: "'" },
    `.escape: expected "\\"" or "\\\\": the quote, or a backslash, got "'". ${rest}`,
  );
  await refused(
    { quote: "", escape: "\\" },
    `.escape: expected none, since nothing is quoted, got "\\\\". ${rest}`,
  );
  for (const comment of ["//", "-", ".", ",", " ", "\t", "c"]) {
    await refused(
      { comment },
      `.comment: expected one sign of ASCII that no number begins with, such as "#", got ${JSON.stringify(comment)}. ${rest}`,
    );
  }
  await refused({ decimal: ";" }, `.decimal: expected "." or ",", got ";". ${rest}`);
  await refused(
    { encoding: "cp850" },
    `.encoding: expected "utf-8", "latin1" or "utf-16", got "cp850". ${rest}`,
  );
  await refused(
    { names: [] },
    `.names: expected the names of the columns, as in ["size", "price"], got a list. ${rest}`,
  );
  await refused(
    { names: ["a", "b", "a"] },
    '.names: expected every column under a name of its own, got "a" twice. Fix: rename one of them',
  );
  await refused(
    { names: ["a", " b"] },
    '.names: expected names without blanks around them, got " b". Fix: remove them',
  );
  await refused(
    { names: ["", ""] },
    ".names: expected at least one column with a name, got none. Fix: name it",
  );
  const twice = (value: string, one: string, other: string) =>
    `: expected every character for one thing, got "${value}" as ${one} and as ${other}. Fix: correct one of them`;
  await refused({ delimiter: ",", decimal: "," }, twice(",", "delimiter", "decimal"));
  await refused({ delimiter: "#", comment: "#" }, twice("#", "delimiter", "comment"));
  await refused({ delimiter: "\\", escape: "\\" }, twice("\\\\", "delimiter", "escape"));
  await refused({ comment: "\\", escape: "\\" }, twice("\\\\", "comment", "escape"));
  await refused(
    { delimiter: "." },
    ': expected every character for one thing, got "." as delimiter and as decimal. ' +
      'Fix: say decimal: "," if that is what numbers have, or correct it',
  );
  checkDialect("t.csv", {
    delimiter: ".",
    decimal: ",",
    quote: "'",
    escape: "'",
    comment: "@",
    names: ["a", ""],
    encoding: "utf-8",
  });
});

test("a German export: semicolons, decimal commas, Latin-1 and line ends of Windows", async () => {
  const text = 'Größe;Ort;Preis €\r\n1,5;Köln;200\r\n-,25;"Bad; Aibling";350,5\r\n;Köln;NA\r\n2;Köln;1\r\n';
  const bytes = encoders.latin1(text);
  await writeFile(path, bytes);
  assert.equal(
    await refusalOf(() => table(path, { target: "Preis €" })),
    "t.csv, line 1: expected CSV text in UTF-8, got the byte 0xF6 where UTF-8 has none. " +
      'Fix: if it is Latin-1, dialect: { encoding: "latin1" }; else save it as UTF-8',
  );
  assert.match(
    await refusalOf(() => table(path, { target: "Preis €", dialect: { encoding: "latin1" } })),
    /^t\.csv, line 3, column "Preis €": .*got "350,5"\. Fix: dialect: \{ decimal: "," \} if that/,
  );
  const dialect = { decimal: ",", encoding: "latin1" } as const;
  const houses = await table(path, { target: "Preis €", dialect });
  assert.deepEqual(await numbersOf(houses, "Größe"), [1.5, -0.25, 2]);
  assert.deepEqual(await numbersOf(houses, "Preis €"), [200, 350.5, 1]);
  assert.deepEqual(houses.schema.features[1], {
    kind: "category",
    name: "Ort",
    categories: ["Bad; Aibling", "Köln"],
  });
  const { dialect: words } = await profileTable(path, { dialect });
  assert.equal(words, "separated by semicolons, decimal commas, Latin-1");
  for await (const piece of rawRows(path, { columns: ["Ort", "Größe"], numbers: ["Größe"], dialect })) {
    assert.deepEqual(piece.numbers.Größe, Float64Array.of(1.5, -0.25, Number.NaN, 2));
    assert.deepEqual(piece.columns.Größe, ["1,5", "-,25", null, "2"]);
    assert.deepEqual([piece.parse("3,0"), piece.parse("3.0")], [3, undefined]);
    assert.equal(await piece.placeOf(2), `${path}, line 4`);
  }
  await writeFile(path, gzipSync(bytes));
  const packed = await profileTable(path, { dialect: { ...dialect, delimiter: ";" } });
  assert.equal(packed.dialect, "separated by semicolons, decimal commas, Latin-1, packed with gzip");
});

test("decimal commas are named where they are found, and points where commas were said", async () => {
  const asText = 'types: { "x": "category" } to read the column as text';
  await writeFile(path, "x;y\n1,5;1\n2,5;2\n");
  assert.equal(
    await refusalOf(() => table(path, { target: "y" })),
    't.csv, line 2, column "x": expected numbers with a decimal point and nothing between thousands, got "1,5". ' +
      `Fix: dialect: { decimal: "," } if that is a decimal comma; else write decimal points, or ${asText}`,
  );
  const inRows = async (dialect?: Dialect) => {
    for await (const _ of rawRows(path, { columns: [], numbers: ["x"], ...(dialect && { dialect }) }));
  };
  assert.equal(
    await refusalOf(() => inRows()),
    't.csv, line 2, column "x": expected a number that fits float32, got "1,5". ' +
      'Fix: correct the value, or leave it empty if it is missing; if that is a decimal comma, dialect: { decimal: "," }',
  );
  const dialect = { decimal: "," } as const;
  for (const wrong of ["2.5", "1.234,5", "1.234"]) {
    await writeFile(path, `x;y\n${wrong};1\n${wrong};2\n`);
    assert.equal(
      await refusalOf(() => table(path, { target: "y", dialect })),
      `t.csv, line 2, column "x": expected numbers with a decimal comma and nothing between thousands, got "${wrong}". ` +
        `Fix: write decimal commas, or ${asText}`,
    );
  }
  assert.equal(
    await refusalOf(() => inRows(dialect)),
    't.csv, line 2, column "x": expected a number that fits float32, with a decimal comma, got "1.234". ' +
      "Fix: correct the value, or leave it empty if it is missing",
  );
  const lines = Array.from({ length: 2000 }, (_, index) => `${index},5;${index}\n`).join("");
  await writeFile(path, `x;y\n${lines}1.5;3\n`);
  assert.match(
    await refusalOf(() => table(path, { target: "y", dialect })),
    /^t\.csv, line 2002, column "x": expected a number that fits float32, as 2000 of 2001 values are, got "1\.5"/,
  );
  await writeFile(path, `x;y\n${"7;1\n".repeat(20)}1,5;3\n2;3\n`);
  assert.match(
    await refusalOf(() => table(path, { target: "y" })),
    /^t\.csv, line 22, column "x": .*got "1,5"\. Fix: dialect: \{ decimal: "," \} if that is a decimal comma; else correct the value/,
  );
  for (const written of ["-,5", "1,5e3", "+1,", "7"]) {
    await writeFile(path, `x;y\n${`${written};1\n1,5;2\n`.repeat(5)}`);
    assert.match(
      await refusalOf(() => table(path, { target: "y" })),
      /line [23], column "x": .*\. Fix: dialect: \{ decimal: "," \}/,
      written,
    );
    assert.equal((await table(path, { target: "y", dialect })).size, 10);
  }
  await writeFile(path, "x,y\n1,2\n3,4\n");
  assert.equal(
    await refusalOf(() => table(path, { target: "y", dialect })),
    "t.csv, option dialect.decimal: expected fields that something else than commas separates, " +
      "got commas between the names of the columns. Fix: leave decimal out, or name the delimiter",
  );
});

test("a file without a header line gets its names from the dialect, and the delimiter that fits them", async () => {
  await writeFile(path, "5.1,3.5,setosa\n\n4.9,3.1,setosa\n7,3,versicolor\n6,3,versicolor\n");
  const names = ["length", "width", "species"];
  const irises = await table(path, { target: "species", dialect: { names } });
  assert.equal(irises.size, 4);
  assert.deepEqual(await numbersOf(irises, "length"), [5.1, 4.9, 7, 6].map(Math.fround));
  assert.equal(
    (await profileTable(path, { dialect: { names } })).dialect,
    "separated by commas, no header line",
  );
  assert.equal(
    await refusalOf(() => table(path, { target: "species", dialect: { names: names.slice(1) } })),
    "t.csv, option dialect.names: expected as many names as the first line has fields, 3, got 2. " +
      'Fix: name every column, "" for one to leave out',
  );
  await writeFile(path, `${names}\n5.1,3.5,setosa\n`);
  assert.equal(
    await refusalOf(() => table(path, { target: "species", dialect: { names } })),
    "t.csv, option dialect.names: expected a file without a header line, got the same names in its first line. " +
      "Fix: leave names out",
  );
  await writeFile(path, "1,2;3\n4,5\n");
  assert.deepEqual(
    (
      await profileTable(path, {
        dialect: { names: ["a", "b"], decimal: "," },
        clean: { badRows: { skip: 1 } },
      })
    ).skipped,
    {
      count: 1,
      lines: 1,
      first: [{ line: 2, reason: "expected 2 fields, one for each name, got 1" }],
    },
  );
  await writeFile(path, "\n");
  assert.equal(
    await refusalOf(() => table(path, { target: "a", dialect: { names } })),
    "t.csv: expected lines of values, got an empty file. Fix: check that the file was written",
  );
});

test("quotes are text where nothing is quoted, and backslashes stand in front of them where that is said", async () => {
  await writeFile(path, 'size\tname\n1\t"x\n2\t5" pipe\n3\t"q"\n');
  const rows = async (dialect: Dialect) => {
    for await (const { texts } of rawRows(path, { columns: [], dialect })) return texts;
    return undefined;
  };
  assert.match(await refusalOf(() => rows({})), /line 3: .*if quotes are text, dialect: \{ quote: "" \}/);
  assert.deepEqual(await rows({ quote: "" }), [
    ["1", "2", "3"],
    ['"x', '5" pipe', '"q"'],
  ]);
  assert.equal(
    (await profileTable(path, { dialect: { quote: "" } })).dialect,
    "separated by tabs, nothing quoted",
  );
  await writeFile(path, 'id,name\n1,"say \\"hi\\", \\\\ and \\n"\n2,\\N\n3,"two\\\nlines"\n');
  assert.match(await refusalOf(() => rows({})), /line 2: .*if \\" is one, dialect: \{ escape: "\\\\" \}/);
  assert.deepEqual(await rows({ escape: "\\" }), [
    ["1", "2", "3"],
    ['say "hi", \\ and n', "\\N", "two\\\nlines".replace("\\", "")],
  ]);
  await writeFile(path, "id,name\n1,'it''s, \"so\"'\n");
  assert.deepEqual(await rows({ quote: "'" }), [["1"], ['it\'s, "so"']]);
});

test("comments and empty lines in front of the header are left out, signs inside a line are not, and lines still count", async () => {
  const head = '# made by hand\n#\n\n# "unclosed\n';
  await writeFile(path, `${head}a,b\n1#x,2\n#3,4\n"#5",6\n\n7,8,9\n`);
  const dialect = { comment: "#" } as const;
  assert.equal(
    await refusalOf(() => profileTable(path, { dialect })),
    "t.csv, line 10: expected 2 fields, as in the header, got 3. Fix: quote fields that contain the delimiter",
  );
  await writeFile(path, `${head}a,b\n1#x,2\n#3,4\n"#5",6\n# end`);
  for await (const piece of rawRows(path, { columns: ["a"], dialect })) {
    assert.deepEqual(piece.columns, { a: ["1#x", "#5"] });
    assert.equal(await piece.placeOf(1), `${path}, line 8`);
  }
  assert.deepEqual(
    await profileTable(path, { dialect }).then(({ records, dialect: words }) => [records, words]),
    [2, "separated by commas, comments behind #"],
  );
  await writeFile(path, head);
  assert.match(
    await refusalOf(() => profileTable(path, { dialect })),
    /got nothing but comments\. Fix: check that/,
  );
  // The header is beyond what is read at once.
  await writeFile(path, `${"# a long preface\n".repeat(150_000)}a;b\n1;2\n`);
  assert.equal((await profileTable(path, { dialect })).columns.length, 2);
});

test("Latin-1 has the characters of Windows-1252", async () => {
  await writeFile(
    path,
    Buffer.concat([
      Buffer.from("a,b\n1,"),
      Buffer.from([0x80, 0x81, 0x92, 0x96, 0x9f, 0xa0, 0xe9, 0xff, 10]),
    ]),
  );
  for await (const { texts } of rawRows(path, { columns: [], dialect: { encoding: "latin1" } })) {
    assert.deepEqual(texts, [["1"], ["€\u0081’–Ÿ\u00a0éÿ"]]);
  }
});

test("UTF-16 is read by its byte order mark, and half characters are named with their line", async () => {
  const text = "größe,𝒳\n1,🐧\n2,ñ\n3,🐧\n4,ñ\n";
  const little = Buffer.from(text, "utf16le");
  const mark = Buffer.from([0xff, 0xfe]);
  const marked = Buffer.concat([mark, little]);
  const dialect = { encoding: "utf-16" } as const;
  for (const bytes of [little, marked, Buffer.from(marked).swap16()]) {
    await writeFile(path, bytes);
    const data = await table(path, { target: "𝒳", dialect });
    assert.deepEqual(await numbersOf(data, "größe"), [1, 2, 3, 4]);
    assert.deepEqual(data.schema.targets, [{ task: "classification", name: "𝒳", categories: ["ñ", "🐧"] }]);
  }
  assert.equal((await profileTable(path, { dialect })).dialect, "separated by commas, UTF-16");
  const refused = async (bytes: Uint8Array, given: Dialect = dialect) => {
    await writeFile(path, bytes);
    return refusalOf(() => profileTable(path, { dialect: given }));
  };
  assert.equal(
    await refused(Buffer.from("a,b\n1,2\n3,x\ud83dy\n", "utf16le")),
    "t.csv, line 3: expected CSV text in UTF-16, got one of two surrogates without the other. " +
      "Fix: save it again, from what it was made of",
  );
  assert.match(
    await refused(Buffer.from("a,b\n1,2\n3,\udc27\n", "utf16le")),
    /line 3: .*one of two surrogates/,
  );
  assert.match(
    await refused(Buffer.from("a,b\n1,2\n3,\ud83d", "utf16le")),
    /line 3: .*one of two surrogates/,
  );
  assert.equal(
    await refused(marked.subarray(0, -1)),
    "t.csv, line 5: expected CSV text in UTF-16, got half a character at the end. " +
      "Fix: check that the file was written to its end",
  );
  assert.match(await refused(marked, {}), /got UTF-16 text\. Fix: dialect: \{ encoding: "utf-16" \}/);
  assert.match(
    await refused(little, {}),
    /got a zero byte\. Fix: check that the file is text; if it is UTF-16, dialect/,
  );
  assert.equal(
    await refused(Buffer.from("a,b\n1,2\n")),
    "t.csv: expected CSV text in UTF-16, got no zero byte, as in UTF-8 and Latin-1. Fix: leave the encoding out",
  );
  assert.equal(
    await refused(Buffer.from("\ufeffa,b\n1,2\n"), { encoding: "latin1" }),
    "t.csv: expected CSV text in Latin-1, got UTF-8 text, by its byte order mark. Fix: leave the encoding out",
  );
});

test("a dialect holds for several files and for a second table, and is refused where there is no CSV", async () => {
  const at = (name: string) => join(folder, name);
  await writeFile(at("m1.csv"), "x:y\n1,5:1\n2,5:2\n");
  await writeFile(at("m2.csv"), "y:x\n3:3,5\n");
  const dialect = { delimiter: ":", decimal: "," } as const;
  const both = await table([at("m1.csv"), at("m2.csv")], { target: "y", dialect });
  assert.deepEqual(await numbersOf(both, "x"), [1.5, 2.5, 3.5]);
  const second = await table(at("m2.csv"), {
    like: both.schema,
    dialect: { ...dialect, encoding: "latin1" },
  });
  assert.deepEqual(await numbersOf(second, "x"), [3.5]);
  const cached = await cachedTable(at("m1.csv"), { target: "y", dialect }, { folder: at("cache") });
  assert.deepEqual(await numbersOf(cached, "x"), [1.5, 2.5]);
  await assert.rejects(
    cachedTable(at("m1.csv"), { target: "y", dialect: { delimiter: "::" } }, { folder: at("cache") }),
    /option dialect\.delimiter: expected one character/,
  );
  assert.equal(
    await refusalOf(() => table(sql("select 1 as x, 2 as y"), { target: "y", dialect })),
    'query "select 1 as x, 2 as y", option dialect: expected a CSV file, whose dialect it is, got a query. ' +
      "Fix: leave it out; read_csv(…) in the query takes options of its own",
  );
  // What JavaScript may pass although the types forbid it.
  const lines = { target: "y", dialect } as JsonLinesOptions;
  await writeFile(at("t.jsonl"), '{"x": 1, "y": 2}\n');
  assert.match(
    await refusalOf(() => jsonLines(at("t.jsonl"), lines)),
    /option dialect: expected a CSV file, whose dialect it is, got JSON Lines\. Fix: leave it out$/,
  );
});
