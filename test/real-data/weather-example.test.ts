/** The example on weather, as it is: it takes three seconds. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "../command-line.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { testWith, vega } from "./installed.ts";

const folder = temporaryFolder();
const plan = fileURLToPath(new URL("../../examples/weather/plan.ts", import.meta.url));

testWith(vega, "an LSTM knows tomorrow's temperature better than that it is today's", async () => {
  const env = { ...process.env, WEATHER: join(vega.folder, "seattle-weather.csv") };
  const words = ["train", plan, "--json", "--out", join(folder, "weather.onnx")];
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [main, ...words], { env }, (error, out, complaint) =>
      error === null ? resolve(out) : reject(new Error(complaint)),
    );
  });
  const { validation, baseline } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  // As today: 2.955 °C, to the digits of the file. The LSTM is 9.5 to 10.6 % better with four seeds.
  assert.ok(Math.abs(baseline.rmse - 2.955357) < 1e-5, `as today ${baseline.rmse}`);
  assert.ok(validation.rmse < 0.94 * baseline.rmse, `${validation.rmse} against ${baseline.rmse}`);
});
