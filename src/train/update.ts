/** The update: one optimizer rule for all parameters, compiled to one pass over the arena, once per step. */
import { buildProgram, type Program } from "../graph/program.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/index.ts";
import { averaged } from "../optim/ema.ts";
import { withoutTiny } from "../optim/subnormal.ts";
import type { Arena } from "../runtime/arena.ts";
import {
  compileElementwise,
  type ElementwiseKernel,
  instantiateElementwise,
} from "../runtime/elementwise.ts";
import type { SettledGroup } from "./groups.ts";
import type { Plan } from "./plan.ts";
import { regions } from "./regions.ts";

/** Names of the update program's inputs and outputs. */
const updateNames = { parameter: "parameter", sum: "sum", average: "average" } as const;
const slotName = (name: string) => `slot:${name}`;
const updatedName = (name: string) => `updated ${name}`;

/** The scalars of one update. */
export interface UpdateScalars {
  readonly learningRate: number;
  /** 1 for the first update. */
  readonly step: number;
  /** Clip scale / Σ w: turns the sum into the gradient of the batch. */
  readonly gradientScale: number;
  readonly averageDecay: number;
}

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

/** A run of neighbouring tensors that share the optimizer's per-parameter settings. */
interface Span {
  /** Elements from the start of a region. */
  readonly start: number;
  readonly end: number;
  readonly weightDecay: number;
  readonly learningRateFactor: number;
}

/** What is not the same for all parameters. */
export interface Differences {
  /** Names of the tensors that are left as they are; they come last in the layout. Default none. */
  readonly untrained?: readonly string[];
  /** Default none. */
  readonly groups?: readonly SettledGroup[];
}

/** The compiled update over one arena. */
export class Update {
  readonly #kernel: ElementwiseKernel;
  readonly #arena: Arena;
  readonly #spans: readonly Span[];
  readonly #sumRegion: string;
  readonly #slots: readonly string[];

  static open(
    arena: Arena,
    program: Program,
    plan: Plan,
    sumRegion: string,
    differences: Differences = {},
  ): Update {
    const kernel = instantiateElementwise(compileElementwise(program), arena.memory);
    return new Update(kernel, arena, plan, sumRegion, differences);
  }

  private constructor(
    kernel: ElementwiseKernel,
    arena: Arena,
    plan: Plan,
    sumRegion: string,
    differences: Differences,
  ) {
    this.#kernel = kernel;
    this.#arena = arena;
    this.#sumRegion = sumRegion;
    this.#slots = Object.keys(plan.optimizer.slots);
    this.#spans = spansOf(arena, plan.optimizer, differences);
  }

  /** Updates every parameter, slot and average in place. */
  apply(scalars: UpdateScalars): void {
    for (const { start, end, weightDecay, learningRateFactor } of this.#spans) {
      const at = (region: string) => this.#arena.region(region).byteOffset + 4 * start;
      const arrays: Record<string, number> = {
        [updateNames.parameter]: at(regions.parameters),
        [updateNames.sum]: at(this.#sumRegion),
        [updatedName(updateNames.parameter)]: at(regions.parameters),
      };
      for (const name of this.#slots) {
        arrays[slotName(name)] = at(regions.slot(name));
        arrays[updatedName(slotName(name))] = at(regions.slot(name));
      }
      if (this.#arena.hasRegion(regions.average)) {
        arrays[updateNames.average] = at(regions.average);
        arrays[updatedName(updateNames.average)] = at(regions.average);
      }
      const learningRate = scalars.learningRate * learningRateFactor;
      this.#kernel.run({ arrays, count: end - start, scalars: { ...scalars, weightDecay, learningRate } });
    }
  }
}

function spansOf(arena: Arena, optimizer: Plan["optimizer"], differences: Differences): Span[] {
  const { untrained = [], groups = [] } = differences;
  const left = new Set(untrained);
  const groupOf = new Map(groups.flatMap((group) => group.parameters.map((name) => [name, group])));
  const spans: Span[] = [];
  for (const { name, shape, offset, elements } of arena.layout.tensors) {
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
