/** ONNX Runtime in Node.js: one thread per session, no telemetry, names checked by us. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, cpus } from "node:os";
import type * as Ort from "onnxruntime-node";
import type { AnyArray, NdArray } from "../array/array.ts";
import type { NumericDType } from "../array/dtype.ts";
import { findChannelBlock } from "./channel-block.ts";
import { openGiveBack } from "./freed-memory.ts";
import { linuxMemory, type MachineMemory } from "./memory.ts";
import { checkArray, checkNames, refusedProgram, runFailed } from "./ort-checks.ts";
import { openOrtLibrary } from "./ort-library.ts";
import type { Binding, Runtime, Session } from "./runtime.ts";

/**
 * The runtime of this process, loaded once. Turns ONNX Runtime's usage reports off before its library is loaded; in
 * worker threads that is too late, so the main thread loads it first.
 */
export function nodeRuntime(): Promise<Runtime> {
  loading ??= open();
  return loading;
}
let loading: Promise<Runtime> | undefined;

async function open(): Promise<Runtime> {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  const ort = await import("onnxruntime-node");
  const require = createRequire(import.meta.url);
  // The package has a version and its types say nothing about it.
  const { version } = require("onnxruntime-node/package.json") as { version: string };
  const loadProgram = (name: string, bytes: Uint8Array) => load(ort, name, bytes);
  const library = await openOrtLibrary();
  const channelBlock = await findChannelBlock(loadProgram);
  return Object.freeze({
    name: "onnxruntime-node",
    version,
    processor: processorKind(),
    ...(channelBlock !== undefined && { channelBlock }),
    memory: machineMemory(await openGiveBack()),
    ...(process.platform !== "win32" && { processorSeconds }), // where it comes in 16 ms
    load: loadProgram,
    loadInPlace: library === undefined ? loadProgram : async (name, bytes) => library.load(name, bytes),
  });
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** One thread and in order: anything else changes bits or races (measured; see ARCHITECTURE.md). */
const sessionOptions: Ort.InferenceSession.SessionOptions = {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  // One block planned ahead comes on top of what the first run took: peaks above the idle process were 1.3 to 1.9 times as high
  // (LeNet, ResNet, GPT, LSTM), and a step 0 to 10 % slower. No result depends on it.
  enableMemPattern: false,
  // Errors arrive as exceptions; printing them too would only startle.
  logSeverityLevel: 4,
};

async function load(ort: typeof Ort, name: string, bytes: Uint8Array): Promise<Session> {
  let session: Ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, sessionOptions);
  } catch (cause) {
    return refusedProgram(name, cause);
  }
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    bind: (feeds, fetches = {}) => bind(ort, name, session, feeds, fetches),
    close: () => session.release(),
  };
}

function bind(
  ort: typeof Ort,
  name: string,
  session: Ort.InferenceSession,
  feeds: Readonly<Record<string, AnyArray>>,
  fetches: Readonly<Record<string, NdArray>>,
): Binding {
  checkNames(`program "${name}", feeds`, Object.keys(feeds), session.inputNames, "feed the missing input");
  checkNames(`program "${name}", fetches`, Object.keys(fetches), session.outputNames);
  const fed: Record<string, Ort.Tensor> = {};
  for (const [key, feed] of Object.entries(feeds)) fed[key] = tensorOf(ort, key, feed);
  const fetched: Record<string, Ort.Tensor | null> = {};
  for (const key of session.outputNames) {
    fetched[key] = Object.hasOwn(fetches, key) ? tensorOf(ort, key, fetches[key]!) : null;
  }
  const free = session.outputNames.filter((key) => !Object.hasOwn(fetches, key)); // one may be called "constructor"
  const bound = session.outputNames.filter((key) => Object.hasOwn(fetches, key));
  return {
    run: async (atPeak) => {
      const results = await session.run(fed, fetched).catch((cause: unknown) => runFailed(name, cause));
      atPeak?.();
      const outputs: Record<string, AnyArray> = {};
      for (const key of free) outputs[key] = arrayOf(results[key]!);
      for (const key of bound) release(results[key]!);
      return outputs;
    },
  };
}

function tensorOf(ort: typeof Ort, name: string, feed: AnyArray): Ort.Tensor {
  checkArray(name, feed);
  // The constructor's overloads tie each dtype to its array; `holds` has just checked that tie.
  return new ort.Tensor(feed.dtype as "float32", feed.data as Float32Array, [...feed.shape]);
}

/**
 * Frees what ONNX Runtime returns beside what it has written in place: a copy of every fetched output. Left to the garbage
 * collector, 2.7 MB a run made it collect every 28 runs, and a run took 1.24 ms instead of 0.96.
 */
function release(copy: Ort.Tensor): void {
  const { buffer } = copy.data as Float32Array; // fetched outputs are numeric
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function arrayOf(tensor: Ort.Tensor): AnyArray {
  // ONNX Runtime gives strings as a list, and each numeric dtype as its own typed array.
  if (tensor.type === "string") {
    return { dtype: "string", shape: tensor.dims, data: tensor.data as readonly string[] };
  }
  return { dtype: tensor.type as NumericDType, shape: tensor.dims, data: tensor.data as NdArray["data"] };
}

/** Elsewhere than on Linux what is free is told without what the system could give up: too little to refuse a run for. */
function machineMemory(giveBack: () => void = () => {}): MachineMemory {
  if (process.platform === "linux") return linuxMemory(readSystemFile, giveBack);
  return {
    giveBack,
    available: () => undefined,
    resident: () => process.memoryUsage.rss(),
    peak: () => 1024 * process.resourceUsage().maxRSS,
  };
}

function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // there are two versions of control groups, and containers that show neither
  }
}

/** Which kernels this processor gets: results may differ in the last bits between kinds. */
function processorKind(): string {
  if (arch() !== "x64") return arch();
  let flags = "";
  try {
    flags = readFileSync("/proc/cpuinfo", "utf8").match(/^flags\s*:(.*)$/m)?.[1] ?? "";
  } catch {
    // Not Linux: the model name tells less, but it tells.
    return `x64 ${cpus()[0]?.model.trim() ?? "unknown"}`;
  }
  const level = ["avx512f", "avx2", "avx"].find((flag) => flags.split(" ").includes(flag));
  return `x64 ${level ?? "sse"}`;
}
