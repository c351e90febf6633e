/** The model of a text file: a small transformer over its bytes that says which comes next. */

import { float32 } from "../../array/array.ts";
import { constant } from "../../graph/tensor.ts";
import {
  accuracy,
  crossEntropy,
  embedding,
  layerNorm,
  linear,
  positional,
  sequence,
  transformerBlock,
} from "../../nn/index.ts";
import { gather, mul } from "../../ops/index.ts";
import type { Plan } from "../../train/plan.ts";

/** Bytes are the vocabulary: a saved model needs no list of characters beside it, and no later text has unknown ones. */
const tokens = 256;
const [width, heads, blocks] = [96, 4, 2];

/** The parts of a plan that follow from a text. */
export interface TextModel
  extends Required<Pick<Plan, "model" | "loss" | "baseline">>,
    Required<Pick<NonNullable<Plan["validation"]>, "metrics">> {
  /** For the description: "a transformer of 2 blocks of 96 features". */
  readonly words: string;
}

/**
 * Embedding, learned positions, blocks of causal attention, and one linear layer: tokens [batch, context] → logits
 * [batch, context, 256], a guess behind every byte. dropout: the part of each branch that a step leaves out. counts: how often each
 * byte comes in the training text, which is all that the trivial model knows.
 */
export function textModel(counts: Float64Array, options: { readonly dropout: number }): TextModel {
  const { dropout } = options;
  const body = sequence(
    embedding(tokens, width),
    positional("learned"),
    ...Array.from({ length: blocks }, () => transformerBlock({ heads, causal: true, dropout })),
    layerNorm(),
    linear(tokens, { name: "output" }),
  );
  return {
    words: `a transformer of ${blocks} blocks of ${width} features`,
    model: (row) => body(row.tokens!),
    loss: (logits, row) => crossEntropy(logits, row.next!),
    metrics: { accuracy: (logits, row) => accuracy(logits, row.next!) },
    baseline: (row) => gather(constant(float32(logShares(counts), [1, tokens])), mul(row.next!, 0)),
  };
}

/** Every byte once more than it was seen (Laplace), so that none of another part of the text is impossible. */
function logShares(counts: Float64Array): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return Array.from(counts, (count) => Math.log((count + 1) / (total + tokens)));
}
