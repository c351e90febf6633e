/** Tells whoever prepares samples which ones come next, across the borders of epochs. */
import type { Place } from "./drawing.ts";
import { joinParts, type Part, samplesIn } from "./parts.ts";

/** These samples of an epoch will be read next, in this order. Changes how soon numbers come and never which. */
export type Hint = (samples: Uint32Array, epoch: number) => void;

/** A batch that is not drawn yet: its samples, and where the next one begins. */
export interface ComingBatch {
  readonly parts: readonly Part[];
  readonly next: Place;
}

/** At least so many samples ahead, however small the batches are: a hint costs a message to another thread. */
const fewest = 1024;

/** Hints every sample of a run once, some batches before they are drawn. */
export class Lookahead {
  #hint: Hint | undefined;
  readonly #coming: (place: Place) => ComingBatch;
  readonly #distance: number;
  /** The batch that should be drawn next, the first that is not hinted, and how many samples lie between them. */
  #expected: Place | undefined;
  #first: Place = { epoch: 0, position: 0 };
  #ahead = 0;

  /** coming: the batch at a place. Without a hint nothing is done. */
  constructor(hint: Hint | undefined, batchSize: number, coming: (place: Place) => ComingBatch) {
    this.#hint = hint;
    this.#coming = coming;
    this.#distance = Math.max(4 * batchSize, fewest);
  }

  /** The batch at a place is about to be drawn; it is given, so that it is not drawn twice. */
  at(place: Place, drawn: ComingBatch): void {
    if (this.#hint === undefined) return;
    const isExpected =
      place.epoch === this.#expected?.epoch && place.position === this.#expected.position && this.#ahead > 0;
    if (!isExpected) [this.#first, this.#ahead] = [place, 0];
    // Half of the distance at a time: few messages, and never nothing ahead.
    if (this.#ahead <= this.#distance / 2) this.#hintUpTo(this.#distance, this.#hint);
    this.#ahead -= samplesIn(drawn.parts);
    this.#expected = drawn.next;
  }

  #hintUpTo(distance: number, hint: Hint): void {
    let parts: Part[] = [];
    const tell = () => {
      if (parts.length > 0) hint(joinParts(parts).samples, parts[0]!.epoch);
      parts = [];
    };
    while (this.#ahead < distance) {
      let coming: ComingBatch;
      try {
        coming = this.#coming(this.#first);
      } catch {
        this.#hint = undefined; // what is wrong with an epoch is told when it is drawn, which this run may never come to
        break;
      }
      if (samplesIn(coming.parts) === 0) break; // the place is behind its epoch's end
      for (const part of coming.parts) {
        if (part.epoch !== parts[0]?.epoch) tell();
        parts.push(part);
      }
      this.#first = coming.next;
      this.#ahead += samplesIn(coming.parts);
    }
    tell();
  }
}
