/** Opening a run: everything that is decided, compiled and allocated before the first step. */
import { randomSequence } from "../array/random.ts";
import { settleAugment } from "../data/augment/changes.ts";
import { AugmentedReader } from "../data/augment/reader.ts";
import { fail } from "../errors.ts";
import { alone } from "../parallel/alone.ts";
import type { Crew } from "../parallel/crew.ts";
import { defaultCrew } from "../parallel/threads.ts";
import { type Arena, type ArenaPlan, arenaBytes, createArena, layout } from "../runtime/arena.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { createReduction } from "../runtime/reduction.ts";
import {
  type Beginning,
  checkBeginning,
  findBeginning,
  restore,
  type SavedCheckpoint,
} from "./checkpoint.ts";
import { type InitialWeights, initialWeightsOf } from "./initial-weights.ts";
import { trainedGroups } from "./lora.ts";
import { settleMemory } from "./memory-budget.ts";
import type { PenaltyProgram } from "./penalty.ts";
import type { Plan } from "./plan.ts";
import { copyRegion, laneRegions, pointRegions, regions, stateRegions } from "./regions.ts";
import { checkReplay, resolvePlan, resolveSizes } from "./resolve.ts";
import { Run } from "./run.ts";
import { type Trace, trace } from "./trace.ts";
import { updateJob } from "./update.ts";

/** Opens a run: traces the model, makes the programs, sizes the arena once and fills the first values. */
export async function openRun(plan: Plan): Promise<Run> {
  const beginning = await findBeginning(plan);
  return orClose(
    () => openFrom(plan, beginning),
    () => plan.checkpoint?.store.close(),
  );
}

/** What `use` gives. Where it throws, what was opened for it is closed. */
async function orClose<Result>(
  use: () => Promise<Result>,
  close: () => void | Promise<void>,
): Promise<Result> {
  try {
    return await use();
  } catch (error) {
    await close();
    throw error;
  }
}

async function openFrom(asked: Plan, beginning: Beginning): Promise<Run> {
  // What was decided then is decided the same way now.
  const plan = beginning.found === undefined ? asked : { ...asked, replay: beginning.found.plan };
  const runtime = await nodeRuntime();
  const traced = trace(plan, runtime.channelBlock);
  const given = initialWeightsOf(plan.initialWeights, ownParameters(traced));
  const { found } = beginning;
  const { sizes, factory, memory } = await settleMemory({
    plan,
    ...(found?.release && { borrowedBytes: bytesOf(found.arrays) }),
    trace: traced,
    runtime,
    sizes: resolveSizes(plan),
    factory: plan.parallel ?? defaultCrew(),
    single: { name: "alone", workers: 1, open: alone },
    arenaBytes: (lanes) => arenaBytes(arenaPlan(plan, traced, lanes)),
  });
  const settled = await resolvePlan(plan, sizes, traced, runtime, given);
  // A run that goes on has the record that it began with, reasons included: it ends in the bytes of the saved model.
  const decided = beginning.found?.plan.decided ?? settled.decided;
  const resolved = { ...settled, decided };
  checkReplay(asked.replay, resolved);
  checkBeginning(plan, beginning, resolved);
  const lanes = laneRegions(plan, sizes, factory.workers);
  const arena = createArena(arenaPlan(plan, traced, lanes));
  initialize(arena, traced, plan, sizes.seed, given);
  if (found !== undefined) {
    restore(arena, plan, found);
    found.release?.();
  }
  const augmented = openAugmented(plan, traced, sizes.seed);
  const openCrew = () =>
    factory.open({
      runtime,
      dataset: plan.data,
      ...(augmented && { augmented }),
      arena,
      gradient: traced.gradient,
      batchSize: sizes.batchSize,
      microbatchSize: sizes.microbatchSize,
      lanes: sizes.lanes,
      seed: sizes.seed,
      parameterRegion: regions.parameters,
      laneRegions: lanes,
      measureLanes: plan.measureLanes ?? false,
      update: updateJob(arena.layout, traced.update, plan, lanes[0]!, {
        untrained: untrainedOf(traced),
        groups: trainedGroups(traced.groups, traced.adapters),
      }),
    });
  const openPenalty = async (program: PenaltyProgram) => ({
    program,
    session: await runtime.load("penalty", program.bytes),
    reduction: createReduction(arena.memory),
  });
  const decidedRun = { plan, sizes, trace: traced, runtime, resolved, arena, beginning };
  const openWith = async (crew: Crew) => {
    const penalty = traced.penalty && (await openPenalty(traced.penalty));
    const opened = {
      ...(memory && { memory }),
      ...(augmented && { augmented }),
      ...(penalty && { penalty }),
    };
    return new Run({ ...decidedRun, ...opened, crew });
  };
  return orClose(
    async () => {
      const crew = await openCrew();
      return orClose(
        () => openWith(crew),
        () => crew.close(),
      );
    },
    () => augmented?.close(),
  );
}

