/** What a batch of several microbatches is compared with: the same programs, run by hand. */
import type { Plan } from "../../src/index.ts";
import { shuffled } from "../../src/index.ts";
import { Feeds } from "../../src/parallel/feeds.ts";
import { Update } from "../../src/parallel/update.ts";
import { type Arena, createArena, layout } from "../../src/runtime/arena.ts";
import { nodeRuntime } from "../../src/runtime/ort-node.ts";
import type { Binding } from "../../src/runtime/runtime.ts";
import { regions } from "../../src/train/regions.ts";
import { type Trace, trace } from "../../src/train/trace.ts";
import { updateJob } from "../../src/train/update.ts";
import { planOf } from "./ours-plan.ts";
import { type Prepared, timed } from "./protocol.ts";

/** A number of microbatches of one size. */
interface RunsCase {
  readonly task: string;
  readonly microbatch: number;
}

interface SeparateCase extends RunsCase {
  readonly microbatches: number;
}

/** A gradient program bound to an arena. */
interface Opened {
  readonly plan: Plan;
  readonly arena: Arena;
  readonly traced: Trace;
  readonly feeds: Feeds;
  /** Writes the sums, and adds to them. */
  readonly first: Binding;
  readonly adding: Binding;
}

/**
 * A step: so many microbatches drawn, gathered and run by the program that does not accumulate, each over the sums of the
 * one before, and one update. What this leaves out of a real step is what accumulation may cost.
 */
export async function separateRuns({ task, microbatch, microbatches }: SeparateCase): Promise<Prepared> {
  const { plan, arena, traced, feeds, first } = await open(task, microbatch);
  const kernel = new Update(arena, updateJob(arena.layout, traced.update, plan, regions.lane(0)));
  const order = shuffled().epoch(plan.data.size, 0, 0);
  let position = 0;
  let step = 0;
  const runStep = async () => {
    for (let index = 0; index < microbatches; index++) {
      const start = position % plan.data.size;
      const samples = Uint32Array.from({ length: microbatch }, (_, at) => order.at(start + at));
      position += microbatch;
      await feeds.fill({ samples, position: index * microbatch, step });
      await first.run();
    }
    step++;
    kernel.apply({ learningRate: 0.01, step, gradientScale: 1 / microbatch, averageDecay: 0 });
    return 0;
  };
  return { run: async (steps) => ({ ms: (await timed(steps, runStep)).ms }) };
}

/** Pairs of runs over the same feeds. A step's time is that of the adding program less that of the other. */
export async function addingRun({ task, microbatch }: RunsCase): Promise<Prepared> {
  const { feeds, first, adding } = await open(task, microbatch);
  const samples = Uint32Array.from({ length: microbatch }, (_, at) => at);
  await feeds.fill({ samples, position: 0, step: 0 });
  const msOf = async (binding: Binding) => {
    const start = performance.now();
    await binding.run();
    return performance.now() - start;
  };
  const run = async (steps: number) => {
    const ms: number[] = [];
    for (let count = 0; count < steps; count++) {
      const firstMs = await msOf(first); // which also writes the sums anew, so that they do not grow
      ms.push((await msOf(adding)) - firstMs);
    }
    return { ms };
  };
  return { run };
}

/** Copies so many floats. In memory of its own: between two ranges of shared memory V8 copies a sixth slower. */
export function memoryCopy({ floats }: { readonly floats: number }): Prepared {
  const from = new Float32Array(floats).fill(1);
  const to = new Float32Array(floats);
  const copy = async () => {
    to.set(from);
    return 0;
  };
  return { run: async (steps) => ({ ms: (await timed(steps, copy)).ms }) };
}

async function open(task: string, microbatch: number): Promise<Opened> {
  const plan = planOf(task);
  const traced = trace(plan);
  const slots = Object.keys(plan.optimizer.slots).map(regions.slot);
  const arena = createArena({
    layout: layout(traced.parameters),
    regions: [regions.parameters, ...slots, regions.lane(0)],
  });
  for (const { name, shape, initializer } of traced.parameters) {
    const { data } = arena.region(regions.parameters).tensors.get(name)!;
    initializer.fill(data as Float32Array, shape, () => 0); // parameters are float32; these values are given
  }
  const feeds = new Feeds(plan.data, traced.gradient.first, microbatch, 0);
  const [first, adding] = [await bind("first"), await bind("add")];
  return { plan, arena, traced, feeds, first, adding };

  async function bind(form: "first" | "add"): Promise<Binding> {
    const { gradient } = traced;
    const program = gradient[form];
    const session = await (await nodeRuntime()).load(program.name, program.bytes);
    const inputs = feeds.arrays(microbatch);
    const parameters = arena.region(regions.parameters).tensors;
    for (const [input, name] of Object.entries(program.parameters)) inputs[input] = parameters.get(name)!;
    const outputs: typeof inputs = {};
    for (const [output, name] of Object.entries(gradient.sums)) {
      outputs[output] = arena.region(regions.lane(0)).tensors.get(name)!;
      if (form === "add") inputs[gradient.sumInputs[output]!] = outputs[output]!;
    }
    return session.bind(inputs, outputs);
  }
}
