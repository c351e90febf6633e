import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { alignBytes, arenaBytes, createArena, layout, openArena } from "./arena.ts";

const shapes = [
  { name: "w", shape: [3, 5] },
  { name: "b", shape: [32] },
  { name: "scale", shape: [] },
  { name: "v", shape: [33] },
];

test("tensors are placed in order, aligned, without overlap, and padded as little as that takes", () => {
  const { tensors, floats } = layout(shapes);
  assert.deepEqual(
    tensors.map(({ name, offset, elements }) => [name, offset, elements]),
    [
      ["w", 0, 15],
      ["b", 32, 32],
      ["scale", 64, 1],
      ["v", 96, 33],
    ],
  );
  assert.equal(floats, 160);
  assert.deepEqual(layout([]), { tensors: [], floats: 0 });
});

test("regions are equal, aligned copies of the layout, zero at first, and views share their memory", () => {
  const plan = { layout: layout(shapes), regions: ["parameters", "lane 0", "lane 1"] };
  const arena = createArena(plan);
  assert.ok(new Uint8Array(arena.memory.buffer).every((byte) => byte === 0));
  assert.ok(arena.memory.buffer instanceof SharedArrayBuffer);
  const offsets = plan.regions.map((name) => arena.region(name).byteOffset);
  assert.deepEqual(offsets, [0, 640, 1280]);
  assert.equal(arenaBytes(plan), 3 * 640);
  for (const [index, name] of plan.regions.entries()) {
    const region = arena.region(name);
    assert.equal(region.floats.byteOffset, offsets[index]);
    assert.equal(region.floats.length, 160);
    for (const { name: tensor, shape, offset } of arena.layout.tensors) {
      const view = region.tensors.get(tensor)!;
      assert.deepEqual(view.shape, shape);
      assert.equal(view.data.byteOffset % alignBytes, 0);
      (view.data as Float32Array).fill(index + 1); // arenas hold float32
      assert.equal(region.floats[offset], index + 1);
    }
    region.floats[15] = 7; // padding
    assert.ok(!region.tensors.get("w")!.data.some((value) => value === 7));
  }
  assert.equal(arena.hasRegion("lane 1"), true);
  assert.equal(arena.hasRegion("lane 2"), false);
});

test("partial regions hold the first tensors of the layout, behind the whole ones", () => {
  const partial = { tensors: 2, regions: ["lane 0", "lane 1"] };
  const plan = { layout: layout(shapes), regions: ["parameters"], partial };
  const arena = createArena(plan);
  assert.equal(arenaBytes(plan), 640 + 2 * 256);
  const lanes = partial.regions.map((name) => arena.region(name));
  assert.deepEqual(
    lanes.map(({ byteOffset, floats, layout: { floats: size } }) => [byteOffset, floats.length, size]),
    [
      [640, 64, 64],
      [896, 64, 64],
    ],
  );
  assert.deepEqual([...lanes[1]!.tensors.keys()], ["w", "b"]);
  const large = layout([...shapes, { name: "large", shape: [2 ** 15, 2 ** 15] }]);
  assert.throws(() => createArena({ ...plan, layout: large }), {
    message:
      "createArena: expected at most 4294967296 bytes (4 GiB), got 4294968448 bytes: 1 regions of 4294967936 bytes, " +
      "2 of 256. Fix: fewer lanes, an optimizer with fewer slots, no parameter averaging, or a smaller model",
  });
});

test("another thread opens the same numbers from the plan and the memory", async () => {
  const plan = { layout: layout(shapes), regions: ["parameters", "lane 0"] };
  const arena = createArena(plan);
  arena.region("lane 0").tensors.get("v")!.data[32] = 20;
  const source = `
    const { workerData, parentPort } = require("node:worker_threads");
    import(workerData.module).then(({ openArena }) => {
      const { data } = openArena(workerData.plan, workerData.memory).region("lane 0").tensors.get("v");
      data[32] = data[32] + 1;
      parentPort.postMessage("done");
    });`;
  const module = new URL("./arena.ts", import.meta.url).href;
  const worker = new Worker(source, { eval: true, workerData: { plan, memory: arena.memory, module } });
  await new Promise((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  await worker.terminate();
  assert.equal(arena.region("lane 0").tensors.get("v")!.data[32], 21);
});

test("what does not fit is refused, with the bytes it needs", () => {
  const large = layout([{ name: "w", shape: [32768, 16384] }]);
  assert.throws(() => createArena({ layout: large, regions: ["parameters", "mean", "square"] }), {
    message:
      "createArena: expected at most 4294967296 bytes (4 GiB), got 6442450944 bytes: 3 regions of 2147483648 bytes. " +
      "Fix: fewer lanes, an optimizer with fewer slots, no parameter averaging, or a smaller model",
  });
  assert.throws(() => layout([...shapes, { name: "b", shape: [1] }]), {
    message:
      'layout, tensor "b": expected a name of its own and dimensions that are whole numbers from 1 on, ' +
      "got the same name twice. Fix: rename it, or correct its shape",
  });
  assert.throws(() => layout([{ name: "x", shape: [2, 0] }]), /layout, tensor "x": .* got \[2, 0\]/);
  const plan = { layout: layout(shapes), regions: ["a", "b"] };
  assert.throws(() => createArena(plan).region("c"), {
    message:
      'arena: expected a region out of a, b, got "c". Fix: name one of them, or add it to the plan\'s regions',
  });
  assert.throws(() => createArena({ ...plan, regions: ["a", "a"] }), {
    message:
      "openArena: expected regions with names of their own, got a, a. Fix: rename the ones that occur twice",
  });
  const small = new WebAssembly.Memory({ initial: 0, maximum: 1, shared: true });
  assert.throws(() => openArena(plan, small), {
    message:
      "openArena: expected a memory of at least 1280 bytes, got 0 bytes. " +
      "Fix: pass the memory and the plan of one arena",
  });
});

test("an arena may be as large as the addresses reach", () => {
  // 4 GiB to the last byte; the pages that are not touched are never given.
  const row = layout([{ name: "w", shape: [2 ** 28] }]);
  const arena = createArena({ layout: row, regions: ["a", "b", "c", "d"] });
  assert.equal(arena.memory.buffer.byteLength, 2 ** 32);
  const { floats } = arena.region("d");
  floats[2 ** 28 - 1] = 5;
  assert.equal(arena.region("d").tensors.get("w")!.data[2 ** 28 - 1], 5);
});
