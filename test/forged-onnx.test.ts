/** ONNX files that are damaged, or forged to do harm: a clear error or a function, and never anything else. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
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

test("weights beside the model are read, and no more of them than there is", async () => {
  const model = fromBinary(ModelProtoSchema, whole);
  const weight = initializer(model, "weight");
  const bytes = weight.rawData;
  Object.assign(weight, { dataLocation: 1, rawData: new Uint8Array(0) });
  const entry = (key: string, value: string) => ({
    $typeName: "onnx.StringStringEntryProto" as const,
    key,
    value,
  });
  weight.externalData = [entry("location", "weights.bin"), entry("offset", "8"), entry("length", "32")];
  const path = join(folder, "beside.onnx");
  await writeFile(path, toBinary(ModelProtoSchema, model));
  await assert.rejects(loadOnnx(path), /weights\.bin: expected a file/);
  await writeFile(join(folder, "weights.bin"), Uint8Array.from([...new Uint8Array(8), ...bytes]));
  const { tensor } = (await loadOnnx(path)).weights.find(({ name }) => name === "weight")!;
  assert.ok(tensor.leaf?.kind === "constant");
  assert.deepEqual([...tensor.leaf.value.data], [1, 2, 3, 4, 5, 6, 7, 8]);
  await writeFile(join(folder, "weights.bin"), bytes);
  await assert.rejects(loadOnnx(path), {
    message:
      `${path}, tensor "weight": expected a part of the 32 bytes of "weights.bin", got 32 bytes from 8 on. ` +
      "Fix: the file beside the model is damaged or another one: export the model again",
  });
});
