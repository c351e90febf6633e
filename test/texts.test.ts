/** A table with a column of texts trains end to end: read, divided, learnt from, saved, and loaded again. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  accuracy,
  adamw,
  afterEpochs,
  cast,
  crossEntropy,
  fit,
  gather,
  less,
  linear,
  mean,
  mul,
  parameter,
  reshape,
  uniform,
} from "../src/index.ts";
import { loadModel, table } from "../src/node.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();

test("mails are told apart by their bytes, and the saved model takes codes", async () => {
  const path = join(folder, "mails.csv");
  const words = { spam: ["WIN!!", "$$$ now", "100% free"], ham: ["see you", "at home", "thanks for it"] };
  const rows = Array.from({ length: 300 }, (_, i) => {
    const label = i % 2 === 0 ? "spam" : "ham";
    return `${i} ${words[label][i % 3]},${label}`;
  });
  await writeFile(path, `body,label\n${rows.join("\n")}\n`);
  const mails = await table(path, { target: "label", texts: { body: { tokens: "bytes", length: 24 } } });
  const { training, validation } = mails.split({ validation: 0.3, stratify: "label", exact: true });
  const vectors = parameter([257, 8], uniform(0.1), "vectors", {}); // 256 bytes, and what fills up
  const head = linear(2);
  const model = await fit({
    data: training,
    model: (row) => {
      const isText = reshape(cast(less(row.body!, 256), "float32"), ["batch", 24, 1]);
      return head(mean(mul(gather(vectors, row.body!), isText), { axes: [1] })); // [batch, 8]
    },
    loss: (logits, row) => crossEntropy(logits, row.label!),
    optimizer: adamw({ learningRate: 0.03 }),
    validation: { data: validation, metrics: { accuracy: (logits, row) => accuracy(logits, row.label!) } },
    stop: afterEpochs(10),
  });
  assert.equal((await model.evaluate(validation)).accuracy, 1);
  await model.save(join(folder, "mails.onnx"));
  const saved = await loadModel(join(folder, "mails.onnx"));
  assert.deepEqual(
    saved.summary.inputs.map(({ name, dtype, shape }) => [name, dtype, ...shape]),
    [["body", "int32", "batch", 24]],
  );
  await saved.close();
});
