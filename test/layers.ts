/** Which file may import which: the layers of ARCHITECTURE.md, read off the import lines. */
import { isBuiltin } from "node:module";
import { posix } from "node:path";

/** A folder of src/ (or a file directly in it) and its number. Imports go to smaller numbers only. */
const layers: Readonly<Record<string, number>> = {
  "errors.ts": 0,
  array: 0,
  graph: 1,
  ops: 2,
  onnx: 2,
  safetensors: 2,
  nn: 3,
  models: 3,
  optim: 3,
  data: 3,
  runtime: 3,
  parallel: 4,
  train: 5,
  report: 6,
  cli: 7,
  "index.ts": 7,
  "node.ts": 7,
};

/** Packages that one folder owns. */
const owners: readonly { readonly packages: RegExp; readonly folder: string }[] = [
  { packages: /^(onnxruntime-.*|koffi)$/, folder: "runtime" },
  { packages: /^(@duckdb\/.*|@huggingface\/.*|sharp)$/, folder: "data" },
  { packages: /^(onnx-buf|@bufbuild\/.*)$/, folder: "onnx" },
];

/** The files that may use Node's built-ins; `*` is any part of a name, `**` any path. */
const nodeFiles: readonly string[] = [
  "src/node.ts",
  "src/cli/**",
  "src/report/**",
  "src/data/files.ts",
  "src/data/process-life.ts",
  "src/data/file-ranges.ts",
  "src/data/gzip.ts",
  "src/data/table/**",
  "src/data/images/**",
  "src/data/text/**",
  "src/data/cache/**",
  "src/data/augment/thread*.ts",
  "src/runtime/ort-*.ts",
  "src/parallel/threads*.ts",
  "src/train/run-*.ts",
  "src/train/verify-*.ts",
];

/** One import line: what it names and where it stands (lines count from 1). */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Every module a source names: `import … from`, `export … from`, `import "…"` and `import("…")`. */
export function importsOf(source: string): readonly Import[] {
  const forms = [
    /^[ \t]*(?:import|export)\b[\w$*{},\s]*?\bfrom\s*["']([^"'\n]+)["']/gm,
    /^[ \t]*import\s*["']([^"'\n]+)["']/gm,
    /\bimport\s*\(\s*["'`]([^"'`\n]+)["'`]/g,
  ];
  return forms
    .flatMap((form) => [...source.matchAll(form)])
    .filter((match) => !isCommented(source, match.index))
    .map((match) => ({ specifier: match[1]!, line: lineAt(source, match.index + match[0].length) }))
    .sort((a, b) => a.line - b.line);
}

/** One sentence per breach, naming both files and the rule. `files` maps paths such as "src/ops/movement.ts" to text. */
export function breaches(files: ReadonlyMap<string, string>): readonly string[] {
  return [...files]
    .filter(([path]) => !path.endsWith(".test.ts"))
    .flatMap(([path, source]) => importsOf(source).flatMap((imported) => breach(path, imported) ?? []));
}

function breach(path: string, { specifier, line }: Import): string | undefined {
  const problem = specifier.startsWith(".")
    ? directionProblem(path, posix.join(posix.dirname(path), specifier))
    : packageProblem(path, specifier);
  return problem && `${path}:${line} imports ${problem}`;
}

function directionProblem(from: string, to: string): string | undefined {
  const [source, target] = [folderOf(from), folderOf(to)];
  if (source === target || to === "src/errors.ts") return undefined;
  const [own, other] = [layers[source], layers[target]];
  if (own === undefined) return `${to}: ${from} is in no layer; give "${source}" a number in test/layers.ts`;
  if (other === undefined) return `${to}: that file is in no layer of src/`;
  if (other < own) return undefined;
  const rule =
    other === own ? "folders with the same number are strangers" : "import only from a smaller number";
  return `${to}: ${source} is layer ${own}, ${target} is layer ${other}; ${rule}`;
}

function packageProblem(path: string, specifier: string): string | undefined {
  if (isBuiltin(specifier)) {
    if (nodeFiles.some((pattern) => globToRegExp(pattern).test(path))) return undefined;
    return `${specifier}: Node's built-ins are for ${nodeFiles.join(", ")} only`;
  }
  const owner = owners.find(({ packages }) => packages.test(specifier));
  if (owner === undefined || folderOf(path) === owner.folder) return undefined;
  return `${specifier}: only files in src/${owner.folder}/ may import it`;
}

/** "src/ops/movement.ts" → "ops", "src/index.ts" → "index.ts", anything outside src/ → its whole path. */
function folderOf(path: string): string {
  return path.startsWith("src/") ? path.split("/")[1]! : path;
}

function globToRegExp(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*+/g, (stars) => (stars.length > 1 ? ".*" : "[^/]*"))}$`);
}

function lineAt(source: string, index: number): number {
  return source.slice(0, index).split("\n").length;
}

/** True inside a line comment or a line of a block comment that starts with `*` or `/*`. */
function isCommented(source: string, index: number): boolean {
  const before = source.slice(source.lastIndexOf("\n", index - 1) + 1, index);
  return /^\s*(\*|\/\*)|\/\//.test(before);
}
