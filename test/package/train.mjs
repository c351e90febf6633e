// What a user's first script does, run against the packed and installed package by ../package.test.ts: trains, saves,
// loads the file back and predicts. Prints one line of JSON.
import { adamw, afterEpochs, arrays, fit, linear, relu, sequence, squaredError } from "microbatch";
import { loadModel } from "microbatch/node";

const x = Array.from({ length: 64 }, (_, i) => [Math.sin(i), Math.cos(i)]);
const data = arrays({ x, y: x.map(([a, b]) => [a - 2 * b]) });
const body = sequence(linear(16), relu, linear(1));
const model = await fit({
  data,
  model: (row) => body(row.x),
  loss: (predicted, row) => squaredError(predicted, row.y),
  optimizer: adamw({ learningRate: 0.01 }),
  microbatchSize: 5,
  stop: afterEpochs(40),
});
await model.save("line.onnx");
const saved = await loadModel("line.onnx");
const { prediction } = await saved.predict({ x });
const own = await model.predict(data);
await saved.close();
console.log(
  JSON.stringify({
    loss: (await model.evaluate(data)).loss,
    largestGap: Math.max(...prediction.data.map((value, i) => Math.abs(value - own.prediction.data[i]))),
  }),
);
