/** Ring and feeder by themselves: members that are made up claim, release and are lost in every order that comes of a few hundred seeds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../array/random.ts";
import { arrays } from "../data/arrays.ts";
import type { Dataset } from "../data/dataset.ts";
import { Feeder } from "./feeder.ts";
import { cutBatch } from "./feeds.ts";
import { busyLanes, mergeSchedule } from "./lanes.ts";
import { createLedgerMemory, Ledger, type Task } from "./ledger.ts";
import { createRing, MicrobatchRing } from "./microbatch-ring.ts";

const perMicrobatch = 2;

/** A member at work. */
interface AtWork {
  readonly ledger: Ledger;
  task?: Task | undefined;
  /** Of its lane. */
  next: number;
  slot?: number | undefined;
}

interface Drill {
  readonly seed: number;
  readonly members: number;
  readonly lanes: number;
  readonly microbatches: number;
  /** Bytes of the ring: 0 for one of two slots. */
  readonly bytes: number;
  /** Share of moves in which a member is lost, and the most moves until another takes its place. */
  readonly losses: number;
  readonly absence: number;
}

/** Goes through a batch, and gives how often each microbatch was read. */
function drill({ seed, members, lanes: asked, microbatches, bytes, losses, absence }: Drill): number[] {
  const random = randomSequence(seed, "feeder", 0);
  let drawn = 0;
  const draw = (below: number) => Math.floor(below * random(drawn++));
  const reads = Array.from({ length: microbatches }, () => 0);
  const data = countingReads(perMicrobatch * microbatches, reads);
  const lanes = busyLanes(asked, microbatches);
  const slots = Math.min(lanes.length, mergeSchedule(lanes.length).slots + members - 1);
  const size = { lanes: lanes.length, slots, parts: 1, isCrowded: false };
  const memory = createLedgerMemory(size);
  const plan = createRing(data, ["x"], perMicrobatch, { most: microbatches + members, bytes });
  const ring = new MicrobatchRing(plan);
  const join = (member: number): AtWork => ({ ledger: new Ledger(memory, size, member), next: 0 });
  const crew: (AtWork | undefined)[] = Array.from({ length: members }, (_, member) => join(member));
  const back = new Map<number, number>();
  const { ledger } = crew[0]!;
  const feeder = new Feeder({ dataset: data, ring, plan, ledger, members });
  const samples = Uint32Array.from({ length: perMicrobatch * microbatches }, (_, sample) => sample);
  feeder.open(cutBatch({ step: 0, samples }, perMicrobatch), lanes);
  ledger.openBatch(lanes.length, 1);
  const lose = (member: number) => {
    crew[member] = undefined;
    back.set(member, draw(absence));
    ledger.lose(member);
    ring.releaseOf(member);
    feeder.readAgain();
  };
  /** What a thread does from one look at the ledger to the next. Gives false where it would have to wait. */
  const move = (one: AtWork, member: number): boolean => {
    one.task ??= one.ledger.take();
    if (one.task === undefined) return false;
    if (one.slot !== undefined) {
      ring.release(one.slot);
      one.slot = undefined;
      one.next++;
    }
    const range = one.task.kind === "lane" ? lanes[one.task.lane] : undefined;
    if (range === undefined || range.start + one.next === range.end) {
      one.ledger.finish(one.task);
      [one.task, one.next] = [undefined, 0];
      return true;
    }
    const wanted = range.start + one.next;
    if (member === 0) feeder.fill(2 * members);
    one.slot = ring.claim(wanted, member);
    if (one.slot === undefined) {
      if (member === 0) feeder.prefer(wanted);
      return false;
    }
    const held = new Uint32Array(ring.slot(one.slot).values[0] as Int32Array<SharedArrayBuffer>);
    assert.deepEqual([...held], [2 * wanted, 2 * wanted + 1], `seed ${seed}: others' samples`);
    if (one.task.kind === "lane") one.ledger.sums.begin(one.task.lane);
    return true;
  };
  for (let stood = 0, moves = 0; ledger.phase !== "summed"; moves++) {
    assert.ok(moves < 400 * (microbatches + 50), `seed ${seed}: no end`);
    const member = draw(members);
    const one = crew[member];
    const left = back.get(member) ?? 0;
    if (one === undefined) {
      back.set(member, left - 1);
      if (left <= 0) crew[member] = join(member);
    } else if (member > 0 && one.task !== undefined && random(drawn++) < losses) lose(member);
    else if (move(one, member)) stood = 0;
    else if (member === 0) {
      const bell = ledger.bell.value;
      feeder.fill(one.task === undefined ? Number.POSITIVE_INFINITY : 1);
      if (bell !== ledger.bell.value) stood = 0;
      else if (++stood % 50 === 0) feeder.unblock(); // long after everybody has had a turn
      assert.ok(stood < 1000, `seed ${seed}: the crew stands still`);
    }
  }
  return reads;
}

/** Samples that say which they are, and count how often the microbatch that they begin was read. */
function countingReads(samples: number, reads: number[]): Dataset {
  const data = arrays({ x: Int32Array.from({ length: samples }, (_, sample) => sample) });
  const read: Dataset["read"] = (column, asked, into) => {
    reads[asked[0]! / perMicrobatch]!++;
    return data.read(column as "x", asked, into);
  };
  return { ...data, read };
}

test("without losses every microbatch is read once, through rings of two slots too", () => {
  for (let seed = 0; seed < 200; seed++) {
    const one = { members: 1 + (seed % 5), lanes: 1 + (seed % 13), microbatches: 1 + ((7 * seed) % 90) };
    const reads = drill({ seed, ...one, bytes: seed % 3 === 0 ? 1000 : 0, losses: 0, absence: 0 });
    assert.ok(
      reads.every((times) => times === 1),
      `seed ${seed}: ${reads}`,
    );
  }
});

test("with losses a crew comes to an end through a ring of two slots, however long a thread is missing", () => {
  for (let seed = 0; seed < 400; seed++) {
    const one = { members: 2 + (seed % 4), lanes: 1 + (seed % 13), microbatches: 1 + ((7 * seed) % 90) };
    drill({ seed, ...one, bytes: 0, losses: 0.03, absence: seed % 2 === 0 ? 20 : 1e9 });
  }
});

test("1024 lanes come to an end through a ring of two slots", () => {
  const wide = { members: 3, lanes: 1024, microbatches: 1100, bytes: 0, absence: 100 };
  assert.ok(drill({ ...wide, seed: 1, losses: 0 }).every((times) => times === 1));
  drill({ ...wide, seed: 2, losses: 0.005 });
});
