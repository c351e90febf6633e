/** What one more microbatch costs beside its forward and backward pass: its sum has to be added to the others. */
import { median } from "../array/median.ts";
import { createArena, layout } from "../runtime/arena.ts";
import { createReduction } from "../runtime/reduction.ts";

/** 1 MiB. The time of larger sums is in proportion: no sum is in the cache after a microbatch has run. */
const mostFloats = 2 ** 18;
/** Sums that are added in turn, two by two, so that they drive one another out of the cache. */
const pairs = 4;
/** At least so many of all pairs, and so long: small sums take no time until what calls the kernel has been compiled. */
const [rounds, leastMs] = [3, 5];

/** Seconds to add one sum of gradients, of so many elements, to another: a median. */
export function measureMerge(floats: number): number {
  const measured = Math.max(1, Math.min(floats, mostFloats));
  const names = Array.from({ length: 2 * pairs }, (_, index) => `sum ${index}`);
  const arena = createArena({ layout: layout([{ name: "sum", shape: [measured] }]), regions: names });
  const offsets = names.map((name) => arena.region(name).byteOffset);
  const reduction = createReduction(arena.memory);
  const spent: number[] = [];
  const started = performance.now();
  for (let run = 0; run < rounds * pairs || performance.now() - started < leastMs; run++) {
    const pair = run % pairs;
    const [into, from] = [offsets[2 * pair]!, offsets[2 * pair + 1]!];
    const began = performance.now();
    reduction.add({ into, from, layout: arena.layout });
    if (run >= pairs) spent.push(performance.now() - began); // the first round touches the memory
  }
  return (median(spent) / 1000) * (floats / measured);
}
