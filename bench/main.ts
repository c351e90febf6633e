/**
 * Runs the benchmark: `npm run bench` measures every table, `npm run bench -- mlp memory` the named ones. Prints each
 * table and saves them with the machine to results/<date>-<names>.md and .json. `--quick` only shows that everything
 * works: seconds instead of minutes, and nothing is saved. `--rounds 5` measures less often than the default of 7.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { type Machine, readMachine } from "./harness/machine.ts";
import { findPython, type Python } from "./harness/python.ts";
import { fullEffort, quickEffort } from "./harness/rounds.ts";
import { type Bench, markdown, type Table, type TableResult } from "./harness/table.ts";
import { accumulation } from "./tables/accumulation.ts";
import { article } from "./tables/article.ts";
import { checkpoint } from "./tables/checkpoint.ts";
import { choice } from "./tables/choice.ts";
import { data } from "./tables/data.ts";
import { large } from "./tables/large.ts";
import { memory } from "./tables/memory.ts";
import { memoryModel } from "./tables/memory-model.ts";
import { models } from "./tables/models.ts";
import { reading } from "./tables/reading.ts";
import { threads } from "./tables/threads.ts";
import { linear, mlp } from "./tables/training.ts";
import { update } from "./tables/update.ts";

const tables: Readonly<Record<string, Table>> = {
  mlp,
  linear,
  update,
  accumulation,
  article,
  memory,
  "memory-model": memoryModel,
  data,
  large,
  reading,
  models,
  threads,
  checkpoint,
  choice,
};
const tablesWithPyTorch = ["mlp", "linear", "update", "models", "threads"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string" } },
});
const unknown = positionals.filter((name) => !(name in tables));
if (unknown.length > 0) {
  console.error(
    `bench: expected tables out of ${Object.keys(tables).join(", ")}, got ${unknown.join(", ")}.`,
  );
  process.exit(2);
}
const chosen = positionals.length > 0 ? positionals : Object.keys(tables);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "microbatch-bench-"));
try {
  await measure();
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const rounds = Number(values.rounds ?? fullEffort.rounds);
  const isPythonUsed = chosen.some((name) => tablesWithPyTorch.includes(name));
  const python = isPythonUsed ? findPython() : undefined; // probing takes some seconds
  if (isPythonUsed && python === undefined) console.error("no Python with torch found: PyTorch is left out");
  const bench: Bench = {
    effort: values.quick ? quickEffort : { ...fullEffort, rounds },
    isQuick: values.quick,
    folder,
    python,
    say: (text) => console.error(`… ${text}`),
  };
  const results: TableResult[] = [];
  for (const name of chosen) results.push(await tables[name]!(bench));
  const machine = readMachine(Object.assign({}, ...results.map(({ versions }) => versions)));
  const text = report(machine, python, results);
  console.log(text);
  if (values.quick) return;
  const target = save(machine, python, results, text);
  console.error(`saved ${target}.md and .json`);
}

function report(machine: Machine, python: Python | undefined, results: readonly TableResult[]): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const targets = results.flatMap((result) => result.targets);
  const parts = [
    `# Benchmark of ${machine.date.slice(0, 10)}`,
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}. ${versions.join(", ")}.` +
      (python === undefined ? "" : ` OpenBLAS kernels: ${python.blasCore ?? "its own choice"}.`),
    ...results.flatMap(({ title, text }) => [`## ${title}`, text]),
  ];
  if (targets.length > 0) {
    const rows = targets.map(({ what, text, isMet }) => [what, text, isMet ? "met" : "MISSED"]);
    parts.push("## Targets", markdown(["", "measured", ""], rows));
  }
  return `${parts.join("\n\n")}\n`;
}

function save(
  machine: Machine,
  python: Python | undefined,
  results: readonly TableResult[],
  text: string,
): string {
  const name = chosen.length === Object.keys(tables).length ? "all" : chosen.join("-");
  const target = path.join(import.meta.dirname, "results", `${machine.date.slice(0, 10)}-${name}`);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(`${target}.md`, text);
  const openBlas = python === undefined ? undefined : { chosen: python.blasCore, probed: python.probed };
  const tablesOut = results.map(({ text: _, versions: __, ...rest }) => rest);
  fs.writeFileSync(
    `${target}.json`,
    `${JSON.stringify({ machine, openBlas, tables: tablesOut }, null, 1)}\n`,
  );
  return path.relative(process.cwd(), target);
}
