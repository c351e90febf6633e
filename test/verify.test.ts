/** verify finds nothing where nothing is wrong, and names the check that each kind of mistake fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  arrays,
  batchNorm,
  type Dataset,
  div,
  linear,
  MicrobatchError,
  matmul,
  mul,
  type Plan,
  reshape,
  sequence,
  squaredError,
  sum,
  type Tensor,
  tanh,
  transpose,
} from "../src/index.ts";
import { type Certificate, verify as verifyPlan } from "../src/node.ts";
import { arrayName, type CheckpointStore, type SavedCheckpoint } from "../src/train/checkpoint.ts";
import { plan } from "./plan.ts";

const small = plan({});
/** Nothing is skipped because the machine is busy. */
const verify: typeof verifyPlan = (one, options) => verifyPlan(one, { seconds: 120, threads: 2, ...options });
/** How many samples the microbatch has, as a tensor [1]: what no loss should ask. */
const countOf = (x: Tensor) => sum(add(mul(x, 0), 1), { axes: [0] });
const errorOf = (predicted: Tensor, row: { readonly y: Tensor }) => squaredError(predicted, row.y);
const failed = ({ checks }: Certificate) =>
  checks.filter(({ holds }) => holds === false).map(({ name }) => name);
const whyOf = ({ checks }: Certificate, name: string) =>
  checks.find((check) => check.name === name)?.why ?? "none";

test("a sound plan passes every check, with numbers", async () => {
  const certificate = await verify(small);
  assert.deepEqual(
    certificate.checks.map(({ name, holds }) => [name, holds]),
    [
      ["splits", true],
      ["company", true],
      ["layers", true],
      ["threads", true],
      ["resume", true],
      ["saved", true],
      ["kill", "skipped"],
    ],
  );
  assert.equal(certificate.holds, true);
  assert.deepEqual(certificate.batch, { samples: 23, microbatchSizes: [1, 2, 8, 23], lanes: 3 });
  assert.equal(certificate.parameters, 3 * 16 + 16 + 16 + 1);
  const [splits, , , threads] = certificate.checks;
  assert.deepEqual(Object.keys(splits!.measured), [
    "microbatches of 1",
    "microbatches of 2",
    "microbatches of 8",
  ]);
  assert.deepEqual(Object.keys(threads!.measured), ["1 thread, undisturbed", "2 threads"]);
});

/** Mistakes, the checks that must fail, and what the last of them says. */
const mistakes: Readonly<Record<string, readonly [object, readonly string[], RegExp]>> = {
  "a loss that divides by the number of samples in the microbatch": [
    { loss: (p: Tensor, row: { readonly y: Tensor }) => div(errorOf(p, row), countOf(errorOf(p, row))) },
    ["splits", "company"],
    /^a sample's gradient changes by 6\.0e-1 of itself among 4 others: the loss divides by the number of samples in the microbatch\. Return one number per sample, never a mean/,
  ],
  "a mean over the microbatch in the place of each sample's loss": [
    {
      loss: (p: Tensor, row: { readonly y: Tensor }) => {
        const error = errorOf(p, row);
        return add(mul(error, 0), div(sum(error, { axes: [0] }), countOf(error)));
      },
    },
    ["company"],
    /the loss or the model couples samples \(a mean over them, or one compared with others\)/,
  ],
  "a loss that compares a sample with the others": [
    {
      loss: (p: Tensor, row: { readonly y: Tensor }) =>
        add(errorOf(p, row), reshape(sum(tanh(matmul(p, transpose(p))), { axes: [1] }), ["batch", 1])),
    },
    ["splits", "company"],
    /^a sample's gradient changes by .* the loss or the model couples samples/,
  ],
};

for (const [name, [change, checks, why]] of Object.entries(mistakes)) {
  test(`${name} is found`, async () => {
    const certificate = await verify({ ...small, ...change });
    assert.deepEqual(failed(certificate), checks);
    assert.equal(certificate.holds, false);
    assert.match(whyOf(certificate, checks.at(-1)!), why);
  });
}

test("batch normalisation is named, with the size of what it changes; frozen it breaks nothing", async () => {
  const [first, norm, last] = [linear(8), batchNorm({ name: "middle" }), linear(1)];
  const body = sequence(first, norm, tanh, last);
  const certificate = await verify({ ...small, model: (row: { readonly x?: Tensor }) => body(row.x!) });
  assert.deepEqual(failed(certificate), ["splits", "layers"]);
  assert.deepEqual(certificate.batch.microbatchSizes, [3, 5, 8, 23]);
  assert.match(
    whyOf(certificate, "layers"),
    /^middle \(batch normalisation\) use the mean and variance of the microbatch in training: another microbatch size changes the gradient by \d\.\de-\d of/,
  );
  assert.match(whyOf(certificate, "company"), /only the layers below couple samples$/);
  const frozen = sequence(linear(8), batchNorm({ frozen: true }), tanh, linear(1));
  assert.deepEqual(
    failed(await verify({ ...small, model: (row: { readonly x?: Tensor }) => frozen(row.x!) })),
    [],
  );
});

