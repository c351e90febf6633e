/** Trains the plan and judges it by the mails it was not decided by: node examples/e-mails/run.ts */
import { fit } from "microbatch";
import { consoleReporter } from "microbatch/node";
import plan, { test } from "./plan.ts";

const model = await fit(plan, [consoleReporter({ terminal: process.stderr, epochs: 30 })]);
console.log(JSON.stringify({ mails: test.size, ...(await model.evaluate(test)) }));
await model.save("e-mails.onnx");
