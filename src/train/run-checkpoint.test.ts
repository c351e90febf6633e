/** What is done to a run's checkpoints on disk, by whatever can happen to files, and what a run then finds. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { decodeSafetensors } from "../safetensors/decode.ts";
import { encodeSafetensors } from "../safetensors/encode.ts";
import type { CheckpointStore, Snapshot } from "./checkpoint.ts";
import { writeCheckpoint } from "./run-checkpoint.ts";
import { runFolder } from "./run-folder.ts";
import { readRunHeader } from "./run-header.ts";
import { afterSteps } from "./stop.ts";
import { train } from "./train.ts";

const folder = temporaryFolder();
const file = (path: string, step: number, ending: "json" | "safetensors") =>
  join(path, "checkpoints", `${String(step).padStart(8, "0")}.${ending}`);

/** What a run hands to its store. */
const first = await overheard();
async function overheard(): Promise<Snapshot> {
  const snapshots: Snapshot[] = [];
  const store: CheckpointStore = {
    name: "overheard",
    open: async () => {},
    load: async () => ({ notes: [] }),
    save: async (snapshot) => void snapshots.push(structuredClone(snapshot)),
    close: async () => {},
  };
  for await (const _ of train(plan({ batchSize: 30, stop: afterSteps(1), checkpoint: { store } })));
  return snapshots[0]!;
}
const at = (step: number, state: object = {}): Snapshot => ({
  ...first,
  stop: null,
  state: { ...first.state, step, ...state },
});

/** A folder with checkpoints of these steps, all kept. */
async function folderWith(name: string, steps: readonly number[]): Promise<string> {
  const path = join(folder, name);
  await using(runFolder(path, { keep: 9 }), async (store) => {
    for (const step of steps) await store.save(at(step));
  });
  return path;
}

