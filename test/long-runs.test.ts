/** Runs in folders, as they are typed: kept, ended by signals, gone on with, told of and removed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { RunLook } from "../src/cli/run-look.ts";
import { adamw } from "../src/optim/index.ts";
import { fit } from "../src/train/fit.ts";
import { runFolder } from "../src/train/run-folder.ts";
import { main, microbatchIn, microbatchInOneProcess } from "./command-line.ts";
import { plan } from "./plan.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
process.env.NODE_COMPILE_CACHE = join(folder, "compiled"); // saves a third of what every command takes to start
const microbatch = microbatchIn(folder);
const penguins = new URL("../examples/penguins/penguins.csv", import.meta.url);

/** A run that takes some seconds: a microbatch for every sample pair, so that threads have something to do. */
const words = ["train", "penguins.csv", "--target", "species", "--microbatch-size", "2", "--dropout", "0.1"];
const long = [...words, "--steps", "300", "--patience", "1000", "--test", "0.2"];
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
async function signalled(
  name: string,
  step: number,
  signals: readonly NodeJS.Signals[],
  typed: readonly string[],
) {
  const child = spawn(process.execPath, [main, ...typed, "--run", name], { cwd: folder });
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
const steady = (result: Readonly<Record<string, unknown>>) =>
  [
    ...[
      "steps",
      "epochs",
      "bestEpoch",
      "samples",
      "trainLoss",
      "validation",
      "baseline",
      "test",
      "testBaseline",
    ],
    ...["parameters", "parametersSha256", "stateSha256", "stopReason"],
  ].map((name) => [name, result[name] ?? assert.fail(`no ${name} is recorded`)]);

test("a run that a signal ends is saved, says how to go on, and ends with the bytes and the words of an undisturbed one", async () => {
  const first = await signalled(
    "twice",
    30,
    ["SIGINT"],
    [...long, "--threads", "2", "--checkpoint-every", "1h"],
  );
  assert.deepEqual([first.code, first.signal], [0, null], first.stderr);
  assert.match(first.stderr, /interrupted: this step is finished, a checkpoint and the best model are saved/);
  const goOn = /\nGo on with it: microbatch (.*)\n$/.exec(first.stderr)?.[1];
  assert.equal(goOn, `${long.join(" ")} --threads 2 --checkpoint-every 1h --run twice --resume`);
  assert.ok(
    existsSync(join(folder, "twice", "model.onnx")) && !existsSync(join(folder, "twice", "result.json")),
  );
  const otherwise = await microbatch(...long, "--run", "twice", "--resume", "--seed", "4");
  assert.equal(otherwise.code, 2);
  assert.match(
    otherwise.stderr,
    /\n--run twice: expected the command of the run at step \d+ \(no --seed\), got --seed 4\. Fix: type what was typed then, or begin anew in another folder\n$/,
  );
  const second = await signalled("twice", 90, ["SIGTERM"], [...long, "--resume", "--checkpoint-every", "7"]);
  assert.match(second.stderr, /\ngoing on from step \d+, as saved in twice\n/);
  const third = await microbatch(...goOn!.split(" "));
  assert.equal(third.code, 0, third.stderr);
  assert.match(third.stderr, /\n300 steps \(\d+ of them now\) in .* on 2 threads, /);
  assert.deepEqual(steady(record("twice")), steady(undisturbed));
  assert.ok(
    readFileSync(join(folder, "twice", "model.onnx")).equals(
      readFileSync(join(folder, "whole", "model.onnx")),
    ),
  );
  const resumed = linesOf("twice").filter(({ type }) => type === "resumed");
  assert.equal(resumed.length, 2);
});

test("a second signal ends the run by itself and at once, whichever it is, and its log is whole", async () => {
  // A step takes a good part of a second.
  const slow = [...words, "--batch-size", "272", "--hidden", "512,512", "--steps", "9", "--threads", "2"];
  const { code, signal, stderr } = await signalled("once", 1, ["SIGINT", "SIGTERM"], slow);
  assert.deepEqual([code, signal], [null, "SIGTERM"], stderr);
  assert.deepEqual(
    linesOf("once") // each of them is whole
      .map(({ type }) => type)
      .slice(0, 2),
    ["started", "step"],
  );
});

test("a run that was killed before its first checkpoint begins anew and says so; one that has ended changes nothing", async () => {
  await signalled("killed", 3, ["SIGKILL"], [...long, "--checkpoint-every", "1h"]);
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
    "killed has ended at step 300: 300 steps done. Nothing is left to do; its model is killed/model.onnx.\n",
  );
  assert.deepEqual(JSON.parse(ended.stdout), record("killed"));
  assert.deepEqual(files(), before);
});

