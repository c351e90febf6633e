import assert from "node:assert/strict";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import type { TypedArray } from "../array/dtype.ts";
import { MicrobatchError } from "../errors.ts";
import { npy, npySource } from "./npy.ts";
import { encodeNpyHeader, npyRowLayout } from "./npy-header.ts";
import type { Source } from "./source.ts";

const folder = temporaryFolder();
const path = join(folder, "t.npy");

type Numbers = readonly (number | "nan" | "inf" | "-inf")[];
type Columns = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: Numbers; readonly isFloat?: boolean }>
>;
interface Golden {
  readonly files: readonly { readonly name: string; readonly bytes: string; readonly columns: Columns }[];
  readonly damaged: readonly {
    readonly file: number;
    readonly at: number;
    readonly byte: number;
    readonly columns: Columns | "same" | null;
  }[];
}
const goldenFile = new URL("../../test/golden/npy.json", import.meta.url);
// What make_npy.py wrote.
const golden = JSON.parse(await readFile(goldenFile, "utf8")) as Golden;
const names = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY };

/** A file of a plain array as NumPy writes it. */
function fileOf(descr: string, shape: string, data: Uint8Array, isFortran = false): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${isFortran ? "True" : "False"}, 'shape': ${shape}, }`;
  return withHeader(text, data);
}
function withHeader(text: string, data: Uint8Array): Uint8Array {
  const header = `\x93NUMPY\x01\x00\0\0${text}`.padEnd(127).concat("\n");
  const bytes = Buffer.concat([Buffer.from(header, "latin1"), data]);
  bytes.writeUInt16LE(118, 8);
  return bytes;
}
const bytesOf = (array: TypedArray | BigUint64Array | Uint32Array | Int16Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** All columns of a source, each in one list. */
async function readAll(source: Source): Promise<Record<string, number[]>> {
  const read: Record<string, number[]> = Object.fromEntries(
    Object.keys(source.columns).map((name) => [name, []]),
  );
  let samples = 0;
  for await (const piece of source.pieces()) {
    samples += piece.samples;
    for (const [name, list] of Object.entries(read))
      for (const value of piece.columns[name]!) list.push(Number(value));
  }
  assert.equal(samples, source.size);
  return read;
}
async function columnsOf(bytes: Uint8Array): Promise<Columns> {
  await writeFile(path, bytes);
  const source = await npySource(path);
  const read = await readAll(source);
  return Object.fromEntries(
    Object.entries(source.columns).map(([name, { dtype, shape }]) => [
      name,
      { shape, data: read[name]!, isFloat: dtype === "float32" },
    ]),
  );
}
/** Compares; a plain array's column is called like the file. Nine digits name one float32. */
function requireSame(actual: Columns, expected: Columns, message: string): void {
  const numberOf = (value: Numbers[number]) => (typeof value === "number" ? value : names[value]);
  const wanted = Object.entries(expected).map(([name, { shape, data }]) => {
    const column = name === "value" ? "t" : name;
    const isFloat = actual[column]?.isFloat;
    return [column, shape, data.map(numberOf).map((value) => (isFloat ? Math.fround(value) : value))];
  });
  const found = Object.entries(actual).map(([name, { shape, data }]) => [name, shape, data]);
  assert.deepEqual(found, wanted, message);
}
async function refusal(bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes);
  return failure(npy(path));
}
async function failure(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.then(
    () => assert.fail("the file was read"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof MicrobatchError, String(error));
  return error.message.replaceAll(folder, "").replaceAll("/t.npy", "t.npy");
}

test("every type, order of bytes, order of axes and version that numpy writes is read as numpy reads it", async () => {
  for (const { name, bytes, columns } of golden.files) {
    const read = await columnsOf(Buffer.from(bytes, "base64"));
    requireSame(read, columns, name);
  }
});

test("floats become float32, bytes and booleans uint8, other whole numbers int32", async () => {
  const dtypes = new Map<string, string>();
  for (const { name, bytes } of golden.files) {
    await writeFile(path, Buffer.from(bytes, "base64"));
    for (const [column, { dtype }] of Object.entries((await npySource(path)).columns)) {
      dtypes.set(`${name} ${column}`, dtype);
    }
  }
  const of = (...names: string[]) => names.map((name) => dtypes.get(name));
  assert.deepEqual(new Set(of("<f2 t", ">f4 t", ">f8 t", "records packed half")), new Set(["float32"]));
  assert.deepEqual(new Set(of("u1 t", "? t", "records packed image")), new Set(["uint8"]));
  const whole = ["i1 t", ...["<i2", ">u2", "<i4", ">u4", "<i8", ">u8"].map((code) => `${code} t`)];
  assert.deepEqual(new Set(of(...whole, "records packed label")), new Set(["int32"]));
});

test("a header with one damaged byte is refused, or read as numpy reads it", async () => {
  let refused = 0;
  for (const { file, at, byte, columns } of golden.damaged) {
    const original = golden.files[file]!;
    const bytes = Buffer.from(original.bytes, "base64");
    bytes[at] = byte;
    const read = await columnsOf(bytes).catch((error: unknown) => {
      assert.ok(error instanceof MicrobatchError, String(error));
    });
    if (read === undefined) refused++;
    else {
      assert.ok(columns !== null, `${original.name}, byte ${at}: numpy refuses it`);
      requireSame(read, columns === "same" ? original.columns : columns, `${original.name}, byte ${at}`);
    }
  }
  assert.ok(refused > golden.damaged.length / 2 && refused < golden.damaged.length, String(refused));
});

test("a file that is cut off anywhere, or goes on, is refused", async () => {
  for (const { bytes } of golden.files.slice(-3)) {
    const whole = Buffer.from(bytes, "base64");
    for (let length = 0; length < whole.length; length++) await refusal(whole.subarray(0, length));
    await refusal(Buffer.concat([whole, Buffer.of(0)]));
  }
  const data = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const expected = "t.npy: expected 134 bytes: a header of 128 and 3 samples of 2, got";
  assert.equal(
    await refusal(fileOf("|u1", "(3, 2)", data.subarray(1))),
    `${expected} 133 bytes. Fix: copy or write the file again`,
  );
  assert.equal(
    await refusal(fileOf("|u1", "(3, 2)", Uint8Array.of(...data, 7))),
    `${expected} 135 bytes. Fix: write one array to a file, by numpy.save(path, array)`,
  );
});

test("random bytes behind the beginning of a header never do more than be refused", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 128 }),
      async (bytes, kept) => {
        const whole = fileOf("<f4", "(99,)", new Uint8Array(396));
        await refusal(Buffer.concat([whole.subarray(0, kept), bytes, Buffer.of(1)]));
      },
    ),
    { numRuns: 200, seed: 4 },
  );
});

test("pieces together are the array, in either order of axes, however many they are", async () => {
  const [rows, width] = [700_000, 3];
  const value = (row: number, element: number) => ((row * width + element) % 32_749) - 1000;
  const [straight, across] = [new Int16Array(rows * width), new Int16Array(rows * width)];
  for (let row = 0; row < rows; row++) {
    for (let element = 0; element < width; element++) {
      straight[row * width + element] = value(row, element);
      across[element * rows + row] = value(row, element);
    }
  }
  const files = { c: join(folder, "c.npy"), fortran: join(folder, "fortran.npy") };
  await writeFile(files.c, fileOf("<i2", `(${rows}, ${width})`, bytesOf(straight)));
  await writeFile(files.fortran, fileOf("<i2", `(${rows}, ${width})`, bytesOf(across), true));
  for (const source of [await npySource({ x: files.c }), await npySource({ x: files.fortran })]) {
    let row = 0;
    let pieces = 0;
    for await (const piece of source.pieces()) {
      const { x } = piece.columns;
      assert.ok(x instanceof Int32Array && x.length === piece.samples * width);
      for (let at = 0; at < x.length; at++) {
        if (x[at] !== value(row, at)) assert.fail(`row ${row}, element ${at}`);
      }
      row += piece.samples;
      pieces++;
    }
    assert.equal(row, rows);
    assert.ok(source.name === files.fortran || pieces > 3, String(pieces));
  }
  const both = await npySource(files);
  for await (const { columns } of both.pieces()) assert.deepEqual(columns.c, columns.fortran);
});

test("a file of Fortran's order beyond one piece is read in several", async () => {
  const [rows, width] = [1_200_000, 2];
  const across = Float64Array.from({ length: rows * width }, (_, at) => at);
  await writeFile(path, fileOf("<f8", `(${rows}, ${width})`, bytesOf(across), true));
  let row = 0;
  let pieces = 0;
  for await (const { samples, columns } of (await npySource(path)).pieces()) {
    const values = columns.t!;
    for (let at = 0; at < samples; at++, row++) {
      if (values[2 * at] !== row || values[2 * at + 1] !== row + rows) assert.fail(`row ${row}`);
    }
    pieces++;
  }
  assert.equal(row, rows);
  assert.equal(pieces, 2);
});

test("what encodeNpyHeader describes is read back", async () => {
  const fields = [
    { name: "b", dtype: "uint8", shape: [3] },
    { name: "x", dtype: "float32", shape: [2] },
    { name: "y", dtype: "int32", shape: [] },
  ] as const;
  const { rowBytes, offsets } = npyRowLayout(fields);
  const data = new DataView(new ArrayBuffer(5 * rowBytes));
  for (let row = 0; row < 5; row++) {
    for (let at = 0; at < 3; at++) data.setUint8(row * rowBytes + offsets[0]! + at, 10 * row + at);
    for (let at = 0; at < 2; at++) data.setFloat32(row * rowBytes + offsets[1]! + 4 * at, row + at / 4, true);
    data.setInt32(row * rowBytes + offsets[2]!, -row, true);
  }
  await writeFile(path, Buffer.concat([encodeNpyHeader({ fields, rows: 5 }), new Uint8Array(data.buffer)]));
  const source = await npySource(path);
  assert.deepEqual(source.columns, {
    b: { dtype: "uint8", shape: [3] },
    x: { dtype: "float32", shape: [2] },
    y: { dtype: "int32", shape: [] },
  });
  assert.deepEqual(await readAll(source), {
    b: [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42],
    x: [0, 0.25, 1, 1.25, 2, 2.25, 3, 3.25, 4, 4.25],
    y: [-0, -1, -2, -3, -4].map((value) => value + 0),
  });
});

test("several files are columns of the same samples, one of which may weigh them", async () => {
  const files = { x: join(folder, "x.npy"), y: join(folder, "y.npy"), w: join(folder, "w.npy") };
  await writeFile(files.x, fileOf("<f4", "(3, 2)", bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6))));
  await writeFile(files.y, fileOf("|i1", "(3,)", Uint8Array.of(2, 1, 255)));
  await writeFile(files.w, fileOf("<f8", "(3,)", bytesOf(Float64Array.of(1, 0.5, 0))));
  const data = await npy(files, { weight: "w" });
  assert.equal(data.size, 3);
  assert.equal(data.weight, "w");
  const [x, y] = [new Float32Array(4), new Int32Array(2)];
  await data.read("x", Uint32Array.of(2, 0), x);
  await data.read("y", Uint32Array.of(2, 0), y);
  assert.deepEqual(
    [[...x], [...y]],
    [
      [5, 6, 1, 2],
      [-1, 2],
    ],
  );
  assert.equal(
    // @ts-expect-error z is no column
    await failure(npy(files, { weight: "z" })),
    '/x.npy, /y.npy, /w.npy, weight "z": expected the name of a column with one float32 number per sample, ' +
      "got no such column among x, y, w. Fix: name one of those",
  );
  assert.equal(
    await failure(npy(files, { weight: "y" })),
    '/x.npy, /y.npy, /w.npy, weight "y": expected the name of a column with one float32 number per sample, ' +
      "got int32 of shape []. Fix: give the weights as floats, one per sample",
  );
  await writeFile(files.y, fileOf("|i1", "(2,)", Uint8Array.of(2, 1)));
  assert.equal(
    await failure(npy(files)),
    "/y.npy: expected 3 samples, as in /x.npy, got 2. Fix: name files of the same samples",
  );
  const records = golden.files.find(({ name }) => name === "records packed")!;
  await writeFile(files.y, Buffer.from(records.bytes, "base64"));
  assert.equal(
    await failure(npy(files)),
    '/y.npy: expected an array, as column "y", got records of 6 fields. Fix: name the file alone: npy(path)',
  );
});

test("numbers that do not fit are refused at their row and field", async () => {
  const whole = "whole numbers from -2147483648 to 2147483647";
  const fix = "Fix: save them as floats if they are quantities, or number them from 0 if they are codes";
  const wide = BigInt64Array.of(0n, -(2n ** 31n), 2n ** 31n - 1n, 2n ** 53n + 1n);
  assert.equal(
    await refusal(fileOf("<i8", "(2, 2)", bytesOf(wide))),
    `t.npy, row 1: expected ${whole}, got 9007199254740993. ${fix}`,
  );
  assert.equal(
    await refusal(fileOf("<i8", "(4,)", bytesOf(BigInt64Array.of(0n, 1n, -(2n ** 31n) - 1n, 0n)))),
    `t.npy, row 2: expected ${whole}, got -2147483649. ${fix}`,
  );
  assert.equal(
    await refusal(fileOf("<u8", "(2,)", bytesOf(BigUint64Array.of(5n, 2n ** 64n - 1n)))),
    `t.npy, row 1: expected ${whole}, got 18446744073709551615. ${fix}`,
  );
  assert.equal(
    await refusal(fileOf("<u4", "(2,)", bytesOf(Uint32Array.of(2 ** 31 - 1, 2 ** 31)))),
    `t.npy, row 1: expected ${whole}, got 2147483648. ${fix}`,
  );
  assert.equal(
    await refusal(fileOf("<f8", "(2,)", bytesOf(Float64Array.of(Number.NaN, -1e39)))),
    "t.npy, row 1: expected numbers that fit float32, got -1e+39. Fix: scale them",
  );
  assert.equal(
    await refusal(fileOf("|b1", "(3,)", Uint8Array.of(1, 0, 2))),
    "t.npy, row 2: expected 0 or 1 as a boolean, got the byte 2. Fix: write the file again",
  );
  const header = "{'descr': [('x', '<f4'), ('n', '<u4')], 'fortran_order': False, 'shape': (2,), }";
  assert.equal(
    await refusal(withHeader(header, bytesOf(Uint32Array.of(0, 1, 0, 2 ** 32 - 1)))),
    `t.npy, row 1, field "n": expected ${whole}, got 4294967295. ${fix}`,
  );
  // The row counts over all pieces.
  const long = new Float64Array(300_001);
  long[300_000] = 1e300;
  assert.match(
    await refusal(fileOf("<f8", "(300001,)", bytesOf(long))),
    /^t\.npy, row 300000: .* got 1e\+300/,
  );
  const across = Float64Array.of(1, 2, 3, 4, 5, 1e99);
  assert.match(
    await refusal(fileOf("<f8", "(3, 2)", bytesOf(across), true)),
    /^t\.npy, row 2: .* got 1e\+99/,
  );
});

test("types that hold no numbers are refused with what to save instead", async () => {
  const types = "floats (f2, f4, f8), whole numbers (i1 … i8, u1 … u8) or booleans (b1)";
  const refused = async (descr: string, got: string, fix: string) =>
    assert.equal(
      await refusal(fileOf(descr, "(1,)", new Uint8Array(16))),
      `t.npy: expected ${types}, got ${got} (${descr}). Fix: ${fix}`,
    );
  await refused("|O", "pickled Python objects", 'save numbers: array.astype("float32")');
  await refused("<U4", "texts", "save codes of them, counted from 0");
  await refused("|S16", "texts", "save codes of them, counted from 0");
  await refused(
    "<c16",
    "complex numbers",
    "save real and imaginary parts: numpy.stack([z.real, z.imag], -1)",
  );
  await refused("<M8[ns]", "dates", 'save numbers: dates.astype("datetime64[s]").astype("float64")');
  await refused("<m8[D]", "durations", 'save numbers: durations.astype("float64")');
  await refused("<f16", "another precision", 'save array.astype("float32")');
  await refused("|V16", "raw bytes", 'save them as numbers: array.view("u1")');
  for (const descr of ["=f4", "f4", "|f4", "<i3", "<b2", "<g4", "", "<f4x"]) {
    assert.match(await refusal(fileOf(descr, "(1,)", new Uint8Array(16))), /^t\.npy: expected floats/);
  }
  const nested = "{'descr': [('a', [('x', '<f4')])], 'fortran_order': False, 'shape': (4,), }";
  assert.equal(
    await refusal(withHeader(nested, new Uint8Array(16))),
    `t.npy, field "a": expected ${types}, got records within records. ` +
      "Fix: save the inner fields as fields of the outer record",
  );
});

test("shapes that hold no samples are refused", async () => {
  const none = new Uint8Array();
  assert.equal(
    await refusal(fileOf("<f4", "()", new Uint8Array(4))),
    "t.npy: expected an array whose first axis counts samples, got a single value. " +
      "Fix: save an array of samples: numpy.save(path, array[None])",
  );
  assert.equal(
    await refusal(fileOf("<f4", "(0, 3)", none)),
    "t.npy: expected at least one sample, got none. Fix: check that the source was written to its end",
  );
  const sizes = "t.npy: expected between 1 byte and 1 GiB of numbers per sample, got";
  assert.equal(
    await refusal(fileOf("<f4", "(3, 0)", none)),
    `${sizes} 0 bytes in the shape [3, 0]. Fix: let the first axis count samples`,
  );
  assert.equal(
    await refusal(fileOf("<f4", "(1, 268435457)", none)),
    `${sizes} 1073741828 bytes in the shape [1, 268435457]. Fix: let the first axis count samples`,
  );
  assert.match(
    await refusal(fileOf("<f4", "(9007199254740990,)", none)),
    /^t\.npy: expected 36028797018964\d+ bytes/,
  );
  const records = (descr: string, shape: string) =>
    refusal(withHeader(`{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}}`, new Uint8Array(8)));
  assert.equal(
    await records("[('x', '<f4')]", "(2, 1)"),
    "t.npy: expected one axis of records, got 2 axes of them. Fix: save array.ravel()",
  );
  const fields = "t.npy, header: expected records of at least one field, each with a name of its own, got";
  const again = "Fix: write the file again with numpy.save";
  assert.equal(await records("[]", "(2,)"), `${fields} none. ${again}`);
  assert.equal(await records("[('', '|V4')]", "(2,)"), `${fields} none. ${again}`);
  assert.equal(await records("[('', '<f4')]", "(2,)"), `${fields} one without a name. ${again}`);
  assert.equal(await records("[('a', '<i2'), ('a', '<i2')]", "(2,)"), `${fields} "a" twice. ${again}`);
});

test("what is no path, no file and no .npy is refused", async () => {
  const wrong = { x: 3 } as unknown as { readonly x: string }; // JavaScript may pass anything
  assert.match(await failure(npy(wrong)), /^npy: expected a path, .* by column, got 3 as column "x"\. Fix/);
  assert.equal(
    await failure(npy({})),
    "npy: expected a path, or an object of paths by column, got an object. " +
      'Fix: for example npy({ x: "x.npy", y: "y.npy" })',
  );
  assert.match(
    await failure(npy(join(folder, "none.npy"))),
    /^read \/none\.npy: expected a file, got nothing/,
  );
  assert.match(await failure(npy(folder)), /expected a file, got a folder of that name/);
  assert.match(await refusal(Buffer.from("x,y\n1,2\n")), /^t\.npy: expected a \.npy file, which begins with/);
});

test("a file that changed after it was opened is refused, and its fingerprint is another", async () => {
  await writeFile(path, fileOf("<f4", "(2,)", new Uint8Array(8)));
  const source = await npySource(path);
  const before = await source.fingerprint();
  assert.equal(await (await npySource(path)).fingerprint(), before);
  assert.notEqual(await (await npySource({ x: path })).fingerprint(), before);
  await utimes(path, new Date(), new Date(2020, 1, 1));
  assert.notEqual(await source.fingerprint(), before);
  assert.equal(
    await failure(readAll(source)),
    "read t.npy: expected the file as it was when it was opened first, got one that was changed since. " +
      "Fix: start again when nothing writes to the file any more",
  );
});
