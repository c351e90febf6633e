/** The package as its users get it: packed, installed into an empty project, imported and run. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const root = fileURLToPath(new URL("../", import.meta.url));
const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
const run = promisify(execFile);

/** The empty project; the package lies in its node_modules. */
let project: string;

before(async () => {
  project = await mkdtemp(join(tmpdir(), "microbatch-package-"));
  await npm(root, "pack", "--silent", "--pack-destination", project);
  const tarball = (await readdir(project)).find((file) => file.endsWith(".tgz"));
  assert.ok(tarball, "npm pack left no tarball");
  await writeFile(
    join(project, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  );
  await writeFile(join(project, ".npmrc"), "onnxruntime-node-install=skip\n");
  await npm(project, "install", "--prefer-offline", "--no-audit", "--no-fund", `./${tarball}`);
  await copyFile(join(root, "test/package/train.mjs"), join(project, "train.mjs"));
});

after(() => rm(project, { recursive: true, force: true }));

test("the installed package holds what it needs and nothing else", async () => {
  const installed = join(project, "node_modules/microbatch");
  const files = await readdir(installed, { recursive: true });
  const expected = [
    "package.json",
    "LICENSE",
    "dist/index.js",
    "dist/index.d.ts",
    "dist/node.js",
    "dist/cli/main.js",
  ];
  for (const file of expected) assert.ok(files.includes(join(file)), `${file} is not in the package`);
  const strays = files.filter((file) => /\.test\.|^(src|test|bench|docs)\b|(?<!\.d)\.ts$/.test(file));
  assert.deepEqual(strays, []);
});

test("package.json describes the installed package correctly (publint)", async () => {
  const pkgDir = join(project, "node_modules/microbatch");
  const { messages, pkg } = await publint({ pkgDir, pack: false, level: "warning" });
  // The browser map also names sources, for bundling a checkout; they are not in the package.
  const isIdle = ([field, key]: readonly string[]): boolean =>
    field === "browser" && !existsSync(join(pkgDir, key!));
  const problems = messages.filter(({ path }) => !isIdle(path)).map((message) => formatMessage(message, pkg));
  assert.deepEqual(problems, []);
});

test("a script in an empty project imports the package and trains with it", async () => {
  const { stdout } = await run(process.execPath, ["train.mjs"], { cwd: project, env: environment() });
  const result = JSON.parse(stdout);
  assert.ok(result.loss < 0.1, stdout); // the mean alone gives 2.5
  assert.ok(result.largestGap < 1e-6, stdout); // the saved file predicts what the model in memory does
});

test("the installed command trains on a table", async () => {
  const table = join(root, "examples/wine/wine.csv");
  const stdout = await npm(
    project,
    "exec",
    "--no",
    "--",
    "microbatch",
    "train",
    table,
    "--target",
    "cultivar",
    "--json",
  );
  const result = JSON.parse(stdout.trim().split("\n").at(-1)!);
  assert.ok(result.validation.accuracy > 0.9 && existsSync(join(project, "model.onnx")), stdout);
});

test("the installed command prints the version of package.json", async () => {
  const stdout = await npm(project, "exec", "--no", "--", "microbatch", "--version");
  assert.equal(stdout.trim(), manifest.version);
});

/** Runs npm: the one that started this test, or the machine's. A failure shows what npm printed. */
async function npm(cwd: string, ...words: readonly string[]): Promise<string> {
  const own = process.env.npm_execpath?.endsWith("npm-cli.js") ? process.env.npm_execpath : undefined;
  const [program, first] = own === undefined ? ["npm", []] : [process.execPath, [own]];
  const shell = own === undefined && process.platform === "win32"; // npm is a .cmd file there
  const options = { cwd, env: environment(), maxBuffer: 2 ** 26, shell };
  const { stdout } = await run(program, [...first, ...words], options).catch((error) => {
    throw new Error(`npm ${words[0]} failed:\n${error.stdout}\n${error.stderr}`, { cause: error });
  });
  return stdout;
}

/** This environment with this Node first, and without what `npm test` says about the package it runs for. */
function environment(): NodeJS.ProcessEnv {
  const left = /^(npm_(package|lifecycle|command|config_(local_)?prefix)|INIT_CWD|NODE_TEST_CONTEXT)/;
  const inherited = Object.entries(process.env).filter(([name]) => !left.test(name));
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return { ...Object.fromEntries(inherited), PATH: path };
}
