import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { type RawPiece, type RawRowsOptions, rawRows } from "./raw-rows.ts";
import { table } from "./table.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");

async function piecesOf(content: string | Uint8Array, options: RawRowsOptions): Promise<RawPiece[]> {
  await writeFile(path, content);
  const pieces: RawPiece[] = [];
  for await (const piece of rawRows(path, options)) pieces.push(piece);
  return pieces;
}
async function refusal(content: string | Uint8Array, options: RawRowsOptions): Promise<string> {
  const error = await piecesOf(content, options).then(
    () => assert.fail("the rows were read"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(path, "t.csv");
}
const joined = (pieces: readonly RawPiece[], part: (piece: RawPiece) => ArrayLike<unknown>) =>
  pieces.flatMap((piece) => Array.from(part(piece)));

test("a piece has every column verbatim, the needed ones trimmed, and numbers as numbers", async () => {
  const text = 'id,,x,"a b",unused\n 1 ,,2.5," say ""hi"" ",\u00a0k\n,q,NA,?," "\n"3",,\t-1e2,"x\ny",none\n';
  const [piece, ...rest] = await piecesOf(text, { columns: ["a b", "x"], numbers: ["x"] });
  assert.deepEqual(rest, []);
  assert.deepEqual([piece!.names, piece!.firstRecord, piece!.rows], [["id", "", "x", "a b", "unused"], 0, 3]);
  assert.deepEqual(piece!.texts, [
    [" 1 ", "", "3"],
    ["", "q", ""],
    ["2.5", "NA", "\t-1e2"],
    [' say "hi" ', "?", "x\ny"],
    ["\u00a0k", " ", "none"],
  ]);
  assert.deepEqual(piece!.columns, { "a b": ['say "hi"', null, "x\ny"], x: ["2.5", null, "\t-1e2"] });
  assert.deepEqual(piece!.numbers, { x: Float64Array.of(2.5, Number.NaN, -100) });
  assert.deepEqual(
    await Promise.all([0, 1, 2].map((row) => piece!.placeOf(row))),
    [2, 3, 4].map((line) => `${path}, line ${line}`),
  );
});

test("empty lines are no rows, also in a file of one column", async () => {
  for (const text of ["a\n1\n\n\n2\n\n", "a\r\n1\r\n\r\n2"]) {
    const pieces = await piecesOf(text, { columns: [], numbers: ["a"] });
    assert.deepEqual(
      joined(pieces, (piece) => piece.numbers.a!),
      [1, 2],
    );
  }
});

test("the rows come in the order of the file, in pieces that know where they stand", async () => {
  const count = 50_000;
  const lines = Array.from({ length: count }, (_, index) => `${index},"k${"\n".repeat(index % 2)}"`);
  const pieces = await piecesOf(`x,k\n${lines.join("\n")}\n`, { columns: [], numbers: ["x"] });
  assert.deepEqual(
    joined(pieces, (piece) => piece.numbers.x!),
    [...Array(count).keys()],
  );
  let before = 0;
  for (const { firstRecord, rows } of pieces) {
    assert.equal(firstRecord, before);
    assert.ok(rows <= 2048, String(rows));
    before += rows;
  }
  const last = pieces.at(-1)!;
  assert.equal(await last.placeOf(last.rows - 1), `${path}, line ${1 + count + count / 2 - 1}`);
});

test("numbers and missing values are those of the same file as a table", async () => {
  const markers = ["", "NA", " n/a ", "NaN", '"null"', "none", "?"];
  const value = fc.oneof(
    fc.constantFrom(...markers),
    fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
      const lines = ["1,1", "2,2.5", ...values.map((text, index) => `${text},${index + 3}`)];
      const pieces = await piecesOf(`x,y\n${lines.join("\n")}\n`, { columns: ["x"], numbers: ["x"] });
      const data = await table(path, { target: "y", types: { x: "number" } });
      const numbers = new Float32Array(data.size);
      await data.read("x", Uint32Array.from(numbers.keys()), numbers);
      assert.deepEqual(Float32Array.from(joined(pieces, (piece) => piece.numbers.x!) as number[]), numbers);
      const missing = joined(pieces, (piece) => piece.columns.x!).filter((text) => text === null).length;
      assert.equal(missing, data.report.missing.x ?? 0);
    }),
    { numRuns: 20 },
  );
});

