/** Classes drawn equally often, however many samples they have. */
import { type RandomSequence, randomSequence } from "../../array/random.ts";
import { sha256OfParts } from "../../array/sha256.ts";
import { readColumn } from "../column.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import { shuffle } from "../permutation.ts";
import type { Sampler } from "../sampler.ts";
import { requirePosition, requireSize } from "./bounds.ts";
import { classMembers } from "./class-members.ts";

/**
 * The classes of a column equally often: every k positions hold each of the k classes once, in random order, and each time
 * a sample of the class is drawn at random, independent of all others. Samples of rare classes come many times in an
 * epoch, some of common ones not at all. An epoch has as many positions as there are samples.
 *
 *   sampler: await classBalanced(training, "diagnosis")
 *
 * A model trained so takes all classes for equally frequent: its probabilities are too high for rare ones.
 *
 * data: the samples that the plan trains on. column: one class or category per sample; a missing one is a class of its own.
 * Keeps 4 bytes per sample. Throws for a column of other kinds, and when an epoch is drawn for another number of samples.
 */
export async function classBalanced<Columns extends ColumnSpecs>(
  data: Dataset<Columns>,
  column: keyof Columns & string,
): Promise<Sampler> {
  const where = `classBalanced sampler, column "${column}" of ${data.name}`;
  const classes = await readColumn({ where, data, column, wanted: "classes", otherwise: "use shuffled()" });
  const { counts, starts, samples } = classMembers(classes);
  return {
    name: "classBalanced",
    options: { column, classes: counts.length, sha256: await sha256OfParts([classes]) },
    epoch(size, seed, epoch) {
      requireSize(where, classes.length, size);
      const classAt = rounds(counts.length, randomSequence(seed, "classBalanced rounds", epoch));
      const draw = randomSequence(seed, "classBalanced", epoch);
      return {
        length: size,
        at(position) {
          requirePosition(position, size);
          const index = classAt(position);
          return samples[starts[index]! + Math.floor(draw(position) * counts[index]!)]!;
        },
      };
    },
  };
}

/** Position → class, a new order of all classes in every round of as many positions. The last round is kept. */
function rounds(classes: number, draw: RandomSequence): (position: number) => number {
  const order = new Uint32Array(classes);
  let known = -1;
  return (position) => {
    const round = Math.floor(position / classes);
    if (round !== known) {
      for (let index = 0; index < classes; index++) order[index] = index;
      shuffle(order, draw, round * classes);
      known = round;
    }
    return order[position % classes]!;
  };
}
