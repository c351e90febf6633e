/** The model of a text file: a small transformer over its tokens that says which comes next. */

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

/** What the transformer is made of. */
export interface TextModelOptions {
  /** Features of each token. */
  readonly width: number;
  /** How many blocks lie on each other. */
  readonly layers: number;
  /** Heads of attention: they divide the width. */
  readonly heads: number;
  /** The part of each branch that a step leaves out. */
  readonly dropout: number;
}

/** The parts of a plan that follow from a text. */
export interface TextModel
  extends Required<Pick<Plan, "model" | "loss" | "baseline">>,
    Required<Pick<NonNullable<Plan["validation"]>, "metrics">> {
  /** For the description: "a transformer of 2 blocks of 96 features". */
  readonly words: string;
}

/**
 * Embedding, learned positions, blocks of causal attention, and one linear layer: tokens [batch, context] → logits
 * [batch, context, vocabulary], a guess behind every token. counts: how often each token comes in the training text, which is all that
 * the trivial model knows, and whose length is the vocabulary's.
 */
export function textModel(counts: Float64Array, options: TextModelOptions): TextModel {
  const { width, layers, heads, dropout } = options;
  const tokens = counts.length;
  const body = sequence(
    embedding(tokens, width),
    positional("learned"),
    ...Array.from({ length: layers }, () => transformerBlock({ heads, causal: true, dropout })),
    layerNorm(),
    linear(tokens, { name: "output" }),
  );
  return {
    words: `a transformer of ${layers} block${layers === 1 ? "" : "s"} of ${width} features`,
    model: (row) => body(row.tokens!),
    loss: (logits, row) => crossEntropy(logits, row.next!),
    metrics: { accuracy: (logits, row) => accuracy(logits, row.next!) },
    baseline: (row) => gather(constant(float32(logShares(counts), [1, tokens])), mul(row.next!, 0)),
  };
}

/** Every token once more than it was seen (Laplace), so that none of another part of the text is impossible. */
function logShares(counts: Float64Array): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return Array.from(counts, (count) => Math.log((count + 1) / (total + counts.length)));
}