async function using<Result>(store: CheckpointStore, use: (store: CheckpointStore) => Promise<Result>) {
  await store.open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** The step that a run would go on from, and what is said of others. */
const found = (path: string) =>
  using(runFolder(path), async (store) => {
    const { found: saved, notes } = await store.load();
    return { step: saved?.state.step, notes };
  });
const stepsIn = (path: string) => [
  ...new Set(readdirSync(join(path, "checkpoints")).map((name) => Number.parseInt(name, 10))),
];

test("whole checkpoints do not make room for damaged ones, which are removed once there is a newer one", async () => {
  const path = await folderWith("room", [6, 9, 12]);
  for (const step of [9, 12]) writeFileSync(file(path, step, "safetensors"), "damaged");
  await using(runFolder(path, { keep: 2 }), async (store) => {
    assert.equal((await store.load()).found?.state.step, 6);
    await store.save(at(8));
  });
  assert.deepEqual(stepsIn(path), [6, 8]);
  writeFileSync(file(path, 8, "safetensors"), "damaged");
  await using(runFolder(path, { keep: 2 }), async (store) => {
    assert.equal((await store.load()).found?.state.step, 6);
    await store.save(at(10));
  });
  assert.deepEqual(stepsIn(path), [6, 10]);
  assert.equal((await found(path)).step, 10);
});

test("a checkpoint that is replaced by another of its step is whole at every moment", async () => {
  const path = await folderWith("replaced", [5]);
  const ended = join(folder, "ended");
  const stop = { rule: "afterSteps", reason: "5 steps done" };
  await using(runFolder(ended), (store) => store.save({ ...at(5), stop }));
  const before = readFileSync(file(path, 5, "safetensors"));
  const after = readFileSync(file(ended, 5, "safetensors"));
  const checkpoints = join(path, "checkpoints");
  // Killed before or after the file is renamed, which a folder in its place stands for: the last seal is not written.
  rmSync(file(path, 5, "safetensors"));
  mkdirSync(file(path, 5, "safetensors"));
  await assert.rejects(writeCheckpoint(checkpoints, 5, after));
  rmSync(file(path, 5, "safetensors"), { recursive: true });
  for (const [bytes, isEnded] of [
    [before, false],
    [after, true],
  ] as const) {
    writeFileSync(file(path, 5, "safetensors"), bytes);
    const { found: saved, notes } = await using(runFolder(path), (store) => store.load());
    assert.deepEqual([saved?.state.step, saved?.stop, notes], [5, isEnded ? stop : null, []]);
  }
  // Killed once more, while a third is written over what the first kill has left.
  rmSync(file(path, 5, "safetensors"));
  mkdirSync(file(path, 5, "safetensors"));
  await assert.rejects(writeCheckpoint(checkpoints, 5, Buffer.concat([after, Buffer.of(0)])));
  rmSync(file(path, 5, "safetensors"), { recursive: true });
  writeFileSync(file(path, 5, "safetensors"), after);
  const left = await using(runFolder(path), (store) => store.load());
  assert.deepEqual([left.found?.stop, left.notes], [stop, []]);
  await writeCheckpoint(checkpoints, 5, after);
  assert.equal(JSON.parse(readFileSync(file(path, 5, "json"), "utf8")).or, undefined);
});

test("what was never sealed is removed at the next start; a file of somebody else's is not touched", async () => {
  const path = await folderWith("unsealed", [6, 12]);
  rmSync(file(path, 12, "json"));
  const others = ["00000099.safetensors", "notes.json", "7.json"].map((name) =>
    join(path, "checkpoints", name),
  );
  writeFileSync(others[0]!, encodeSafetensors(new Map(), { author: "somebody" }));
  for (const other of others.slice(1)) writeFileSync(other, "{}");
  assert.deepEqual(await found(path), { step: 6, notes: [] });
  assert.ok(!existsSync(file(path, 12, "safetensors")));
  await using(runFolder(path, { keep: 1 }), (store) => store.save(at(13)));
  for (const other of others) assert.ok(existsSync(other), other);
});

test("a folder in a file's place, a seal of another step and a file that is gone are passed over, and written anew", async () => {
  const path = await folderWith("exchanged", [3, 6, 9, 12, 15]);
  rmSync(file(path, 15, "safetensors"));
  for (const ending of ["json", "safetensors"] as const)
    renameSync(file(path, 9, ending), file(path, 12, ending));
  rmSync(file(path, 6, "json"));
  mkdirSync(file(path, 6, "json"));
  const { step, notes } = await found(path);
  assert.equal(step, 3);
  const name = (of: number, ending: "json" | "safetensors") => file(path, of, ending);
  assert.deepEqual(notes, [
    `the checkpoint of step 15 is passed over: read ${name(15, "safetensors")}: expected a file, got nothing of that name. ` +
      `Fix: check the name; the folder looked in is ${join(path, "checkpoints")}`,
    `the checkpoint of step 12 is passed over: ${name(12, "json")}: expected the bytes and the SHA-256 of step 12, ` +
      "got those of step 9. Fix: an older checkpoint is taken where there is one",
    `the checkpoint of step 6 is passed over: read ${name(6, "json")}: expected a file, got a folder of that name. Fix: add the name of a file`,
  ]);
  await using(runFolder(path), async (store) => {
    await store.load();
    await store.save(at(6));
  });
  assert.deepEqual([stepsIn(path), (await found(path)).step], [[3, 6], 6]);
});

/** Writes a header of the forger's choice, with arrays and seal as they must be. */
async function forge(path: string, step: number, change: object): Promise<void> {
  const { arrays, metadata } = decodeSafetensors(readFileSync(file(path, step, "safetensors")));
  const [[key, text]] = Object.entries(metadata) as [[string, string]]; // it has one
  const header = { ...JSON.parse(text), ...change };
  const bytes = encodeSafetensors(arrays, { [key]: JSON.stringify(header) });
  await writeCheckpoint(join(path, "checkpoints"), step, bytes);
}

test("a header with other types than a checkpoint's is passed over, whatever its seal says, and runs are listed without it", async () => {
  const path = await folderWith("forged", [6, 12]);
  for (const change of [
    ...[{ state: null }, { state: { ...at(12).state, step: "12" } }, { state: at(11).state }, { plan: [] }],
    ...[
      { plan: { ...first.plan, lanes: 1e300 } },
      { plan: { ...first.plan, lastBatch: "x" } },
      { stop: "x" },
      { asked: "x" },
      { asked: { stops: [], events: [{ type: "evaluated", step: 12 }] } },
    ],
    ...[
      { version: "1" },
      { state: { ...at(12).state, divergence: {} } },
      { state: { ...at(12).state, best: 3 } },
    ],
  ]) {
    await forge(path, 12, { version: 1, plan: first.plan, state: at(12).state, stop: null, ...change });
    const { step, notes } = await found(path);
    assert.equal(step, 6, JSON.stringify(change));
    const got = JSON.stringify(change).includes('"step":11') ? "those of step 11" : "something else";
    assert.equal(
      notes[0],
      `the checkpoint of step 12 is passed over: ${file(path, 12, "safetensors")}: expected the plan and the state of step 12, ` +
        `got ${got}. Fix: an older checkpoint is taken where there is one`,
    );
    assert.equal((await readRunHeader(path))?.state.step, 6);
  }
});

test("a checkpoint of another version is refused, not passed over", async () => {
  const path = await folderWith("version", [6, 12]);
  await forge(path, 12, { version: 2 });
  await assert.rejects(found(path), {
    message: `${file(path, 12, "safetensors")}: expected a checkpoint of version 1, got version 2. Fix: go on with the version of microbatch that wrote it, or name another folder`,
  });
});

test("numbers that JSON has no form for come back as they were", async () => {
  const path = join(folder, "numbers");
  const stops = [
    { best: Number.POSITIVE_INFINITY, worst: Number.NEGATIVE_INFINITY, none: Number.NaN, zero: -0 },
  ];
  await using(runFolder(path), (store) => store.save(at(4, { stops, epochLoss: Number.NaN })));
  const { found: saved } = await using(runFolder(path), (store) => store.load());
  assert.deepEqual(saved?.state, at(4, { stops, epochLoss: Number.NaN }).state);
});

test("a run whose checkpoints are all damaged begins anew where it is asked to go on, and is not written over where it is not", async () => {
  const path = await folderWith("all damaged", [6, 12]);
  for (const step of [6, 12]) writeFileSync(file(path, step, "safetensors"), "");
  const begin = (checkpoint: object) =>
    train(plan({ stop: afterSteps(1), checkpoint: { store: runFolder(path), ...checkpoint } })).next();
  await assert.rejects(begin({}), {
    message: `plan.checkpoint, ${path}: expected a place without checkpoints for a new run, got a run whose checkpoints are damaged. Fix: name another place; resume: true begins anew in this one`,
  });
  const { value } = await begin({ resume: true });
  assert.ok(value?.type === "started");
  assert.deepEqual(value.notes.slice(2), [`${path} has no checkpoint that is whole: the run begins anew`]);
});

test("options of checkpoints that there are not, or by which nothing would be saved, are refused", async () => {
  const store = runFolder(join(folder, "options"));
  const refused = async (options: object, message: string) =>
    assert.rejects(train(plan({ checkpoint: { store, ...options } })).next(), { message });
  for (const everySteps of [0, -1, 1.5, Number.NaN, "5"]) {
    await refused(
      { everySteps },
      `plan.checkpoint.everySteps: expected a whole number from 1 on, got ${JSON.stringify(everySteps) === "null" ? "NaN" : JSON.stringify(everySteps)}. Fix: leave it out to save by time alone`,
    );
  }
  await refused(
    { everySeconds: 0 },
    "plan.checkpoint.everySeconds: expected a number above 0, got 0. Fix: leave it out for 30",
  );
  await refused(
    { resume: "yes" },
    'plan.checkpoint.resume: expected true, false or "anyway", got "yes". Fix: true goes on from the last checkpoint',
  );
  await refused(
    { everyStep: 5 },
    "plan.checkpoint: expected only store, everySteps, everySeconds, resume, got everyStep. Fix: correct the name, or leave it out",
  );
  assert.ok(!existsSync(join(folder, "options")));
});
