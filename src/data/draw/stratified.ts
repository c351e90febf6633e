/** Every sample once per epoch, the classes evenly spread. */
import { randomSequence } from "../../array/random.ts";
import { sha256OfParts } from "../../array/sha256.ts";
import { readColumn } from "../column.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import { shuffle, tableOrder } from "../permutation.ts";
import type { Sampler } from "../sampler.ts";
import { requireSize } from "./bounds.ts";
import { classMembers } from "./class-members.ts";
import { spread } from "./spread.ts";

/**
 * Every sample once per epoch, in a new random order each epoch in which the classes of a column come evenly spread: of any
 * first P positions each class has its share of the data to less than one sample, so a batch has it to less than two. Rare
 * classes then come at even distances instead of in clusters, and gradients scatter less. Which samples of a class come
 * when is random.
 *
 *   sampler: await stratified(training, "species")
 *
 * data: the samples that the plan trains on. column: one class or category per sample; a missing one is a class of its own.
 * Keeps 4 bytes per sample, and 4 for an epoch's order, which is made when the epoch starts: 0.2 s per million samples.
 * Throws for a column of other kinds, and when an epoch is drawn for another number of samples.
 */
export async function stratified<Columns extends ColumnSpecs>(
  data: Dataset<Columns>,
  column: keyof Columns & string,
): Promise<Sampler> {
  const where = `stratified sampler, column "${column}" of ${data.name}`;
  const classes = await readColumn({ where, data, column, wanted: "classes", otherwise: "use shuffled()" });
  const members = classMembers(classes);
  return {
    name: "stratified",
    options: { column, classes: members.counts.length, sha256: await sha256OfParts([classes]) },
    epoch(size, seed, epoch) {
      requireSize(where, classes.length, size);
      const samples = members.samples.slice();
      const draw = randomSequence(seed, "stratified", epoch);
      const next = members.starts.slice();
      next.forEach((start, index) => {
        shuffle(samples.subarray(start, start + members.counts[index]!), draw, start);
      });
      const drawTie = randomSequence(seed, "stratified ties", epoch);
      const tie = (index: number, turn: number) => drawTie(members.starts[index]! + turn);
      const order = new Uint32Array(size);
      spread(members.counts, tie, (position, index) => {
        order[position] = samples[next[index]!++]!;
      });
      return tableOrder(order);
    },
  };
}
