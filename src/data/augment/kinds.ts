/** The kinds of augmentation that there are: what each name in a plan stands for. */
import type { AugmentationKind } from "./augmentation.ts";
import { colourKind } from "./colour.ts";
import { cropKind } from "./crop.ts";
import { flipKind } from "./flip.ts";

/** By name. augmentation.test.ts tests every one of them. */
export const augmentationKinds: ReadonlyMap<string, AugmentationKind> = new Map(
  [flipKind, cropKind, colourKind].map((kind) => [kind.name, kind as AugmentationKind]), // its options have passed its rules
);
