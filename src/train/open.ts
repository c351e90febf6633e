/** Opening a run: everything that is decided, compiled and allocated before the first step. */
import { randomSequence } from "../array/random.ts";
import { alone } from "../parallel/alone.ts";
import { type Arena, createArena, layout } from "../runtime/arena.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { createReduction } from "../runtime/reduction.ts";
import type { Plan } from "./plan.ts";
import { copyRegion, laneRegions, regions, stateRegions } from "./regions.ts";
import { checkReplay, resolvePlan, resolveSizes } from "./resolve.ts";
import { Run } from "./run.ts";
import { type Trace, trace } from "./trace.ts";
import { Update } from "./update.ts";

/** Opens a run: traces the model, makes the programs, sizes the arena once and fills the first values. */
export async function openRun(plan: Plan): Promise<Run> {
  const sizes = resolveSizes(plan);
  const traced = trace(plan);
  const runtime = await nodeRuntime();
  const resolved = await resolvePlan(plan, sizes, traced, runtime);
  checkReplay(plan.replay, resolved);
  const lanes = laneRegions(plan, sizes);
  const arena = createArena({
    layout: layout(traced.parameters),
    regions: [...stateRegions(plan), ...lanes],
  });
  initialize(arena, traced, plan, sizes.seed);
  const crew = await alone({
    runtime,
    dataset: plan.data,
    arena,
    gradient: traced.gradient,
    microbatchSize: sizes.microbatchSize,
    lanes: sizes.lanes,
    seed: sizes.seed,
    parameterRegion: regions.parameters,
    laneRegions: lanes,
    measureLanes: plan.measureLanes ?? false,
  });
  return new Run({
    plan,
    sizes,
    trace: traced,
    runtime,
    resolved,
    arena,
    crew,
    update: Update.open(arena, traced.update, plan, lanes[0]!),
    ...(traced.penalty && {
      penalty: {
        program: traced.penalty,
        session: await runtime.load("penalty", traced.penalty.bytes),
        reduction: createReduction(arena.memory),
      },
    }),
  });
}

function initialize(arena: Arena, traced: Trace, plan: Plan, seed: number): void {
  const tensors = arena.region(regions.parameters).tensors;
  for (const { name, shape, initializer } of traced.parameters) {
    const values = tensors.get(name)!.data as Float32Array; // parameters are float32
    initializer.fill(values, shape, randomSequence(seed, "initialize", name));
  }
  for (const [slot, value] of Object.entries(plan.optimizer.slots)) {
    for (const { data } of arena.region(regions.slot(slot)).tensors.values())
      (data as Float32Array).fill(value);
  }
  if (plan.ema !== undefined) copyRegion(arena, regions.parameters, regions.average);
}
