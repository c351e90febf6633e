/** What the members of a crew of threads share: memory for ledger, results and ring beside the arena, and how it is divided. */
import { availableParallelism } from "node:os";
import type { Dataset } from "../data/dataset.ts";
import { blocksOf } from "../runtime/reduction.ts";
import type { CrewJob } from "./crew.ts";
import { holdSamples } from "./held-samples.ts";
import { createLedgerMemory } from "./ledger.ts";
import type { Shared } from "./member.ts";
import { createRing } from "./microbatch-ring.ts";
import { channelsOf, createResultsMemory } from "./results.ts";

/** At most so much memory for samples that threads share; at least two microbatches have room in any case. */
export const sharedSampleBytes = 64 * 2 ** 20;
/** Elements below which dividing a total or an update costs more than it saves: 64 KiB a part. */
const fewestPerPart = 2 ** 14;
/** More parts than threads keep one that is disturbed from holding up the others; each costs what 256 KiB make up for. */
const elementsPerPart = 2 ** 16;

/** Allocates it for so many threads. */
export function createShared(job: CrewJob, workers: number): Shared {
  const { runtime: _, dataset, augmented, arena, batchSize, ...sent } = job;
  const { gradient, microbatchSize, lanes, laneRegions } = sent;
  // A sampler may draw a sample twice, so that a batch can have more samples than the dataset, though hardly as many as these.
  const most = Math.max(dataset.size, 2 ** 24);
  const microbatches = Math.ceil(Math.min(batchSize, most) / microbatchSize);
  const { layout } = arena.region(laneRegions[0]!); // what is trained, which lies first in every region
  const blocks = blocksOf(layout).count;
  const parts = partsOf(layout.floats, workers);
  const isCrowded = workers > availableParallelism();
  const ledgerSize = { lanes, slots: laneRegions.length, parts, isCrowded };
  const resultsSize = {
    members: workers,
    microbatches,
    lanes,
    blocks,
    tensors: sent.measureLanes ? layout.tensors.length : 0,
    channels: channelsOf(gradient.statistics),
  };
  const programColumns = gradient.first.columns.map(({ column }) => column);
  const isWeightApart = dataset.weight !== undefined && !programColumns.includes(dataset.weight);
  const columns = [...programColumns, ...(isWeightApart ? [dataset.weight] : [])];
  const held = augmented === undefined ? holdSamples(dataset, columns, sharedSampleBytes) : undefined;
  const room = { most: microbatches + workers, bytes: sharedSampleBytes };
  return {
    ...sent,
    memory: arena.memory,
    arena: arena.plan,
    data: described(dataset),
    ledger: { memory: createLedgerMemory(ledgerSize), size: ledgerSize },
    results: { memory: createResultsMemory(resultsSize), size: resultsSize },
    ring: createRing(dataset, held === undefined ? columns : [], microbatchSize, room),
    ...(held && { held }),
    parts,
  };
}

function partsOf(elements: number, workers: number): number {
  const one = Math.min(workers, Math.floor(elements / fewestPerPart));
  return Math.max(1, one, Math.min(4 * workers, Math.floor(elements / elementsPerPart)));
}

/** What threads need to know of a dataset. Lists of categories stay here. */
export function described({ name, columns, weight }: Dataset): Shared["data"] {
  const plain = Object.entries(columns).map(
    ([column, { dtype, shape }]) => [column, { dtype, shape }] as const,
  );
  return { name, columns: Object.fromEntries(plain), ...(weight !== undefined && { weight }) };
}
