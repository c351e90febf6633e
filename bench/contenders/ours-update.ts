/** The compiled update rule alone, over parameters of the sizes given. */
import type { Plan } from "../../src/index.ts";
import { arrays } from "../../src/index.ts";
import { Update } from "../../src/parallel/update.ts";
import { type Arena, createArena, layout } from "../../src/runtime/arena.ts";
import { regions } from "../../src/train/regions.ts";
import { updateJob, updateProgram } from "../../src/train/update.ts";
import { rules } from "./ours-plan.ts";
import { type Prepared, timed } from "./protocol.ts";

/** An update of tensors of these shapes. */
interface UpdateCase {
  readonly rule: string;
  readonly shapes: readonly (readonly number[])[];
}

/** Prepares the kernel and an arena with gradients in it. */
export function update({ rule, shapes }: UpdateCase): Prepared {
  const optimizer = rules[rule]!();
  const arena = createArena({
    layout: layout(shapes.map((shape, index) => ({ name: `tensor ${index}`, shape }))),
    regions: [regions.parameters, regions.lane(0), ...Object.keys(optimizer.slots).map(regions.slot)],
  });
  for (const region of arena.plan.regions) fill(arena, region);
  const plan: Plan = {
    data: arrays({ x: [0] }), // a plan needs data, a model and a loss; an update uses none of them
    model: (row) => row.x!,
    loss: (predicted) => predicted,
    optimizer,
  };
  const kernel = new Update(arena, updateJob(arena.layout, updateProgram(plan), plan, regions.lane(0)));
  let step = 0;
  const apply = async () => {
    step++;
    kernel.apply({ learningRate: 1e-3, step, gradientScale: 1, averageDecay: 0 });
    return 0;
  };
  return { run: async (steps) => ({ ms: (await timed(steps, apply)).ms }) };
}

/** Numbers of the size of real ones: zeros could be faster, and denormal numbers are slower. */
function fill(arena: Arena, region: string): void {
  const { floats } = arena.region(region);
  for (let index = 0; index < floats.length; index++) floats[index] = 0.001 + (index % 97) * 1e-4;
}
