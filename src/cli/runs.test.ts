/** What the command line does to folders of runs that are not as they should be. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { MicrobatchError } from "../errors.ts";
import type { StartedEvent } from "../train/event.ts";
import { acquireLock } from "../train/run-lock.ts";
import { lookAt } from "./run-look.ts";
import { runRemove } from "./run-remove.ts";
import { courseOf } from "./training/course.ts";
import type { TrainFlags } from "./training/flags.ts";
import { KeptRun } from "./training/kept-run.ts";
import { requireRunFlags } from "./training/run-flags.ts";

const folder = temporaryFolder();
function runIn(name: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, "checkpoints"), { recursive: true });
  writeFileSync(join(path, "command.json"), "{}");
  return path;
}
const flags = (run: string) => ({ run }) as TrainFlags; // of those that stand for a run

test("a run is removed by any name of its folder, but for a link, which may lead to somebody else's", async () => {
  const path = runIn("linked");
  symlinkSync("linked", join(folder, "link"));
  for (const name of [join(folder, "link"), `${join(folder, "link")}/`]) {
    await assert.rejects(runRemove(name, {}), {
      message: `runs remove ${name}: expected the folder of a run, got a link to linked. Fix: name the folder itself`,
    });
  }
  assert.deepEqual(readdirSync(path).sort(), ["checkpoints", "command.json"]);
  await runRemove(`${path}/.`, {});
  assert.ok(!existsSync(path));
});

test("a run is removed where its checkpoints are a file, and not what a link in their place leads to", async () => {
  const [file, link] = [runIn("file"), runIn("link of checkpoints")];
  renameSync(join(file, "checkpoints"), join(folder, "elsewhere"));
  writeFileSync(join(file, "checkpoints"), "");
  writeFileSync(join(folder, "elsewhere", "mine"), "");
  renameSync(join(link, "checkpoints"), join(folder, "second"));
  symlinkSync("../elsewhere", join(link, "checkpoints"));
  for (const path of [file, link]) {
    await runRemove(path, {});
    assert.ok(!existsSync(path));
  }
  assert.ok(existsSync(join(folder, "elsewhere", "mine")));
});

test("a run that is being written is not removed", async () => {
  const path = runIn("written");
  const release = await acquireLock(path);
  await assert.rejects(runRemove(path, {}), /expected a folder that no other run is using/);
  await release();
  assert.deepEqual(readdirSync(path).sort(), ["checkpoints", "command.json"]);
});

test("a folder where a run would put a file is told before the run", async () => {
  const path = runIn("in the way");
  mkdirSync(join(path, "model.onnx"));
  await assert.rejects(requireRunFlags(flags(path), []), {
    message: `--run ${path}: expected the file model.onnx of a run, or none, got a folder of that name. Fix: move it away, or name another folder`,
  });
});

test("a pipe in a file's place is passed over where runs are listed, instead of waited for", async () => {
  const path = runIn("pipes");
  for (const name of [
    "events.jsonl",
    "result.json",
    "checkpoints/00000003.json",
    "checkpoints/00000003.safetensors",
  ])
    execFileSync("mkfifo", [join(path, name)]);
  const { state, step } = await lookAt(path);
  assert.deepEqual([state, step], ["interrupted", 0]);
  assert.deepEqual((await courseOf(join(path, "events.jsonl"))).best, {});
});

test("a run that never began leaves a folder to whoever began in it meanwhile", async () => {
  const path = join(folder, "shared");
  const kept = await KeptRun.open(flags(path), ["table.csv"], []);
  mkdirSync(join(path, "checkpoints"));
  const release = await acquireLock(path);
  await kept.close();
  assert.ok(existsSync(join(path, "checkpoints")));
  await release();
  await kept.close();
  assert.ok(!existsSync(path));
});

test("a run that cannot write says how to go on, and a long name makes no longer one than file systems take", async () => {
  const path = join(folder, "full");
  const kept = await KeptRun.open(flags(path), ["table.csv"], []);
  const error = new MicrobatchError(`write ${path}/checkpoints/00000003.json`, {
    expected: "room on the disk",
    got: "a full disk or quota",
    fix: `make room in ${path}`,
  });
  assert.equal(kept.explain(error), error); // nothing is there to go on with
  await kept.begin({ type: "started", plan: {} } as StartedEvent); // of which no more is read
  const explained = kept.explain(error);
  assert.ok(explained instanceof MicrobatchError);
  assert.match(
    explained.fix,
    /^make room in .*full; then go on with it: microbatch .*--run .*full --resume$/,
  );
  await kept.close();
  process.chdir(folder);
  const long = await KeptRun.open({} as TrainFlags, [`${"x".repeat(250)}.csv`], []);
  assert.match(long.folder, /^runs\/[\dT-]{19}-x{100}$/);
  await long.close();
});
