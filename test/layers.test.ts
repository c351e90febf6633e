import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { sep } from "node:path";
import { test } from "node:test";
import { breaches, importsOf } from "./layers.ts";

const root = new URL("../", import.meta.url);

async function sources(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for await (const path of glob("src/**/*.ts", { cwd: root })) {
    files.set(path.split(sep).join("/"), await readFile(new URL(path, root), "utf8"));
  }
  return files;
}

const breach = (path: string, source: string): readonly string[] => breaches(new Map([[path, source]]));

test("every file imports only from smaller layers, its own folder and the packages it owns", async () => {
  const files = await sources();
  assert.ok(files.size > 0, "no sources found under src/");
  assert.deepEqual(breaches(files), []);
});

test("every form of import is read, with its line", () => {
  const source = [
    'import { a } from "./a.ts";',
    'import type { B } from "./b.ts";',
    'import c, { type D } from "./c.ts";',
    'import * as e from "./e.ts";',
    'import "./f.ts";',
    'export * from "./g.ts";',
    "export {",
    "  h,",
    "  type I,",
    '} from "./h.ts";',
    'const j = await import("./j.ts");',
    'type K = import("./k.ts").K;',
  ].join("\n");
  assert.deepEqual(
    importsOf(source).map(({ specifier, line }) => `${specifier} ${line}`),
    "./a.ts 1,./b.ts 2,./c.ts 3,./e.ts 4,./f.ts 5,./g.ts 6,./h.ts 10,./j.ts 11,./k.ts 12".split(","),
  );
});

test("comments and ordinary code are not read as imports", () => {
  const source = [
    '// import { a } from "./a.ts";',
    ' * import { b } from "./b.ts";',
    ' * const c = await import("./c.ts");',
    'export const d = "from"; const e = Array.from("./e.ts");',
    'export function f() { return "./f.ts"; }',
  ].join("\n");
  assert.deepEqual(importsOf(source), []);
});

test("an import from a larger layer names both files and the rule", () => {
  assert.deepEqual(breach("src/ops/movement.ts", 'import { fit } from "../train/fit.ts";'), [
    "src/ops/movement.ts:1 imports src/train/fit.ts: ops is layer 2, train is layer 5; import only from a smaller number",
  ]);
});

test("an import between folders with the same number names both files and the rule", () => {
  assert.deepEqual(breach("src/nn/linear.ts", '\nimport type { Rule } from "../optim/optimizer.ts";'), [
    "src/nn/linear.ts:2 imports src/optim/optimizer.ts: nn is layer 3, optim is layer 3; folders with the same number are strangers",
  ]);
});

test("re-exports and dynamic imports are breaches too", () => {
  assert.equal(breach("src/array/array.ts", 'export * from "../graph/op.ts";').length, 1);
  assert.equal(breach("src/graph/op.ts", 'const x = import("../index.ts");').length, 1);
});

test("smaller layers, the own folder and errors.ts are free to import, tests import anything", () => {
  assert.deepEqual(breach("src/train/fit.ts", 'import { add } from "../ops/arithmetic.ts";'), []);
  assert.deepEqual(breach("src/train/fit.ts", 'import { plan } from "./plan.ts";'), []);
  assert.deepEqual(breach("src/array/shape.ts", 'import { fail } from "../errors.ts";'), []);
  assert.deepEqual(breach("src/array/shape.test.ts", 'import { fit } from "../train/fit.ts";'), []);
});

test("a new folder and a file outside src/ are named until they have a number", () => {
  assert.match(breach("src/magic/wand.ts", 'import "../ops/movement.ts";')[0]!, /"magic" a number/);
  assert.match(
    breach("src/cli/main.ts", 'import "../../test/layers.ts";')[0]!,
    /test\/layers\.ts: .*no layer/,
  );
});

test("a package belongs to one folder", () => {
  const packages = { runtime: "onnxruntime-node", data: "@duckdb/node-api", onnx: "onnx-buf" };
  for (const [folder, name] of Object.entries(packages)) {
    assert.deepEqual(breach(`src/${folder}/file.ts`, `import * as it from "${name}";`), []);
    assert.deepEqual(breach("src/train/fit.ts", `import * as it from "${name}";`), [
      `src/train/fit.ts:1 imports ${name}: only files in src/${folder}/ may import it`,
    ]);
  }
  assert.equal(breach("src/ops/movement.ts", 'import { create } from "@bufbuild/protobuf";').length, 1);
});

test("Node's built-ins stay in the listed files", () => {
  const source = 'import { readFile } from "node:fs/promises";';
  const allowed = [
    "src/node.ts",
    "src/cli/commands/train.ts",
    "src/data/files.ts",
    "src/parallel/threads-worker.ts",
  ];
  for (const path of allowed) assert.deepEqual(breach(path, source), []);
  for (const path of ["src/index.ts", "src/data/sampler.ts", "src/parallel/alone.ts"]) {
    assert.match(
      breach(path, source)[0]!,
      /imports node:fs\/promises: Node's built-ins are for src\/node\.ts/,
    );
  }
  assert.equal(breach("src/train/fit.ts", 'import fs from "fs";').length, 1);
});
