import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeNpyHeader, type NpyColumn, npyRowLayout, parseNpyHeader } from "./npy-header.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A header around any text, as version 1 writes it. */
function headerOf(text: string, version: 1 | 2 | 3 = 1): Uint8Array {
  const content = version === 3 ? bytesOf(text) : Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const start = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(start + content.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, content.length, true);
  else view.setUint32(8, content.length, true);
  bytes.set(content, start);
  return bytes;
}

function refusal(bytes: Uint8Array): string {
  try {
    parseNpyHeader(bytes, "t.npy");
  } catch (error) {
    assert.ok(error instanceof Error && error.name === "MicrobatchError", String(error));
    return error.message;
  }
  return assert.fail("the header was read");
}

const column = (name: string, dtype: NpyColumn["dtype"], ...shape: number[]) => ({ name, dtype, shape });

test("one column that fills its samples is written as a plain array", () => {
  const bytes = encodeNpyHeader({ fields: [column("x", "float32", 2, 3)], rows: 5 });
  assert.equal(bytes.length, 128);
  assert.deepEqual([...bytes.subarray(0, 10)], [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  assert.equal(
    new TextDecoder().decode(bytes.subarray(10)),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 2, 3), }".padEnd(117).concat("\n"),
  );
  assert.deepEqual(parseNpyHeader(bytes), {
    descr: "<f4",
    fortranOrder: false,
    shape: [5, 2, 3],
    dataOffset: 128,
  });
});

test("several columns are records in which every number of four bytes is aligned", () => {
  const fields = [
    column('价\'s "q" 😀\\\n', "float32", 2),
    column("b", "uint8"),
    column("y", "int32"),
    column("image", "uint8", 3, 3),
  ];
  assert.deepEqual(npyRowLayout(fields), { rowBytes: 28, offsets: [0, 8, 12, 16] });
  const bytes = encodeNpyHeader({ fields, rows: 7 });
  const padding = (count: number) => ({ name: "", descr: `|V${count}`, shape: [] });
  assert.deepEqual(parseNpyHeader(bytes), {
    descr: [
      { name: '价\'s "q" 😀\\\n', descr: "<f4", shape: [2] },
      { name: "b", descr: "|u1", shape: [] },
      padding(3),
      { name: "y", descr: "<i4", shape: [] },
      { name: "image", descr: "|u1", shape: [3, 3] },
      padding(3),
    ],
    fortranOrder: false,
    shape: [7],
    dataOffset: 256,
  });
  assert.ok(bytes.subarray(10).every((byte) => byte < 128));
});

test("a lone column of bytes is padded to four, so that every sample is aligned", () => {
  const fields = [column("b", "uint8", 3)];
  assert.deepEqual(npyRowLayout(fields), { rowBytes: 4, offsets: [0] });
  assert.deepEqual(parseNpyHeader(encodeNpyHeader({ fields, rows: 1 })).descr, [
    { name: "b", descr: "|u1", shape: [3] },
    { name: "", descr: "|V1", shape: [] },
  ]);
});

test("a header is as long for no samples as for the most there can be, a multiple of 64, in version 2 where it must", () => {
  for (const count of [1, 2, 50, 2000, 3000, 10_000]) {
    const fields = Array.from({ length: count }, (_, index) => column(`column ${index}`, "float32"));
    const [none, most] = [0, Number.MAX_SAFE_INTEGER - 1].map((rows) => encodeNpyHeader({ fields, rows }));
    assert.equal(none!.length, most!.length);
    assert.equal(none!.length % 64, 0);
    assert.equal(none![6], none!.length > 65_545 ? 2 : 1);
    assert.deepEqual(parseNpyHeader(none!).shape, [0]);
    assert.deepEqual(parseNpyHeader(most!).shape, [Number.MAX_SAFE_INTEGER - 1]);
    assert.equal(parseNpyHeader(most!).dataOffset, most!.length);
  }
});

