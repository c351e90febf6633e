/** ONNX files that are damaged, or forged to do harm: a clear error or a function, and never anything else. */
import assert from "node:assert/strict";
import { mkdir, realpath, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { MicrobatchError } from "../src/errors.ts";
import { onnxFunction } from "../src/models/onnx-function.ts";
import { loadOnnx } from "../src/node.ts";
import { type ForeignModel, foreignModel, stored, storedInts } from "./foreign-model.ts";
import { seeded } from "./reference/draw.ts";
import { refuses } from "./reference/refusals.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();

/** Set FUZZ_SEED to try other damages, or to repeat a failure. */
const seed = Number(process.env.FUZZ_SEED ?? 1);

/** A network with most that a file can hold: stored tensors, constants, sizes, lists, texts. */
const network: ForeignModel = {
  opset: 13,
  inputs: { x: [1, 1, 6, 6] },
  outputs: { y: [1, 2] },
  stored: {
    kernel: stored(
      Array.from({ length: 9 }, (_, at) => at),
      [1, 1, 3, 3],
    ),
    shape: storedInts([1, 4]),
    weight: stored([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]),
    pads: storedInts([0, 0, 1, 1, 0, 0, 1, 1]),
    repeats: storedInts([1, 1]),
  },
  nodes: [
    ["Pad", ["x", "pads"], ["padded"], { mode: "edge" }],
    ["Conv", ["padded", "kernel"], ["c"], { strides: [2, 2], kernel_shape: [3, 3] }],
    ["MaxPool", ["c"], ["p"], { kernel_shape: [2, 2], ceil_mode: 0 }],
    ["Resize", ["p", "", "scales"], ["r"], { mode: "linear" }],
    ["Reshape", ["r", "shape"], ["flat"]],
    ["Constant", [], ["scales"], { value: stored([1, 1, 0.5, 2]) }],
    ["Tile", ["flat", "repeats"], ["tiled"]],
    ["Gemm", ["tiled", "weight"], ["y"], { transB: 1, alpha: { float: 0.5 } }],
  ],
};
const whole = foreignModel(network);

/** The bytes with some of them changed, left out, or doubled. */
function damaged(bytes: Uint8Array, random: () => number): Uint8Array {
  const place = () => Math.floor(random() * bytes.length);
  const kind = random();
  if (kind < 0.1) return bytes.subarray(0, place());
  const [from, length] = [place(), Math.ceil(random() * 8)];
  if (kind < 0.2) return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(from + length)]);
  if (kind < 0.3) return Uint8Array.from([...bytes.subarray(0, from + length), ...bytes.subarray(from)]);
  const copy = bytes.slice();
  for (let change = 0; change < length; change++) copy[place()] = Math.floor(random() * 256);
  return copy;
}

test("1000 damaged files are read or refused, in no time and without memory", () => {
  onnxFunction(whole);
  const random = seeded(seed);
  const before = process.memoryUsage().rss;
  let refused = 0;
  for (let file = 0; file < 1000; file++) {
    const bytes = damaged(whole, random);
    const start = performance.now();
    try {
      onnxFunction(bytes, { trainable: file % 2 === 0 });
    } catch (error) {
      refused++;
      assert.ok(
        error instanceof MicrobatchError,
        `seed ${seed}, file ${file}: ${error instanceof Error ? error.stack : error}`,
      );
      assert.ok(
        error.message.length < 2000,
        `seed ${seed}, file ${file}: an error of ${error.message.length} letters`,
      );
    }
    // No claim about speed: a file that asks for memory or time would take minutes.
    assert.ok(performance.now() - start < 10_000, `seed ${seed}, file ${file} takes too long`);
  }
  assert.ok(refused > 200 && refused < 1000, `${refused} were refused`);
  // Files of a kilobyte: a single one that believed a forged size would take hundreds of megabytes.
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 400 * 2 ** 20, `memory grew by ${grown} bytes`);
});

/** The network with a change. */
const forged = (change: (model: ModelProto) => void) => () => {
  const model = fromBinary(ModelProtoSchema, whole);
  change(model);
  return onnxFunction(toBinary(ModelProtoSchema, model), {}, "forged.onnx");
};
const initializer = ({ graph }: ModelProto, name: string) =>
  graph!.initializer.find((one) => one.name === name)!;
