import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import type { FinishedEvent, StartedEvent, TrainEvent } from "./event.ts";
import { runFolder } from "./run-folder.ts";
import { afterSteps } from "./stop.ts";
import { train } from "./train.ts";

const folder = temporaryFolder();

async function run(path: string, change: object = {}, steps = 12) {
  const events: TrainEvent[] = [];
  const checkpoint = { store: runFolder(path, { keep: 3 }), everySteps: 3, resume: true, ...change };
  for await (const event of train(plan({ batchSize: 10, stop: afterSteps(steps), checkpoint })))
    events.push(event);
  return { started: events[0] as StartedEvent, finished: events.at(-1) as FinishedEvent };
}

const { finished: undisturbed } = await run(join(folder, "undisturbed"));
const file = (path: string, step: number, ending: string) =>
  join(path, "checkpoints", `${String(step).padStart(8, "0")}.${ending}`);

/** What can happen to a file. */
const damages: Readonly<Record<string, (path: string) => void>> = {
  "cut off": (path) => truncateSync(path, Math.floor(readFileSync(path).length / 2)),
  emptied: (path) => truncateSync(path, 0),
  "with one bit turned": (path) => {
    const bytes = readFileSync(path);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = bytes[at]! ^ 4;
    writeFileSync(path, bytes);
  },
  longer: (path) => writeFileSync(path, " ", { flag: "a" }),
};

for (const [what, damage] of Object.entries(damages)) {
  for (const ending of ["safetensors", "json"]) {
    if (ending === "json" && what === "longer") continue; // a space behind JSON is JSON
    test(`a checkpoint's .${ending} ${what} is passed over for the one before, and the bytes are the same`, async () => {
      const path = join(folder, `${what} ${ending}`);
      await run(path);
      damage(file(path, 12, ending));
      damage(file(path, 9, ending));
      const { started, finished } = await run(path);
      assert.equal(started.resumedAt, 6);
      assert.equal(finished.stateSha256, undisturbed.stateSha256);
      assert.equal(started.notes.length, 3);
      for (const [index, step] of [12, 9].entries())
        assert.match(started.notes[index]!, new RegExp(`^the checkpoint of step ${step} is passed over: `));
    });
  }
}

test("the last checkpoints are kept, no temporary file and no lock stay behind", async () => {
  const path = join(folder, "kept");
  mkdirSync(join(path, "checkpoints"), { recursive: true });
  for (const place of [path, join(path, "checkpoints")])
    writeFileSync(join(place, ".microbatch-dead.tmp"), "half");
  await run(path);
  assert.deepEqual(readdirSync(path), ["checkpoints"]);
  const numbers = ["00000006", "00000009", "00000012"];
  const kept = numbers.flatMap((number) => [`${number}.json`, `${number}.safetensors`]);
  assert.deepEqual(readdirSync(join(path, "checkpoints")).sort(), kept);
});

test("a run that has come to its end is not trained again", async () => {
  const path = join(folder, "ended");
  await run(path);
  const { started, finished } = await run(path);
  assert.deepEqual(
    [started.resumedAt, finished.steps, finished.stateSha256],
    [12, 12, undisturbed.stateSha256],
  );
});

test("a folder that a living process is using is refused, and the first run is not disturbed", async () => {
  const path = join(folder, "two runs");
  const first = train(
    plan({ checkpoint: { store: runFolder(path), resume: true }, stop: afterSteps(12), batchSize: 10 }),
  );
  await first.next();
  await assert.rejects(run(path), {
    message: `${path}: expected a folder that no other run is using, got process ${process.pid} on ${hostname()}, which writes there. Fix: wait for it, or name another folder`,
  });
  let last: TrainEvent | undefined;
  for await (const event of first) last = event;
  assert.equal((last as FinishedEvent).stateSha256, undisturbed.stateSha256);
});

test("the lock of a process that is gone counts for nothing, nor one cut off, nor that of another process of its number", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  const dead = { id: "x", process: child.pid, host: hostname(), started: "1" };
  const locks = [JSON.stringify(dead), '{"id":', JSON.stringify({ ...dead, process: process.pid })];
  for (const [index, text] of locks.entries()) {
    const path = join(folder, `lock ${index}`);
    mkdirSync(path);
    writeFileSync(join(path, "lock"), text);
    assert.equal((await run(path)).finished.stateSha256, undisturbed.stateSha256);
    assert.deepEqual(readdirSync(path), ["checkpoints"]);
  }
});

test("a place that is no folder, or takes no files, is a clear error", async () => {
  const path = join(folder, "file");
  writeFileSync(path, "");
  await assert.rejects(run(path), {
    message: /^make .*file: expected a folder in front of the last \/|a folder of that name/,
  });
  const sealed = join(folder, "sealed");
  mkdirSync(sealed);
  chmodSync(sealed, 0o500);
  // The superuser may write anywhere.
  if (process.getuid?.() !== 0) await assert.rejects(run(join(sealed, "run")), { message: /permission/ });
});

const isThere = existsSync("/proc/self");
test("a folder that takes no new ones is told, and not tried forever", { skip: !isThere }, async () => {
  await assert.rejects(run("/proc/microbatch/run"), {
    message:
      "make /proc/microbatch/run: expected a folder that takes new ones, got /proc/microbatch/run, in which the system makes none. " +
      "Fix: use another folder",
  });
});
