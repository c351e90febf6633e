/** The block that transformers are stacks of. */

import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { gelu } from "../ops/activation.ts";
import { add } from "../ops/arithmetic.ts";
import { type AttentionOptions, attention, type SequenceLayer } from "./attention.ts";
import { dropout } from "./dropout.ts";
import { featuresOf, type Layer } from "./layer.ts";
import { layerNorm } from "./layer-norm.ts";
import { linear } from "./linear.ts";

/** Options of `transformerBlock`. */
export interface TransformerBlockOptions extends Pick<AttentionOptions, "heads" | "causal" | "rotary"> {
  /**
   * How many times wider than the features the hidden layer is. Default 4, as in Vaswani et al. 2017 and
   * GPT-2.
   */
  readonly hidden?: number;
  /**
   * The probability with which a weight of the attention's mean, a hidden number, and a number of either
   * branch is dropped in training. Default 0 (PyTorch's TransformerEncoderLayer: 0.1): a model that sees its
   * data once needs none.
   */
  readonly dropout?: number;
  /**
   * What its parameters are called: "block" gives "block.attention.qkv.weight", "block.attentionNorm.weight".
   */
  readonly name?: string;
}

/**
 * A transformer block that normalises first: x + attention(attentionNorm(x)), then +
 * contract(gelu(expand(feedForwardNorm(·)))). x [batch, time, features] → the same shape; mask [batch, time]
 * says what is padding, as in `attention`. Behind the last block belongs a norm of its own:
 *
 *   const gpt = sequence(
 *     embedding(vocabulary.size, 128),
 *     positional("learned"),
 *     transformerBlock({ heads: 4, causal: true }),
 *     transformerBlock({ heads: 4, causal: true }),
 *     layerNorm(),
 *     linear(vocabulary.size),
 *   );
 *
 * First weights are those of its layers. Throws what `attention` throws, and for a width that is none.
 * Source: Radford et al. 2019; PyTorch TransformerEncoderLayer with norm_first and activation gelu.
 */
export function transformerBlock(options: TransformerBlockOptions): SequenceLayer {
  const { hidden = 4, dropout: rate = 0, name = "block", ...attending } = options;
  if (!(Number.isFinite(hidden) && hidden > 0)) {
    fail("transformerBlock", {
      expected: "hidden to be a number above 0: how many times wider than the features it is",
      got: String(hidden),
      fix: "for example 4",
    });
  }
  const attend = attention({ ...attending, dropout: rate, name: `${name}.attention` });
  const attentionNorm = layerNorm({ name: `${name}.attentionNorm` });
  const feedForwardNorm = layerNorm({ name: `${name}.feedForwardNorm` });
  const drop = dropout(rate);
  let feedForward: Layer | undefined;
  return (x, mask) => {
    const attended = add(x, drop(attend(attentionNorm(x), mask)));
    feedForward ??= makeFeedForward(featuresOf("transformerBlock", x), hidden, drop, name);
    return add(attended, drop(feedForward(feedForwardNorm(attended))));
  };
}

function makeFeedForward(features: number, hidden: number, drop: Layer, name: string): Layer {
  const width = Math.max(1, Math.round(hidden * features));
  const expand = linear(features, width, { name: `${name}.expand` });
  const contract = linear(width, features, { name: `${name}.contract` });
  return (x: Tensor) => contract(drop(gelu(expand(x))));
}
