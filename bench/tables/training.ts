/** Training steps against the peers: the MLP of the plan's targets, and linear regression, where overhead is all. */
import path from "node:path";
import type { Contender } from "../harness/contender.ts";
import { jax, ours, pytorch, tensorflow } from "../harness/peers.ts";
import { type Interleaved, interleave, type Measured, ratio } from "../harness/rounds.ts";
import { threeDigits } from "../harness/statistics.ts";
import {
  type Bench,
  markdown,
  type Table,
  type TableResult,
  type Target,
  target,
  versionsOf,
  withContenders,
} from "../harness/table.ts";
import { type TaskOptions, writeTask } from "../harness/task.ts";

const microbatchSizes = [8, 32, 128, 512] as const;

/** MLP 784-512-512-10, ReLU, cross entropy, SGD with momentum 0.9. */
export const mlp: Table = async (bench) => {
  const options: TaskOptions = {
    name: "mlp",
    sizes: [784, 512, 512, 10],
    samples: 4096,
    loss: "crossEntropy",
    learningRate: 0.01,
    momentum: 0.9,
  };
  const title = "Training steps, MLP 784-512-512-10 (ReLU, cross entropy, SGD with momentum 0.9)";
  const { cases, ...result } = await trainingTable(bench, options, title);
  return { ...result, targets: cases.flatMap(mlpTargets) };
};

/** Linear regression: 32 features, squared error, plain SGD. */
export const linear: Table = async (bench) => {
  const options: TaskOptions = {
    name: "linear",
    sizes: [32, 1],
    samples: 4096,
    loss: "squaredError",
    learningRate: 0.01,
    momentum: 0,
  };
  const title = "Training steps, linear regression on 32 features (squared error, SGD)";
  const { cases: _, ...result } = await trainingTable(bench, options, title);
  return { ...result, targets: [] };
};

/** One microbatch size: what was measured, and how far the losses of the peers are from ours. */
interface TrainingCase extends Interleaved {
  readonly microbatch: number;
  readonly lossGaps: Readonly<Record<string, number>>;
  readonly contenders: readonly { readonly id: string; readonly family: string; readonly threads: number }[];
}

async function trainingTable(
  bench: Bench,
  options: TaskOptions,
  title: string,
): Promise<Omit<TableResult, "targets"> & { readonly cases: readonly TrainingCase[] }> {
  const task = writeTask(path.join(bench.folder, options.name), options);
  const specs = [ours(), ...pytorch(bench.python), tensorflow(), ...jax()];
  return withContenders(specs, async (contenders) => {
    const cases: TrainingCase[] = [];
    for (const microbatch of microbatchSizes) {
      bench.say(`${options.name}, microbatch ${microbatch}`);
      const lossGaps = await compareLosses(contenders, task, microbatch);
      const measured = await interleave(
        contenders,
        () => ({ kind: "training", task, microbatch }),
        bench.effort,
      );
      const known = contenders.map(({ id, family, threads }) => ({ id, family, threads }));
      cases.push({ microbatch, lossGaps, contenders: known, ...measured });
    }
    const text = [
      "One batch is one microbatch. Milliseconds a step, median (fastest), and how many of our steps fit into one.",
      "",
      timesTable(cases),
      "",
      gapsText(cases),
    ].join("\n");
    return { name: options.name, title, text, data: cases, versions: versionsOf(contenders), cases };
  });
}

const comparedSteps = 20;
/** Twenty float32 steps in another order of additions differ by some 1e-5; a rate wrong by 10 % by 1e-3. */
const lossTolerance = 1e-4;

/**
 * The same steps from the same weights in every contender. Throws when one computes another loss: its times would mean
 * nothing. Gives each contender's largest gap to ours, relative to our loss.
 */
async function compareLosses(
  contenders: readonly Contender[],
  task: string,
  microbatch: number,
): Promise<Record<string, number>> {
  const gaps: Record<string, number> = {};
  let reference: readonly number[] | undefined;
  for (const contender of contenders) {
    await contender.prepare({ kind: "training", task, microbatch, order: "given" });
    const { losses = [] } = await contender.run(comparedSteps);
    reference ??= losses;
    const distances = losses.map((loss, step) => Math.abs(loss / reference![step]! - 1));
    const gap = Math.max(...distances);
    // NaN must not pass, so the comparison is the other way round.
    if (losses.length !== comparedSteps || !(gap <= lossTolerance)) {
      throw new Error(
        `${contender.id}, microbatch ${microbatch}: its losses ${losses} are not those of ` +
          `${contenders[0]!.id}, ${reference}`,
      );
    }
    gaps[contender.id] = gap;
  }
  return gaps;
}

function timesTable(cases: readonly TrainingCase[]): string {
  const header = ["", ...cases.map(({ microbatch }) => `microbatch ${microbatch}`)];
  const rows = cases[0]!.contenders.map(({ id }, index) => [
    id,
    ...cases.map(({ measured }) => {
      const own = measured[index]!;
      const times = `${threeDigits(own.median)} (${threeDigits(own.min)})`;
      return index === 0 ? times : `${times} · ${threeDigits(ratio(own, measured[0]!))} ×`;
    }),
  ]);
  return markdown(header, rows);
}

function gapsText(cases: readonly TrainingCase[]): string {
  const gap = Math.max(...cases.flatMap(({ lossGaps }) => Object.values(lossGaps)));
  const repeated = cases.reduce((sum, one) => sum + one.repeated, 0);
  const disturbed = cases.reduce((sum, one) => sum + one.disturbed, 0);
  return (
    `The losses of ${comparedSteps} steps agree between all contenders: largest relative gap ${gap.toExponential(1)}. ` +
    `Rounds measured again because other processes were busy: ${repeated}; kept although they were: ${disturbed}.`
  );
}

/** What the plan asks of the MLP, on one core. */
function mlpTargets(one: TrainingCase): Target[] {
  const wanted: Readonly<Record<number, number>> = { 8: 1, 32: 1, 128: 0.95 };
  const pytorchLimit = wanted[one.microbatch];
  if (pytorchLimit === undefined) return [];
  const targets: Target[] = [];
  const check = (family: string, limit: number, threads?: number) => {
    const best = bestOf(one, family, threads);
    if (best === undefined) return;
    const what = `mlp, microbatch ${one.microbatch}: ${best.id}'s time / ours`;
    targets.push(target(what, ratio(best, one.measured[0]!), "at least", limit));
  };
  check("PyTorch", pytorchLimit, 1);
  check("TensorFlow.js wasm", 20);
  check("jax-js wasm", 6);
  return targets;
}

/** The fastest variant of a family. */
function bestOf(
  { contenders, measured }: TrainingCase,
  family: string,
  threads?: number,
): Measured | undefined {
  return measured
    .filter((_, index) => {
      const own = contenders[index]!;
      return own.family === family && (threads === undefined || own.threads === threads);
    })
    .sort((a, b) => a.median - b.median)[0];
}
