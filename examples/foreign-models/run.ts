/** Trains both models, heads and wholes, and judges each once by test pictures: node examples/foreign-models/run.ts */
import { fit, measureBaseline } from "microbatch";
import { models, planOf } from "./plan.ts";
import { pictures } from "./task.ts";

for (const name of ["detector", "reader"] as const) {
  const test = await pictures("t10k", [0, 2000], models[name].size);
  for (const trained of ["head", "all"] as const) {
    const plan = await planOf(name, trained);
    const start = performance.now();
    const model = await fit(plan);
    const seconds = Math.round((performance.now() - start) / 1000);
    const numbers = [...model.parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
    const [before, after] = [await measureBaseline(plan, test), await model.evaluate(test)];
    console.log(JSON.stringify({ name, trained, numbers, before, after, seconds }));
    await model.save(`${name}-${trained}.onnx`);
  }
}
