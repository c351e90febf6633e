/** Training steps of convolutional, recurrent and attending models beside PyTorch's: time, and memory at its peak. */
import type { Contender } from "../harness/contender.ts";
import { ours, pytorch } from "../harness/peers.ts";
import type { Python } from "../harness/python.ts";
import { fastest, type Interleaved, interleave, type Measured, ratio } from "../harness/rounds.ts";
import { threeDigits } from "../harness/statistics.ts";
import {
  type Bench,
  markdown,
  type Table,
  type Target,
  target,
  versionsOf,
  withContenders,
} from "../harness/table.ts";

const rows = [
  ["mlp", 32],
  ["mlp", 128],
  ["lenet", 32],
  ["lenet", 128],
  ["resnet", 32],
  ["resnet", 128],
  ["gpt", 4],
  ["gpt", 16],
  ["lstm", 32],
] as const;

type Model = (typeof rows)[number][0];

const names: Readonly<Record<Model, string>> = {
  mlp: "MLP 784-512-512-10",
  lenet: "LeNet, 3×32×32",
  resnet: "ResNet 16-32-64 with batch normalisation, 3×32×32",
  gpt: "GPT, 4 layers, width 128, context 128, AdamW",
  lstm: "LSTM of 128, 64 steps of 32",
};

/** What a microbatch is that stays in the cache. */
const microbatch: Readonly<Record<Model, number>> = { mlp: 128, lenet: 32, resnet: 32, gpt: 4, lstm: 32 };

const whole = "microbatch, whole batch";
const single = "PyTorch, 1 thread";
const forced = "PyTorch, 1 thread, BLAS forced";

/** PyTorch as its users start it, and on one thread also with the OpenBLAS kernels that the probe found fastest. */
function peers(python: Python | undefined) {
  if (python === undefined) return [];
  const unforced = pytorch({ ...python, blasCore: undefined });
  if (python.blasCore === undefined) return unforced;
  return [...unforced, { ...pytorch(python)[0]!, id: forced }];
}

/** One row per model and batch. */
export const models: Table = async (bench) => {
  const measured: Row[] = [];
  let versions: Record<string, string> = {};
  for (const [model, batch] of rows) {
    bench.say(`${model}, batch ${batch}`);
    const row = await withContenders([ours(), ours(whole), ...peers(bench.python)], async (contenders) => {
      versions = versionsOf(contenders);
      return measure(bench, contenders, model, batch);
    });
    measured.push(row);
  }
  const text = [
    "Milliseconds of a step, medians; one core unless said. PyTorch chooses its OpenBLAS kernels itself unless they are forced.",
    "",
    markdown(header, measured.map(lineOf)),
    "",
    "The most expensive operators of our gradient program for one microbatch, by ONNX Runtime's profile:",
    "",
    markdown(["", "first", "second", "third"], measured.filter(isFirstOfModel).map(operatorsOf)),
  ].join("\n");
  const targets = measured.flatMap(targetOf);
  return { name: "models", title: "Training steps of models", text, data: measured, targets, versions };
};

/** What one row measured. */
interface Row {
  readonly model: Model;
  readonly batch: number;
  readonly microbatch: number;
  readonly result: Interleaved;
  /** Peak bytes by contender. */
  readonly peaks: Readonly<Record<string, number>>;
  /** Operator → its share of the time. */
  readonly operators: Readonly<Record<string, number>>;
}

async function measure(
  bench: Bench,
  contenders: readonly Contender[],
  model: Model,
  batch: number,
): Promise<Row> {
  const cut = Math.min(batch, microbatch[model]);
  const result = await interleave(
    contenders,
    ({ id }) => ({ kind: "model", model, batch, microbatch: id === "microbatch" ? cut : batch }),
    { ...bench.effort, roundMs: 4 * bench.effort.roundMs },
  );
  const peaks: Record<string, number> = {};
  for (const contender of contenders) peaks[contender.id] = (await contender.memory()).peakBytes;
  const own = contenders[0]!;
  await own.prepare({ kind: "modelProfile", model, batch, microbatch: cut });
  const { extra: operators = {} } = await own.run(bench.isQuick ? 3 : 30);
  return { model, batch, microbatch: cut, result, peaks, operators };
}

const header = [
  "",
  "ours, ms",
  "ours in one piece",
  "microbatches / one piece",
  single,
  "BLAS forced",
  "PyTorch, best",
  "ours / PyTorch",
  "ours / BLAS forced",
  "our peak MiB",
  "theirs",
];

function lineOf({ model, batch, microbatch: cut, result, peaks }: Row): string[] {
  const of = (id: string) => result.measured.find((one) => one.id === id);
  const own = of("microbatch")!;
  const best = fastest(result.measured.filter(({ id }) => id.startsWith("PyTorch")));
  const ms = (one: Measured | undefined) => (one === undefined ? "" : threeDigits(one.median));
  const share = (peer: Measured | undefined) => (peer === undefined ? "" : threeDigits(ratio(own, peer)));
  const mebibytes = (id: string) => (peaks[id] === undefined ? "" : (peaks[id] / 2 ** 20).toFixed(0));
  return [
    `${names[model]}, batch ${batch}${cut < batch ? ` in microbatches of ${cut}` : ""}`,
    ms(own),
    ms(of(whole)),
    cut < batch ? share(of(whole)) : "",
    ms(of(single)),
    ms(of(forced)),
    ms(best),
    share(of(single)),
    share(of(forced)),
    mebibytes("microbatch"),
    mebibytes(single),
  ];
}

/** The microbatch is the same in every row of a model, and so is its program. */
const isFirstOfModel = ({ model }: Row, index: number, all: readonly Row[]) =>
  all.findIndex((row) => row.model === model) === index;

function operatorsOf({ model, microbatch: cut, operators }: Row): string[] {
  const largest = Object.entries(operators).sort(([, a], [, b]) => b - a);
  return [
    `${names[model]}, microbatch ${cut}`,
    ...largest.slice(0, 3).map(([name, share]) => `${name} ${(100 * share).toFixed(0)} %`),
  ];
}

function targetOf({ model, batch, result: { measured } }: Row): Target[] {
  const peer = measured.find(({ id }) => id === single);
  if (peer === undefined) return [];
  const what = `models, ${model} ${batch}: step time as a share of PyTorch's on one core`;
  return [target(what, ratio(measured[0]!, peer), "at most", model === "resnet" ? 1.1 : 1)];
}