const node = ({ graph }: ModelProto, type: string) => graph!.node.find(({ opType }) => opType === type)!;
const withNumbers = (name: string, values: readonly number[]) =>
  forged((model) => {
    const tensor = initializer(model, name);
    tensor.dims = [BigInt(values.length)];
    tensor.rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  });
const damagedFile = "Fix: the file is damaged: export the model again";

refuses("a forged file", [
  [
    "whose dimensions are below 0",
    forged((model) => {
      initializer(model, "weight").dims = [-2n, -4n];
    }),
    `forged.onnx, tensor "weight": expected dimensions from 0 on that memory can hold, got [-2, -4]. ${damagedFile}`,
  ],
  [
    "that claims gigabytes it does not hold",
    forged((model) => {
      initializer(model, "weight").dims = [65536n, 65536n];
    }),
    `forged.onnx, tensor "weight": expected 4294967296 elements, as its shape [65536, 65536] says, got 32 bytes of 4 per element. ${damagedFile}`,
  ],
  [
    "with more bytes than its shape says",
    forged((model) => {
      initializer(model, "weight").rawData = new Uint8Array(33);
    }),
    `forged.onnx, tensor "weight": expected 8 elements, as its shape [2, 4] says, got 33 bytes of 4 per element. ${damagedFile}`,
  ],
  [
    "in which a value is written twice",
    forged((model) => {
      node(model, "Conv").output = ["padded"];
    }),
    `forged.onnx: expected every value written once, got "padded" twice. ${damagedFile}`,
  ],
  [
    "that stores a tensor twice",
    forged((model) => {
      initializer(model, "weight").name = "kernel";
    }),
    `forged.onnx: expected every value written once, got "kernel" twice. ${damagedFile}`,
  ],
  [
    "with a cycle",
    forged((model) => {
      node(model, "Conv").input[0] = "p";
    }),
    `forged.onnx: expected nodes that can be computed one after the other, got a cycle through node "c" (Conv). ${damagedFile}`,
  ],
  [
    "with an input that nothing gives",
    forged((model) => {
      node(model, "Gemm").input[1] = "wieght";
    }),
    `forged.onnx, node "y" (Gemm): expected inputs that the file gives, or that another node computes, got "wieght", which nothing gives. ${damagedFile}`,
  ],
  [
    "with an output that nothing computes",
    forged((model) => {
      model.graph!.output[0]!.name = "z";
    }),
    `forged.onnx: expected outputs that the graph computes, each once, got "z", which nothing computes. ${damagedFile}`,
  ],
  [
    "that pads an image to gigabytes",
    withNumbers("pads", [0, 0, 1e9, 1, 0, 0, 1, 1]),
    'forged.onnx, node "padded" (Pad): expected a padded axis of at most 1048576 elements, got 1000000007. Fix: do not trust this file',
  ],
]);

test("weights outside of the model's folder are not read", async () => {
  const absolute = join(folder, "secret.bin");
  await writeFile(absolute, new Uint8Array(32));
  for (const location of [
    "../secret.bin",
    absolute,
    "a/../../secret.bin",
    "..\\secret.bin",
    "C:\\secret.bin",
    "",
  ]) {
    const model = fromBinary(ModelProtoSchema, whole);
    const weight = initializer(model, "weight");
    Object.assign(weight, { dataLocation: 1, rawData: new Uint8Array(0) });
    weight.externalData = [{ $typeName: "onnx.StringStringEntryProto", key: "location", value: location }];
    const path = join(folder, "outside.onnx");
    await writeFile(path, toBinary(ModelProtoSchema, model));
    await assert.rejects(loadOnnx(path), {
      name: "MicrobatchError",
      message:
        `${path}: expected tensors in files beside the model, inside its folder, got external data at ${JSON.stringify(location)}. ` +
        "Fix: export the model again with its weights inside, or beside it; do not trust this file",
    });
  }
});

/** The network with its weight in a file beside it, as these entries say. Gives the path and the bytes it had. */
async function externalized(
  name: string,
  entries: Readonly<Record<string, string>>,
  also?: (model: ModelProto) => void,
) {
  const model = fromBinary(ModelProtoSchema, whole);
  const weight = initializer(model, "weight");
  const bytes = weight.rawData;
  Object.assign(weight, { dataLocation: 1, rawData: new Uint8Array(0) });
  weight.externalData = Object.entries(entries).map(([key, value]) => ({
    $typeName: "onnx.StringStringEntryProto",
    key,
    value,
  }));
  also?.(model);
  const path = join(folder, name);
  await writeFile(path, toBinary(ModelProtoSchema, model));
  return { path, bytes };
}

