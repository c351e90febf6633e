/** One case of ONNX's backend tests: an operator's model with inputs and outputs. Decoded, inferred, encoded, run, compared. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { TensorProtoSchema } from "onnx-buf";
import type { NdArray } from "../../src/array/array.ts";
import { formatShape } from "../../src/array/shape.ts";
import { MicrobatchError } from "../../src/errors.ts";
import { buildProgram } from "../../src/graph/program.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { sorted } from "../../src/graph/walk.ts";
import { onnxFunction } from "../../src/models/onnx-function.ts";
import { summarizeOnnx } from "../../src/onnx/decode.ts";
import { elementTypeName, storedArray } from "../../src/onnx/stored-tensor.ts";
import { load } from "../reference/onnxruntime.ts";
import { slopeProblem } from "./slope.ts";

/** How a case ended. */
export interface Outcome {
  readonly name: string;
  /** The operators of its model. */
  readonly operators: readonly string[];
  readonly opset: number;
  /** Absent for a case that passes. */
  readonly problem?: string;
  /** True where a gradient goes from an output to an input that is a float. */
  readonly hasGradient: boolean;
  /** What is wrong with that gradient, or why it could not be checked. */
  readonly gradientProblem?: string;
}

/** The folder of Debian's libonnx-testdata that holds a case per operator and form. */
export const casesFolder = "/usr/share/libonnx-testdata/data/node";

/** ONNX's own tolerance of its backend tests: 1e-3 relatively, 1e-7 absolutely; absolutely more, for sums near 0 in another order. */
const tolerance = { relative: 1e-3, absolute: 1e-6 };

/** Runs one case. Never throws for what a case does: everything that goes wrong is its problem. */
export async function runCase(name: string, folder = casesFolder): Promise<Outcome> {
  const bytes = await readFile(join(folder, name, "model.onnx"));
  const summary = summarizeOnnx(bytes, name);
  const facts = { name, operators: Object.keys(summary.operators), opset: summary.opset, hasGradient: false };
  const odd = [...summary.inputs, ...summary.outputs].find(({ dtype }) => noTensors.includes(dtype));
  if (odd !== undefined) return { ...facts, problem: `values that are no tensors: ${odd.dtype}` };
  try {
    const data = join(folder, name, "test_data_set_0");
    const files = await readdir(data);
    const read = async (kind: string) =>
      Promise.all(
        files
          .filter((file) => file.startsWith(kind))
          .sort((a, b) => Number.parseInt(a.split("_")[1]!, 10) - Number.parseInt(b.split("_")[1]!, 10))
          .map(async (file) => readTensor(await readFile(join(data, file)), file)),
      );
    const [inputs, outputs] = [await read("input_"), await read("output_")];
    const names = summary.inputs.map((one) => one.name);
    const fed = new Map(names.map((one, index) => [one, inputs[index]!] as const));
    return { ...facts, ...(await attempts(bytes, name, fed, outputs)) };
  } catch (error) {
    if (error instanceof Unsupported || error instanceof MicrobatchError)
      return { ...facts, problem: error.message };
    return { ...facts, problem: `threw ${error instanceof Error ? error.message : error}` };
  }
}

const noTensors: readonly string[] = ["sequence", "map", "optional", "sparse tensor", "unknown"];

class Unsupported extends Error {}

function readTensor(bytes: Uint8Array, file: string): NdArray {
  const proto = fromBinary(TensorProtoSchema, bytes);
  const isHeld = [1, 2, 6, 7, 9, 11].includes(proto.dataType);
  if (!isHeld) throw new Unsupported(`element type ${elementTypeName(proto.dataType)}`);
  return storedArray(proto, file, new Map());
}

type Found = Pick<Outcome, "problem" | "hasGradient" | "gradientProblem">;

/** First with every input fed; where shapes depend on what is fed, with the inputs behind the first given beforehand. */
async function attempts(
  bytes: Uint8Array,
  name: string,
  fed: ReadonlyMap<string, NdArray>,
  outputs: readonly NdArray[],
): Promise<Found> {
  const names = [...fed.keys()];
  const whole = names.slice(1).filter((one) => !fed.get(one)!.dtype.startsWith("float"));
  let problem: unknown;
  for (const fixed of [[], whole, names.slice(1), names]) {
    try {
      return await compared(bytes, name, fed, outputs, fixed);
    } catch (error) {
      problem = error;
      if (!(error instanceof MicrobatchError) || !/that is known when the model is read/.test(error.message))
        throw error;
    }
  }
  throw problem;
}

