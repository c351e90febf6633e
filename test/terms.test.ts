/**
 * The terms page is run. A block of commands is followed by a table with one row per command; a heading in code names a
 * value of the JSON that the command prints, and the cells below it are what the page says that value is.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { microbatchIn, microbatchInOneProcess } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const page = await readFile(join(root, "docs/terms.md"), "utf8");
const folder = temporaryFolder();
process.env.NODE_COMPILE_CACHE = join(folder, "compiled"); // saves a third of what every command takes to start

/** Commands and, for each of them, what the page says of its values. */
interface Block {
  readonly commands: readonly string[];
  readonly keys: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(/```sh\n(.*?)```\n\n((?:\|[^\n]*\|\n)+)/gs)].map(([, commands, table]) => {
    const [headings, , ...rows] = table!.trim().split("\n").map(cellsOf);
    const checked = headings!.flatMap((heading, column) => (heading.startsWith("`") ? [column] : []));
    return {
      commands: commands!.trim().split("\n"),
      keys: checked.map((column) => headings![column]!.split("`")[1]!),
      rows: rows.map((cells) => checked.map((column) => cells[column]!)),
    };
  });
}

const cellsOf = (line: string) =>
  line
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim());

/** The page's languages: each begins with a heading of the first order. */
const languages = page.split(/^(?=# )/m);
const blocks = blocksOf(languages[0]!);
const prefix = "npm run --silent microbatch -- train ";

type Value = number | string;
/** A command's value by its key: "validation.loss" of { validation: { loss } }. */
type Values = (key: string) => Value;

type Run = ReturnType<typeof microbatchIn>;

async function valuesOf(run: Run, command: string, out: string): Promise<Values> {
  const words = [...command.slice(prefix.length).matchAll(/"([^"]*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain!,
  );
  const { code, stdout, stderr } = await run("train", ...words, "--out", out);
  assert.equal(code, 0, `${command}\n${stderr}`);
  const record: unknown = JSON.parse(stdout.trim().split("\n").at(-1)!);
  return (key) => {
    let value = record;
    // A part of a key names a field of an object; of what is no object it finds undefined.
    for (const part of key.split(".")) value = (value as Readonly<Record<string, unknown>> | null)?.[part];
    if (typeof value === "number" || typeof value === "string") return value;
    return assert.fail(`${command}: ${key} is ${JSON.stringify(value)}`);
  };
}

/**
 * Runs every command as often as the page has it: one after another in one process, which takes half the time; those of which
 * time and memory are told as processes of their own.
 */
async function runAll(): Promise<Values[]> {
  const { run, end } = microbatchInOneProcess(root);
  try {
    const results: Values[] = [];
    for (const { commands, keys } of blocks) {
      const isOfMachine = keys.some((key) => Object.hasOwn(machine, key));
      for (const command of commands) {
        const out = join(folder, `${results.length}.onnx`);
        results.push(await valuesOf(isOfMachine ? microbatchIn(root) : run, command, out));
      }
    }
    return results;
  } finally {
    end();
  }
}

const counts = ["steps", "samples", "epochs"];
/**
 * What differs from machine to machine and from run to run, and how many times larger one value must be than another on the
 * page for the test to ask which of them is larger.
 */
const machine: Readonly<Record<string, number>> = { seconds: 3, peakBytes: 1.4 };
/**
 * Other processors round differently, and training carries differences on. Cutting all batches in another way, which
 * changes the rounding and nothing else, moved one loss of the page by 1.2 %, the others by less than 0.01 %.
 */
const tolerance = 0.03;

const numberOf = (text: string) => Number(text.replaceAll(",", ""));
const isNear = (value: number, said: number, relative: number) => Math.abs(value - said) <= relative * said;

function isAsSaid(key: string, said: string, values: Values): boolean {
  const value = values(key);
  if (key.endsWith("Sha256") || Object.hasOwn(machine, key)) return true; // others on another machine: see `broken`
  if (typeof value === "string") return isSameText(said, value);
  // A run that was not asked for a number of steps or epochs ends when a loss crosses a limit, here and there.
  const isLengthAsked = / done$/.test(String(values("stopReason")));
  if (counts.includes(key) && !isLengthAsked) return isNear(value, numberOf(said), 0.2);
  return Number.isInteger(value) ? value === numberOf(said) : isNear(value, numberOf(said), tolerance);
}

/** The same words, with numbers near each other: how far a loss has overshot a limit is a matter of luck. */
function isSameText(said: string, value: string): boolean {
  const number = /\d+(\.\d+)?/g;
  const saidNumbers = (said.match(number) ?? []).map(Number);
  const numbers = (value.match(number) ?? []).map(Number);
  const isSame =
    said.replace(number, "") === value.replace(number, "") && numbers.length === saidNumbers.length;
  return isSame && numbers.every((one, index) => isNear(one, saidNumbers[index]!, 0.1));
}

/** One value and what the page says it is. */
interface Cell {
  readonly block: number;
  readonly command: string;
  readonly key: string;
  readonly said: string;
  readonly value: Value;
}

/** What the page says by two cells that does not hold for the runs, if anything. */
function broken(one: Cell, other: Cell): string | undefined {
  if (one.key !== other.key) return undefined;
  if (one.key.endsWith("Sha256")) {
    return (one.said === other.said) === (one.value === other.value) ? undefined : "same or different bytes";
  }
  if (one.block !== other.block) return undefined;
  const [said, saidOther] = [numberOf(one.said), numberOf(other.said)];
  const clear = machine[one.key];
  if (clear !== undefined) {
    const isClear = Math.max(said, saidOther) > clear * Math.min(said, saidOther);
    return isClear && said > saidOther !== one.value > other.value ? "which is larger" : undefined;
  }
  // Where the page writes so many digits, it is about how many of them agree.
  const isExact = [one, other].every((cell) => /^0\.0*[1-9]\d{6,}$/.test(cell.said));
  if (!isExact) return undefined;
  assert.ok(isNear(said, saidOther, 1e-6), `${one.said} and ${other.said} on the page`);
  return isNear(Number(one.value), Number(other.value), 1e-6) ? undefined : "agreement to one in a million";
}

describe("the terms page", () => {
  it("has every command and every figure in both languages", () => {
    assert.equal(languages.length, 2);
    assert.deepEqual(blocksOf(languages[1]!), blocks);
  });

  it("has figures below every command", () => {
    for (const language of languages) {
      assert.equal([...language.matchAll(/^```/gm)].length, 2 * blocks.length);
    }
    for (const { commands, keys, rows } of blocks) {
      assert.equal(rows.length, commands.length, commands[0]);
      assert.ok(keys.length > 0, commands[0]);
      for (const command of commands)
        assert.ok(command.startsWith(prefix) && / --json\b/.test(command), command);
    }
  });

  it("says what its commands print", async () => {
    const all = await runAll();
    let run = 0;
    const cells: Cell[] = [];
    const wrong: string[] = [];
    for (const [block, { commands, keys, rows }] of blocks.entries()) {
      for (const [row, command] of commands.entries()) {
        const values = all[run++]!;
        for (const [column, key] of keys.entries()) {
          const cell = { block, command, key, said: rows[row]![column]!, value: values(key) };
          cells.push(cell);
          if (!isAsSaid(key, cell.said, values))
            wrong.push(`${command}\n${key}: ${cell.value}, not ${cell.said}`);
        }
      }
    }
    for (const [index, cell] of cells.entries()) {
      for (const other of cells.slice(index + 1)) {
        const what = broken(cell, other);
        if (what === undefined) continue;
        wrong.push(`${cell.command}\n${other.command}\n${cell.key}, ${what}: ${cell.value}, ${other.value}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
});
