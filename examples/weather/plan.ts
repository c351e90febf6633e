/**
 * Weather in Seattle: tomorrow's warmest hour from the last thirty days, by an LSTM. microbatch train examples/weather/plan.ts
 * The days come with `npm ci --prefix test/real-data`, or WEATHER names the file.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  adamw,
  add,
  afterEpochs,
  arrays,
  definePlan,
  flatten,
  linear,
  lstm,
  matricesOnly,
  mul,
  reshape,
  rmse,
  sequence,
  slice,
  splitSamplesByTime,
  squaredError,
  subset,
  whenStale,
} from "microbatch";

const file =
  process.env.WEATHER ??
  join(import.meta.dirname, "../../test/real-data/node_modules/vega-datasets/data/seattle-weather.csv");
const past = 30;

interface Day {
  readonly date: string;
  readonly warmest: number;
  readonly features: readonly number[];
}

/** One line of the file: date, precipitation (mm), temp_max (°C), temp_min (°C), wind (m/s), weather. */
function dayOf(line: string): Day {
  const [date = "", rain, warmest, coldest, wind] = line.split(",");
  const [degrees, low, millimetres, metres] = [warmest, coldest, rain, wind].map(Number);
  if (![degrees, low, millimetres, metres].every(Number.isFinite))
    throw new Error(`${file}: no day in "${line}"`);
  const yearday = (2 * Math.PI * (Date.parse(date) / 86_400_000)) / 365.2425;
  return {
    date,
    warmest: degrees!,
    // Constants, not the deviations of the data, so that nothing of later years is known: all end up near -1 … 1.
    features: [
      (degrees! - 15) / 10,
      (low! - 10) / 10,
      Math.log1p(millimetres!) / 2,
      (metres! - 3) / 3,
      Math.sin(yearday),
      Math.cos(yearday),
    ],
  };
}

const days = readFileSync(file, "utf8").trim().split("\n").slice(1).map(dayOf);
const gap = days.findIndex(
  (day, at) => at > 0 && Date.parse(day.date) - Date.parse(days[at - 1]!.date) !== 86_400_000,
);
if (gap >= 0) throw new Error(`${file}: ${days[gap]!.date} does not follow the day before it`);

const width = days[0]!.features.length;
const count = days.length - past;
const history = Float32Array.from(
  Array.from({ length: count }, (_, first) =>
    days.slice(first, first + past).flatMap((day) => day.features),
  ).flat(),
);
const data = arrays(
  {
    history: { data: history, shape: [count, past, width] },
    today: Float32Array.from({ length: count }, (_, first) => days[first + past - 1]!.warmest),
    tomorrow: Float32Array.from({ length: count }, (_, first) => days[first + past]!.warmest),
  },
  { name: "days in Seattle" },
);

// The last year for the test and the one before it to decide when to stop: a model is asked about a future that it cannot know.
const parts = splitSamplesByTime(
  days.slice(past).map((day) => Date.parse(day.date)),
  { validation: 365 / count, test: 365 / count },
);
const training = subset(data, parts.training);
const validation = subset(data, parts.validation);
/** A year that nothing was decided by. */
export const test = subset(data, parts.test!);
/** The mean of the days that were trained on, and of nothing later. */
export const mean =
  parts.training.reduce((total, sample) => total + days[sample + past]!.warmest, 0) / parts.training.length;

const body = sequence(lstm(32), (states) => flatten(slice(states, { start: -1 }, 1)), linear(1));

export default definePlan({
  data: training,
  // What the network says is the change from today, in tens of degrees: it begins as the forecast "as today".
  model: ({ history, today }) => add(today, mul(reshape(body(history), ["batch"]), 10)), // [batch], °C
  loss: (forecast, { tomorrow }) => squaredError(forecast, tomorrow),
  optimizer: adamw({ learningRate: 0.002, decays: matricesOnly }),
  batchSize: 32,
  validation: {
    data: validation,
    metrics: { rmse: (forecast, { tomorrow }) => rmse(forecast, tomorrow) },
  },
  stop: [whenStale("validation.loss", { patience: 10 }), afterEpochs(60)],
  serve: (forecast) => ({ prediction: forecast }),
  baseline: ({ today }) => mul(today, 1), // tomorrow as today
});
