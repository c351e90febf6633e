/** A cache that is damaged in any way is made anew, with one line that says why, and never gives other numbers. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cp,
  mkdir,
  open as openFile,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { cached, listCaches } from "../src/data/cache/cache.ts";
import type { Source } from "../src/data/source.ts";
import { cachedTable } from "../src/data/table/cached-table.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const samples = 60;
const columns = {
  image: { dtype: "uint8", shape: [2, 3] },
  x: { dtype: "float32", shape: [] },
  class: { dtype: "int32", shape: [], categories: ["red", "green"] },
  weight: { dtype: "float32", shape: [] },
} as const;

const source: Source<typeof columns> = {
  name: "made",
  columns,
  weight: "weight",
  fingerprint: async () => "as ever",
  async *pieces() {
    const at = (elements: number, of: (index: number) => number) =>
      Array.from({ length: samples * elements }, (_, index) => of(index));
    yield {
      samples,
      columns: {
        image: Uint8Array.from(at(6, (index) => index * 7)),
        x: Float32Array.from(at(1, (index) => index / 3)),
        class: Int32Array.from(at(1, (index) => index % 2)),
        weight: Float32Array.from(at(1, (index) => 1 + index)),
      },
    };
  },
};

let place = "";
let sound: { readonly samples: Buffer; readonly manifest: Buffer };
let expected: unknown;

before(async () => {
  expected = await everything();
  const [key] = await readdir(folder);
  place = join(folder, key!);
  sound = {
    samples: await readFile(join(place, "samples.npy")),
    manifest: await readFile(join(place, "manifest.json")),
  };
});

/** All that a dataset says, and the lines that were told. */
async function everything(reasons: string[] = []): Promise<unknown> {
  const onRebuild = (reason: string) => reasons.push(reason);
  const data = await cached(source, { folder, bytesInMemory: 0, onRebuild });
  const all = Uint32Array.from({ length: data.size }, (_, sample) => sample);
  const room = {
    image: new Uint8Array(6 * data.size),
    x: new Float32Array(data.size),
    class: new Int32Array(data.size),
    weight: new Float32Array(data.size),
  };
  for (const name of ["image", "x", "class", "weight"] as const) await data.read(name, all, room[name]);
  return { room, size: data.size, columns: data.columns, weight: data.weight, name: data.name };
}

/** Opens the damaged cache. It must give what was put in, and say that it was made anew, unless nothing was changed. */
async function assertMadeAnew(what: string): Promise<void> {
  const reasons: string[] = [];
  assert.deepEqual(await everything(reasons), expected, what);
  assert.equal(reasons.length, 1, what);
  assert.match(
    reasons[0]!,
    /^the cache of made is made anew: (it|its|samples\.npy|block|what|another) [^\n]+$/,
    what,
  );
  assert.deepEqual(await readdir(folder), [place.slice(folder.length + 1)], what);
  assert.ok((await readFile(join(place, "samples.npy"))).equals(sound.samples), what);
}

const put = (name: string, content: Uint8Array | string) => writeFile(join(place, name), content);

/** Every place in a JSON value: the keys on the way to it. */
function* waysInto(value: unknown, way: readonly string[] = []): Generator<readonly string[]> {
  if (way.length > 0) yield way;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) yield* waysInto(inner, [...way, key]);
}

function withValue(value: unknown, [key, ...rest]: readonly string[], change: unknown): unknown {
  if (key === undefined) return change;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value)
    ? [...value]
    : { ...(value as object) };
  const inner = (copy as Record<string, unknown>)[key]; // a list is read by its indices
  (copy as Record<string, unknown>)[key] = withValue(inner, rest, change);
  return copy;
}

test("a manifest with a wrong value anywhere is noticed: 150 values in all fields", async () => {
  const manifest: unknown = JSON.parse(sound.manifest.toString());
  const wrong = [
    undefined,
    null,
    true,
    -1,
    0.5,
    1e300,
    2 ** 53,
    "",
    "../../x",
    "x".repeat(1e4),
    [],
    [[]],
    {},
    { length: -1 },
  ];
  const ways = [...waysInto(manifest)];
  assert.ok(ways.length > 20);
  const cases = ways.flatMap((way) => wrong.map((value) => [way, value] as const));
  const chosen = fc.sample(fc.constantFrom(...cases), { numRuns: 150, seed: 1 });
  for (const [way, value] of chosen) {
    const text = JSON.stringify(withValue(manifest, way, value));
    if (text === sound.manifest.toString()) continue; // the value that it had
    await put("manifest.json", text);
    await assertMadeAnew(`${way.join(".")} = ${JSON.stringify(value)}`.slice(0, 100));
  }
});

