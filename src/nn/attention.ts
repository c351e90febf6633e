/** Multi-head self-attention. */
import { formatShape, isBatchDim } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { scaledDotProductAttention } from "../ops/attention.ts";
import { reshape, slice, transpose } from "../ops/movement.ts";
import { dropout } from "./dropout.ts";
import { glorotUniform, zeros } from "./initializer.ts";
import { featuresOf, type Layer } from "./layer.ts";
import { linear } from "./linear.ts";
import { isTraining } from "./mode.ts";
import { positional } from "./positional.ts";

/** Options of `attention`. */
export interface AttentionOptions {
  /** Into how many parts the features are divided, each of which attends by itself. Divides the features. */
  readonly heads: number;
  /**
   * Whether a position sees only itself and what is before it. There is no default: a language model that
   * sees what comes next learns to copy it, and its loss looks splendid.
   */
  readonly causal: boolean;
  /** The probability with which a weight of the mean is dropped in training. Default 0, as PyTorch. */
  readonly dropout?: number;
  /** Whether biases are added. Default true, as PyTorch. */
  readonly bias?: boolean;
  /** Whether queries and keys are turned by their positions (`positional("rotary")`). Default false. */
  readonly rotary?: boolean;
  /** What its parameters are called: "attention" gives "attention.qkv.weight", "attention.output.bias". */
  readonly name?: string;
}

/**
 * A layer of sequences, some of which may be filled up: mask [batch, time] is not 0 where a position is real,
 * 0 where it is padding, and nobody looks at padding. Without a mask all positions are real, and it is a
 * plain layer.
 */
export type SequenceLayer = (x: Tensor, mask?: Tensor) => Tensor;

/**
 * Multi-head self-attention: x [batch, time, features] → the same shape. Queries, keys and values are one
 * product: weight "qkv" [3 · features, features], as PyTorch's in_proj_weight; "output" [features, features]
 * joins the heads. A position that sees nothing but padding attends to nothing: it gets output's bias.
 * First weights: glorotUniform over the whole of qkv, linear's for output; biases 0. As PyTorch's
 * MultiheadAttention.
 * Throws for x of another form, and where heads do not divide the features. Source: Vaswani et al. 2017.
 */
export function attention(options: AttentionOptions): SequenceLayer {
  const { heads, causal, bias = true, rotary = false, name = "attention" } = options;
  const where = `attention({ heads: ${heads} })`;
  checkOptions(where, options);
  const { dropout: rate = 0 } = options;
  const dropping = dropout(rate); // for what it throws
  const position = rotary ? positional("rotary") : (x: Tensor) => x;
  let own: Projections | undefined;
  return (x, mask) => {
    const features = checkInput(where, x, heads);
    own ??= projections(features, bias, name);
    const drop = rate > 0 && isTraining() ? dropping : undefined;
    const projected = own.qkv(x); // [batch, time, 3 · features]
    const [queries, keys, values] = [0, 1, 2].map((part) =>
      split(slice(projected, { start: part * features, end: (part + 1) * features }), heads),
    ) as [Tensor, Tensor, Tensor]; // three parts
    const attended = scaledDotProductAttention(position(queries), position(keys), values, {
      causal,
      mask,
      drop,
    }); // [batch, heads, time, size]
    return own.output(reshape(transpose(attended, [0, 2, 1, 3]), x.shape));
  };
}

interface Projections {
  readonly qkv: Layer;
  readonly output: Layer;
}

function projections(features: number, bias: boolean, name: string): Projections {
  const common = { bias, biasInitializer: zeros };
  return {
    qkv: linear(features, 3 * features, { ...common, name: `${name}.qkv`, initializer: glorotUniform }),
    output: linear(features, features, { ...common, name: `${name}.output` }),
  };
}

/** [batch, time, features] → [batch, heads, time, size]. */
function split(x: Tensor, heads: number): Tensor {
  const [batch, time, features] = x.shape;
  return transpose(reshape(x, [batch!, time!, heads, Number(features) / heads]), [0, 2, 1, 3]);
}

function checkOptions(where: string, { heads, causal }: AttentionOptions): void {
  if (!(Number.isSafeInteger(heads) && heads >= 1)) {
    fail(where, {
      expected: "heads to be a whole number from 1 on",
      got: String(heads),
      fix: "for example attention({ heads: 4, causal: true })",
    });
  }
  if (typeof causal !== "boolean") {
    fail(where, {
      expected: "causal to be true or false",
      got: String(causal),
      fix: "true for models that say what comes next, false for those that see the whole text",
    });
  }
}

/** How many features x has. Throws unless it is [batch, time, features] and the heads divide them. */
function checkInput(where: string, x: Tensor, heads: number): number {
  const features = featuresOf(where, x);
  if (x.shape.length !== 3 || isBatchDim(x.shape[1]!)) {
    fail(where, {
      expected: "x [batch, time, features] with a fixed time",
      got: formatShape(x.shape),
      fix: "embedding(…) makes [batch, time, features] of tokens [batch, time]",
    });
  }
  if (features % heads !== 0) {
    fail(where, {
      expected: `features that ${heads} heads divide`,
      got: String(features),
      fix: `${Math.ceil(features / heads) * heads} features, or another number of heads`,
    });
  }
  return features;
}
