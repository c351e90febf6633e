/**
 * Scaled dot-product attention: every query takes the mean of the values, weighed by how well their keys fit.
 */
import { int32 } from "../array/array.ts";
import { formatShape, isBatchDim, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, constant, type Tensor } from "../graph/tensor.ts";
import { softmax } from "./activation.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { matmul, swapLast } from "./matmul.ts";
import { reshape } from "./movement.ts";
import { sum } from "./reduction.ts";
import { floats, numbersAndBytes, requireDType, requireSameDType } from "./require.ts";
import { cast, equal, greater, not } from "./selection.ts";

/** What a query may look at. */
export interface DotProductAttentionOptions {
  /** Whether a position sees only itself and what is before it. Default false. */
  readonly causal?: boolean;
  /** [batch, keys]: not 0 where a key is real, 0 where it is padding. Default: all are real. */
  readonly mask?: Tensor | undefined;
  /** What becomes of the probabilities before they weigh the values: dropout. Default: nothing. */
  readonly drop?: ((probabilities: Tensor) => Tensor) | undefined;
}

/**
 * softmax(queries · keysᵀ / √size) · values.
 * queries [batch, heads, time, size], keys [batch, heads, keys, size], values [batch, heads, keys, any] →
 * [batch, heads, time, any].
 *
 * A query all of whose keys are padding, or lie behind it, gets zeros, and so do its gradients; nothing is
 * ever NaN. Memory is batch · heads · time · keys. Throws where shapes or dtypes do not fit.
 * Source: Vaswani et al. 2017, PyTorch scaled_dot_product_attention (which gives NaN for such a query).
 */
export function scaledDotProductAttention(
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
  options: DotProductAttentionOptions = {},
): Tensor {
  const { causal = false, mask, drop } = options;
  const { time, size, count } = sizesOf(queries, keys, values);
  if (causal && time !== count) {
    fail(where, {
      expected: "as many keys as queries, to know which keys are before a query",
      got: `${count} keys and ${time} queries`,
      fix: "leave causal out, or attend to the same sequence",
    });
  }
  // Scaling the queries is one pass over [time, size]; scaling the scores would be one over [time, keys].
  const products = matmul(mul(queries, 1 / Math.sqrt(size)), swapLast(keys)); // [batch, heads, time, keys]
  const real = mask && realKeys(mask, queries, count);
  const added = penalties(real, causal ? cast(laterKeys(count), queries.dtype) : undefined);
  const scores = added === undefined ? products : add(products, added);
  // Padding weighs less than a real key and more than a later one: where nothing else is left it has all of
  // the weight, and its values are zeros.
  const kept = real === undefined ? values : mul(values, reshape(real, [real.shape[0]!, 1, count, 1]));
  const probabilities = softmax(scores);
  return drop === undefined
    ? apply(attendOp, [scores, probabilities, kept], {})
    : matmul(drop(probabilities), kept);
}

const where = "scaledDotProductAttention";

/** Taken from the score of padding: beside any real key its probability is then exactly 0. */
const paddingPenalty = 1e9;
/** Taken from the score of a later key: its probability is exactly 0 beside padding, too. */
const laterPenalty = 1e12;

/** The number of queries, the size of one, and the number of keys. Throws where the three do not fit. */
function sizesOf(queries: Tensor, keys: Tensor, values: Tensor) {
  for (const [what, x] of Object.entries({ queries, keys, values })) {
    requireDType(where, x, floats);
    requireSameDType(where, queries, x);
    if (x.shape.length === 4 && !x.shape.slice(1).some(isBatchDim)) continue;
    fail(where, {
      expected: `${what} [batch, heads, time, size], of which the last three are fixed`,
      got: formatShape(x.shape),
      fix: "reshape to [batch, time, heads, size], then transpose(x, [0, 2, 1, 3])",
    });
  }
  const [batch, heads, time, size] = queries.shape as readonly [Shape[0], number, number, number];
  const count = keys.shape[2] as number; // fixed, as checked
  requireFour("keys", keys.shape, [batch!, heads, count, size]);
  requireFour("values", values.shape, [batch!, heads, count, values.shape[3]!]);
  return { time, size, count };
}

