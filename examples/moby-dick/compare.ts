/**
 * The first 200 steps of the plan with five seeds, beside PyTorch's in reference.json:
 * MOBY_DICK=moby-dick.txt node examples/moby-dick/compare.ts
 */
import { readFile } from "node:fs/promises";
import { afterSteps, train } from "microbatch";
import plan from "./plan.ts";

const { span, curves: theirs }: { readonly span: number; readonly curves: readonly (readonly number[])[] } =
  JSON.parse(await readFile(new URL("reference.json", import.meta.url), "utf8"));
const spans = theirs[0]!.length;

/** Mean loss of every 20 steps. */
async function curve(seed: number): Promise<number[]> {
  const sums = new Array<number>(spans).fill(0);
  const { validation, ...unjudged } = plan;
  for await (const event of train({ ...unjudged, seed, stop: afterSteps(spans * span) })) {
    if (event.type === "step") sums[Math.floor((event.step - 1) / span)]! += event.loss / span;
  }
  return sums;
}

const ours: number[][] = [];
for (const seed of theirs.keys()) ours.push(await curve(seed));

const columns = Array.from({ length: spans }, (_, at) =>
  [theirs, ours].map((all) => all.map((one) => one[at]!)),
);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1);
const told = (values: readonly number[]) =>
  `${mean(values).toFixed(3)} ± ${Math.sqrt(variance(values)).toFixed(3)}`;

console.log(
  "| steps | PyTorch | microbatch | difference ± its standard error |\n| --- | ---: | ---: | ---: |",
);
for (const [at, [first, second]] of columns.entries()) {
  const error = Math.sqrt((variance(first!) + variance(second!)) / theirs.length);
  const difference = mean(second!) - mean(first!);
  console.log(
    `| ${at * span + 1} … ${(at + 1) * span} | ${told(first!)} | ${told(second!)} | ${difference.toFixed(3)} ± ${error.toFixed(3)} |`,
  );
}
