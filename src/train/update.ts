/** The update of a plan: its optimizer's rule, clip and average as one program, and where they differ between parameters. */
import { buildProgram, type Program } from "../graph/program.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/index.ts";
import { averaged } from "../optim/ema.ts";
import { withoutTiny } from "../optim/subnormal.ts";
import type { Span, UpdateJob } from "../parallel/update.ts";
import type { Layout } from "../runtime/arena.ts";
import { compileElementwise } from "../runtime/elementwise.ts";
import type { SettledGroup } from "./groups.ts";
import type { Plan } from "./plan.ts";
import { regions } from "./regions.ts";

/** Names of the update program's inputs and outputs. */
const updateNames = { parameter: "parameter", sum: "sum", average: "average" } as const;
const slotName = (name: string) => `slot:${name}`;
const updatedName = (name: string) => `updated ${name}`;

/** gradient = sum · gradientScale; then the plan's clip by value, the optimizer's rule and the average of the weights. */
export function updateProgram(plan: Plan): Program {
  const { optimizer, clip, ema } = plan;
  const like = [1024]; // the compiled kernel takes any number of elements; this stands for all of them
  const parameter = input(updateNames.parameter, like);
  const scaled = mul(withoutTiny(input(updateNames.sum, like)), input("gradientScale", []));
  const slots = Object.fromEntries(
    Object.keys(optimizer.slots).map((name) => [name, input(slotName(name), like)]),
  );
  const updated = optimizer.update({
    parameter,
    gradient: clip?.apply?.(scaled) ?? scaled,
    slots,
    learningRate: input("learningRate", []),
    step: input("step", []),
    weightDecay: input("weightDecay", []),
  });
  const outputs: Record<string, Tensor> = { [updatedName(updateNames.parameter)]: updated.parameter };
  for (const [name, slot] of Object.entries(updated.slots))
    outputs[updatedName(slotName(name))] = withoutTiny(slot);
  if (ema !== undefined) {
    const average = input(updateNames.average, like);
    outputs[updatedName(updateNames.average)] = averaged(
      average,
      updated.parameter,
      input("averageDecay", []),
    );
  }
  return buildProgram({ name: "update", outputs });
}

/** What is not the same for all parameters. */
export interface Differences {
  /** Names of the tensors that are left as they are; they come last in the layout. Default none. */
  readonly untrained?: readonly string[];
  /** Default none. */
  readonly groups?: readonly SettledGroup[];
}

/** The update of a plan over regions of a layout, as it is sent to whoever applies it. */
export function updateJob(
  layout: Layout,
  program: Program,
  plan: Plan,
  sumRegion: string,
  differences: Differences = {},
): UpdateJob {
  const kernel = compileElementwise(program);
  const lies: Record<string, string> = { [updateNames.parameter]: regions.parameters };
  for (const name of Object.keys(plan.optimizer.slots)) lies[slotName(name)] = regions.slot(name);
  if (plan.ema !== undefined) lies[updateNames.average] = regions.average;
  const written = Object.entries(lies).map(([name, region]) => [updatedName(name), region] as const);
  return {
    kernel,
    regions: { ...lies, ...Object.fromEntries(written), [updateNames.sum]: sumRegion },
    spans: spansOf(layout, plan.optimizer, differences),
  };
}

function spansOf(layout: Layout, optimizer: Plan["optimizer"], differences: Differences): Span[] {
  const { untrained = [], groups = [] } = differences;
  const left = new Set(untrained);
  const groupOf = new Map(groups.flatMap((group) => group.parameters.map((name) => [name, group])));
  const spans: Span[] = [];
  for (const { name, shape, offset, elements } of layout.tensors) {
    if (left.has(name)) continue; // these come last, so no span holds one
    const { learningRateFactor = 1, weightDecayFactor = 1 } = groupOf.get(name) ?? {};
    const weightDecay = optimizer.decays(name, shape) ? optimizer.weightDecay * weightDecayFactor : 0;
    const last = spans.at(-1);
    const end = offset + elements;
    if (last?.weightDecay === weightDecay && last.learningRateFactor === learningRateFactor)
      spans[spans.length - 1] = { ...last, end };
    else spans.push({ start: offset, end, weightDecay, learningRateFactor });
  }
  return spans;
}
