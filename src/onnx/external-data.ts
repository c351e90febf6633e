/** Tensors whose bytes lie in files beside the model: where, which part, and nothing that leads elsewhere. */
import { type AttributeProto, TensorProto_DataLocation as DataLocation, type TensorProto } from "onnx-buf";
import type { TypedArray } from "../array/dtype.ts";
import { fail } from "../errors.ts";
import { parseOnnx } from "./decode.ts";

/** Bytes of tensors that lie in files beside the model, by the location the model names. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

/** The files beside the model that hold its tensors, by name. Throws for a name that leads out of the model's folder. */
export function externalLocations(bytes: Uint8Array, source: string): readonly string[] {
  const { graph } = parseOnnx(bytes, source);
  const tensors = [
    ...graph.initializer,
    ...graph.node.flatMap(({ attribute }) => attribute.flatMap(tensorsOf)),
  ];
  const locations = new Set(tensors.flatMap((tensor) => externalLocation(tensor) ?? []));
  for (const location of locations) requireInside(source, location);
  return [...locations];
}

const tensorsOf = ({ t, tensors }: AttributeProto) => (t === undefined ? tensors : [t, ...tensors]);

function requireInside(source: string, location: string): void {
  const leaves = location.split(/[\\/]/).some((part) => part === "..") || /^[\\/]|:|\0/.test(location);
  if (location !== "" && !leaves) return;
  fail(source, {
    expected: "tensors in files beside the model, inside its folder",
    got: `external data at ${JSON.stringify(location)}`,
    fix: "export the model again with its weights inside, or beside it; do not trust this file",
  });
}

/** Where a stored tensor's bytes lie, if not in the model's file. */
export function externalLocation(tensor: TensorProto): string | undefined {
  if (tensor.dataLocation !== DataLocation.EXTERNAL) return undefined;
  return entry(tensor, "location") ?? "";
}

const entry = ({ externalData }: TensorProto, name: string) =>
  externalData.find(({ key }) => key === name)?.value;

/** A part of a file beside the model. */
export interface ExternalPart {
  readonly file: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Which bytes a tensor claims; undefined where they lie in the model itself. Throws for more than the file has. */
export function externalPart(
  tensor: TensorProto,
  where: string,
  external: ExternalData,
): ExternalPart | undefined {
  const location = externalLocation(tensor);
  if (location === undefined) return undefined;
  const file = external.get(location);
  if (file === undefined) {
    fail(where, {
      expected: `the bytes of "${location}", where the model says its data lies`,
      got: "none",
      fix: "load the model with loadOnnx from the folder that holds both files",
    });
  }
  const offset = entry(tensor, "offset") ?? "0";
  const length = entry(tensor, "length") ?? String(file.length - Number(offset));
  const [start, end] = [Number(offset), Number(offset) + Number(length)];
  if (![offset, length].every((text) => /^\d+$/.test(text)) || end > file.length) {
    fail(where, {
      expected: `a part of the ${file.length} bytes of "${location}"`,
      got: `${length.slice(0, 30)} bytes from ${offset.slice(0, 30)} on`,
      fix: "the file beside the model is damaged or another one: export the model again",
    });
  }
  return { file, start, end };
}

/** What was made of the parts of a file: parts in order, and numbers by part and kind. */
interface Made {
  readonly parts: ExternalPart[];
  readonly numbers: Map<string, TypedArray>;
}
const madeOf = new WeakMap<Uint8Array, Made>();

/**
 * The numbers of a part, made once: tied weights share them. Parts that overlap otherwise are refused, or a model of a few
 * kilobytes could make terabytes of a file of megabytes.
 */
export function sharedNumbers(
  part: ExternalPart,
  kind: string,
  where: string,
  make: () => TypedArray,
): TypedArray {
  const { file, start, end } = part;
  const made: Made = madeOf.get(file) ?? { parts: [], numbers: new Map() };
  madeOf.set(file, made);
  const key = `${start} ${end} ${kind}`;
  const same = made.numbers.get(key);
  if (same !== undefined) return same;
  if (start < end) insertApart(made.parts, part, where);
  const numbers = make();
  made.numbers.set(key, numbers);
  return numbers;
}

/** Keeps the parts sorted, so that only neighbours can overlap. */
function insertApart(parts: ExternalPart[], part: ExternalPart, where: string): void {
  let [low, high] = [0, parts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (parts[middle]!.start < part.start) low = middle + 1;
    else high = middle;
  }
  const next = parts[low];
  if (next?.start === part.start && next.end === part.end) return;
  const other = [parts[low - 1], next].find(
    (one) => one !== undefined && part.start < one.end && part.end > one.start,
  );
  if (other !== undefined) {
    fail(where, {
      expected: "bytes of its own, or all those of another tensor",
      got: `bytes ${part.start} to ${part.end}, of which another has ${other.start} to ${other.end}`,
      fix: "the file is damaged, or forged: export the model again",
    });
  }
  parts.splice(low, 0, part);
}
