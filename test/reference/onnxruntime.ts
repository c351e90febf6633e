/** Runs tensors in ONNX Runtime the way training does: one thread, nothing printed, no telemetry. */
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { type DType, typedArrayOf } from "../../src/array/dtype.ts";
import { buildProgram, type Program } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { parametersOf } from "../../src/graph/walk.ts";
import { encodeOnnx } from "../../src/onnx/encode.ts";
import type { Feed } from "./evaluate.ts";
import type { Value } from "./value.ts";

/** What the runtime really returned. */
export interface Output extends Value {
  readonly dtype: string;
}

process.env.ORT_DISABLE_TELEMETRY = "1"; // read when the library is loaded
const ort = await import("onnxruntime-node");

/** A program loaded into ONNX Runtime; run it with several sizes of the microbatch, then close it. */
export interface Loaded {
  run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Output>>;
  close(): Promise<void>;
}

/** Loads a program, or the bytes of one whose input dtypes it is told. */
export async function load(program: Program, bytes: Uint8Array = encodeOnnx(program)): Promise<Loaded> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const dtypes = new Map(program.inputs.map(({ name, tensor }) => [name, tensor.dtype]));
  return {
    run: async (feeds) => {
      const tensors: Record<string, OrtTensor> = {};
      for (const name of session.inputNames) {
        const feed = feeds[name];
        if (feed === undefined) throw new Error(`no numbers for "${name}"`);
        tensors[name] = ortTensor(dtypes.get(name)!, feed);
      }
      const results = await session.run(tensors);
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, output(tensor)]));
    },
    close: () => session.release(),
  };
}

/** Runs tensors once and returns what they came out as. Feeds are by leaf, parameters too. */
export async function runTensors<Names extends string>(
  outputs: Readonly<Record<Names, Tensor>>,
  feeds: ReadonlyMap<Tensor, Feed> = new Map(),
): Promise<Record<Names, Output>> {
  const parameters = parametersOf(Object.values(outputs));
  const parameterNames = new Map(parameters.map((parameter, index) => [parameter, `parameter ${index}`]));
  const program = buildProgram({ name: "run", outputs, parameterNames });
  const loaded = await load(program);
  try {
    const named = program.inputs.map(({ name, tensor }) => [name, feeds.get(tensor)!] as const);
    // The session's outputs are the program's.
    return (await loaded.run(Object.fromEntries(named))) as Record<Names, Output>;
  } finally {
    await loaded.close();
  }
}

function ortTensor(dtype: DType, { data, shape }: Feed): OrtTensor {
  if (dtype === "string") return new ort.Tensor("string", Array.from(data, String), shape);
  const numbers = typedArrayOf(dtype, Array.from(data, Number));
  // ONNX Runtime's types want one typed array per literal dtype; typedArrayOf made the one that fits.
  return new ort.Tensor(dtype as "float32", numbers as Float32Array, shape);
}

function output(tensor: OrtTensor): Output {
  const elements = Array.from(tensor.data as Iterable<number | bigint | string>); // the union hides that it is iterable
  const isText = tensor.type === "string";
  return {
    dtype: tensor.type,
    shape: [...tensor.dims],
    data: isText ? new Float64Array(0) : Float64Array.from(elements, Number),
    ...(isText && { text: elements.map(String) }),
  };
}
