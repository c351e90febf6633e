/** Samples drawn as often as a column says. */
import { randomSequence } from "../../array/random.ts";
import { sha256OfParts } from "../../array/sha256.ts";
import { fail } from "../../errors.ts";
import { readColumn } from "../column.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import type { ColumnArray } from "../memory.ts";
import type { Sampler } from "../sampler.ts";
import { aliasTable } from "./alias.ts";
import { requirePosition, requireSize } from "./bounds.ts";

/**
 * At every position a sample drawn at random, independent of all others, with a probability in proportion to
 * its number in a column; 0 is never drawn. An epoch has as many positions as there are samples.
 *
 *   sampler: await weighted(training, "importance")
 *
 * Numbers from elsewhere do as well: await weighted(arrays({ importance }), "importance").
 * This is another thing than weights of the loss, which keep every sample and count some more; a column that
 * already weighs the loss is refused, since its samples would count by the square.
 *
 * data: as many samples as the plan trains on. Keeps 12 bytes per sample; a draw takes the same time whatever
 * their number.
 * Throws for a column of other kinds, for numbers that are negative or not finite, where all are 0, and when
 * an epoch is drawn for another number of samples. Source: Walker's alias method.
 */
export async function weighted<Columns extends ColumnSpecs>(
  data: Dataset<Columns>,
  column: keyof Columns & string,
): Promise<Sampler> {
  const where = `weighted sampler, column "${column}" of ${data.name}`;
  const request = { where, data, column, wanted: "values", otherwise: "use shuffled()" } as const;
  const weights = await readColumn(request);
  if (data.columns[column]?.categories !== undefined) {
    fail(where, {
      expected: "a column of numbers",
      got: "categories, whose codes say nothing of how often to draw",
      fix: 'draw by another column; of a table, types: { column: "number" } reads numbers',
    });
  }
  if (data.weight === column) countsTwice(where);
  requireWeights(where, weights);
  const sha256 = await sha256OfParts([weights]);
  const { threshold, alias } = aliasTable(weights);
  const samples = weights.length;
  return {
    name: "weighted",
    options: { column, sha256 },
    epoch(size, seed, epoch) {
      requireSize(where, samples, size);
      const draw = randomSequence(seed, "weighted", epoch);
      return {
        length: size,
        at(position) {
          requirePosition(position, size);
          const cell = Math.floor(draw(2 * position) * size); // both draws are of one Philox block
          return draw(2 * position + 1) < threshold[cell]! ? cell : alias[cell]!;
        },
      };
    },
  };
}

function countsTwice(where: string): never {
  return fail(where, {
    expected: "a column that does not weigh the loss too",
    got: "the dataset's weight",
    fix: "draw by another column, or read the data without its weight",
  });
}

function requireWeights(where: string, weights: ColumnArray): void {
  const wrong = weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (wrong < 0 && weights.some((weight) => weight > 0)) return;
  fail(where, {
    expected: "finite numbers from 0 on, not all 0",
    got: wrong < 0 ? "0 in every sample" : `${weights[wrong]} in sample ${wrong}`,
    fix: wrong < 0 ? "give some samples a number above 0" : "give that sample the number 0 to leave it out",
  });
}
