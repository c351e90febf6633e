/** Where the time of a model's gradient program goes, operator by operator, by ONNX Runtime's own profile. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { randomSequence } from "../../src/array/random.ts";
import { nodeRuntime } from "../../src/runtime/ort-node.ts";
import { trace } from "../../src/train/trace.ts";
import { type ModelCase, modelPlan } from "./ours-models.ts";
import type { Prepared } from "./protocol.ts";

/** A run gives, instead of steps, the share of each operator in the time of the gradient program: `extra`, by name. */
export function modelProfile(request: ModelCase): Prepared {
  return { run: async (runs) => ({ ms: [], extra: await sharesOf(request, runs) }) };
}

/** One line of the profile. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/** Runs that do not count: memory is touched for the first time. */
const warmUp = 3;

async function sharesOf(request: ModelCase, runs: number): Promise<Record<string, number>> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "microbatch-bench-"));
  try {
    await profiled(request, runs, path.join(folder, "profile"));
    const [file] = await readdir(folder);
    // ONNX Runtime writes its profile as a list of such events.
    const events = JSON.parse(await readFile(path.join(folder, file!), "utf8")) as ProfileEvent[];
    const kernels = events.filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"));
    return shares(kernels.slice((warmUp * kernels.length) / (warmUp + runs)));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function shares(kernels: readonly ProfileEvent[]): Record<string, number> {
  const total = kernels.reduce((sum, { dur }) => sum + dur, 0);
  const result: Record<string, number> = {};
  for (const { args, dur } of kernels) {
    const name = args?.op_name ?? "unknown";
    result[name] = (result[name] ?? 0) + dur / total;
  }
  return result;
}

/** Computes so many gradients, after some that warm up, of one microbatch of made-up numbers, in a session like those of training. */
async function profiled(request: ModelCase, runs: number, profileFilePrefix: string): Promise<void> {
  const { channelBlock } = await nodeRuntime(); // which also loads the library as training does
  const ort = await import("onnxruntime-node");
  const { bytes } = trace(modelPlan(request), channelBlock).gradient.add;
  const session = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: 4,
    enableProfiling: true,
    profileFilePrefix,
  });
  const random = randomSequence(1, "bench", 0);
  let drawn = 0;
  const draw = () => random(drawn++);
  const feeds: Record<string, Tensor> = {};
  for (const input of session.inputMetadata) {
    if (!input.isTensor) throw new Error(`${input.name} is no tensor`);
    const samples = request.microbatch ?? request.batch;
    const shape = input.shape.map((size) => (typeof size === "number" ? size : samples));
    feeds[input.name] = new ort.Tensor(input.type, numbers(input, shape, draw), shape);
  }
  for (let run = 0; run < warmUp + runs; run++) await session.run(feeds);
  session.endProfiling();
  await session.release();
}

type TensorInput = InferenceSession.TensorValueMetadata;

/** Labels and codes below 10, which every model here has; parameters around as large as first ones; masks of ones. */
function numbers({ name, type }: TensorInput, shape: readonly number[], draw: () => number) {
  const length = shape.reduce((product, size) => product * size, 1);
  const size = name.startsWith("parameter") ? 0.1 : 2;
  if (type === "float32") return Float32Array.from({ length }, () => size * (draw() - 0.5));
  if (type === "int32") return Int32Array.from({ length }, () => Math.floor(10 * draw()));
  if (type === "int64") return BigInt64Array.from({ length }, () => BigInt(Math.floor(10 * draw())));
  return new Uint8Array(length).fill(1);
}
