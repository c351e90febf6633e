/** Trains the plan, and lets it write a passage: node examples/moby-dick/run.ts */
import { fit, generate } from "microbatch";
import { consoleReporter } from "microbatch/node";
import plan, { vocabulary } from "./plan.ts";

const model = await fit(plan, [consoleReporter({ terminal: process.stderr })]);
console.log(JSON.stringify(await model.evaluate(plan.validation!.data)));
const prompt = vocabulary.encode("Call me Ishmael. ");
const passage = await generate(model, { prompt, length: 500, temperature: 0.7, seed: 1 });
console.log(vocabulary.decode(prompt) + vocabulary.decode(passage));
await model.save("moby-dick.onnx");
