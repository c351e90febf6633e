import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import * as files from "./files.ts";
import * as absent from "./files-absent.ts";

const { readFile, readPieces, writeAtomically, writeFileAtomically } = files;
const folder = temporaryFolder();

const bytes = Uint8Array.of(1, 2, 3);

test("a written file reads back, and nothing else is left in the folder", async () => {
  const path = join(folder, "model.onnx");
  await writeFileAtomically(path, Uint8Array.of(9, 9, 9, 9));
  await writeFileAtomically(path, bytes.subarray(1));
  assert.deepEqual(await readFile(path), Uint8Array.of(2, 3));
  assert.deepEqual(await readdir(folder), ["model.onnx"]);
});

test("a file written in pieces holds them in order, and one that is given up was never there", async () => {
  const path = join(folder, "pieces");
  await writeAtomically(path, async (write) => {
    for (let piece = 0; piece < 300; piece++) await write(new Uint8Array(1000).fill(piece));
    assert.equal(readdirSync(folder).includes("pieces"), false, "not under its name before it is whole");
  });
  const written = await readFile(path);
  assert.equal(written.length, 300_000);
  assert.ok(written.every((value, index) => value === Math.floor(index / 1000) % 256));
  await rm(path);
  const before = await readdir(folder);
  const giveUp = writeAtomically(path, async (write) => {
    await write(bytes);
    throw new Error("given up");
  });
  await assert.rejects(giveUp, { message: "given up" });
  assert.deepEqual(await readdir(folder), before);
});

test("a file read in pieces gives its bytes in order", async () => {
  const path = join(folder, "large");
  const content = Uint8Array.from({ length: 2.5 * 2 ** 20 }, (_, index) => index % 251);
  await writeFile(path, content);
  const pieces: Uint8Array[] = [];
  for await (const piece of readPieces(path)) pieces.push(piece);
  assert.ok(pieces.length >= 3, String(pieces.length));
  assert.ok(Buffer.concat(pieces).equals(content));
  await rm(path);
});

test("a replaced file keeps its permissions, and a symbolic link stays a link", async () => {
  const path = join(folder, "private");
  await writeFile(path, "old");
  await chmod(path, 0o600);
  const link = join(folder, "link");
  await symlink(path, link);
  await writeFileAtomically(link, bytes);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readFile(path), bytes);
  assert.ok(
    (await readdir(folder, { withFileTypes: true })).find(({ name }) => name === "link")?.isSymbolicLink(),
  );
});

test("a link to what is not there yet is followed too, and a read-only file is left as it is", async () => {
  const [target, link] = [join(folder, "later"), join(folder, "early")];
  await symlink("later", link);
  await writeFileAtomically(link, bytes);
  assert.deepEqual(await readFile(target), bytes);
  await chmod(target, 0o444);
  // One after the other: a second promise would be rejected while nobody waits for it yet.
  for (const write of [
    () => writeFileAtomically(link, Uint8Array.of(9)),
    () => files.requireWritable(link),
  ]) {
    await assert.rejects(write(), {
      message:
        `write ${link}: expected a file that may be replaced, got a read-only file. ` +
        `Fix: name another one, or allow it: chmod u+w ${target}`,
    });
  }
  assert.deepEqual(await readFile(target), bytes);
});

test("what cannot be written or read is refused with what to do instead, and leaves nothing behind", async () => {
  await mkdir(join(folder, "sub"));
  const before = await readdir(folder);
  await assert.rejects(writeFileAtomically(join(folder, "none", "a"), bytes), {
    message:
      `write ${folder}/none/a: expected the folder ${folder}/none, got none of that name. ` +
      `Fix: create it: mkdir -p ${folder}/none`,
  });
  await assert.rejects(writeFileAtomically(join(folder, "sub"), bytes), {
    message: `write ${folder}/sub: expected a file, got a folder of that name. Fix: add the name of a file`,
  });
  await assert.rejects(
    writeFileAtomically(join(folder, "private", "a"), bytes),
    /expected a folder in front of the last/,
  );
  await assert.rejects(writeFileAtomically(join(folder, "a".repeat(300)), bytes), /expected a shorter name/);
  await assert.rejects(readFile(join(folder, "none")), {
    message:
      `read ${folder}/none: expected a file, got nothing of that name. ` +
      `Fix: check the name; the folder looked in is ${folder}`,
  });
  await assert.rejects(readFile(folder), /expected a file, got a folder of that name/);
  await assert.rejects(readPieces(folder).next(), /expected a file, got a folder of that name/);
  await assert.rejects(readPieces("/dev/zero").next(), /got a device or a pipe/);
  await assert.rejects(readPieces(join(folder, "none")).next(), /got nothing of that name/);
  assert.deepEqual(await readdir(folder), before);
});

