/**
 * One life of a run: makes its cache or finds it, goes on from its folder, trains to the end and saves its model, and tells its
 * phases and its hashes. Its parent may kill it at any moment.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../src/array/sha256.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { threads } from "../../src/parallel/threads.ts";
import { runFolder } from "../../src/train/run-folder.ts";
import { train } from "../../src/train/train.ts";
import { enduranceData, endurancePlan, type ModelName, type Size, type Variant } from "./models.ts";

const [folder, name, variant, size, steps, workers, seed] = process.argv.slice(2) as [
  string,
  ModelName,
  Variant,
  Size,
  ...string[],
];
let phase = "";
const say = (line: string) => {
  phase = line.split(" ")[0]!;
  process.stdout.write(`${line}\n`);
};

/** The same samples, by a reader that says so: nothing else tells that an evaluation has begun. */
function toldOf(data: Dataset): Dataset {
  const read: Dataset["read"] = (...what) => {
    if (phase !== "evaluating") say("evaluating");
    return data.read(...what);
  };
  const { name, size, columns, weight } = data;
  return {
    name,
    size,
    columns,
    ...(weight !== undefined && { weight }),
    read,
    fingerprint: () => data.fingerprint(),
  };
}

const disturb = { seed: Number(seed), thrown: Number(seed) > 0 ? 0.01 : 0, delayed: 0.1, milliseconds: 8 };
say("caching");
const data = await enduranceData(name, variant, join(folder, "cache"));
const store = runFolder(folder);
const plan = endurancePlan(name, variant, size, Number(steps), data);
say("opening");
const events = train({
  ...plan,
  validation: { ...plan.validation!, data: toldOf(data) },
  parallel: threads(Number(workers), Number(seed) > 0 ? { disturb, stopAfterLosses: 100 } : {}),
  checkpoint: {
    store: {
      name: store.name,
      open: () => store.open(),
      load: () => store.load(),
      save: (snapshot) => {
        say("checkpoint");
        return store.save(snapshot);
      },
      close: () => store.close(),
    },
    everySteps: 2,
    resume: true,
  },
});
for await (const event of events) {
  if (event.type === "started") say(`started ${event.resumedAt ?? 0} ${event.notes.join("; ")}`);
  if (event.type === "step") say(`step ${event.step}`);
  if (event.type === "evaluated") say(`evaluated ${event.step}`);
  if (event.type !== "finished") continue;
  say("saving");
  const path = join(folder, "model.onnx");
  await event.model.save(path);
  const saved = await sha256(new Uint8Array(await readFile(path)));
  say(`finished ${event.stateSha256} ${event.parametersSha256} ${saved}`);
}