test("columns without names of their own, and more than a header holds, are refused", () => {
  const refused = (fields: readonly NpyColumn[], message: string) =>
    assert.throws(() => encodeNpyHeader({ fields, rows: 1 }), { message: `npy header: expected ${message}` });
  const named = "at least one column, each with a name of its own";
  refused([], `${named}, got none. Fix: name every column once`);
  refused([column("", "uint8")], `${named}, got one without a name. Fix: name every column once`);
  const twice = [column("x", "uint8"), column("y", "uint8"), column("x", "uint8")];
  refused(twice, `${named}, got "x" twice. Fix: name every column once`);
  const many = Array.from({ length: 60_000 }, (_, index) => column(`x${index}`, "float32"));
  refused(
    many,
    "at most 1048576 bytes, got 1129024 for 60000 columns. Fix: join columns of one type into one with a shape",
  );
});

test("what Python may write is read: either quote, escapes, versions 2 and 3, titles and whole numbers as shapes", () => {
  const plain = { fortranOrder: true, shape: [3], descr: "<f8" };
  const read = (text: string, version?: 1 | 2 | 3) => {
    const { dataOffset, ...rest } = parseNpyHeader(headerOf(text, version));
    assert.equal(dataOffset, headerOf(text, version).length);
    return rest;
  };
  const text = `{"shape":(3L,),'fortran_order':True,'descr':'<f8'}`;
  for (const version of [1, 2, 3] as const) assert.deepEqual(read(text, version), plain);
  const fields = (list: string) => `{'descr': [${list}], 'fortran_order': False, 'shape': ()}`;
  assert.deepEqual(read(fields(`(('a title', 'x'), '<i2', 4), ('\\x41\\u00e9\\n', "|b1", (2, 1))`)).descr, [
    { name: "x", descr: "<i2", shape: [4] },
    { name: "Aé\n", descr: "|b1", shape: [2, 1] },
  ]);
  assert.deepEqual(read(fields("('\x93', '<i2')"), 1).descr, [{ name: "\x93", descr: "<i2", shape: [] }]);
  assert.deepEqual(read(fields("('é', '<i2')"), 1).descr, [{ name: "é", descr: "<i2", shape: [] }]);
  assert.deepEqual(read(fields("('价', '<i2')"), 3).descr, [{ name: "价", descr: "<i2", shape: [] }]);
  assert.deepEqual(read(fields("('n', [('x', '<i2')])")).descr, [
    { name: "n", descr: [{ name: "x", descr: "<i2", shape: [] }], shape: [] },
  ]);
});

test("what is no .npy file is refused by its first bytes", () => {
  assert.equal(
    refusal(bytesOf("1,2\n3,4\n5,6\n")),
    "t.npy: expected a .npy file, which begins with the bytes 93 4e 55 4d 50 59 and a version, " +
      "got 31 2c 32 0a 33 2c 34 0a. Fix: check the name, or write the file with numpy.save",
  );
  assert.match(refusal(new Uint8Array()), /, got an empty file\. Fix/);
  assert.match(refusal(headerOf("").subarray(0, 7)), /, got 93 4e 55 4d 50 59 01\. Fix/);
  assert.equal(
    refusal(bytesOf("PK\x03\x04 and so on")),
    "t.npy: expected a .npy file, got a zip archive, as .npz files are. " +
      "Fix: unpack it (unzip) and name the .npy files in it",
  );
  assert.equal(
    refusal(Uint8Array.of(0x80, 4, 0x95, 0)),
    "t.npy: expected a .npy file, got a pickle. Fix: write the file again with numpy.save",
  );
  assert.equal(
    refusal(Uint8Array.of(0x1f, 0x8b, 8, 0)),
    "t.npy: expected a .npy file, got a file packed with gzip. Fix: unpack it: gunzip t.npy",
  );
  const broken = headerOf("{'\x93': 1}", 2);
  broken[6] = 3;
  assert.equal(
    refusal(broken),
    "t.npy, header: expected text in UTF-8, got other bytes. Fix: write the file again with numpy.save",
  );
  const future = headerOf("{}");
  future[6] = 4;
  assert.equal(
    refusal(future),
    "t.npy, byte 6: expected version 1.0, 2.0 or 3.0 of the format, got 4.0. " +
      "Fix: write the file again with numpy.save",
  );
});