/** A store that keeps one checkpoint, as `change` makes it. */
function storeThat(change: (saved: SavedCheckpoint) => SavedCheckpoint | undefined): CheckpointStore {
  let found: SavedCheckpoint | undefined;
  return {
    name: "the store",
    open: async () => {},
    load: async () => ({ notes: [], ...(found && { found }) }),
    save: async ({ regions, ...header }) => {
      const tensors = regions.flatMap(({ name, tensors }) =>
        [...tensors].map(([tensor, array]) => [arrayName(name, tensor), array] as const),
      );
      const arrays = new Map(tensors.map(([name, array]) => [name, { ...array, data: array.data.slice() }]));
      found = change({ ...structuredClone(header), arrays });
    },
    close: async () => {},
  };
}

test("a store that loses a slot, forgets its numbers or keeps nothing fails the check of interruptions", async () => {
  const slot = /^slot .*weight$/;
  const losing = storeThat((saved) => ({
    ...saved,
    arrays: new Map([...saved.arrays].filter(([name]) => !slot.test(name))),
  }));
  const lost = await verify(small, { store: losing });
  assert.deepEqual(failed(lost), ["resume"]);
  assert.match(
    whyOf(lost, "resume"),
    /^checkpoint, "slot .*": expected float32 \[\d+, \d+\], got none\. Fix:/,
  );
  const forgetting = storeThat((saved) => {
    for (const [name, { data }] of saved.arrays) if (slot.test(name)) data.fill(0 as never); // float32
    return saved;
  });
  const forgot = await verify(small, { store: forgetting });
  assert.deepEqual(failed(forgot), ["resume"]);
  assert.match(whyOf(forgot, "resume"), /ends with other bytes: what was saved is not what was there$/);
  const empty = await verify(small, { store: storeThat(() => undefined) });
  assert.match(whyOf(empty, "resume"), /gone on with from step 0: step 2 was saved and is lost$/);
});

test("a model that is another one each time it is asked answers unlike its file", async () => {
  const body = linear(1);
  let asked = 0;
  const model = (row: { readonly x?: Tensor }) => mul(body(row.x!), ++asked);
  assert.ok(failed(await verify({ ...small, model })).includes("saved"));
});

test("what there is no time for is skipped and said, and the batch becomes smaller", async () => {
  const { data } = small;
  const slow: Dataset = {
    ...data,
    read: async (column, samples, into) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await data.read(column, samples, into);
    },
  };
  const certificate = await verify({ ...small, data: slow }, { seconds: 2 });
  assert.ok(certificate.batch.samples < 23);
  const skipped = certificate.checks.filter(({ name, holds }) => holds === "skipped" && name !== "kill");
  assert.ok(skipped.length > 0);
  for (const { why } of skipped)
    assert.match(why, /^for time: it would take about [\d.]+ s, and [\d.]+ of 2\.0 s are left$/);
});

test("fewer samples than a batch are repeated, and samples without weight are left for last", async () => {
  const data = arrays(
    { x: [[1], [2], [3]], y: [[2], [3], [5]], weight: Float32Array.of(0, 1, 0.5) },
    { weight: "weight" },
  );
  const body = linear(1);
  const few = { ...small, data, model: (row: { readonly x?: Tensor }) => body(row.x!) } as Plan;
  const certificate = await verify(few);
  assert.deepEqual(failed(certificate), []);
  assert.equal(certificate.data.samples, 3);
});

test("a plan that cannot be trained is refused as train refuses it", async () => {
  await assert.rejects(verify({ ...small, batchSize: 0 }), (error) => error instanceof MicrobatchError);
});

test("samples that are not finite are told as such", async () => {
  const x = Array.from({ length: 40 }, () => [Number.NaN, 1, 2]);
  const data = arrays({ x, y: x.map(() => [1]) });
  const certificate = await verify({ ...small, data } as Plan);
  assert.deepEqual(failed(certificate).slice(0, 1), ["splits"]);
  assert.equal(
    whyOf(certificate, "splits"),
    "a loss or a gradient is NaN or infinite with the first parameters: train names the microbatch and its samples",
  );
  assert.match(whyOf(certificate, "company"), /are 0, or not finite: nothing can be compared$/);
});

test("options out of their range are refused", async () => {
  await assert.rejects(verify(small, { seconds: 0 }), {
    message: "verify, seconds: expected a number above 0, got 0. Fix: leave it out for 10",
  });
  await assert.rejects(verify(small, { threads: 1 }), {
    message: "verify, threads: expected a whole number from 2 to 256, got 1. Fix: leave it out for 3",
  });
});
