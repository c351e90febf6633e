import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { float32, type NdArray, ndarray } from "../array/array.ts";
import { randomSequence } from "../array/random.ts";
import { MicrobatchError } from "../errors.ts";
import { decodeSafetensors } from "./decode.ts";
import { encodeSafetensors } from "./encode.ts";

/** A file with a header as given, whatever it says. */
function file(header: unknown, data: readonly number[] = []): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const arrays: ReadonlyMap<string, NdArray> = new Map<string, NdArray>([
  ["bytes", ndarray("uint8", [3], Uint8Array.of(1, 2, 255))],
  ["linear1.weight", float32([1, -2.5, Number.NaN, 1e-40, 5, 6], [2, 3])],
  ["ids", ndarray("int64", [2], BigInt64Array.of(-1n, 2n ** 40n))],
  ["__proto__", ndarray("int32", [], Int32Array.of(-7))],
  ["exact", ndarray("float64", [1], Float64Array.of(0.1))],
  ["flags", ndarray("bool", [2, 1], Uint8Array.of(0, 1))],
  ["empty", float32([], [0, 4])],
]);

describe("safetensors", () => {
  it("gives back what was written: names, dtypes, shapes, every bit, and the metadata", () => {
    const metadata = { format: "pt", '漢 " \\': "ä" };
    const decoded = decodeSafetensors(encodeSafetensors(arrays, metadata));
    assert.deepEqual({ ...decoded.metadata }, metadata);
    assert.deepEqual(new Map([...decoded.arrays].sort()), new Map([...arrays].sort()));
  });

  it("reads a file from any address in memory, float16 and bfloat16 as float32, bits of truth as 0 and 1", () => {
    const header = {
      half: { dtype: "F16", shape: [2], data_offsets: [0, 4] },
      brain: { dtype: "BF16", shape: [1], data_offsets: [4, 6] },
      truth: { dtype: "BOOL", shape: [1], data_offsets: [6, 7] },
    };
    const bytes = file(header, [0x00, 0x3c, 0x00, 0xc1, 0xc0, 0x3f, 9]);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const { arrays: read } = decodeSafetensors(shifted.subarray(1));
    assert.deepEqual(read.get("half"), float32([1, -2.5]));
    assert.deepEqual(read.get("brain"), float32([1.5]));
    assert.deepEqual(read.get("truth"), ndarray("bool", [1], Uint8Array.of(1)));
  });

  it("writes the header first, padded to 8 bytes, and each tensor at a multiple of its width, in any order alike", () => {
    const bytes = encodeSafetensors(
      new Map<string, NdArray>([
        ["b", ndarray("uint8", [1], Uint8Array.of(9))],
        ["a", float32([1])],
      ]),
    );
    const header =
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}';
    const padded = header.padEnd(8 * Math.ceil(header.length / 8));
    assert.deepEqual(bytes, file(padded, [0, 0, 0x80, 0x3f, 9]));
    assert.deepEqual(encodeSafetensors(arrays), encodeSafetensors(new Map([...arrays].reverse())));
  });

  it("has nothing but a header where there are no arrays", () => {
    assert.deepEqual(decodeSafetensors(encodeSafetensors(new Map())), { arrays: new Map(), metadata: {} });
  });

  it("refuses to write what the format has no place for", () => {
    assert.throws(() => encodeSafetensors(new Map([["__metadata__", float32([1])]])), {
      message:
        'encodeSafetensors: expected arrays under names of their own, got one called "__metadata__". ' +
        "Fix: rename it: the format keeps this name for its metadata",
    });
    assert.throws(() => encodeSafetensors(arrays, { epochs: 3 } as unknown as Record<string, string>), {
      message:
        'encodeSafetensors, metadata "epochs": expected a text, got 3. Fix: write it as a text: JSON.stringify(value)',
    });
  });
});

