/** One life of a reduced plan, in a process of its own. Whoever started it kills it. */
import { runFolder } from "../train/run-folder.ts";
import { train } from "../train/train.ts";
import type { ElsewhereRun } from "../train/verify.ts";
import { reducedPlan } from "../train/verify-reduced.ts";
import { loadPlan } from "./training/plan-file.ts";

const [path = "", told = "{}"] = process.argv.slice(2);
const { folder, reduced, killAt } = JSON.parse(told) as ElsewhereRun; // as verify-child.ts has written it
const plan = reducedPlan(await loadPlan(path), reduced, { workers: 1, store: runFolder(folder) });
for await (const event of train(plan)) {
  if (event.type !== "step" || event.step < killAt) continue;
  process.send?.(event.step);
  // A while to be killed in; should whoever does it be gone, this ends too.
  await new Promise((resolve) => setTimeout(resolve, 60_000));
  process.exit(1);
}
