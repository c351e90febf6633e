import assert from "node:assert/strict";
import { test } from "node:test";
import { type ForeignModel, foreignModel, type Node, stored, storedInts } from "../../test/foreign-model.ts";
import { assertSame } from "../../test/same-as-file.ts";
import { onnxFunction } from "./onnx-function.ts";

test("Fourier transforms, whole or of frames, give what their files give", async () => {
  const transform = (
    x: number[],
    y: number[],
    attributes: NonNullable<Node[3]>,
    ...numbers: number[]
  ): ForeignModel => ({
    opset: 20,
    inputs: { x },
    outputs: { y },
    stored: Object.fromEntries(["length", "axis"].map((name, at) => [name, storedInts([numbers[at]!], [])])),
    nodes: [["DFT", ["x", "length", "axis"], ["y"], attributes]],
  });
  await assertSame(transform([2, 7, 1], [2, 4, 2], { onesided: 1 }, 7, 1));
  await assertSame(transform([2, 6, 3, 2], [2, 8, 3, 2], { inverse: 1 }, 8, -3));
  await assertSame(transform([2, 6, 3, 2], [2, 6, 2, 2], {}, 2, -2));
  const frames: ForeignModel = {
    opset: 17,
    inputs: { x: [2, 20, 1] },
    outputs: { y: [2, 4, 4, 2] },
    stored: { step: storedInts([4], []), window: stored([0.1, 0.5, 1, 1, 0.5, 0.1]) },
    nodes: [["STFT", ["x", "step", "window"], ["y"]]],
  };
  await assertSame(frames);
  const message = (got: string) =>
    `model, node "y" (${got}. Fix: export the model again without it, or file an issue with the node`;
  assert.throws(
    () => onnxFunction(foreignModel({ ...frames, stored: { ...frames.stored, step: storedInts([0], []) } })),
    {
      message: message("STFT): expected frames within 20 values, some steps apart, got frames of 6, 0 apart"),
    },
  );
  assert.throws(() => onnxFunction(foreignModel(transform([2, 7, 2], [2, 4, 2], { onesided: 1 }, 7, 1))), {
    message: message(
      "DFT): expected a real signal, whose second half of frequencies mirrors the first, got a complex one, onesided",
    ),
  });
});
