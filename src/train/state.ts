/** The state of a run beside its numbers in the arena: plain data, the rest of the whole truth. */
import type { Arena } from "../runtime/arena.ts";
import { sha256 } from "./resolve.ts";
import type { PlainData } from "./stop.ts";

/** Where a run is. One value with one writer. */
export interface TrainingState {
  /** Updates done. */
  step: number;
  epoch: number;
  /** Samples of this epoch drawn so far. */
  position: number;
  /** Samples drawn in the whole run. */
  samples: number;
  /** Σ w·ℓ and Σ w of the epoch so far. */
  epochLoss: number;
  epochWeight: number;
  /** The best monitored value so far; its weights lie in the arena's region "best". */
  best: { readonly value: number; readonly step: number } | null;
  /** Step of the last evaluation, −1 before the first. */
  evaluatedAt: number;
  /** One entry per stop rule. */
  stops: PlainData[];
}

/** The state before the first step. */
export function initialState(stops: readonly PlainData[]): TrainingState {
  return {
    step: 0,
    epoch: 0,
    position: 0,
    samples: 0,
    epochLoss: 0,
    epochWeight: 0,
    best: null,
    evaluatedAt: -1,
    stops: [...stops],
  };
}

/** SHA-256 over names, shapes and bytes of the tensors of the given regions, in order, after `header`. */
export async function hashRegions(
  arena: Arena,
  regionNames: readonly string[],
  header = "",
): Promise<string> {
  const parts: Uint8Array[] = [new TextEncoder().encode(header)];
  for (const region of regionNames) {
    for (const [name, { shape, data }] of arena.region(region).tensors) {
      parts.push(new TextEncoder().encode(`\n${region} ${name} [${shape}]\n`));
      parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return sha256(all);
}