const bytesOf = (arrays: SavedCheckpoint["arrays"]) =>
  [...arrays.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

/** Slots and lane sums have room for what is trained alone: of a model that is adapted, a small part. */
function arenaPlan(plan: Plan, { parameters, adapters }: Trace, lanes: readonly string[]): ArenaPlan {
  const state = stateRegions(plan);
  const slots = Object.keys(plan.optimizer.slots).map(regions.slot);
  const points = pointRegions(plan);
  return {
    layout: layout(parameters), // what is trained comes first
    regions: [
      ...state.filter((name) => !slots.includes(name)),
      ...points.whole,
      ...(adapters.length > 0 ? [regions.merged] : []),
    ],
    partial: {
      tensors: parameters.filter(({ isTrained }) => isTrained).length,
      regions: [...slots, ...points.partial, ...lanes],
    },
  };
}

/** The model's, without what adapts them: an adapter always begins with what initializers draw. */
function ownParameters({ parameters, adapters }: Trace) {
  const added = new Set(adapters.flatMap(({ a, b }) => [a, b]));
  return parameters.filter(({ name }) => !added.has(name));
}

/** What is observed or frozen. */
const untrainedOf = ({ parameters }: Trace) =>
  parameters.flatMap(({ name, isTrained }) => (isTrained ? [] : [name]));

/** Reads what the gradient programs read, augmented; undefined where nothing is. */
function openAugmented(plan: Plan, traced: Trace, seed: number): AugmentedReader | undefined {
  const augment = settleAugment(plan.augment);
  if (augment === undefined) return undefined;
  const columns = traced.gradient.first.columns.map(({ column }) => column);
  const unread = Object.keys(augment).find((column) => !columns.includes(column));
  if (unread !== undefined) {
    fail(`plan.augment, "${unread}"`, {
      expected: "a column that the model or the loss reads",
      got: "one that neither does",
      fix: `augment one of ${columns.join(", ")}, or read row.${unread}`,
    });
  }
  return new AugmentedReader({ dataset: plan.data, columns, augment, seed });
}

function initialize(arena: Arena, traced: Trace, plan: Plan, seed: number, begun?: InitialWeights): void {
  const tensors = arena.region(regions.parameters).tensors;
  for (const { name, shape, initializer } of traced.parameters) {
    const values = tensors.get(name)!.data as Float32Array; // parameters are float32
    const given = begun?.weights.get(name);
    if (given === undefined) initializer.fill(values, shape, randomSequence(seed, "initialize", name));
    else values.set(given.data as Float32Array); // as initialWeightsOf made sure
  }
  for (const [slot, value] of Object.entries(plan.optimizer.slots)) {
    const slots = arena.region(regions.slot(slot)).tensors;
    for (const { name, isTrained } of traced.parameters) {
      if (isTrained) (slots.get(name)!.data as Float32Array).fill(value); // what is not touched takes no memory
    }
  }
  if (plan.ema !== undefined) copyRegion(arena, regions.parameters, regions.average);
}
