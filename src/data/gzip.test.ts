import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { readUnpacked } from "./gzip.ts";
import { rawRows } from "./table/raw-rows.ts";
import { table } from "./table/table.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv"); // no .gz: the bytes decide

const rows = Array.from(
  { length: 40_000 },
  (_, index) => `${index % 97},${"ab"[index % 2]}${index % 7},${index / 2}\n`,
);
const text = `x,c,y\n${rows.join("")}`;

async function fingerprint(content: string | Uint8Array): Promise<string> {
  await writeFile(path, content);
  return (await table(path, { target: "y" })).fingerprint();
}
async function unpacked(content: Uint8Array): Promise<{ isGzip: boolean; sizes: number[]; whole: string }> {
  await writeFile(path, content);
  const { isGzip, pieces } = await readUnpacked(path);
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return { isGzip, sizes: all.map(({ length }) => length), whole: Buffer.concat(all).toString() };
}
/** Packed in members of `size` bytes each, as parallel packers do, with an empty one at the end. */
const inMembers = (size: number) =>
  Buffer.concat([
    ...Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
      gzipSync(text.slice(index * size, (index + 1) * size)),
    ),
    gzipSync(""),
  ]);

test("a packed table is the table, whatever its name and in however many members", async () => {
  const plain = await fingerprint(text);
  assert.equal(await fingerprint(gzipSync(text)), plain);
  assert.equal(await fingerprint(inMembers(5000)), plain);
  assert.equal(await fingerprint(gzipSync(text.replaceAll(",", "\t"))), plain);
  let seen = 0;
  await writeFile(path, inMembers(100_000));
  for await (const piece of rawRows(path, { columns: [], numbers: ["x"] })) seen += piece.rows;
  assert.equal(seen, rows.length);
});

test("errors name the line of the unpacked text", async () => {
  await writeFile(path, gzipSync(`${text}1,2\n`));
  await assert.rejects(
    table(path, { target: "y" }),
    /line 40002: expected 3 fields, as in the header, got 2/,
  );
});

test("the first piece holds a megabyte or all there is, so that a header is never cut", async () => {
  for (const content of [gzipSync(text), inMembers(700), Buffer.from(text)]) {
    const { isGzip, sizes, whole } = await unpacked(content);
    assert.equal(isGzip, content[0] === 0x1f);
    assert.equal(sizes.length, 1);
    assert.ok(whole === text);
  }
  const long = "x".repeat(2 ** 22);
  const { sizes, whole } = await unpacked(gzipSync(long));
  assert.ok(sizes[0]! >= 2 ** 20 && sizes.length > 1, sizes.join());
  assert.ok(whole === long);
  assert.equal((await unpacked(Buffer.from(long))).whole.length, long.length);
});

test("a damaged and a cut gzip file are refused with one clear error", async () => {
  const packed = gzipSync(text);
  const refusal = async (content: Uint8Array) => {
    await writeFile(path, content);
    const error: Error = await table(path, { target: "y" }).then(
      () => assert.fail("the table was read"),
      (thrown) => thrown,
    );
    return error.message.replaceAll(path, "t.csv");
  };
  const cut =
    "t.csv: expected a whole gzip file, got one that ends too early. " +
    "Fix: copy or download it again (gzip -t t.csv checks it)";
  assert.equal(await refusal(packed.subarray(0, packed.length / 2)), cut);
  assert.equal(await refusal(packed.subarray(0, packed.length - 4)), cut);
  assert.equal(await refusal(packed.subarray(0, 2)), cut);
  const damaged = Buffer.from(packed);
  damaged.fill(0xff, 1000, 1100);
  assert.match(
    await refusal(damaged),
    /^t\.csv: expected a whole gzip file, got damaged bytes \(.+\)\. Fix: copy or download it again \(gzip -t t\.csv checks it\)$/,
  );
  assert.match(await refusal(Buffer.concat([packed, Buffer.from("rubbish")])), /got damaged bytes/);
  assert.match(await refusal(gzipSync(packed)), /got a compressed file\. Fix: unpack it first$/);
  assert.match(await refusal(gzipSync("")), /got an empty file/);
});
