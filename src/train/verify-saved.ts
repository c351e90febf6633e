/** The saved model: written to a file, loaded into a plain session, asked what the trained one was asked. */
import { join } from "node:path";
import type { AnyArray } from "../array/array.ts";
import type { Dataset } from "../data/dataset.ts";
import { loadModel } from "./saved-model.ts";
import type { Check } from "./verify-check.ts";
import { rawColumns } from "./verify-raw.ts";
import { reducedData } from "./verify-reduced.ts";
import { type Undisturbed, withFolder } from "./verify-runs.ts";

/** Other fusions and orders of sums than in training: some hundred roundings of 6e-8, as a share of an output's largest number. */
export const limitOfAnswers = 1e-5;

const rows = 16;

/** The same samples through the trained model and its file. */
export async function checkSaved(data: Dataset, { finished: { model } }: Undisturbed): Promise<Check> {
  const some = reducedData(data, rows);
  return withFolder(async (folder) => {
    const path = join(folder, "model.onnx");
    await model.save(path);
    const saved = await loadModel(path);
    try {
      const inputs = saved.summary.inputs.map(({ name }) => name);
      const raw = await rawColumns(some, inputs);
      if (typeof raw === "string")
        return { name: "saved", holds: "skipped", measured: {}, limit: limitOfAnswers, why: raw };
      return judged(await model.predict(some), await saved.predict(raw));
    } finally {
      await saved.close();
    }
  });
}

function judged(
  trained: Readonly<Record<string, AnyArray>>,
  saved: Readonly<Record<string, AnyArray>>,
): Check {
  const measured = Object.fromEntries(
    Object.entries(trained).map(([name, array]) => [name, answerGap(array, saved[name])]),
  );
  const worst = Math.max(...Object.values(measured));
  const holds = worst <= limitOfAnswers;
  const why = holds
    ? `the saved file, in a plain session, answers ${rows} samples like the trained model${worst === 0 ? ", to the last bit" : `, to ${worst.toExponential(1)} of the largest answer`}`
    : `the saved file answers unlike the trained model, by ${worst.toExponential(1)} of the largest answer`;
  return { name: "saved", holds, measured, limit: limitOfAnswers, why };
}

/** The largest difference as a share of the largest number; of texts, the share that differs. */
export function answerGap(one: AnyArray, other: AnyArray | undefined): number {
  if (other === undefined || other.dtype !== one.dtype || other.data.length !== one.data.length)
    return Number.POSITIVE_INFINITY;
  if (one.dtype === "string") {
    const different = one.data.filter((text, index) => text !== other.data[index]).length;
    return different / one.data.length;
  }
  let [gap, largest] = [0, 0];
  for (let index = 0; index < one.data.length; index++) {
    const [a, b] = [Number(one.data[index]), Number(other.data[index])];
    if (Object.is(a, b)) continue;
    gap = Math.max(gap, Number.isNaN(a - b) ? Number.POSITIVE_INFINITY : Math.abs(a - b));
    largest = Math.max(largest, Math.abs(a), Math.abs(b));
  }
  return gap === 0 ? 0 : gap / largestOf(one, largest);
}

function largestOf({ data }: AnyArray, least: number): number {
  let largest = least;
  for (const value of data) largest = Math.max(largest, Math.abs(Number(value)) || 0);
  return largest;
}
