/** What it costs to sum over microbatches: a batch of 16 × 32 against sixteen runs that do not add up, and an update. */
import path from "node:path";
import type { Case } from "../harness/contender.ts";
import { ours } from "../harness/peers.ts";
import { interleave, type Measured } from "../harness/rounds.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { markdown, type Table, target, versionsOf, withContenders } from "../harness/table.ts";
import { writeTask } from "../harness/task.ts";

const microbatch = 32;
const microbatches = 16;
const sizes = [784, 512, 512, 10];
const floats = sizes.slice(1).reduce((sum, outputs, index) => sum + outputs * (sizes[index]! + 1), 0);

/**
 * ONNX Runtime's product that adds to a sum copies the sum first, even where it lies in the same place: one pass over
 * the sums for each microbatch after a lane's first. That pass is taken as a copy of as many bytes, which is strict: it
 * is also shown as the difference between the two programs. The merge of lanes is ours and is not subtracted.
 */
export const accumulation: Table = async (bench) => {
  const task = writeTask(path.join(bench.folder, "accumulation"), {
    name: "accumulation",
    sizes,
    samples: 8192,
    loss: "crossEntropy",
    learningRate: 0.01,
    momentum: 0.9,
  });
  const batch = { kind: "training", task, microbatch, batch: microbatch * microbatches };
  const cases: Readonly<Record<string, Case>> = {
    "16 runs without adding, 1 update": { kind: "separateRuns", task, microbatch, microbatches },
    "batch of 16, 1 lane": { ...batch, lanes: 1 },
    "batch of 16, 8 lanes (default)": batch,
    "adding program less the other": { kind: "addingRun", task, microbatch },
    "copy of the sums": { kind: "memoryCopy", floats },
  };
  bench.say("accumulation");
  return withContenders(Object.keys(cases).map(ours), async (contenders) => {
    const result = await interleave(contenders, ({ id }) => cases[id]!, bench.effort);
    const [separate, oneLane, eightLanes, adding, copy] = result.measured as readonly [
      Measured,
      Measured,
      Measured,
      Measured,
      Measured,
    ]; // one per case
    const beyondCopies = (whole: Measured, lanes: number) =>
      perRound(whole, (ms, round) => {
        const passes = (microbatches - lanes) * copy.medians[round]!;
        return ms / (separate.medians[round]! + passes);
      });
    const rows = [
      row(separate, "1"),
      row(oneLane, ratios(oneLane, separate, beyondCopies(oneLane, 1))),
      row(eightLanes, ratios(eightLanes, separate, beyondCopies(eightLanes, 8))),
      row(adding, ""),
      row(copy, ""),
    ];
    const text = [
      `MLP 784-512-512-10, ${microbatches} microbatches of ${microbatch}, SGD with momentum. ` +
        `${((floats * 4) / 1e6).toFixed(1)} MB of sums.`,
      "",
      markdown(["", "ms, median (fastest)", "× 16 runs", "beyond the runtime's passes"], rows),
    ].join("\n");
    const targets = [
      target("accumulation, 1 lane, beyond the passes", beyondCopies(oneLane, 1), "at most", 1.03),
      target("accumulation, 8 lanes, beyond the passes", beyondCopies(eightLanes, 8), "at most", 1.03),
    ];
    const title = "The cost of summing over microbatches";
    return { name: "accumulation", title, text, data: result, targets, versions: versionsOf(contenders) };
  });
};

const row = (own: Measured, rest: string | readonly string[]) => {
  const [plain = "", beyond = ""] = [rest].flat();
  return [own.id, `${threeDigits(own.median)} (${threeDigits(own.min)})`, plain, beyond];
};

function ratios(own: Measured, base: Measured, beyond: number): string[] {
  const plain = perRound(own, (ms, round) => ms / base.medians[round]!);
  return [plain.toFixed(3), beyond.toFixed(3)];
}

const perRound = (own: Measured, value: (ms: number, round: number) => number) =>
  median(own.medians.map(value));
