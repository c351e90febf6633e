/** Trains the plan and judges it by the ten thousand test images: node examples/fashion-mnist/run.ts */
import { fit } from "microbatch";
import { consoleReporter } from "microbatch/node";
import plan, { test } from "./plan.ts";

const model = await fit(plan, [consoleReporter({ terminal: process.stderr, epochs: 10 })]);
console.log(JSON.stringify(await model.evaluate(test)));
await model.save("fashion.onnx");