test("a device or a pipe is neither read, which might never end, nor replaced by a file", async () => {
  const pipe = join(folder, "pipe");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  try {
    await assert.rejects(writeFileAtomically(pipe, bytes), {
      message: `write ${pipe}: expected a file, got a device or a pipe. Fix: name a file`,
    });
    await assert.rejects(files.requireWritable(pipe), /got a device or a pipe/);
    await assert.rejects(readFile(pipe), {
      message: `read ${pipe}: expected a file, got a device or a pipe. Fix: name a file`,
    });
    assert.ok((await stat(pipe)).isFIFO());
  } finally {
    await rm(pipe);
  }
});

test("whether a file can be written is known before there is anything to write", async () => {
  const before = await readdir(folder);
  await files.requireWritable(join(folder, "new"));
  await files.requireWritable(join(folder, "private")); // it exists
  for (const path of [
    join(folder, "none", "a"),
    join(folder, "sub"),
    join(folder, "private", "a"),
    join(folder, "a".repeat(300)),
  ]) {
    const message = await writeFileAtomically(path, bytes).then(
      () => assert.fail(`${path} was written`),
      (error: Error) => error.message,
    );
    await assert.rejects(files.requireWritable(path), { message });
  }
  assert.deepEqual(await readdir(folder), before);
});

test("a folder that takes no files is not told to be created", async () => {
  // Linux has one; elsewhere there is no such folder, and creating it is the right advice.
  const isLinux = process.platform === "linux";
  for (const write of [files.requireWritable, (path: string) => writeFileAtomically(path, bytes)]) {
    await assert.rejects(write("/proc/a"), {
      message: isLinux
        ? "write /proc/a: expected a folder that takes new files, got /proc, in which the system makes none. " +
          "Fix: use another folder"
        : "write /proc/a: expected the folder /proc, got none of that name. Fix: create it: mkdir -p /proc",
    });
  }
});

test("a write that fails half-way keeps the old file and leaves nothing behind", async () => {
  const own = await mkdtemp(join(folder, "limited-"));
  const path = join(own, "a");
  await writeFile(path, "old");
  const script = `import { writeFileAtomically } from ${JSON.stringify(import.meta.resolve("./files.ts"))};
    await writeFileAtomically(process.argv[1], new Uint8Array(1e6)).catch((error) => console.log(error.message));`;
  // ulimit -f counts blocks of at least 512 bytes: the system stops the write at 100 of them.
  const command = 'ulimit -f 100; exec "$0" --input-type=module -e "$1" "$2"';
  const { stdout } = spawnSync("sh", ["-c", command, process.execPath, script, path], { encoding: "utf8" });
  assert.equal(
    stdout.trim(),
    `write ${path}: expected a file below the system's size limit, got a larger one. ` +
      "Fix: raise the limit (ulimit -f), or write less",
  );
  assert.deepEqual(await readdir(own), ["a"]);
  assert.equal(Buffer.from(await readFile(path)).toString(), "old");
});

test("a full disk and a missing permission are told as such, an unknown error as it is", () => {
  const error = (code: string) => Object.assign(new Error(code), { code });
  // Made up: tests run as root, who has every permission, on disks that are not full.
  assert.throws(() => files.failToAccess("write a", error("ENOSPC"), "/data"), {
    message:
      "write a: expected room on the disk, got a full disk or quota. Fix: make room in /data, or use another folder",
  });
  assert.throws(() => files.failToAccess("write a", error("EACCES"), "/data"), {
    message:
      "write a: expected permission, got a refusal by the system. " +
      "Fix: change the permissions of /data, or use another",
  });
  assert.throws(() => files.failToAccess("write a", error("EWHAT"), "/data"), { message: "EWHAT" });
});

test("temporary files and folders of processes that are gone are removed, those of others stay", async () => {
  const place = join(folder, "temporary");
  mkdirSync(place);
  const own = files.temporaryFolderName();
  const dead = own.replace(/\.\w*-/, ".1-"); // another process had this number
  const [elsewhere, other] = [own.replace(/-\w{8}-/, "-00000000-"), `microbatch-${randomUUID()}`];
  for (const name of [own, dead, elsewhere, other])
    mkdirSync(join(place, name, "inner"), { recursive: true });
  for (const name of [own, dead, elsewhere]) writeFileSync(join(place, `.${name}.tmp`), "half");
  await files.removeTemporaries(place);
  const left = [own, elsewhere, other, `.${own}.tmp`, `.${elsewhere}.tmp`];
  assert.deepEqual(readdirSync(place).sort(), left.sort());
});

test("in a browser the same functions say that there are no files", async () => {
  const onNodeAlone = [
    "failToAccess",
    "makeFolder",
    "removeTemporaries",
    "requireFile",
    "requirePath",
    "temporaryFolderName",
  ]; // for files that no browser's door leads to
  const missing = Object.keys(files).filter((name) => !onNodeAlone.includes(name) && !(name in absent));
  assert.deepEqual(missing, []);
  await assert.rejects(absent.writeFileAtomically("a", bytes), {
    message:
      "write a: expected Node.js, got a browser, which has no files. " + "Fix: offer the bytes as a download",
  });
  await assert.rejects(absent.readFile("a"), /got a browser, which has no files\. Fix: fetch it/);
  await assert.rejects(absent.readPieces("a").next(), /got a browser, which has no files/);
});
