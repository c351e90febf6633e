/** Runs in folders, as they are typed: kept, ended by signals, gone on with, told of and removed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { main, microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
process.env.NODE_COMPILE_CACHE = join(folder, "compiled"); // saves a third of what every command takes to start
const microbatch = microbatchIn(folder);
const penguins = new URL("../examples/penguins/penguins.csv", import.meta.url);

/** A run that takes some seconds: a microbatch for every sample pair, so that threads have something to do. */
const words = ["train", "penguins.csv", "--target", "species", "--microbatch-size", "2", "--dropout", "0.1"];
const long = [...words, "--steps", "200", "--patience", "1000", "--test", "0.2"];
const record = (name: string) => JSON.parse(readFileSync(join(folder, name, "result.json"), "utf8"));
const linesOf = (name: string) =>
  readFileSync(join(folder, name, "events.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

let undisturbed: Readonly<Record<string, unknown>>;
before(async () => {
  copyFileSync(penguins, join(folder, "penguins.csv"));
  const whole = await microbatch(...long, "--run", "whole", "--json");
  assert.equal(whole.code, 0, whole.stderr);
  undisturbed = record("whole");
  assert.deepEqual(JSON.parse(whole.stdout), undisturbed);
});

/** Starts a run and sends signals once its log has come to a step. */
async function signalled(name: string, step: number, signals: readonly NodeJS.Signals[], ...more: string[]) {
  const child = spawn(process.execPath, [main, ...long, "--run", name, ...more], { cwd: folder });
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += text));
  const log = join(folder, name, "events.jsonl");
  const timer = setInterval(() => {
    if (!existsSync(log) || !readFileSync(log, "utf8").includes(`{"type":"step","step":${step},`)) return;
    clearInterval(timer);
    for (const [index, signal] of signals.entries()) setTimeout(() => child.kill(signal), 2 * index);
  }, 5);
  const [code, signal] = await once(child, "close");
  clearInterval(timer);
  return { code, signal, stderr };
}

/** What must not depend on how often a run was disturbed. */
const steady = ({
  seconds,
  samplesPerSecond,
  peakBytes,
  threads,
  model,
  run,
  resumedAt,
  ...others
}: Record<string, unknown>) => others;

test("a run that a signal ends is saved, says how to go on, and ends with the bytes and the words of an undisturbed one", async () => {
  const first = await signalled("twice", 30, ["SIGINT"], "--threads", "2", "--checkpoint-every", "1h");
  assert.deepEqual([first.code, first.signal], [0, null], first.stderr);
  assert.match(first.stderr, /interrupted: this step is finished, a checkpoint and the best model are saved/);
  const goOn = /\nGo on with it: microbatch (.*)\n$/.exec(first.stderr)?.[1];
  assert.equal(goOn, `${long.join(" ")} --threads 2 --checkpoint-every 1h --run twice --resume`);
  assert.ok(
    existsSync(join(folder, "twice", "model.onnx")) && !existsSync(join(folder, "twice", "result.json")),
  );
  const second = await signalled("twice", 90, ["SIGTERM"], "--resume", "--checkpoint-every", "7");
  assert.match(second.stderr, /\ngoing on from step \d+, as saved in twice\n/);
  const third = await microbatch(...goOn!.split(" "));
  assert.equal(third.code, 0, third.stderr);
  assert.match(third.stderr, /\n200 steps \(\d+ of them now\) in .* on 2 threads, /);
  assert.deepEqual(steady(record("twice")), steady(undisturbed));
  assert.ok(
    readFileSync(join(folder, "twice", "model.onnx")).equals(
      readFileSync(join(folder, "whole", "model.onnx")),
    ),
  );
  const resumed = linesOf("twice").filter(({ type }) => type === "resumed");
  assert.equal(resumed.length, 2);
});

test("a second signal ends the run by itself and at once, whichever it is; its log is whole, and it goes on from its last checkpoint", async () => {
  const { code, signal, stderr } = await signalled(
    ...(["once", 50, ["SIGINT", "SIGTERM"], "--threads", "2", "--checkpoint-every", "5"] as const),
  );
  if (code === null) assert.equal(signal, "SIGTERM", stderr);
  assert.ok(linesOf("once").length > 50); // each line of it is JSON
  const { code: end } = await microbatch(...long, "--run", "once", "--resume");
  assert.equal(end, 0);
  assert.deepEqual(steady(record("once")), steady(undisturbed));
});

test("a run that was killed before its first checkpoint begins anew and says so; one that has ended changes nothing", async () => {
  await signalled("killed", 3, ["SIGKILL"], "--checkpoint-every", "1h");
  const again = await microbatch(...long, "--run", "killed", "--resume");
  assert.match(again.stderr, /\nkilled has no checkpoint yet: the run begins anew\n/);
  assert.deepEqual(steady(record("killed")), steady(undisturbed));
  const listed = () => readdirSync(join(folder, "killed"), { recursive: true, withFileTypes: true });
  const files = () =>
    listed().map(({ name, parentPath }) => [name, statSync(join(parentPath, name)).mtimeMs]);
  const before = files();
  const ended = await microbatch(...long, "--run", "killed", "--resume", "--json");
  assert.equal(
    ended.stderr,
    "killed has ended at step 200: 200 steps done. Nothing is left to do; its model is killed/model.onnx.\n",
  );
  assert.deepEqual(JSON.parse(ended.stdout), record("killed"));
  assert.deepEqual(files(), before);
});
