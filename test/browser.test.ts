/** The core bundles for a browser: nothing of Node.js is in it, and its symbolic half runs without Node.js. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { type BuildOptions, build } from "esbuild";

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
  assert.equal(runInContext("typeof microbatch", context), "object");
  assert.equal(runInContext("typeof process + typeof require", context), "undefinedundefined");
});