describe("a damaged or hostile safetensors file", () => {
  const fix = "Fix: the file is damaged, or no safetensors file: save it again";
  const entry = (change: object) => ({ w: { dtype: "F32", shape: [1], data_offsets: [0, 4], ...change } });
  const four = [0, 0, 0, 0];
  const offsets = 'f, "w": expected data_offsets of two whole numbers from 0 on, the smaller one first, got';
  const shape = 'f, "w": expected a shape of whole numbers from 0 on for 4 bytes of F32, got';
  const header = "f, header: expected a JSON object with every key once, got";
  const cases: Readonly<Record<string, readonly [Uint8Array, string]>> = {
    "shorter than 8 bytes": [
      new Uint8Array(3),
      `f: expected 8 bytes that say how long the header is, and a header of at most 0 bytes, got 3 bytes. ${fix}`,
    ],
    "a header longer than the file": [
      new Uint8Array(16).fill(255),
      `f: expected 8 bytes that say how long the header is, and a header of at most 8 bytes, got a header of 18446744073709551615. ${fix}`,
    ],
    "no JSON": [
      file("{w}"),
      `${header} "Expected property name or '}' in JSON at position 1 (line 1 …". ${fix}`,
    ],
    "a list": [file([1]), `${header} a list. ${fix}`],
    "a name twice": [
      file(
        `{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}, "\\u0077" : {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`,
      ),
      `${header} "w" twice. ${fix}`,
    ],
    "a key of a tensor twice": [
      file(`{"w":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}}`),
      `${header} "shape" twice. ${fix}`,
    ],
    "millions of levels": [file("[".repeat(3e6)), `${header} lists or objects 4 deep. ${fix}`],
    "an unknown dtype": [
      file(entry({ dtype: "F8_E4M3" }), four),
      'f, "w": expected elements of F64, F32, F16, BF16, I64, I32, U8, BOOL, got "F8_E4M3". ' +
        "Fix: convert the tensor to float32 and save the file again",
    ],
    "a tensor that is none": [
      file({ w: null }),
      'f, "w": expected elements of F64, F32, F16, BF16, I64, I32, U8, BOOL, got undefined. ' +
        "Fix: convert the tensor to float32 and save the file again",
    ],
    "offsets backwards": [file(entry({ data_offsets: [4, 0] }), four), `${offsets} [4,0]. ${fix}`],
    "negative offsets": [file(entry({ data_offsets: [-4, 0] }), four), `${offsets} [-4,0]. ${fix}`],
    "no offsets": [file(entry({ data_offsets: undefined }), four), `${offsets} nothing. ${fix}`],
    "a negative dimension": [file(entry({ shape: [-1, -1] }), four), `${shape} [-1,-1]. ${fix}`],
    "a fractional dimension": [file(entry({ shape: [0.5, 2] }), four), `${shape} [0.5,2]. ${fix}`],
    "another size": [file(entry({ shape: [2] }), four), `${shape} [2]. ${fix}`],
    "gigabytes of elements": [
      file(entry({ shape: [2 ** 40, 2 ** 40] }), four),
      `${shape} [1099511627776,1099511627776]. ${fix}`,
    ],
    "gigabytes beyond the file": [
      file(entry({ shape: [2 ** 40], data_offsets: [0, 2 ** 42] }), four),
      `f, "w": expected bytes from 0 on, up to 4 at most, so that every byte belongs to one tensor, got 0 to 4398046511104. ${fix}`,
    ],
    overlap: [
      file({ ...entry({}), v: { dtype: "U8", shape: [3], data_offsets: [3, 6] } }, [...four, 0, 0]),
      `f, "v": expected bytes from 4 on, up to 6 at most, so that every byte belongs to one tensor, got 3 to 6. ${fix}`,
    ],
    "a hole": [
      file(entry({ data_offsets: [1, 5] }), [...four, 0]),
      `f, "w": expected bytes from 0 on, up to 5 at most, so that every byte belongs to one tensor, got 1 to 5. ${fix}`,
    ],
    "bytes of no tensor": [
      file(entry({}), [...four, 0]),
      `f: expected 4 bytes after the header, as its tensors say, got 5. ${fix}`,
    ],
    "metadata that is no text": [
      file({ __metadata__: { epochs: 3 } }),
      `f, "__metadata__": expected an object of texts, got 3. ${fix}`,
    ],
  };
  for (const [name, [bytes, message]] of Object.entries(cases)) {
    it(`is refused: ${name}`, () => {
      assert.throws(() => decodeSafetensors(bytes, "f"), { name: "MicrobatchError", message });
    });
  }

  it("is read or refused with a proof, however 200 files are damaged", () => {
    const whole = encodeSafetensors(arrays, { note: "a" });
    let refused = 0;
    for (let round = 0; round < 200; round++) {
      const draw = randomSequence(5, "damage", round);
      const bytes = whole.slice(0, round % 4 === 0 ? Math.floor(draw(0) * whole.length) : whole.length);
      for (let change = 1; change <= round % 3 && bytes.length > 0; change++) {
        const text = '[]{}:,0123456789-.eE"\\ ';
        bytes[Math.floor(draw(2 * change) * bytes.length)] = text.charCodeAt(
          Math.floor(draw(2 * change + 1) * text.length),
        );
      }
      try {
        const elements = [...decodeSafetensors(bytes).arrays.values()].reduce(
          (n, { data }) => n + data.length,
          0,
        );
        assert.ok(elements <= bytes.length);
      } catch (problem) {
        assert.ok(problem instanceof MicrobatchError, String(problem));
        refused++;
      }
    }
    assert.ok(refused > 50, `${refused} of 200 were refused`);
  });
});