test("weights beside the model are read, and no more of them than there is", async () => {
  const { path, bytes } = await externalized("beside.onnx", {
    location: "weights.bin",
    offset: "8",
    length: "32",
  });
  await assert.rejects(loadOnnx(path), /weights\.bin: expected a file/);
  await writeFile(join(folder, "weights.bin"), Uint8Array.from([...new Uint8Array(8), ...bytes]));
  const { tensor } = (await loadOnnx(path)).weights.find(({ name }) => name === "weight")!;
  assert.ok(tensor.leaf?.kind === "constant");
  assert.deepEqual([...tensor.leaf.value.data], [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a part that the file beside the model does not have is refused", async () => {
  await writeFile(join(folder, "short.bin"), new Uint8Array(32));
  for (const [offset, length] of [
    ["8", "32"],
    ["-8", "32"],
    ["0", "-32"],
    ["0", "4294967296"],
    ["18446744073709551616", "32"],
    ["0x0", "32"],
    ["0", "1e1"],
    ["0", ""],
    ["NaN", "32"],
  ] as const) {
    const { path } = await externalized("part.onnx", { location: "short.bin", offset, length });
    await assert.rejects(loadOnnx(path), {
      name: "MicrobatchError",
      message:
        `${path}, tensor "weight": expected a part of the 32 bytes of "short.bin", got ${length} bytes from ${offset} on. ` +
        "Fix: the file beside the model is damaged or another one: export the model again",
    });
  }
  const { path } = await externalized("part.onnx", { location: "short.bin", length: "16" });
  await assert.rejects(
    loadOnnx(path),
    /expected 8 elements, as its shape \[2, 4\] says, got 16 bytes of 4 per element/,
  );
});

test("tensors that share bytes share numbers; those that share a part of them are refused", async () => {
  await writeFile(join(folder, "shared.bin"), new Uint8Array(64));
  const tied = (offset: string) =>
    externalized("shared.onnx", { location: "shared.bin", offset: "0", length: "32" }, (model) => {
      const { graph } = model;
      const other = structuredClone(initializer(model, "weight"));
      Object.assign(other, { name: "other" });
      other.externalData[1]!.value = offset;
      graph!.initializer.push(other);
    });
  const numbersOf = async (name: string, path: string) => {
    const { leaf } = (await loadOnnx(path)).weights.find((one) => one.name === name)!.tensor;
    return leaf?.kind === "constant" ? leaf.value.data : undefined;
  };
  const { path } = await tied("32");
  assert.equal((await numbersOf("weight", path))?.length, 8);
  await tied("0");
  assert.equal((await numbersOf("weight", path))?.length, 8);
  await tied("28");
  await assert.rejects(loadOnnx(path), {
    name: "MicrobatchError",
    message:
      `${path}, tensor "other": expected bytes of its own, or all those of another tensor, got bytes 28 to 60, of which another ` +
      "has 0 to 32. Fix: the file is damaged, or forged: export the model again",
  });
});

test("a link to weights outside of the model's folder is not followed, unless the model is a link to the same place", async () => {
  const [shipped, store] = [join(folder, "shipped"), join(folder, "store")];
  await Promise.all([mkdir(shipped), mkdir(store)]);
  const { path: made, bytes } = await externalized("linked.onnx", { location: "weights" });
  const path = join(shipped, "linked.onnx");
  await rename(made, path);
  const kept = join(store, "weights");
  await writeFile(kept, bytes);
  await symlink(kept, join(shipped, "weights"));
  await assert.rejects(loadOnnx(path), {
    name: "MicrobatchError",
    message:
      `${path}: expected files beside it to lie in its folder, got "weights", a link to ${await realpath(kept)}. ` +
      "Fix: copy the file there, if you trust both",
  });
  await rename(path, join(store, "model"));
  await symlink(join(store, "model"), path);
  assert.equal((await loadOnnx(path)).weights.length, 2); // a cache that links all files to one folder
});
