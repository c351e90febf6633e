/** Full batch, mini-batch and microbatches on one task: time to the same loss, and peak memory. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ours } from "../harness/peers.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { type Bench, markdown, type Table, target, withContenders } from "../harness/table.ts";
import { writeTask } from "../harness/task.ts";

const samples = 8192;
/** The loss of guessing is 2.30. */
const lossToReach = 0.5;
const learningRates = [0.3, 0.1, 0.03, 0.01] as const;

/** How a batch is computed. */
interface Way {
  readonly title: string;
  readonly batch: number;
  readonly microbatch: number;
}

const ways: readonly Way[] = [
  { title: "full batch, in one piece", batch: samples, microbatch: samples },
  { title: "full batch, microbatches of 32", batch: samples, microbatch: 32 },
  { title: "mini-batch of 512, in one piece", batch: 512, microbatch: 512 },
  { title: "mini-batch of 512, microbatches of 32", batch: 512, microbatch: 32 },
  { title: "mini-batch of 32, in one piece", batch: 32, microbatch: 32 },
];

/** What a run came to, as contenders/ours.ts gives it. */
interface Run {
  readonly seconds: number;
  readonly steps: number;
  readonly samples: number;
  readonly loss: number;
  /** 1 where the loss was reached in time. */
  readonly reached: number;
  readonly peakBytes: number;
}

/** The runs of one way at the learning rate chosen for its batch size. */
interface Outcome extends Way {
  readonly learningRate: number;
  readonly runs: readonly Run[];
}

/**
 * Each way takes the learning rate that reaches the loss soonest, searched for with the first way of its batch size:
 * microbatches change nothing in what is computed. Then all ways run in turns. Every run is a process of its own, so that
 * its peak of memory is its own; its seconds leave out the start and the looks at the loss.
 */
export const article: Table = async (bench) => {
  const task = writeTask(path.join(bench.folder, "article"), {
    name: "article",
    sizes: [784, 512, 512, 10],
    samples,
    loss: "crossEntropy",
    learningRate: 0.01,
    momentum: 0.9,
  });
  const searched = await searchLearningRates(bench, task);
  const outcomes = ways.map((way) => ({
    ...way,
    learningRate: soonest(searched.filter(({ batch }) => batch === way.batch)).learningRate,
    runs: [] as Run[],
  }));
  for (let round = 0; round < (bench.isQuick ? 1 : 5); round++) {
    for (const outcome of outcomes) {
      outcome.runs.push(await runUntilLoss(bench, task, outcome, outcome.learningRate));
      await sleep(bench.effort.pauseMs);
    }
  }
  const [whole, inParts] = outcomes.map(peak) as [number, number]; // the first two ways
  return {
    name: "article",
    title: "Full batch, mini-batch, microbatches: time to the same loss",
    text: [
      `MLP 784-512-512-10, SGD with momentum, ${samples} samples, until the loss over all of them is at most ` +
        `${lossToReach}. Medians of ${outcomes[0]!.runs.length} runs; the peak is the largest.`,
      "",
      markdown(["", "time", "steps", "epochs", "peak memory", "learning rate"], outcomes.map(row)),
    ].join("\n"),
    data: { outcomes, searched },
    targets: [
      target("article, peak memory of the full batch in parts / in one piece", inParts / whole, "at most", 1),
    ],
    versions: {},
  };
};

interface Tried extends Run {
  readonly batch: number;
  readonly learningRate: number;
}

async function searchLearningRates(bench: Bench, task: string): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const batch of new Set(ways.map((way) => way.batch))) {
    const way = ways.find((one) => one.batch === batch)!;
    for (const learningRate of bench.isQuick ? learningRates.slice(1, 2) : learningRates) {
      tried.push({ batch, learningRate, ...(await runUntilLoss(bench, task, way, learningRate)) });
    }
  }
  return tried;
}

const soonest = (tried: readonly Tried[]) =>
  [...tried].sort((a, b) => b.reached - a.reached || a.seconds - b.seconds)[0]!;

/** The loss is looked at each eighth of an epoch, or after every step where steps are longer. */
async function runUntilLoss(bench: Bench, task: string, way: Way, learningRate: number): Promise<Run> {
  bench.say(`article, ${way.title}, learning rate ${learningRate}`);
  const limits = { target: lossToReach, samplesPerLook: samples / 8, limitSeconds: bench.isQuick ? 2 : 60 };
  const { batch, microbatch } = way;
  return withContenders([ours()], async ([contender]) => {
    await contender!.prepare({ kind: "untilLoss", task, batch, microbatch, learningRate, ...limits });
    const { extra } = await contender!.run(1);
    const { peakBytes } = await contender!.memory();
    return { ...(extra as unknown as Omit<Run, "peakBytes">), peakBytes }; // the fields that contenders/ours.ts gives
  });
}

const peak = ({ runs }: Outcome) => Math.max(...runs.map(({ peakBytes }) => peakBytes));

function row(outcome: Outcome): string[] {
  const { title, learningRate, runs } = outcome;
  const of = (value: (run: Run) => number) => threeDigits(median(runs.map(value)));
  const isReached = runs.every(({ reached }) => reached === 1);
  return [
    title,
    isReached ? `${of(({ seconds }) => seconds)} s` : `not reached (loss ${of(({ loss }) => loss)})`,
    of(({ steps }) => steps),
    of((run) => run.samples / samples),
    `${(peak(outcome) / 2 ** 20).toFixed(0)} MiB`,
    String(learningRate),
  ];
}
