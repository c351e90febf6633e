/**
 * One model in a process of its own, for tables/choice.ts: the microbatch size that a run chooses by itself, and then how long
 * steps really take with each size there is. Takes a ChoiceCase as JSON and prints a ChoiceOutcome.
 */
import { afterEpochs, type Plan, sequential, type TrainEvent, train } from "../../src/index.ts";
import { threads } from "../../src/node.ts";
import { choiceModels, repeated } from "./choice-models.ts";

/** What is tried. */
export interface ChoiceCase {
  readonly model: keyof typeof choiceModels;
  readonly batch: number;
  readonly threads: number;
  readonly rounds: number;
  /** Of every size in every round, at least two steps. */
  readonly roundMs: number;
}

/** What came of it. */
export interface ChoiceOutcome {
  readonly chosen: number;
  /** Why that, as the record says. */
  readonly reason: string;
  /** Until the first event, with the data in memory: probes included. */
  readonly openSeconds: number;
  /** Smallest first. */
  readonly sizes: readonly SweptSize[];
}

/** A size and its steps: the median of each round, milliseconds. */
export interface SweptSize {
  readonly size: number;
  readonly medians: readonly number[];
}

if (import.meta.main) {
  const outcome = await measure(JSON.parse(process.argv[2]!) as ChoiceCase); // what the table passes
  console.log(JSON.stringify(outcome));
  process.exit(0);
}

async function measure(what: ChoiceCase): Promise<ChoiceOutcome> {
  const plan = planOf(what);
  const began = performance.now();
  const { chosen, reason } = await choose(plan);
  const openSeconds = (performance.now() - began) / 1000;
  const sizes = [...new Set([...sensibleSizes(what.batch), chosen])].sort((a, b) => a - b);
  return { chosen, reason, openSeconds, sizes: await sweep(plan, sizes, what) };
}

/** An epoch that never ends, so that the choice is not left to the rule. */
function planOf({ model, batch, threads: workers }: ChoiceCase): Plan {
  const { microbatchSize: _, ...plan } = choiceModels[model]();
  return {
    ...plan,
    data: repeated(plan.data, 1e8),
    sampler: sequential(),
    batchSize: batch,
    parallel: threads(workers),
    stop: afterEpochs(1e9),
  };
}

async function choose(plan: Plan): Promise<{ readonly chosen: number; readonly reason: string }> {
  for await (const event of train(plan)) {
    if (event.type !== "started") continue;
    const { microbatchSize, decided } = event.plan;
    return { chosen: microbatchSize, reason: decided.microbatchSize ?? "" };
  }
  throw new Error("a run without a beginning");
}

/** Powers of two and divisors of the batch, but for those that would cut it in more than 64. */
function sensibleSizes(batch: number): number[] {
  const sizes = Array.from({ length: batch }, (_, index) => index + 1);
  const isPower = (size: number) => Number.isInteger(Math.log2(size));
  return sizes.filter((size) => (isPower(size) || batch % size === 0) && batch / size <= 64);
}

/** Every size has an open run, and they take turns: a machine's speed drifts by more than the differences of interest. */
async function sweep(
  plan: Plan,
  sizes: readonly number[],
  { rounds, roundMs }: ChoiceCase,
): Promise<SweptSize[]> {
  const open = sizes.map((size) => ({
    size,
    events: train({ ...plan, microbatchSize: size }),
    medians: [] as number[],
  }));
  for (const { events } of open) for (let step = 0; step < 3; step++) await nextStep(events); // compiles, allocates
  for (let round = 0; round < rounds; round++)
    for (const { events, medians } of open) medians.push(await medianStep(events, roundMs));
  for (const { events } of open) await events.return(undefined);
  return open.map(({ size, medians }) => ({ size, medians }));
}

async function medianStep(events: AsyncGenerator<TrainEvent, unknown>, roundMs: number): Promise<number> {
  await nextStep(events); // whose data the other sizes have driven out of the cache
  const steps: number[] = [];
  const began = performance.now();
  while (steps.length < 2 || performance.now() - began < roundMs) {
    const start = performance.now();
    await nextStep(events);
    steps.push(performance.now() - start);
  }
  return steps.sort((a, b) => a - b)[(steps.length - 1) >> 1]!;
}

async function nextStep(events: AsyncGenerator<TrainEvent, unknown>): Promise<void> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true || value.type === "diverged") throw new Error("the run has ended");
    if (value.type === "step") return;
  }
}
