/**
 * The law: a step is a sum over microbatches; their size, place and order never change the result. Judged by the batch in
 * one shot, over random models, losses, weights, masks and partitions.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { randomSequence } from "../src/array/random.ts";
import { arrays } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import type { Tensor } from "../src/graph/tensor.ts";
import {
  averagePool,
  batchNorm,
  crossEntropy,
  dropout,
  flatten,
  globalAveragePool,
  groupNorm,
  huber,
  layerNorm,
  linear,
  maxPool,
  residual,
  rmsNorm,
  sequence,
  squaredError,
  tanh,
  upsample,
} from "../src/nn/index.ts";
import { concat, mul, reshape } from "../src/ops/index.ts";
import { clipByGlobalNorm, sgd } from "../src/optim/index.ts";
import { alone } from "../src/parallel/alone.ts";
import { createArena, layout } from "../src/runtime/arena.ts";
import { nodeRuntime } from "../src/runtime/ort-node.ts";
import type { LossResult, Plan, Row } from "../src/train/plan.ts";
import { trace } from "../src/train/trace.ts";
import { updateJob } from "../src/train/update.ts";

/** The gradient of a batch, Σ w·∇ℓ, and what it is made of. */
interface Sums {
  readonly gradient: Float64Array;
  readonly lossSum: number;
  readonly weightSum: number;
  readonly norm: number;
}

/** Computes Σ w·∇ℓ of batches of one plan by the real programs, sessions, lanes and reduction. */
async function openSums(plan: Plan, microbatchSize: number, lanes: number) {
  const traced = trace(plan);
  const runtime = await nodeRuntime();
  const laneRegions = Array.from({ length: 8 }, (_, slot) => `lane ${slot}`);
  const regions = ["parameters", ...Object.keys(plan.optimizer.slots).map((slot) => `slot ${slot}`)];
  const arena = createArena({ layout: layout(traced.parameters), regions: [...regions, ...laneRegions] });
  for (const { name, shape, initializer } of traced.parameters) {
    const values = arena.region("parameters").tensors.get(name)!.data as Float32Array;
    initializer.fill(values, shape, randomSequence(3, "initialize", name));
  }
  const crew = await alone({
    runtime,
    dataset: plan.data,
    arena,
    gradient: traced.gradient,
    batchSize: plan.data.size,
    microbatchSize,
    lanes,
    seed: 5,
    parameterRegion: "parameters",
    laneRegions,
    measureLanes: false,
    update: updateJob(arena.layout, traced.update, plan, "lane 0"),
  });
  return {
    sums: async (samples: Uint32Array): Promise<Sums> => {
      const totals = await crew.sumGradients({ step: 2, samples });
      const gradient = Float64Array.from(
        [...arena.region("lane 0").tensors.values()].flatMap(({ data }) => [...(data as Float32Array)]),
      );
      const norm = Math.sqrt(totals.squaredNorms.reduce((sum, value) => sum + value, 0));
      return { gradient, lossSum: totals.lossSum, weightSum: totals.weightSum, norm };
    },
    close: () => crew.close(),
  };
}

/** Turns the sums of microbatches, or of the whole batch, into the gradient an update sees. */
type Finish = (parts: readonly Sums[], whole: Sums) => Float64Array;

const maxNorm = 0.05;
const scaled = (values: Float64Array, factor: number) => values.map((value) => value * factor);
const summed = (all: readonly Float64Array[]) =>
  all.reduce((total, one) => total.map((value, index) => value + one[index]!));

/** What this package does: divide once, clip once, on the whole sum. */
const byTheLaw: Finish = (_, whole) => {
  if (whole.weightSum === 0) return scaled(whole.gradient, 0);
  const clip = clipByGlobalNorm(maxNorm).scale!(whole.norm / whole.weightSum);
  return scaled(whole.gradient, clip / whole.weightSum);
};

/** The commonest bug of the field: the mean of microbatch means. */
const dividedPerMicrobatch: Finish = (parts) => {
  const means = parts.map((part) => scaled(part.gradient, part.weightSum === 0 ? 0 : 1 / part.weightSum));
  const mean = scaled(summed(means), 1 / parts.length);
  const norm = Math.hypot(...mean);
  return scaled(mean, norm > maxNorm ? maxNorm / norm : 1);
};

/** Clipping each microbatch before adding. */
const clippedPerMicrobatch: Finish = (parts, whole) => {
  const clipped = parts.map((part) => {
    const norm = part.weightSum === 0 ? 0 : part.norm / part.weightSum;
    return scaled(part.gradient, norm > maxNorm ? maxNorm / norm : 1);
  });
  return scaled(summed(clipped), whole.weightSum === 0 ? 0 : 1 / whole.weightSum);
};