test("a manifest with other letters is noticed, whatever they mean: 60 changes", async () => {
  const change = fc.record({ at: fc.nat(sound.manifest.length - 1), by: fc.integer({ min: 1, max: 255 }) });
  for (const { at, by } of fc.sample(change, { numRuns: 60, seed: 2 })) {
    const bytes = Buffer.from(sound.manifest);
    bytes[at]! ^= by;
    await put("manifest.json", bytes);
    await assertMadeAnew(`byte ${at} of the manifest changed by ${by}`);
  }
});

test("a file of samples with other bytes, fewer or more is noticed: 90 changes", async () => {
  const { length } = sound.samples;
  const change = fc.record({
    kind: fc.constantFrom("flip", "cut", "add"),
    at: fc.nat(length - 1),
    bit: fc.nat(7),
  });
  for (const { kind, at, bit } of fc.sample(change, { numRuns: 90, seed: 3 })) {
    const flipped = Buffer.from(sound.samples);
    flipped[at]! ^= 1 << bit;
    const bytes = {
      flip: flipped,
      cut: flipped.subarray(0, at),
      add: Buffer.concat([sound.samples, flipped.subarray(at)]),
    };
    await put("samples.npy", bytes[kind]);
    await assertMadeAnew(`${kind} at ${at}, bit ${bit}`);
  }
});

/** What else may lie where a file or the folder should be. */
const strange: readonly (readonly [what: string, put: () => Promise<unknown>, isOfUnix?: true])[] = [
  ...["samples.npy", "manifest.json"].flatMap((name) => {
    const path = () => join(place, name);
    const instead = (make: () => unknown) => () => rm(path()).then(make);
    return [
      [`no ${name}`, instead(() => undefined)],
      [`an empty ${name}`, () => truncate(path(), 0)],
      [`${name}, a folder`, instead(() => mkdir(path()))],
      [`${name}, packed`, async () => put(name, gzipSync(await readFile(path())))],
      [`${name}, a gigabyte of nothing`, () => truncate(path(), 2 ** 30)],
      [`${name}, a link to nowhere`, instead(() => symlink("nowhere", path())), true],
      [`${name}, a link to itself`, instead(() => symlink(path(), path())), true],
      [`${name}, a pipe`, instead(() => execFileSync("mkfifo", [path()])), true],
      [`${name}, a device`, instead(() => symlink("/dev/zero", path())), true],
    ] as const;
  }),
  ["a manifest in lists", () => put("manifest.json", "[".repeat(1e6))],
  ["a manifest behind a byte order mark", () => put("manifest.json", `\uFEFF${sound.manifest}`)],
  [
    "a manifest written with blanks",
    () => put("manifest.json", JSON.stringify(JSON.parse(`${sound.manifest}`), null, 2)),
  ],
  ["an empty folder", () => rm(place, { recursive: true }).then(() => mkdir(place))],
  [
    "a file in the place of the folder",
    () => rm(place, { recursive: true }).then(() => writeFile(place, "")),
  ],
];

for (const [what, change, isOfUnix] of strange) {
  test(`${what}: the cache is made anew`, { skip: isOfUnix && process.platform === "win32" }, async () => {
    await change();
    assert.deepEqual((await listCaches({ folder })).length, 1); // told, whatever it is, and neither hangs nor throws
    await assertMadeAnew(what);
  });
}

test("files of another cache in the place of one's own are noticed", async () => {
  const own = join(folder, "others");
  const more: Source<typeof columns> = { ...source, fingerprint: async () => "another day" };
  await cached(more, { folder: own });
  const other = join(own, (await readdir(own))[0]!);
  await cp(join(other, "manifest.json"), join(place, "manifest.json"));
  await rm(own, { recursive: true });
  await assertMadeAnew("the manifest of another");
});

