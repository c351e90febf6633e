/** The flags of `microbatch finetune` that train does not have, and what stands for those that are left out. */
import type { TrainFlags } from "./flags.ts";

/** What the numbers of a pixel become before a model of others sees them. */
export const pixelNames = ["0..1", "-1..1", "imagenet", "0..255"] as const;
export type PixelName = (typeof pixelNames)[number];

export interface FinetuneFlags extends TrainFlags {
  readonly head?: "new" | "keep";
  readonly features?: string;
  readonly train?: readonly string[];
  readonly lora?: number;
  readonly pixels?: PixelName;
}

/**
 * Where the head alone is trained, it learns as a small network does; what has been trained before shall not be thrown far from
 * where it is: a third of that. Chosen on examples/foreign-models.
 */
export const finetuneDefaults = {
  epochs: 60,
  patience: 12,
  learningRate: { head: 0.003, more: 0.001 },
} as const;
