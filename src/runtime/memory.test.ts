import assert from "node:assert/strict";
import { test } from "node:test";
import { openGiveBack } from "./freed-memory.ts";
import { linuxMemory } from "./memory.ts";
import { nodeRuntime } from "./ort-node.ts";

const machine = { "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\nSwapTotal: 0 kB\n" };
const availableIn = (files: Readonly<Record<string, string>>) =>
  linuxMemory((path) => files[path]).available();

test("what is free is what the machine says where nothing limits the process", () => {
  assert.equal(availableIn(machine), 8000 * 1024);
  assert.equal(availableIn({ ...machine, "/proc/self/cgroup": "0::/\n" }), 8000 * 1024);
  assert.equal(availableIn({}), undefined);
});

test("the smallest of the limits above a process counts, less what is used, with files that can be given up", () => {
  const files = {
    ...machine,
    "/proc/self/cgroup": "0::/pods/one\n",
    "/sys/fs/cgroup/pods/one/memory.max": "max\n",
    "/sys/fs/cgroup/pods/one/memory.current": "1000\n",
    "/sys/fs/cgroup/pods/memory.max": "5000\n",
    "/sys/fs/cgroup/pods/memory.current": "3000\n",
  };
  assert.equal(availableIn(files), 2000);
  const stat = "anon 2500\ninactive_file 400\nactive_file 100\n";
  assert.equal(availableIn({ ...files, "/sys/fs/cgroup/pods/memory.stat": stat }), 2400);
  // Inside of a container the path is that of the host.
  const inside = { "/sys/fs/cgroup/memory.max": "900\n", "/sys/fs/cgroup/memory.current": "1000\n" };
  assert.equal(availableIn({ ...files, ...inside }), 0);
});

test("limits of the first version of control groups count too", () => {
  const files = {
    ...machine,
    "/proc/self/cgroup": "5:cpu:/x\n4:memory:/box\n0::/\n",
    "/sys/fs/cgroup/memory/box/memory.limit_in_bytes": "7000\n",
    "/sys/fs/cgroup/memory/box/memory.usage_in_bytes": "6000\n",
    "/sys/fs/cgroup/memory/box/memory.stat": "inactive_file 1\ntotal_inactive_file 50\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "6000\n",
  };
  assert.equal(availableIn(files), 1050);
});

test("the process tells what it holds and what it has held at most", async () => {
  const { memory } = await nodeRuntime();
  const [resident, peak] = [memory!.resident()!, memory!.peak()!];
  assert.ok(resident > 2 ** 24 && resident < 2 ** 33, String(resident));
  assert.ok(peak >= resident / 2, `${peak} ${resident}`);
  const held = new Uint8Array(2 ** 26).fill(1);
  // Other memory may be given back meanwhile.
  assert.ok(memory!.resident()! - resident > 2 ** 25, `${memory!.resident()} ${resident} ${held.length}`);
  assert.ok(memory!.available()! > 0);
});

test("what the process has freed is given back where the C library can be asked", async () => {
  const giveBack = await openGiveBack();
  if (giveBack === undefined) return; // without koffi or GNU's library nothing is promised
  const { memory } = await nodeRuntime();
  // Just below the size that is given back anyway; every other one stays, so that the end of the heap is not free.
  const blocks = Array.from({ length: 1024 }, () => new Uint8Array(2 ** 16).fill(1));
  const full = memory!.resident()!;
  blocks.forEach((block, index) => {
    if (index % 2 === 0) block.buffer.transfer(0);
  });
  const before = memory!.resident()!;
  giveBack();
  const given = before - memory!.resident()!;
  assert.ok(given > 2 ** 23 || full - before > 2 ** 24, `${full} ${before} ${given}`);
});
