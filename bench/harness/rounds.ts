/** Interleaved measuring: in every round each contender computes for a while, alone, after a pause. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Case, Contender } from "./contender.ts";
import { watchOthers } from "./load.ts";
import { mean, median } from "./statistics.ts";

/** How long and how often to measure. */
export interface Effort {
  readonly rounds: number;
  /** Wall time a contender computes for in a round, at least 3 steps. */
  readonly roundMs: number;
  /** After each contender: a thread pool may spin for some 50 ms after its last work. */
  readonly pauseMs: number;
  /** A round in which others kept more cores busy than this is measured again, at most `rounds` times in all. */
  readonly othersCores: number;
}

/** The effort of real results. */
export const fullEffort: Effort = { rounds: 7, roundMs: 200, pauseMs: 120, othersCores: 0.15 };

/** To see that everything works; its numbers mean little. */
export const quickEffort: Effort = {
  rounds: 1,
  roundMs: 20,
  pauseMs: 20,
  othersCores: Number.POSITIVE_INFINITY,
};

/** What one contender measured, one entry per round. */
export interface Measured {
  readonly id: string;
  /** Median step of each round, milliseconds. */
  readonly medians: readonly number[];
  readonly means: readonly number[];
  /** Fastest step of all. */
  readonly min: number;
  /** Median of the round medians. */
  readonly median: number;
  readonly stepsPerRound: number;
}

/** The rounds of one case. */
export interface Interleaved {
  readonly measured: readonly Measured[];
  /** Rounds that were measured again because others were busy, and rounds kept although they were. */
  readonly repeated: number;
  readonly disturbed: number;
}

/** Prepares a case in every contender, warms up, and measures in turns. `caseOf` may differ between contenders. */
export async function interleave(
  contenders: readonly Contender[],
  caseOf: (contender: Contender) => Case,
  effort: Effort,
): Promise<Interleaved> {
  const steps: number[] = [];
  for (const contender of contenders) {
    await contender.prepare(caseOf(contender));
    await contender.run(5); // compiles, allocates
    steps.push(await stepsFor(contender, effort.roundMs));
    await sleep(effort.pauseMs);
  }
  const rounds: (readonly number[])[][] = [];
  let repeated = 0;
  let disturbed = 0;
  while (rounds.length < effort.rounds) {
    const others = watchOthers(contenders.map(({ pid }) => pid));
    const round: (readonly number[])[] = [];
    for (const [index, contender] of contenders.entries()) {
      round.push((await contender.run(steps[index]!)).ms);
      await sleep(effort.pauseMs);
    }
    const isDisturbed = others() > effort.othersCores;
    if (isDisturbed && repeated < effort.rounds) {
      repeated++;
      continue;
    }
    if (isDisturbed) disturbed++;
    rounds.push(round);
  }
  const measured = contenders.map(({ id }, index) =>
    summary(
      id,
      rounds.map((round) => round[index]!),
    ),
  );
  return { measured, repeated, disturbed };
}

/** How many steps take about so long, by the clock here: what a step reports need not be all that it does. */
async function stepsFor(contender: Contender, roundMs: number): Promise<number> {
  const msPerStep = async (steps: number) => {
    const start = performance.now();
    await contender.run(steps);
    return (performance.now() - start) / steps;
  };
  const rough = await msPerStep(5);
  const ms = rough < 5 ? await msPerStep(100) : rough; // many, so that sending the request counts little
  return Math.min(20_000, Math.max(3, Math.ceil(roundMs / ms)));
}

function summary(id: string, rounds: readonly (readonly number[])[]): Measured {
  const medians = rounds.map(median);
  return {
    id,
    medians,
    means: rounds.map(mean),
    min: Math.min(...rounds.map((ms) => Math.min(...ms))),
    median: median(medians),
    stepsPerRound: rounds[0]!.length,
  };
}

/** Median over the rounds of other's time / base's time: above 1 where the base is faster. */
export function ratio(other: Measured, base: Measured): number {
  return median(other.medians.map((ms, round) => ms / base.medians[round]!));
}

/** The one with the least median. */
export const fastest = (measured: readonly Measured[]) =>
  measured.reduce<Measured | undefined>(
    (best, one) => (best === undefined || one.median < best.median ? one : best),
    undefined,
  );