const norm2 = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** The largest gap between a partition and the one-shot batch that the law allows: 1e-6 · Σ‖microbatch gradients‖₂. */
async function gapOf(plan: Plan, batch: Uint32Array, size: number, lanes: number, finish: Finish) {
  const parts = await openSums(plan, size, lanes);
  const oneShot = await openSums(plan, batch.length, 1);
  try {
    const whole = await parts.sums(batch);
    const each: Sums[] = [];
    for (let start = 0; start < batch.length; start += size) {
      each.push(await parts.sums(batch.subarray(start, start + size)));
    }
    const judge = await oneShot.sums(batch);
    const got = finish(each, whole);
    const expected = byTheLaw([judge], judge);
    const scale = each.reduce((sum, part) => sum + part.norm, 0) / Math.max(judge.weightSum, 1e-30);
    const gap = norm2(got.map((value, index) => value - expected[index]!));
    const lossGap = Math.abs(whole.lossSum - judge.lossSum) / Math.max(1, Math.abs(judge.lossSum));
    return { gap, allowed: 1e-6 * scale, lossGap, weightGap: Math.abs(whole.weightSum - judge.weightSum) };
  } finally {
    await parts.close();
    await oneShot.close();
  }
}

/** One random problem. */
interface Problem {
  readonly samples: number;
  readonly batch: number;
  readonly size: number;
  readonly lanes: number;
  readonly kind: "squared" | "huber" | "classes" | "tokens";
  readonly isWeighted: boolean;
  readonly seed: number;
}

