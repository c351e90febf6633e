/** ONNX Runtime reports its use from a thread of its own unless it is told not to; training tells it so before it loads. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

const index = new URL("../src/index.ts", import.meta.url).href;
const lookAround = `
  const { readdirSync } = await import("node:fs");
  const threads = () => readdirSync("/proc/self/task").length;`;
const trainHere = `${lookAround}
  const { afterSteps, arrays, fit, linear, sgd, squaredError } = await import(${JSON.stringify(index)});
  const body = linear(1);
  const x = Float32Array.from({ length: 40 }, (_, at) => Math.sin(at));
  const before = threads();
  await fit({
    data: arrays({ x: { data: x, shape: [20, 2] }, y: { data: x.slice(0, 20), shape: [20, 1] } }),
    model: (row) => body(row.x), loss: (predicted, row) => squaredError(predicted, row.y),
    optimizer: sgd({ learningRate: 0.1 }), batchSize: 10, stop: afterSteps(3),
  });
  console.log(threads() - before);`;
/** The smallest program there is, in the package as it comes. */
const plain = `${lookAround}
  const { encodeOnnx } = await import(${JSON.stringify(new URL("../src/onnx/encode.ts", import.meta.url).href)});
  const { buildProgram } = await import(${JSON.stringify(new URL("../src/graph/program.ts", import.meta.url).href)});
  const { input } = await import(${JSON.stringify(new URL("../src/graph/tensor.ts", import.meta.url).href)});
  const { exp } = await import(${JSON.stringify(new URL("../src/ops/index.ts", import.meta.url).href)});
  const before = threads();
  const { default: ort } = await import("onnxruntime-node");
  const bytes = encodeOnnx(buildProgram({ name: "p", outputs: { out: exp(input("x", ["batch"])) } }));
  await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  console.log(threads() - before);`;

/** How many threads a process has begun while a script ran in it. */
function threadsBegun(script: string, variables: Readonly<Record<string, string>> = {}): number {
  const { ORT_DISABLE_TELEMETRY: _, CI: __, ...environment } = process.env; // it is silent where CI is set
  const env = { ...environment, ...variables };
  const args = ["--input-type=module", "-e", script];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8", env, cwd: import.meta.dirname }));
}

test("training starts no thread that reports its use", { skip: process.platform !== "linux" }, () => {
  const silent = threadsBegun(plain, { ORT_DISABLE_TELEMETRY: "1" });
  assert.equal(threadsBegun(plain), silent + 1, "the package as it comes has a thread for its reports");
  assert.equal(threadsBegun(trainHere), threadsBegun(trainHere, { ORT_DISABLE_TELEMETRY: "1" }));
});
