import assert from "node:assert/strict";
import { test } from "node:test";
import { gap } from "../../test/reference/check.ts";
import { draw, seeded } from "../../test/reference/draw.ts";
import { evaluate } from "../../test/reference/evaluate.ts";
import { load } from "../../test/reference/onnxruntime.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { convolve, gradient } from "../ops/index.ts";
import { findChannelBlock } from "./channel-block.ts";
import { nodeRuntime } from "./ort-node.ts";

const { channelBlock, load: loadProgram } = await nodeRuntime();

test("the runtime is asked for its block of channels", async () => {
  assert.equal(await findChannelBlock(loadProgram), channelBlock);
  assert.ok(channelBlock === undefined || [4, 8, 16].includes(channelBlock), String(channelBlock));
});

test("a runtime that refuses the question, or answers something else, has no blocks", async () => {
  assert.equal(await findChannelBlock(() => Promise.reject(new Error("no such domain"))), undefined);
  const close = async () => {};
  const silent = { inputs: [], outputs: [], close, bind: () => ({ run: async () => ({}) }) };
  assert.equal(await findChannelBlock(async () => silent), undefined);
});

/** Channels, outputs, kernel, how it moves and over what (7 × 6), in blocks of n channels and not. */
const shapes = (n: number) =>
  [
    [n, n, [3, 3], { padding: 1 }],
    [2 * n, n, [3, 2], { padding: [0, 1] }],
    [n, 3 * n, [5, 5], { padding: 2, stride: 2 }],
    [3, n, [3, 3], { padding: "same" }],
    [n, 3, [3, 3], { dilation: [2, 1] }],
    [n - 1, 2 * n, [2, 2], { stride: [1, 3] }],
    [2 * n, 2 * n, [3, 3], { groups: 2 }],
    [n, 2 * n, [1, 1], {}],
    [2 * n, n, [1, 1], { stride: [2, 3] }],
    // Several rows at once: 3 of the 6, 4 of the 4 there are, 2 with a stride; and outputs that fill no block.
    [3, n / 4, [3, 3], { padding: 1, stride: [1, 2] }],
    [n, n / 4, [4, 3], {}],
    [n, n / 2, [3, 2], { padding: [1, 0], stride: [2, 1] }],
    [3, n - 2, [3, 3], { padding: 1 }],
    [n, n + n / 2, [3, 3], {}],
    [5, 3, [3, 3], { dilation: [2, 1], padding: 1 }],
    // Columns in blocks, one and two, also a stride or more apart; rows and columns that no stride reaches.
    [n, n, [3, 3], { padding: 1 }, [5, 2 * n]],
    [2 * n, 3 * n, [3, 2], { padding: [0, 1] }, [4, n]],
    [n, 2 * n, [3, 3], { padding: 1, stride: 2 }, [6, 2 * n]],
    [2 * n, n, [2, 4], { dilation: [2, 1], stride: [3, 2], padding: [1, 0] }, [10, 4 * n]],
    [n, 2 * n, [1, 5], { padding: [0, 4], dilation: [1, 2] }, [3, n]],
    // Rows that share a block, two and four, and zeros that fill it up.
    [n, n, [3, 3], { padding: 1 }, [n / 2, n / 2]],
    [2 * n, n, [3, 3], { padding: 1, stride: 2 }, [7, n / 2]],
    [n, 2 * n, [2, 3], { dilation: [2, 1], padding: [0, 2], stride: [2, 1] }, [9, 3]],
    [n, n, [3, 3], { padding: 1 }, [4, 2 * n - 3]],
    // The last column of the kernel meets zeros alone.
    [n, n, [1, n + 2], { padding: [0, n + 1] }, [2, n]],
  ] as const;

for (const [channels, outputs, kernel, options, size = [7, 6]] of shapes(channelBlock ?? 8)) {
  const what = `${channels} × ${size.join(" × ")} → ${outputs} channels, kernel ${kernel.join(" × ")}`;
  const how = `${what}, ${JSON.stringify(options)}`;
  test(`blocked convolutions compute what plain ones do: ${how}`, async () => {
    const groups = "groups" in options ? options.groups : 1;
    const x = input("x", ["batch", channels, ...size]);
    const weight = input("weight", [outputs, channels / groups, ...kernel]);
    const bias = input("bias", [outputs]);
    const output = convolve(x, weight, { ...options, bias });
    const seed = input("seed", output.shape);
    const [dx, dWeight] = gradient(output, [x, weight], seed);
    const tensors = { output, dx: dx!, dWeight: dWeight! };
    const program = buildProgram({ name: "blocked", outputs: tensors });
    const random = seeded(1);
    const feeds = new Map([x, weight, bias, seed].map((leaf) => [leaf, draw(leaf, 3, random)] as const));
    const loaded = await load(program, encodeOnnx(program, { channelBlock }));
    const named = program.inputs.map(({ name, tensor }) => [name, feeds.get(tensor)!] as const);
    const got = await loaded.run(Object.fromEntries(named));
    await loaded.close();
    const want = evaluate(Object.values(tensors), feeds);
    // float32 sums of up to 1200 terms of up to 4: 2⁻²⁴ for each of some √1200 · 4 that do not cancel, and room.
    const problems = Object.keys(tensors).flatMap((name, index) =>
      gap(name, got[name]!.data, want[index]!.data, 2e-5),
    );
    assert.deepEqual(problems, []);
  });
}

test("blocks are written only where they are asked for", { skip: channelBlock === undefined }, () => {
  const output = convolve(input("x", ["batch", 16, 7, 6]), input("weight", [16, 16, 3, 3]));
  const program = buildProgram({ name: "plain", outputs: { output } });
  const isBlocked = (bytes: Uint8Array) => Buffer.from(bytes).includes("nchwc");
  assert.ok(!isBlocked(encodeOnnx(program)));
  assert.ok(isBlocked(encodeOnnx(program, { channelBlock })));
});
