/** Trains the plan and judges it by the last year, beside two forecasts that need no training: node examples/weather/run.ts */
import { add, fit, measure, measureBaseline, mul, rmse, squaredError } from "microbatch";
import { consoleReporter } from "microbatch/node";
import plan, { mean, test } from "./plan.ts";

const model = await fit(plan, [consoleReporter({ terminal: process.stderr, epochs: 60 })]);
const [trained, asToday, always] = [
  await model.evaluate(test),
  await measureBaseline(plan, test),
  await measure(test, ({ tomorrow }) => {
    const forecast = add(mul(tomorrow, 0), mean);
    return { loss: squaredError(forecast, tomorrow), metrics: { rmse: rmse(forecast, tomorrow) } };
  }),
];
console.log(
  JSON.stringify({ days: test.size, lstm: trained.rmse, asToday: asToday?.rmse, mean: always.rmse }),
);
await model.save("weather.onnx");
