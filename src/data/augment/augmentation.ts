/**
 * CONTRACT of an augmentation: a random change of an image which leaves what it shows as it is, so that a
 * model sees more than there are samples. It is plain data, a name and options; what the name stands for is a
 * kind, one file each, listed in kinds.ts. A thread so makes from a plan what the plan's own thread would
 * make, byte for byte.
 */
import type { RandomSequence } from "../../array/random.ts";

/** Plain data: recorded with a run. */
export type AugmentationOptions = Readonly<Record<string, number | string>>;

/** One change of a list, as a plan holds it. */
export interface Augmentation {
  readonly name: string;
  readonly options: AugmentationOptions;
}

/** The shape of one image; a column [height, width] has one channel. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Changes one image, uint8 [channels, height, width], where it lies. draw(0) … draw(63) are uniform in
 * [0, 1), and the only source of chance: they belong to this sample in this epoch and this place in the list
 * of changes.
 */
export type ImageChange = (image: Uint8Array<ArrayBufferLike>, draw: RandomSequence) => void;

/** What an option must be. Without a default it must be given. */
export type OptionRule =
  | { readonly from: number; readonly to: number; readonly isWhole?: boolean; readonly default?: number }
  | { readonly oneOf: readonly string[]; readonly default: string };

/** What a name stands for. Pure: the same options, image and draws give the same bytes on every machine. */
export interface AugmentationKind<Options = AugmentationOptions> {
  readonly name: string;
  readonly rules: { readonly [Name in keyof Options]: OptionRule };
  /** Prepares for images of one shape; the change may keep room of its own. Throws for images it cannot change. */
  open(where: string, options: Options, shape: ImageShape): ImageChange;
}