const problems: fc.Arbitrary<Problem> = fc
  .record({
    batch: fc.integer({ min: 2, max: 41 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    lanes: fc.constantFrom(1, 2, 3, 8, 11),
    kind: fc.constantFrom("squared", "huber", "classes", "tokens"),
    isWeighted: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .map(({ part, ...rest }) => ({
    ...rest,
    samples: rest.batch + 5,
    size: 1 + Math.floor(part * (rest.batch - 1)),
  }));

/**
 * Smooth activations: at the kink of a relu one rounding flips a whole sample's gradient. hidden: what is before the last
 * layer, by default without anything that looks at the microbatch.
 */
function planOf(
  { samples, kind, isWeighted, seed }: Problem,
  hidden = sequence(linear(6), tanh, dropout(0.3)),
): Plan {
  const draw = randomSequence(seed, "test", 0);
  let at = 0;
  const numbers = (count: number) => Float32Array.from({ length: count }, () => 2 * draw(at++) - 1);
  const time = 3;
  const values = {
    x: { data: numbers(samples * time * 4), shape: [samples, time, 4] },
    y: { data: numbers(samples), shape: [samples, 1] },
    label: { data: Int32Array.from({ length: samples }, () => Math.floor(3 * draw(at++))), shape: [samples] },
    next: {
      data: Int32Array.from({ length: samples * time }, () => Math.floor(3 * draw(at++))),
      shape: [samples, time],
    },
    // Whole samples without a counted token make whole microbatches empty.
    counts: {
      data: Float32Array.from({ length: samples * time }, (_, i) =>
        draw(Math.floor(i / time)) < 0.4 ? 0 : draw(at++),
      ),
      shape: [samples, time],
    },
    weight: {
      data: Float32Array.from({ length: samples }, () => (draw(at++) < 0.3 ? 0 : 3 * draw(at++))),
      shape: [samples],
    },
  };
  values.weight.data[0] = 1;
  const data = arrays(values, isWeighted ? { weight: "weight" } : {}) as unknown as Dataset;
  const last = linear(kind === "squared" || kind === "huber" ? 1 : 3);
  const losses: Record<Problem["kind"], (predicted: Tensor, row: Row) => LossResult> = {
    squared: (predicted, { y }) => squaredError(predicted, y!),
    huber: (predicted, { y }) => huber(predicted, y!, { delta: 0.3 }),
    classes: (predicted, { label }) => crossEntropy(predicted, label!, { labelSmoothing: 0.1 }),
    tokens: (predicted, { next, counts }) => ({
      loss: crossEntropy(predicted, next!),
      weight: mul(counts!, 2),
    }),
  };
  return {
    data,
    model: ({ x }) => last(hidden(kind === "tokens" ? x! : reshape(x!, ["batch", time * 4]))),
    loss: losses[kind],
    optimizer: sgd({ learningRate: 1 }),
  };
}

const batchOf = ({ batch, samples }: Problem) =>
  Uint32Array.from({ length: batch }, (_, i) => (7 * i + 3) % samples);

describe("the law", () => {
  it("any partition of a batch gives the gradient of the one-shot batch, clipped once", async () => {
    await fc.assert(
      fc.asyncProperty(problems, async (problem) => {
        const { gap, allowed, lossGap, weightGap } = await gapOf(
          planOf(problem),
          batchOf(problem),
          problem.size,
          problem.lanes,
          byTheLaw,
        );
        assert.ok(gap <= allowed, `gap ${gap}, allowed ${allowed}`);
        assert.ok(lossGap < 1e-5, `loss differs by ${lossGap}`); // float32 sums of at most 123 terms
        assert.ok(weightGap < 1e-4, `weights differ by ${weightGap}`);
      }),
      { numRuns: 60 },
    );
  });

  it("every microbatch size of one ragged, weighted, masked batch gives the same gradient", async () => {
    for (const kind of ["tokens", "classes"] as const) {
      const problem: Problem = { samples: 18, batch: 13, size: 1, lanes: 8, kind, isWeighted: true, seed: 4 };
      for (let size = 1; size <= 13; size++) {
        const { gap, allowed } = await gapOf(planOf(problem), batchOf(problem), size, 8, byTheLaw);
        assert.ok(gap <= allowed, `${kind}, microbatches of ${size}: gap ${gap}, allowed ${allowed}`);
      }
    }
  });

  it("pooling and the normalisations within a sample do not look at other samples", async () => {
    const problem: Problem = {
      samples: 18,
      batch: 13,
      size: 1,
      lanes: 8,
      kind: "classes",
      isWeighted: true,
      seed: 4,
    };
    const hidden = () =>
      sequence(
        linear(72),
        (x) => reshape(x, ["batch", 2, 6, 6]),
        groupNorm(2),
        residual(sequence(averagePool(3, { stride: 1, padding: 1 }), tanh)),
        maxPool(2),
        upsample(2), // blocks of equal numbers: all maxima of the next layer are ties
        maxPool(3, { stride: 2, padding: 1 }),
        layerNorm({ axes: 2 }),
        tanh,
        (x) => concat([flatten(x), globalAveragePool(x)]),
        rmsNorm(),
      );
    for (const size of [1, 2, 3, 5, 12, 13]) {
      const plan = planOf(problem, hidden());
      const { gap, allowed } = await gapOf(plan, batchOf(problem), size, 8, byTheLaw);
      assert.ok(gap <= allowed, `microbatches of ${size}: gap ${gap}, allowed ${allowed}`);
    }
  });

  for (const [name, mutant] of Object.entries({ dividedPerMicrobatch, clippedPerMicrobatch })) {
    it(`the check refuses a gradient ${name}`, async () => {
      const problem: Problem = {
        samples: 18,
        batch: 13,
        size: 5,
        lanes: 8,
        kind: "tokens",
        isWeighted: true,
        seed: 4,
      };
      const { gap, allowed } = await gapOf(planOf(problem), batchOf(problem), 5, 8, mutant);
      assert.ok(gap > 1000 * allowed, `gap ${gap}, allowed ${allowed}`);
    });
  }
});

describe("batch normalisation, the law's named exception", () => {
  const problem: Problem = {
    samples: 18,
    batch: 13,
    size: 5,
    lanes: 8,
    kind: "classes",
    isWeighted: false,
    seed: 4,
  };
  const normalised = (frozen: boolean) => planOf(problem, sequence(linear(6), batchNorm({ frozen }), tanh));
  const gap = (plan: Plan) => gapOf(plan, batchOf(problem), problem.size, problem.lanes, byTheLaw);

  it("makes the gradient depend on the microbatch size", async () => {
    const { gap: found, allowed } = await gap(normalised(false));
    assert.ok(found > 1000 * allowed, `gap ${found}, allowed ${allowed}`);
  });

  it("keeps the law where its statistics are frozen", async () => {
    const { gap: found, allowed } = await gap(normalised(true));
    assert.ok(found <= allowed, `gap ${found}, allowed ${allowed}`);
  });

  it("with one microbatch size the lanes change the gradient by rounding alone, and the same lanes not at all", async () => {
    const sums = async (lanes: number) => {
      const { sums: of, close } = await openSums(normalised(false), problem.size, lanes);
      const first = await of(batchOf(problem));
      const again = await of(batchOf(problem));
      await close();
      assert.deepEqual(again, first);
      return first;
    };
    const [one, three] = [await sums(1), await sums(3)];
    const difference = norm2(one.gradient.map((value, index) => value - three.gradient[index]!));
    assert.ok(difference <= 1e-6 * one.norm, `gap ${difference}, gradient ${one.norm}`);
    assert.equal(one.lossSum, three.lossSum);
  });
});
