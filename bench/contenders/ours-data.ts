/** Training from a disk, and drawing alone: the same samples as in memory, in a file that is read as they are drawn. */
import { afterEpochs, type Dataset, shuffled, train } from "../../src/index.ts";
import { onDisk, planOf } from "./ours-plan.ts";
import { trainingSteps } from "./ours-steps.ts";
import { type Prepared, timed } from "./protocol.ts";

interface StoredCase {
  readonly task: string;
  readonly microbatch: number;
  readonly batch: number;
  readonly store: "memory" | "disk";
}

/** Steps of a task; extra tells how much of their time went into reading, and how much of that was waiting. */
export async function stored({ task, microbatch, batch, store }: StoredCase): Promise<Prepared> {
  const plan = planOf(task, undefined, store === "disk" ? await onDisk(task) : undefined);
  const events = train({
    ...plan,
    batchSize: batch,
    microbatchSize: microbatch,
    sampler: shuffled(),
    stop: afterEpochs(1e9),
  });
  return trainingSteps(events);
}

interface DrawingCase {
  readonly task: string;
  readonly store: "memory" | "disk";
  /** Whether a thread reads ahead. */
  readonly isAhead: boolean;
}

/** Draws 256 samples at random, again and again. */
export async function drawing({ task, store, isAhead }: DrawingCase): Promise<Prepared> {
  const data: Dataset = store === "disk" ? await onDisk(task) : planOf(task).data;
  const width = data.columns.x!.shape.reduce((product, dim) => product * dim, 1);
  const into = new Float32Array(256 * width);
  const order = shuffled().epoch(data.size, 1, 0);
  let position = 0;
  const samples = (from: number) =>
    Uint32Array.from({ length: 256 }, (_, at) => order.at((from + at) % data.size));
  if (isAhead) for (let batch = 0; batch < 8; batch++) data.prefetch?.(samples(256 * batch));
  const step = async () => {
    await data.read("x", samples(position), into);
    position += 256;
    if (isAhead) data.prefetch?.(samples(position + 7 * 256));
    return into[0]!;
  };
  return { run: (steps) => timed(steps, step) };
}
