/** The core bundles for a browser: nothing of Node.js is in it, and its symbolic half runs without Node.js. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { type BuildOptions, build } from "esbuild";
import { summarizeOnnx } from "../src/onnx/decode.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

const options = {
  absWorkingDir: root,
  entryPoints: ["src/index.ts"],
  bundle: true,
  platform: "browser",
  target: "es2024",
  external: ["node:*", "onnxruntime-node", "@duckdb/*"], // so that what leaks in is listed, not refused
  metafile: true,
  write: false,
  logLevel: "silent",
} as const satisfies BuildOptions;

test("the browser bundle imports nothing of Node.js", async () => {
  const { metafile } = await build({ ...options, format: "esm" });
  const leaks = Object.entries(metafile.inputs).flatMap(([file, { imports }]) =>
    imports.filter(({ external }) => external).map(({ path }) => `${file} imports ${path}`),
  );
  const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  assert.deepEqual(leaks, []);
  assert.deepEqual(left, []);
  const strangers = Object.keys(metafile.inputs).filter((file) => /onnxruntime-node|@duckdb/.test(file));
  assert.deepEqual(strangers, []);
});

test("the symbolic half runs in a bare context, without Node.js", async () => {
  const { outputFiles } = await build({ ...options, format: "iife", globalName: "microbatch" });
  const context = createContext({ TextEncoder, TextDecoder, crypto, performance, console }); // what every browser has
  runInContext(outputFiles[0]!.text, context);
  // A model's gradient as the bytes of an ONNX file, made where no Node.js is.
  const bytes = runInContext(
    `const { buildProgram, crossEntropy, encodeOnnx, gradient, input, linear, parametersOf, relu, sequence } = microbatch;
     const body = sequence(linear(4, 8), relu, linear(3));
     const loss = crossEntropy(body(input("x", ["batch", 4])), input("label", ["batch"], "int32"));
     const gradients = gradient(loss, parametersOf([loss]));
     encodeOnnx(buildProgram({ name: "gradient", outputs: Object.fromEntries(gradients.map((g, i) => [\`g\${i}\`, g])),
       parameterNames: new Map(parametersOf([loss]).map((p, i) => [p, \`p\${i}\`])) }))`,
    context,
  );
  assert.deepEqual(
    summarizeOnnx(bytes).outputs.map(({ shape }) => shape),
    [[8, 4], [8], [3, 8], [3]],
  );
  assert.equal(runInContext("typeof process + typeof require", context), "undefinedundefined");
});