test("memory does not grow with the file: no more than a piece is held at a time", async () => {
  const text = Array.from(
    { length: 300_000 },
    (_, index) => `${index},text of ${index},more of ${index}`,
  ).join("\n");
  await writeFile(path, `x,a,b\n${text}\n`);
  // The texts alone would take more than the heap that the process gets.
  const script = `import { rawRows } from ${JSON.stringify(import.meta.resolve("./raw-rows.ts"))};
    let rows = 0;
    for await (const piece of rawRows(process.argv[1], { columns: ["x", "a", "b"], numbers: ["x"] })) rows += piece.rows;
    console.log(rows);`;
  const flags = [
    "--max-old-space-size=32",
    "--max-semi-space-size=4",
    "--input-type=module",
    "-e",
    script,
    path,
  ];
  const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
  assert.equal(stdout.trim(), "300000", stderr.slice(0, 500));
});

test("a text that is no number is refused at its line, also far down in the file", async () => {
  const lines = Array.from({ length: 5000 }, (_, index) => `${index},"${index}\n"`);
  lines[4000] = '" twelve ",x';
  assert.equal(
    await refusal(`a,b\n${lines.join("\n")}\n`, { columns: ["a"], numbers: ["a"] }),
    't.csv, line 8002, column "a": expected a number that fits float32, got "twelve". ' +
      "Fix: correct the value, or leave it empty if it is missing",
  );
  assert.match(
    await refusal("a,b\n1e39,2\n", { columns: ["a"], numbers: ["a"] }),
    /line 2, column "a": .* got "1e39"/,
  );
});

test("needed columns that the file lacks are refused, unless they may be absent", async () => {
  const text = "size,kind\n1,a\n";
  assert.equal(
    await refusal(text, { columns: ["size", "kimd"] }),
    't.csv: expected the model\'s columns size, kimd, got no kimd. Fix: rename "kind" to "kimd"',
  );
  assert.equal(
    await refusal(text, { columns: ["weather"], numbers: ["height"] }),
    "t.csv: expected the model's columns weather, height, got no weather, height. " +
      "Fix: add the columns, empty where a value is missing",
  );
  const options = { columns: ["size", "price"], numbers: ["size", "price"], absent: ["price"] };
  const [piece] = await piecesOf(text, options);
  assert.deepEqual([Object.keys(piece!.columns), Object.keys(piece!.numbers)], [["size"], ["size"]]);
});

test("files without rows, damaged ones and unknown ones are refused before the first piece", async () => {
  const none = { columns: [] };
  assert.match(await refusal("", none), /got an empty file/);
  assert.equal(
    await refusal("x,y\n\n", none),
    "t.csv: expected at least one line of values below the header, got none. " +
      "Fix: check that the file was written to its end",
  );
  assert.match(await refusal(`x,y\n${"1,2\n".repeat(5000)}3\n`, none), /line 5002: expected 2 fields/);
  await assert.rejects(rawRows(join(folder, "none.csv"), none).next(), /got nothing of that name/);
});

/** How often this process has a file open, on Linux. */
async function openings(file: string): Promise<number> {
  const links = await Promise.allSettled(
    (await readdir("/proc/self/fd")).map((handle) => readlink(`/proc/self/fd/${handle}`)),
  );
  return links.filter((link) => link.status === "fulfilled" && link.value === file).length;
}

test("the file is closed for who stops early", async () => {
  await writeFile(path, `x,y\n${"1,2\n".repeat(2_000_000)}`);
  for await (const { rows } of rawRows(path, { columns: ["x"] })) {
    assert.equal(rows, 2048);
    assert.ok((await openings(path)) > 0);
    break;
  }
  assert.equal(await openings(path), 0);
});

test("one column is enough for a model that reads one", async () => {
  await writeFile(path, "x\n1\n2.5\n");
  for await (const { numbers } of rawRows(path, { columns: ["x"], numbers: ["x"] })) {
    assert.deepEqual([...numbers.x!], [1, 2.5]);
  }
});