test("a header that is cut off or too long is refused", () => {
  const whole = encodeNpyHeader({ fields: [column("x", "float32")], rows: 5 });
  const cut = (bytes: number, expected: number) =>
    assert.equal(
      refusal(whole.subarray(0, bytes)),
      `t.npy: expected ${expected} bytes of header, got a file of ${bytes} bytes. Fix: copy or write it again`,
    );
  cut(8, 10);
  cut(9, 10);
  cut(10, 128);
  cut(127, 128);
  const long = headerOf("", 2);
  new DataView(long.buffer).setUint32(8, 2 ** 20 - 11, true);
  assert.equal(
    refusal(long),
    "t.npy, byte 8: expected a header of at most 1048576 bytes, got 1048577. Fix: copy the file again, or save fewer fields",
  );
});

test("a header that is no dictionary of Python is refused at its byte", () => {
  const again = "Fix: write the file again with numpy.save";
  const refused = (text: string, message: string, version?: 1 | 2 | 3) =>
    assert.equal(refusal(headerOf(text, version)), `t.npy, byte ${message}. ${again}`);
  refused("", "10: expected a value of Python, got the end of the header");
  refused("{'descr': <f4}", `20: expected a value of Python, got "<f4}"`);
  refused("{'价' 1}", `19: expected ":" behind the key, got "1}"`, 3);
  refused("{'a': 1 'b': 2}", `18: expected "," or "}", got "'b': 2}"`);
  refused("{'a': 1, 'a': 2}", `19: expected a new key in quotes, got "'a': 2}"`);
  refused("{1: 2}", `11: expected a new key in quotes, got "1: 2}"`);
  refused("(1 2)", `13: expected "," or ")", got "2)"`);
  refused("{'a", `11: expected a text that ends with ', got "'a"`);
  refused("'\\q'", `11: expected an escape of Python behind the backslash, got "\\\\q'"`);
  refused("'\\x1'", `11: expected an escape of Python behind the backslash, got "\\\\x1'"`);
  refused("'\\U00110000'", `11: expected an escape of Python behind the backslash, got "\\\\U00110000'"`);
  refused("{}; import os", `12: expected nothing behind the value, got "; import os"`);
  refused(
    "99999999999999999999",
    '10: expected a whole number up to 9007199254740991, got "99999999999999999999"',
  );
  refused("(03,)", '11: expected a value of Python, got "03,)"'); // Python 3 refuses a leading 0
  refused("__import__('os').remove('x')", `10: expected a value of Python, got "__import__('os').rem…"`);
  refused(
    "(".repeat(60_000),
    `43: expected at most 32 brackets within each other, got "((((((((((((((((((((…"`,
  );
});

test("a dictionary that is no header is refused by what it lacks", () => {
  const refused = (text: string, expected: string) =>
    assert.equal(
      refusal(headerOf(text)),
      `t.npy, header: expected ${expected}, got something else. Fix: write the file again with numpy.save`,
    );
  const header = (descr: string, order = "False", shape = "(3,)") =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}}`;
  const keys = "a dictionary of descr, fortran_order and shape";
  refused("[]", keys);
  refused("{'descr': '<f4', 'shape': (3,)}", keys);
  refused(header("'<f4'").replace("}", ", 'more': 1}"), keys);
  refused(header("'<f4'", "0"), "True or False as fortran_order");
  refused(header("'<f4'", "None"), "True or False as fortran_order");
  const shapes = "a tuple of whole numbers from 0 on as shape";
  for (const shape of ["3", "(-1,)", "('3',)", "(True,)", "None"])
    refused(header("'<f4'", "False", shape), shapes);
  const many = "a shape of fewer than 2 ** 53 elements";
  refused(header("'<f4'", "False", "(4294967296, 4294967296)"), many);
  for (const descr of ["3", "None", "{'names': 1}"])
    refused(header(descr), "a text or a list of fields as descr");
  const field = "a name, a type and at most a shape as every field of descr";
  for (const list of [
    "['x']",
    "[(3, '<f4')]",
    "[('x', '<f4', 'y')]",
    "[('x', '<f4', (1,), 2)]",
    "[('x', '<f4', -1)]",
  ])
    refused(header(list), field);
  refused(header("[('x',)]"), "a text or a list of fields as descr");
});
