/** Locks: what stands in their place, who may have left it, and many processes at once. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { requireWritable } from "../data/files.ts";
import { moduleBeside } from "../data/module-beside.ts";
import { ownLife } from "../data/process-life.ts";
import { runFolder } from "./run-folder.ts";
import { acquireLock, writerOf } from "./run-lock.ts";

const folder = temporaryFolder();
function made(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}
const alive = { id: "x", ...ownLife(), host: hostname() };

test("what is no lock of a living process is put away, whatever it holds", async () => {
  const texts = [
    ...["", "null", "5", "[]", "{}", '"x"', " ".repeat(70_000)],
    ...[0, -1, 1.5, 1e300, "1", null].map((process) => JSON.stringify({ ...alive, process })),
  ];
  for (const [index, text] of texts.entries()) {
    const path = made(`lock ${index}`);
    writeFileSync(join(path, "lock"), text);
    assert.equal(await writerOf(path), undefined, text);
    const release = await acquireLock(path);
    assert.equal(await writerOf(path), `process ${process.pid} on ${hostname()}`);
    await release();
    assert.deepEqual(readdirSync(path), []);
  }
  const path = made("link");
  symlinkSync("nowhere", join(path, "lock"));
  await (await acquireLock(path))();
  assert.deepEqual(readdirSync(path), []);
});

test("a folder in the lock's place is told, instead of waited for", async () => {
  const path = made("folder");
  mkdirSync(join(path, "lock"));
  await assert.rejects(acquireLock(path), {
    message: `${join(path, "lock")}: expected the lock of a run, a file, got a folder. Fix: move it away, or name another folder for the run`,
  });
});

test("a lock of another machine is kept, and it is said what to remove should that machine be gone", async () => {
  const path = made("elsewhere");
  writeFileSync(join(path, "lock"), JSON.stringify({ ...alive, host: "elsewhere", process: 7 }));
  await assert.rejects(acquireLock(path), {
    message: `${path}: expected a folder that no other run is using, got process 7 on elsewhere, which may be writing there. Fix: wait for it, or name another folder; if that machine or its process is gone, remove ${join(path, "lock")}`,
  });
});

test("what killed processes have left is removed at the next start; what living ones are writing is not", async () => {
  const path = made("left");
  mkdirSync(join(path, "checkpoints"));
  const dead = { ...alive, started: "1" };
  const lock = (holder: string) => {
    const name = `lock.${randomUUID()}`;
    writeFileSync(join(path, name), holder);
    return name;
  };
  for (const holder of [JSON.stringify(dead), '{"id":']) lock(holder);
  const { process: number, started } = ownLife();
  const machine = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
  const own = `.microbatch-${machine}-${number}.${started}-x.tmp`;
  const elsewhere = `.microbatch-00000000-${number}.${started}-x.tmp`;
  const names = [own, elsewhere, own.replace(started, "1"), ".microbatch-x.tmp"];
  for (const name of names) writeFileSync(join(path, name), "half");
  await requireWritable(join(path, "model.onnx"));
  const others = readdirSync(path).filter((name) => name.startsWith(".microbatch"));
  assert.deepEqual(others.sort(), [own, elsewhere, ".microbatch-x.tmp"].sort()); // another machine may be writing
  const living = lock(JSON.stringify(alive));
  const store = runFolder(path);
  await store.open();
  await store.close();
  assert.deepEqual(readdirSync(path).sort(), [own, "checkpoints", living].sort());
});

test("of many processes that find dead ones' locks one at a time has the folder", async () => {
  const path = made("many");
  const dead = { ...alive, started: "1" };
  writeFileSync(join(path, "lock"), JSON.stringify(dead));
  const program = `
    import { renameSync, rmSync, writeFileSync } from "node:fs";
    import { acquireLock } from ${JSON.stringify(new URL(moduleBeside(import.meta.url, "./run-lock")).href)};
    const [until, path, dead] = process.argv.slice(1);
    while (Date.now() < Number(until));
    for (let turn = 0; turn < 40; ) {
      const release = await acquireLock(path).catch(() => undefined);
      if (release === undefined) continue;
      writeFileSync(path + "/busy", "", { flag: "wx" }); // throws where somebody else is in
      rmSync(path + "/busy");
      if (++turn % 4 === 0) await release();
      else {
        // As if it had been killed.
        writeFileSync(path + "/" + process.pid, JSON.stringify({ ...JSON.parse(dead), id: process.pid + "-" + turn }));
        renameSync(path + "/" + process.pid, path + "/lock");
      }
    }`;
  const typed = [String(Date.now() + 1000), path, JSON.stringify(dead)];
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", program, ...typed], { stdio: "inherit" }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
  assert.deepEqual(codes, [0, 0, 0, 0]);
  await (await acquireLock(path))();
  assert.deepEqual(readdirSync(path), []);
});
