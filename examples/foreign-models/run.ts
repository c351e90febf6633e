/**
 * Trains both models, heads, changes of low rank and wholes, and their like from shuffled weights, and judges each once by test
 * pictures: node examples/foreign-models/run.ts
 */
import { fit, measureBaseline } from "microbatch";
import { models, planOf } from "./plan.ts";
import { pictures } from "./task.ts";

const runs = [
  ["head", "file"],
  ["lora", "file"],
  ["all", "file"],
  ["all", "shuffled"],
] as const;

for (const name of ["detector", "reader"] as const) {
  const test = await pictures("t10k", [0, 2000], models[name].size);
  for (const [trained, begin] of runs) {
    const plan = await planOf(name, trained, { begin });
    const start = performance.now();
    let numbers = 0;
    const model = await fit(plan, [
      (event) => {
        if (event.type === "started") numbers = event.parameterCount;
      },
    ]);
    const seconds = Math.round((performance.now() - start) / 1000);
    const [before, after] = [await measureBaseline(plan, test), await model.evaluate(test)];
    console.log(JSON.stringify({ name, trained, begin, numbers, before, after, seconds }));
    await model.save(`${name}-${trained}-${begin}.onnx`);
  }
}