async function compared(
  bytes: Uint8Array,
  name: string,
  fed: ReadonlyMap<string, NdArray>,
  outputs: readonly NdArray[],
  fixed: readonly string[],
): Promise<Found> {
  const values = Object.fromEntries(fixed.map((one) => [one, fed.get(one)!]));
  const free = [...fed].filter(([one]) => !fixed.includes(one));
  const shapes = Object.fromEntries(free.map(([one, { shape }]) => [one, shape]));
  const call = onnxFunction(bytes, { values, shapes, freeBatch: false }, name);
  const leaves = Object.fromEntries(free.map(([one, { shape, dtype }]) => [one, input(one, shape, dtype)]));
  const made = Object.values(call(leaves));
  const hasGradient = leadsBack(made, Object.values(leaves));
  const wrongShape = made.findIndex(
    (tensor, index) => formatShape(tensor.shape) !== formatShape(outputs[index]?.shape ?? []),
  );
  if (wrongShape >= 0 && outputs[wrongShape] !== undefined) {
    const [got, want] = [made[wrongShape]!, outputs[wrongShape]];
    return {
      problem: `shape ${formatShape(got.shape)} inferred, ${formatShape(want.shape)} is right`,
      hasGradient,
    };
  }
  const program = buildProgram({
    name: "case",
    outputs: Object.fromEntries(made.map((tensor, index) => [`output ${index}`, tensor])),
  });
  const loaded = await load(program);
  try {
    const results = await loaded.run(
      Object.fromEntries(program.inputs.map((one) => [one.name, fed.get(one.name)!])),
    );
    for (const [index, want] of outputs.entries()) {
      const problem = difference(results[`output ${index}`]!, want);
      if (problem !== undefined) return { problem: `output ${index + 1}: ${problem}`, hasGradient };
    }
    return { hasGradient, ...(hasGradient && gradientOf(made, leaves, fed)) };
  } finally {
    await loaded.close();
  }
}

function gradientOf(
  outputs: readonly Tensor[],
  leaves: Readonly<Record<string, Tensor>>,
  fed: ReadonlyMap<string, NdArray>,
): Pick<Outcome, "gradientProblem"> {
  const inputs = new Map(Object.entries(leaves).map(([name, leaf]) => [leaf, fed.get(name)!] as const));
  const output = outputs.find((one) => leadsBack([one], [...inputs.keys()]));
  try {
    const problem = output === undefined ? "no output has one" : slopeProblem(output, inputs);
    return problem === undefined ? {} : { gradientProblem: problem };
  } catch (error) {
    return { gradientProblem: error instanceof Error ? error.message : String(error) };
  }
}

function difference(
  got: { readonly dtype: string; readonly shape: readonly number[]; readonly data: Float64Array },
  want: NdArray,
): string | undefined {
  if (got.dtype !== want.dtype) return `${got.dtype}, not ${want.dtype}`;
  if (formatShape(got.shape) !== formatShape(want.shape))
    return `${formatShape(got.shape)}, not ${formatShape(want.shape)}`;
  const wanted = Array.from(want.data as Iterable<number | bigint>, Number); // numbers and bigints alike
  const index = wanted.findIndex((value, at) => {
    const mine = got.data[at]!;
    if (Object.is(mine, value) || mine === value) return false;
    return !(Math.abs(mine - value) <= tolerance.absolute + tolerance.relative * Math.abs(value));
  });
  return index < 0
    ? undefined
    : `element ${index} is ${got.data[index]?.toPrecision(4)}, not ${wanted[index]?.toPrecision(4)}`;
}

function leadsBack(outputs: readonly Tensor[], inputs: readonly Tensor[]): boolean {
  const reached = new Set(outputs.filter(({ dtype }) => dtype.startsWith("float")));
  for (const tensor of sorted(outputs).toReversed()) {
    if (!reached.has(tensor) || tensor.op.gradient === undefined) continue;
    for (const one of tensor.inputs) if (one.dtype.startsWith("float")) reached.add(one);
  }
  const isMoved = outputs.some((one) => reached.has(one) && !inputs.includes(one));
  return isMoved && inputs.some((one) => reached.has(one));
}
