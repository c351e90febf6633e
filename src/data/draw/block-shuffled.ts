/** A shuffle that stays within a few blocks of the file at a time. */
import { uniformAt } from "../../array/random.ts";
import { fail, kindOf } from "../../errors.ts";
import { permutation } from "../permutation.ts";
import type { EpochOrder, Sampler } from "../sampler.ts";
import { requirePosition } from "./bounds.ts";

/** Options of `blockShuffled`. */
export interface BlockShuffledOptions {
  /** How many consecutive samples a block has: what is read from the file at once. */
  readonly samplesPerBlock: number;
  /** How many blocks are mixed at a time. Default 64. */
  readonly blocks?: number;
}

/**
 * Every sample once per epoch, for data larger than memory: the file is taken as blocks of consecutive samples (the last
 * one may be shorter), the blocks in a new random order each epoch; `blocks` of them at a time are a pool, whose samples
 * come in random order. So only a pool need be in memory, and the file is read block by block. Kept are the order of the
 * blocks and of two pools, 4 bytes for each block and each of the pools' samples.
 *
 *   sampler: blockShuffled({ samplesPerBlock: 1024, blocks: 64 })
 *
 * How well it mixes. A file in random order: as well as `shuffled`. The worst file is one sorted by what matters, say by
 * class, so that every block is of one class. There the share of a class in batches of b samples, from pools of P blocks
 * out of B, has 1 + (b − 1) / P · (1 − P / B) times the variance of a full shuffle: about that of a full shuffle in batches
 * of 1 / (1 / b + 1 / P) samples. With 64 blocks out of very many, batches of 32 have 1.48 times the variance, as those
 * of 21 samples have; batches of 256 have 4.98 times, as those of 51. So pool more blocks than a batch has samples, smaller
 * blocks if need be. Neighbours in the file are drawn a third of a pool apart on average, instead of a third of the epoch.
 */
export function blockShuffled(options: BlockShuffledOptions): Sampler {
  const { samplesPerBlock, blocks = 64 } = options ?? {};
  requireCount("samplesPerBlock", samplesPerBlock);
  requireCount("blocks", blocks);
  const sizes = { samplesPerBlock, blocks };
  return {
    name: "blockShuffled",
    options: sizes,
    epoch: (size, seed, epoch) => blockOrder(size, sizes, seed, epoch),
  };
}

function blockOrder(
  size: number,
  { samplesPerBlock, blocks }: Required<BlockShuffledOptions>,
  seed: number,
  epoch: number,
): EpochOrder {
  const { blockAt, startOf } = pools(size, { samplesPerBlock, blocks }, seed, epoch);
  // The last two: whoever reads ahead is in the next pool already.
  const kept: { pool: number; order: EpochOrder }[] = [];
  const poolOrder = (pool: number) => {
    const known = kept[pool % 2];
    if (known?.pool === pool) return known.order;
    const samples = startOf(pool + 1) - startOf(pool);
    const order = permutation(samples, seed, `${epoch} ${pool}`, "blockShuffled pool");
    kept[pool % 2] = { pool, order };
    return order;
  };
  return {
    length: size,
    at(position) {
      requirePosition(position, size);
      // The ragged block lets all pools behind it begin earlier, by less than a pool.
      const guess = Math.floor(position / (blocks * samplesPerBlock));
      const pool = position < startOf(guess + 1) ? guess : guess + 1;
      const drawn = poolOrder(pool).at(position - startOf(pool));
      const block = blockAt(pool * blocks + Math.floor(drawn / samplesPerBlock));
      return block * samplesPerBlock + (drawn % samplesPerBlock);
    },
  };
}

/** Which block stands at each place of an epoch, and at which position each pool starts. */
function pools(
  size: number,
  { samplesPerBlock, blocks }: Required<BlockShuffledOptions>,
  seed: number,
  epoch: number,
) {
  const whole = Math.floor(size / samplesPerBlock);
  const order = permutation(whole, seed, epoch, "blockShuffled blocks");
  const tail = size % samplesPerBlock; // samples of the ragged block, 0 where there is none
  const places = whole + (tail > 0 ? 1 : 0);
  const drawnPlace = Math.floor(uniformAt(seed, "blockShuffled ragged block", epoch, 0) * places);
  const raggedPool = tail > 0 ? Math.floor(drawnPlace / blocks) : places;
  // Any place of its pool is as good; at the last one it shifts no other block of the pool.
  const raggedPlace = tail > 0 ? Math.min((raggedPool + 1) * blocks, places) - 1 : places;
  return {
    blockAt: (place: number) =>
      place === raggedPlace ? whole : order.at(place < raggedPlace ? place : place - 1),
    startOf(pool: number) {
      const missing = pool > raggedPool ? samplesPerBlock - tail : 0;
      return Math.min(pool * blocks * samplesPerBlock - missing, size);
    },
  };
}

function requireCount(name: keyof BlockShuffledOptions, value: unknown): asserts value is number {
  if (Number.isSafeInteger(value) && Number(value) >= 1) return;
  fail(`blockShuffled, ${name}`, {
    expected: "a whole number from 1 on",
    got: kindOf(value),
    fix: "for example blockShuffled({ samplesPerBlock: 1024, blocks: 64 })",
  });
}
