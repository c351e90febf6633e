/** A store of checkpoints in memory. What it holds has gone through JSON, as it would on a disk. */
import {
  arrayName,
  type CheckpointStore,
  type SavedCheckpoint,
  type Snapshot,
} from "../src/train/checkpoint.ts";

/** `saved` may be filled beforehand: the last one is what a run goes on from. */
export function memoryStore(saved: SavedCheckpoint[] = []) {
  const store: CheckpointStore = {
    name: "memory",
    open: async () => {},
    load: async () => ({ notes: [], ...(saved.length > 0 && { found: saved.at(-1)! }) }),
    save: async ({ regions, ...header }: Snapshot) => {
      const arrays = regions.flatMap(({ name, tensors }) =>
        [...tensors].map(
          ([tensor, { dtype, shape, data }]) =>
            [arrayName(name, tensor), { dtype, shape, data: data.slice() }] as const,
        ),
      );
      saved.push({ ...JSON.parse(JSON.stringify(header)), arrays: new Map(arrays) });
    },
    close: async () => {},
  };
  return { saved, store };
}
