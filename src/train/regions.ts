/** The regions of a run's arena, by what lies in them. */
import { mergeSchedule } from "../parallel/lanes.ts";
import type { Arena } from "../runtime/arena.ts";
import type { Plan } from "./plan.ts";
import type { Sizes } from "./resolve.ts";
import type { TrainingState } from "./state.ts";

/** Their names. */
export const regions = {
  parameters: "parameters",
  average: "average",
  best: "best",
  /** Where adapters change weights: these, plain. */
  merged: "merged",
  slot: (name: string) => `slot ${name}`,
  /** The copy of a region that a run may go back to. */
  point: (region: string) => `point ${region}`,
  lane: (slot: number) => `lane ${slot}`,
} as const;

/** The regions that outlive a step: what a plan's training state is, beside a few numbers. */
export function stateRegions(plan: Plan): string[] {
  return [...movingRegions(plan), ...(plan.validation === undefined ? [] : [regions.best])];
}

/** Those that an update moves, and that going back brings back; the best weights stay the best. */
export function movingRegions(plan: Plan): string[] {
  return [
    regions.parameters,
    ...Object.keys(plan.optimizer.slots).map(regions.slot),
    ...(plan.ema === undefined ? [] : [regions.average]),
  ];
}

/** Where the copies of these lie, where a plan asks for going back; in part those of what has room for trained numbers alone. */
export function pointRegions(plan: Plan): { readonly whole: string[]; readonly partial: string[] } {
  if (plan.divergence?.action !== "back") return { whole: [], partial: [] };
  const slots = Object.keys(plan.optimizer.slots).map(regions.slot);
  const whole = movingRegions(plan).filter((name) => !slots.includes(name));
  return { whole: whole.map(regions.point), partial: slots.map(regions.point) };
}

/** The state with the point to go back to, once there is one. */
export function savedRegions(plan: Plan, { divergence }: Pick<TrainingState, "divergence">): string[] {
  const hasPoint = plan.divergence?.action === "back" && (divergence?.point ?? null) !== null;
  return [...stateRegions(plan), ...(hasPoint ? movingRegions(plan).map(regions.point) : [])];
}

/**
 * The lane sums that so many threads need at once: threads + log₂ of the busy lanes. Keeping all lanes and adding eight in one pass reads
 * memory less often, yet was slower by 6 % (16 microbatches of 32, 670 k parameters): eight cold sums fall out of the cache.
 */
export function laneRegions(plan: Plan, sizes: Sizes, workers: number): string[] {
  // A sampler of the plan's own may draw a sample twice: then a batch can have more samples than there are.
  const most = plan.sampler === undefined ? plan.data.size : Number.POSITIVE_INFINITY;
  const microbatches = Math.ceil(Math.min(sizes.batchSize, most) / sizes.microbatchSize);
  const busy = Math.min(sizes.lanes, microbatches);
  // A shorter last batch has fewer busy lanes, which never need more slots than the full one.
  const { slots } = mergeSchedule(busy);
  // Each further thread is at a lane of its own.
  return Array.from({ length: Math.min(busy, slots + workers - 1) }, (_, slot) => regions.lane(slot));
}

/** Copies every tensor of one region to another. */
export function copyRegion(arena: Arena, from: string, to: string): void {
  arena.region(to).floats.set(arena.region(from).floats);
}