test("a run that has ended goes on with a longer length, and ends as if that had been typed at first", async (context) => {
  const { run, end } = microbatchInOneProcess(folder);
  context.after(end);
  const short = [...words, "--patience", "1000"];
  const done = async (...typed: readonly string[]) => {
    const outcome = await run(...short, ...typed);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome.stderr;
  };
  await done("--steps", "15", "--run", "longer"); // in the middle of an epoch: its end is evaluated too
  const { best } = JSON.parse((await run("runs", "longer", "--json")).stdout).runs[0];
  assert.equal(best.step, 15);
  assert.equal(best.value, record("longer").validation.loss);
  const refusal = async (...typed: readonly string[]) => {
    const { code, stderr } = await run(...short, ...typed, "--resume");
    assert.equal(code, 2, stderr);
    return stderr.trimEnd().split("\n").at(-1);
  };
  assert.equal(
    await refusal("--steps", "14", "--run", "longer"),
    "--run longer: expected the command of the run, which has ended (--steps 15), got --steps 14. " +
      "Fix: begin anew in another folder; a run that has ended goes on with a longer --epochs, --steps or --patience alone",
  );
  assert.match(
    await done("--steps", "40", "--run", "longer", "--resume"),
    /\ngoing on from step 15, as saved/,
  );
  await done("--steps", "40", "--run", "long");
  assert.deepEqual(
    steady({ ...record("longer"), test: 0, testBaseline: 0 }),
    steady({ ...record("long"), test: 0, testBaseline: 0 }),
  );
  const bytesOf = (name: string) => readFileSync(join(folder, name, "model.onnx"));
  assert.ok(bytesOf("longer").equals(bytesOf("long")));
  // Its length may be the default, 200 epochs: more of them are fine, though patience has ended it before.
  const byDefault = [...words, "--run", "by default"];
  assert.equal((await run(...byDefault)).code, 0);
  const shorter = await run(...byDefault, "--epochs", "199", "--resume");
  assert.match(shorter.stderr, /which has ended \(no --epochs\), got --epochs 199/);
  const { code, stderr } = await run(...byDefault, "--epochs", "201", "--resume");
  assert.equal(code, 0, stderr);
  assert.deepEqual(record("by default").ends, { epochs: 201, patience: 20 });
  await done("--epochs", "1", "--schedule", "cosine", "--run", "cosine");
  const cosine = ["--epochs", "2", "--schedule", "cosine", "--run", "cosine"];
  assert.equal(
    await refusal(...cosine),
    "--run cosine: expected the command of the run at step 9 (--epochs 1), got --epochs 2, over which the schedule " +
      "spreads other learning rates. Fix: type what was typed then, or go on in spite of it: --resume-anyway",
  );
  assert.match(await done(...cosine, "--resume-anyway"), /\n18 steps \(9 of them now\) in /);
});

test("runs lists the runs there are, compares two and removes one, and nothing that is not a run's", async () => {
  const runs = async (...typed: readonly string[]) => {
    const { code, stdout, stderr } = await microbatch("runs", ...typed);
    return { code, stdout, stderr };
  };
  assert.equal((await runs()).stdout, "runs: no runs; train --run keeps one there\n");
  const few = [...words, "--steps", "3", "--seed", "5"];
  const short = await microbatch(...few, "--run");
  const [, name] = /\nSaved (runs\/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-penguins)\/model\.onnx/.exec(short.stderr)!;
  const again = await microbatch(...few, "--run", name!);
  assert.equal(
    again.stderr.split("\n").at(-2),
    `--run ${name}: expected a folder without a run, got a run at step 3. Fix: go on with it: --resume, or name another folder`,
  );
  const listed = JSON.parse((await runs("--json")).stdout).runs;
  assert.deepEqual([listed.length, listed[0].folder, listed[0].state, listed[0].step], [1, name, "ended", 3]);
  const { plan, outcome } = JSON.parse((await runs("compare", "whole", name!, "--json")).stdout);
  assert.deepEqual(plan.seed, [0, 5]);
  assert.deepEqual(plan["--steps"], [300, 3]);
  assert.equal(outcome["validation.accuracy"][0], record("whole").validation.accuracy);
  writeFileSync(join(folder, name!, "notes.txt"), "mine");
  const refused = await runs("remove", name!);
  assert.deepEqual(
    [refused.code, refused.stderr],
    [
      2,
      `runs remove ${name}: expected a folder that holds a run and nothing else, got notes.txt. Fix: move what is yours out of ${name!.slice(5)}\n`,
    ],
  );
  rmSync(join(folder, name!, "notes.txt"));
  assert.equal((await runs("remove", name!)).stdout, `Removed ${name}.\n`);
  assert.ok(!existsSync(join(folder, name!)));
  assert.equal(
    (await runs("remove", ".")).stderr,
    "runs remove .: expected the folder of a run, got ., which has no checkpoints and no command.json. Fix: microbatch runs lists the runs there are\n",
  );
});

test("runs knows those of a program as well", async () => {
  const path = (name: string) => join(folder, "programs", name);
  for (const [name, learningRate] of [
    ["one", 0.01],
    ["other", 0.02],
  ] as const) {
    const checkpoint = { store: runFolder(path(name)) };
    const validation = { data: plan({}).data };
    await fit(plan({ optimizer: adamw({ learningRate }), checkpoint, validation }));
  }
  const { runs } = JSON.parse((await microbatch("runs", "programs", "--json")).stdout);
  assert.deepEqual(
    runs.map(({ state, epoch, begun }: RunLook) => [state, epoch, begun]),
    Array(2).fill(["ended", 4, null]),
  );
  const compared = await microbatch("runs", "compare", path("one"), path("other"), "--json");
  const { plan: plans, outcome } = JSON.parse(compared.stdout);
  assert.deepEqual(plans["optimizer.options.learningRate"], [0.01, 0.02]);
  assert.ok(outcome["validation.loss"][0] > outcome["validation.loss"][1]);
  assert.equal((await microbatch("runs", "remove", path("one"))).code, 0);
  assert.ok(!existsSync(path("one")));
});

test("a run that diverges goes back as often as it may, then ends and says where", async () => {
  const blown = ["--learning-rate", "1e30", "--on-divergence", "back", "--checkpoint-every", "1"];
  const { code, stderr } = await microbatch(...long, ...blown, "--run", "diverged");
  assert.equal(code, 1);
  assert.match(
    stderr,
    /The run goes back to step 0 and on with 0\.125 times the learning rate \(time 3\)\.\n/,
  );
  assert.match(stderr, /\nNo model is saved: the run diverged at step \d, before its first evaluation\./);
  const { runs } = JSON.parse((await microbatch("runs", "diverged", "--json")).stdout);
  assert.deepEqual([runs[0].state, existsSync(join(folder, "diverged", "result.json"))], ["diverged", false]);
});
