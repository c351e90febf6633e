/** Models that other people trained and shipped in packages: loaded, their batch freed, compared with their files, trained on. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { contentKey } from "../../src/array/array.ts";
import { elementCount, type Shape } from "../../src/array/shape.ts";
import { readFile } from "../../src/data/files.ts";
import { buildProgram } from "../../src/graph/program.ts";
import { input, type Leaf } from "../../src/graph/tensor.ts";
import { adamw, afterSteps, arrays, fit, reshape, squaredError } from "../../src/index.ts";
import { onnxFunction } from "../../src/models/onnx-function.ts";
import { loadOnnx } from "../../src/node.ts";
import { seeded } from "../reference/draw.ts";
import { load } from "../reference/onnxruntime.ts";
import { testWith, textReaders, wakeWords } from "./installed.ts";

/** What our program gives for three samples at once, and the file itself for each of them alone. */
async function bothOutputs(
  path: string,
  shape?: Shape,
): Promise<{ ours: Float64Array; theirs: Float64Array }> {
  const bytes = await readFile(path);
  const open = onnxFunction(bytes);
  const { name } = open.inputs[0]!;
  const model = shape === undefined ? open : onnxFunction(bytes, { shapes: { [name]: shape } });
  const declared = model.inputs[0]!.shape as Shape; // closed: a number or the batch everywhere
  assert.equal(declared[0], "batch");
  const x = input(name, declared);
  const prediction = Object.values(model({ [name]: x }))[0]!;
  const [one, size] = [declared.slice(1) as number[], elementCount(declared)];
  const random = seeded(1);
  const data = Array.from({ length: 3 * size }, () => 2 * random() - 1);
  const program = buildProgram({ name: "ours", outputs: { prediction } });
  const [mine, original] = [await load(program), await load(program, bytes)];
  try {
    const got = await mine.run({ [name]: { shape: [3, ...one], data } });
    const want: number[] = [];
    for (let sample = 0; sample < 3; sample++) {
      const part = data.slice(sample * size, (sample + 1) * size);
      want.push(
        ...Object.values(await original.run({ [name]: { shape: [1, ...one], data: part } }))[0]!.data,
      );
    }
    return { ours: got.prediction!.data, theirs: Float64Array.from(want) };
  } finally {
    await mine.close();
    await original.close();
  }
}

/** Probabilities behind some hundred layers, each of them right to 2⁻²⁴ per sum and summed by kernels that are fused differently. */
const tolerance = 1e-5;

function assertClose({ ours, theirs }: { ours: Float64Array; theirs: Float64Array }): void {
  assert.equal(ours.length, theirs.length);
  const gap = ours.reduce((largest, value, at) => Math.max(largest, Math.abs(value - theirs[at]!)), 0);
  assert.ok(gap <= tolerance, `the outputs differ by ${gap}`);
}

testWith(
  wakeWords,
  "detectors of spoken words for a batch of one take any batch, and give what their files give",
  async () => {
    for (const name of ["hello_deepa.onnx", "hello_deepa_old.onnx", "namaste_deepa.onnx"])
      assertClose(await bothOutputs(join(wakeWords.folder, name)));
  },
);

testWith(
  textReaders,
  "readers of text with 53 convolutions, and with attention, give what their files give",
  async () => {
    const shapes: Readonly<Record<string, Shape>> = {
      "ch_ppocr_mobile_v2.0_cls_infer.onnx": ["batch", 3, 48, 192],
      "ch_PP-OCRv4_det_infer.onnx": ["batch", 3, 64, 96],
      "ch_PP-OCRv4_rec_infer.onnx": ["batch", 3, 48, 64],
    };
    for (const [name, shape] of Object.entries(shapes))
      assertClose(await bothOutputs(join(textReaders.folder, name), shape));
  },
);

testWith(textReaders, "weights in Constant nodes can be trained, all that the file learned", async () => {
  const path = join(textReaders.folder, "ch_ppocr_mobile_v2.0_cls_infer.onnx");
  const model = await loadOnnx(path, { trainable: true, shapes: { x: ["batch", 3, 48, 192] } });
  const elements = model.parameters.reduce((total, { shape }) => total + elementCount(shape), 0);
  assert.deepEqual([model.parameters.length, elements], [143, 129_356]);
});

testWith(
  wakeWords,
  "the last layers of a detector are trained on, while the others stay as they were",
  async () => {
    const path = join(wakeWords.folder, "hello_deepa.onnx");
    const detector = await loadOnnx(path, { trainable: ["blocks.*", "last_layer.*"] });
    const random = seeded(2);
    const [samples, size] = [64, 25 * 96];
    const data = arrays({
      audio: {
        data: Float32Array.from({ length: samples * size }, () => 2 * random() - 1),
        shape: [samples, 25, 96],
      },
      label: Float32Array.from({ length: samples }, (_, at) => at % 2),
    });
    const before = await loadOnnx(path);
    const trained = await fit({
      data,
      model: ({ audio }) => detector({ [detector.inputs[0]!.name]: audio })[detector.outputs[0]!.name]!,
      loss: (probability, { label }) => squaredError(probability, reshape(label, ["batch", 1])),
      optimizer: adamw({ learningRate: 0.01 }),
      batchSize: 16,
      microbatchSize: 8,
      stop: afterSteps(80),
    });
    const names = ["weight", "bias"].flatMap((kind) => [
      `blocks.0.fcn_layer.${kind}`,
      `blocks.0.layer_norm.${kind}`,
      `last_layer.${kind}`,
    ]);
    assert.deepEqual([...trained.parameters.keys()].sort(), names.sort());
    // Labels are drawn by lot: a detector that never heard them is wrong for half of them, one that learned them is not.
    const { loss } = await trained.evaluate(data);
    assert.ok(loss! < 0.1, `the loss is ${loss}`);
    const saved = onnxFunction(trained.toOnnx());
    for (const name of ["layer1.weight", "layernorm1.bias"]) {
      const stored = before.weights.find((weight) => weight.name === name)!.tensor.leaf;
      const frozen = saved.weights.map(({ tensor }) => tensor.leaf).find((leaf) => sameNumbers(leaf, stored));
      assert.ok(frozen, `${name} is not in the saved file as it was`);
    }
  },
);

function sameNumbers(a: Leaf | undefined, b: Leaf | undefined): boolean {
  return a?.kind === "constant" && b?.kind === "constant" && contentKey(a.value) === contentKey(b.value);
}