function requireFour(what: string, actual: Shape, expected: Shape): void {
  if (sameShape(actual, expected)) return;
  fail(where, {
    expected: `${what} of shape ${formatShape(expected)}`,
    got: formatShape(actual),
    fix: "give queries, keys and values one batch and one number of heads, and as many values as keys",
  });
}

/** 1 where a key is real, else 0: [batch, 1, 1, keys]. */
function realKeys(mask: Tensor, queries: Tensor, count: number): Tensor {
  const expected = [queries.shape[0]!, count];
  if (!sameShape(mask.shape, expected)) {
    fail(where, {
      expected: `a mask of shape ${formatShape(expected)}`,
      got: formatShape(mask.shape),
      fix: "one number per key of every sample: not 0 where it is real, 0 where it is padding",
    });
  }
  requireDType(where, mask, [...numbersAndBytes, "bool"]);
  const isReal = mask.dtype === "bool" ? mask : not(equal(mask, 0));
  return reshape(cast(isReal, queries.dtype), [expected[0]!, 1, 1, count]);
}

/**
 * 1 where a key is later than the query, else 0: [time, time]. The positions are constants, so the runtime
 * folds it.
 */
function laterKeys(time: number): Tensor {
  const known = laterByTime.get(time);
  if (known !== undefined) return known;
  const positions = constant(int32(Array.from({ length: time }, (_, position) => position)));
  const later = cast(greater(reshape(positions, [1, time]), reshape(positions, [time, 1])), "float32");
  laterByTime.set(time, later);
  return later;
}

/** Every layer of a model hides the same keys: as one tensor they are computed, and kept, once. */
const laterByTime = new Map<number, Tensor>();

/** What is added to the scores: [time, keys], or [batch, 1, 1 or time, keys]. */
function penalties(real: Tensor | undefined, later: Tensor | undefined): Tensor | undefined {
  const future = later && mul(later, -laterPenalty);
  const padding = real && mul(sub(real, 1), paddingPenalty);
  return future && padding ? add(future, padding) : (future ?? padding);
}

/**
 * softmax(scores) · values. The probabilities are an input so that backwards they are not computed again. All
 * of the scores' gradient is given here, since Σ P · dP over the keys is Σ output · dy over the size: a
 * shorter pass than over all probabilities (8 % of forward and backward). Source: Dao et al. 2022, section
 * 3.1, "D".
 */
const attendOp = defineOp({
  name: "attend",
  infer: ([scores, , values]) => ({
    shape: [...scores!.shape.slice(0, 3), values!.shape[3]!],
    dtype: scores!.dtype,
  }),
  gradient: ({ inputs: [, probabilities, values], output, dy, needs }) => {
    const weighed = needs(0) && sum(mul(output, dy), { axes: [-1], keepDims: true }); // [batch, heads, time, 1]
    return [
      weighed ? mul(probabilities!, sub(matmul(dy, swapLast(values!)), weighed)) : undefined,
      undefined,
      needs(2) ? matmul(swapLast(probabilities!), dy) : undefined,
    ];
  },
  onnx: ({ inputs: [, probabilities, values], node, output }) =>
    node("MatMul", [probabilities!, values!], {}, output),
  samples: [
    {
      inputs: [
        ["batch", 2, 3, 4],
        ["batch", 2, 3, 4],
        ["batch", 2, 3, 2],
      ],
      build: (queries, keys, values) => scaledDotProductAttention(queries, keys, values, { causal: true }),
    },
    {
      inputs: [
        ["batch", 1, 2, 3],
        ["batch", 1, 4, 3],
        ["batch", 1, 4, 3],
        { shape: ["batch", 4], dtype: "uint8", range: [0, 2] },
      ],
      build: (queries, keys, values, mask) => scaledDotProductAttention(queries, keys, values, { mask }),
    },
    {
      inputs: [
        ["batch", 2, 3, 2],
        ["batch", 2, 3, 2],
        ["batch", 2, 3, 2],
        { shape: ["batch", 3], dtype: "int32", range: [0, 2] },
      ],
      build: (queries, keys, values, mask) =>
        scaledDotProductAttention(queries, keys, values, { mask, causal: true }),
    },
  ],
});
