/** One life of a run: goes on from its folder, trains to the end, tells its phases and its hash. Its parent may kill it at any moment. */
import { threads } from "../../src/parallel/threads.ts";
import { runFolder } from "../../src/train/run-folder.ts";
import { train } from "../../src/train/train.ts";
import { endurancePlan, type ModelName, type Size } from "./models.ts";

const [folder, name, size, steps, workers, seed] = process.argv.slice(2) as [
  string,
  ModelName,
  Size,
  ...string[],
];
const say = (line: string) => process.stdout.write(`${line}\n`);

const disturb = { seed: Number(seed), thrown: Number(seed) > 0 ? 0.01 : 0, delayed: 0.1, milliseconds: 8 };
const plan = {
  ...endurancePlan(name, size, Number(steps)),
  parallel: threads(Number(workers), Number(seed) > 0 ? { disturb } : {}),
  checkpoint: { store: runFolder(folder), everySteps: 2, resume: true },
};
say("opening");
for await (const event of train(plan)) {
  if (event.type === "started") say(`started ${event.resumedAt ?? 0} ${event.notes.join("; ")}`);
  if (event.type === "step") say(`step ${event.step}`);
  if (event.type === "evaluated") say(`evaluated ${event.step}`);
  if (event.type === "finished") say(`finished ${event.stateSha256} ${event.parametersSha256}`);
}
