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
}

/** The compiled update over one arena. */
export class Update {
  readonly #kernel: ElementwiseKernel;
  readonly #arena: Arena;
  readonly #spans: readonly Span[];
  readonly #sumRegion: string;
  readonly #slots: readonly string[];

  /** running: names of the tensors that it leaves as they are. */
  static open(
    arena: Arena,
    program: Program,
    plan: Plan,
    sumRegion: string,
    running: readonly string[] = [],
  ): Update {
    const kernel = instantiateElementwise(compileElementwise(program), arena.memory);
    return new Update(kernel, arena, plan, sumRegion, running);
  }

  private constructor(
    kernel: ElementwiseKernel,
    arena: Arena,
    plan: Plan,
    sumRegion: string,
    running: readonly string[],
  ) {
    this.#kernel = kernel;
    this.#arena = arena;
    this.#sumRegion = sumRegion;
    this.#slots = Object.keys(plan.optimizer.slots);
    this.#spans = spansOf(arena, plan.optimizer, running);
  }

  /** Updates every parameter, slot and average in place. */
  apply(scalars: UpdateScalars): void {
    for (const { start, end, weightDecay } of this.#spans) {
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
      this.#kernel.run({ arrays, count: end - start, scalars: { ...scalars, weightDecay } });
    }
  }
}

function spansOf(arena: Arena, optimizer: Plan["optimizer"], running: readonly string[]): Span[] {
  const spans: Span[] = [];
  const updated = arena.layout.tensors.filter(({ name }) => !running.includes(name)); // which come last, so no span holds one
  for (const { name, shape, offset, elements } of updated) {
    const weightDecay = optimizer.decays(name, shape) ? optimizer.weightDecay : 0;
    const last = spans.at(-1);
    if (last?.weightDecay === weightDecay) spans[spans.length - 1] = { ...last, end: offset + elements };
    else spans.push({ start: offset, end: offset + elements, weightDecay });
  }
  return spans;
}
