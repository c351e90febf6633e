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
 * A head alone learns at the rate of a small network. Weights in front of it have been trained before and shall not be thrown far
 * from where they are: a third of that. Of low rank little can go wrong, so the changes keep the head's rate.
 */
export const finetuneDefaults = {
  epochs: 60,
  patience: 12,
  learningRate: { head: 0.003, more: 0.001 },
} as const;
