/** Arrays → the bytes of a safetensors file. */
import type { NdArray } from "../array/array.ts";
import { bytesPerElement, type NumericDType } from "../array/dtype.ts";
import { fail, kindOf } from "../errors.ts";
import { metadataKey } from "./format.ts";

const names: Readonly<Record<NumericDType, string>> = {
  float64: "F64",
  float32: "F32",
  int64: "I64",
  int32: "I32",
  uint8: "U8",
  bool: "BOOL",
};

/**
 * The bytes of a safetensors file that holds the arrays under their names, and texts beside them. The same arrays give the
 * same bytes in whatever order they come: the widest elements first, then by name, so that each lies at a multiple of its width.
 * Throws for an array called "__metadata__", which the format keeps for itself, and for metadata that is not text.
 * Source: github.com/huggingface/safetensors, README.md, Format.
 */
export function encodeSafetensors(
  arrays: ReadonlyMap<string, NdArray>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  if (arrays.has(metadataKey)) {
    fail("encodeSafetensors", {
      expected: "arrays under names of their own",
      got: `one called "${metadataKey}"`,
      fix: "rename it: the format keeps this name for its metadata",
    });
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === "string") continue;
    fail(`encodeSafetensors, metadata "${key}"`, {
      expected: "a text",
      got: kindOf(value),
      fix: "write it as a text: JSON.stringify(value)",
    });
  }
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[metadataKey, metadata]] : [];
  const placed = [...arrays].sort(([a, { dtype: of }], [b, { dtype: other }]) => {
    const wider = bytesPerElement(other) - bytesPerElement(of);
    return wider === 0 ? (a < b ? -1 : 1) : wider;
  });
  let end = 0;
  for (const [name, { dtype, shape, data }] of placed) {
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype: names[dtype], shape, data_offsets: [begin, end] }]);
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = 8 + 8 * Math.ceil(text.length / 8);
  const bytes = new Uint8Array(start + end).fill(32, 8, start); // spaces after the header, as the format allows
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(text, 8);
  let at = start;
  for (const [, { data }] of placed) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
