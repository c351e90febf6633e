/** What a file gives in ONNX Runtime, and what the function made of it gives. */
import assert from "node:assert/strict";
import { elementCount, type Shape } from "../src/array/shape.ts";
import { buildProgram } from "../src/graph/program.ts";
import { input } from "../src/graph/tensor.ts";
import { onnxFunction } from "../src/models/onnx-function.ts";
import { type ForeignModel, foreignModel } from "./foreign-model.ts";
import { seeded } from "./reference/draw.ts";
import { load } from "./reference/onnxruntime.ts";

/** Two ways to float32 results of a few dozen operations, per unit of the largest: 64 roundings of 2⁻²⁴. */
const tolerance = 64 * 2 ** -24;

/** The file's outputs by ONNX Runtime, and ours after decoding and encoding, are the same. */
export async function assertSame(model: ForeignModel): Promise<void> {
  const bytes = foreignModel(model);
  const call = onnxFunction(bytes, { freeBatch: false });
  const leaves = Object.fromEntries(
    call.inputs.map(({ name, shape, dtype }) => [name, input(name, shape as Shape, dtype as "float32")]),
  ); // closed, and of floats
  const made = call(leaves);
  const program = buildProgram({
    name: "ours",
    outputs: Object.fromEntries(Object.entries(made).map(([name, tensor]) => [`our ${name}`, tensor])),
  });
  const random = seeded(3);
  const feeds = Object.fromEntries(
    call.inputs.map(({ name, shape }) => {
      const count = elementCount(shape as Shape);
      return [
        name,
        { shape: shape as number[], data: Array.from({ length: count }, () => 4 * random() - 2) },
      ];
    }),
  );
  const inputs = call.inputs.map(({ name }) => ({ name, tensor: leaves[name]! })); // of the file, read or not
  const [ours, theirs] = [await load(program), await load({ ...program, inputs }, bytes)];
  try {
    const [got, want] = [await ours.run(feeds), await theirs.run(feeds)];
    const isDouble = call.inputs.some(({ dtype }) => dtype === "float64");
    for (const [name, expected] of Object.entries(want)) {
      const actual = got[`our ${name}`]!;
      assert.deepEqual([actual.shape, actual.dtype], [expected.shape, expected.dtype]);
      const scale = expected.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
      const gap = expected.data.reduce(
        (most, value, at) => Math.max(most, Math.abs(value - actual.data[at]!)),
        0,
      );
      assert.ok(gap <= (isDouble ? 2 ** -29 * tolerance : tolerance) * scale, `${name} differs by ${gap}`);
    }
  } finally {
    await ours.close();
    await theirs.close();
  }
}