test("a cache that is cut while it is read from ends in one line, not in numbers", async () => {
  const data = await cached(source, { folder, bytesInMemory: 0 });
  await truncate(join(place, "samples.npy"), sound.samples.length - 20);
  assert.throws(() => data.read("x", Uint32Array.of(59), new Float32Array(1)), {
    name: "MicrobatchError",
    message:
      /expected 60 records of 20 bytes, got a file that ends in record 59\. Fix: something has changed the file/,
  });
  await assertMadeAnew("cut while in use");
});

test("of a large cache that was written to, every block is checked, and of one that was not, some", async () => {
  const own = join(folder, "large");
  const spec = { bytes: { dtype: "uint8", shape: [2 ** 20] } } as const;
  const large: Source<typeof spec> = {
    name: "large",
    columns: spec,
    fingerprint: async () => "large",
    async *pieces() {
      for (let sample = 0; sample < 260; sample++) {
        yield { samples: 1, columns: { bytes: new Uint8Array(2 ** 20).fill(sample) } };
      }
    },
  };
  const reasons: string[] = [];
  const open = () =>
    cached(large, { folder: own, bytesInMemory: 0, onRebuild: (reason) => reasons.push(reason) });
  await open();
  const path = join(own, (await readdir(own))[0]!, "samples.npy");
  const { mtimeMs } = await stat(path);
  const file = await openFile(path, "r+");
  await file.write(Uint8Array.of(1), 0, 1, 104 * 2 ** 20 + 5000); // of block 104, which is none of the 32
  await file.close();
  await open();
  assert.deepEqual(reasons, ["the cache of large is made anew: block 104 of samples.npy has changed"]);
  // A sound one with another time, as a copy has, is checked and taken, and its time set for the next opening.
  await utimes(path, 0, 0);
  await open();
  assert.equal(reasons.length, 1);
  assert.ok(Math.abs((await stat(path)).mtimeMs - mtimeMs) < 3_600_000);
  await rm(own, { recursive: true });
});

test("a table's cache tells neither other categories nor another report than it was made with", async () => {
  const [own, csv] = [join(folder, "table"), join(folder, "t.csv")];
  const rows = Array.from({ length: 40 }, (_, row) => `${row / 7},${row % 3 ? "red" : "green"},${row * 2.5}`);
  await writeFile(csv, ["size,colour,price", ...rows, "1,red,"].join("\n"));
  const reasons: string[] = [];
  const open = () =>
    cachedTable(csv, { target: "price" }, { folder: own, onRebuild: (reason) => reasons.push(reason) });
  const first = await open();
  assert.deepEqual([first.columns.colour!.categories, first.report.withoutTarget], [["green", "red"], 1]);
  const path = join(own, (await readdir(own))[0]!, "manifest.json");
  for (const [from, to] of [
    ['"green"', '"blue!"'],
    ['"withoutTarget":1', '"withoutTarget":0'],
  ] as const) {
    await writeFile(path, (await readFile(path, "utf8")).replaceAll(from, to));
    const again = await open();
    assert.deepEqual(
      [again.columns, again.schema, again.report],
      [first.columns, first.schema, first.report],
    );
  }
  assert.deepEqual(reasons, Array(2).fill(`the cache of ${csv} is made anew: its manifest has changed`));
  await rm(own, { recursive: true });
  await rm(csv);
});

test("an opened cache keeps giving its samples, read ahead too, when it has been made anew for other ones since", async () => {
  const [own, csv] = [join(folder, "replaced"), join(folder, "replaced.csv")];
  const write = (factor: number) => {
    const rows = Array.from({ length: 5000 }, (_, row) => `${((1000 + row * factor) % 9000) + 1000},${row}`);
    return writeFile(csv, `x,y\n${rows.join("\n")}\n`);
  };
  const open = () => cachedTable(csv, { target: "y" }, { folder: own, bytesInMemory: 0 });
  await write(1);
  const before = await open();
  await write(3);
  await open();
  const samples = Uint32Array.of(40, 50, 60);
  before.prefetch!(samples);
  const x = new Float32Array(3);
  await before.read("x", samples, x);
  assert.deepEqual([...x], [2040, 2050, 2060]);
  await rm(own, { recursive: true });
  await rm(csv);
});
