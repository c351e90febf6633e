/** Tokens as trained vectors. */
import { formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { type Initializer, parameter, type Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { gather } from "../ops/gather.ts";
import { reshape } from "../ops/movement.ts";
import { cast, equal, not } from "../ops/selection.ts";
import { normal } from "./initializer.ts";
import type { Layer } from "./layer.ts";

/** Options of `embedding`. */
export interface EmbeddingOptions {
  /** What its parameter is called: "embedding" gives "embedding.weight". */
  readonly name?: string;
  /** First vectors. Default normal with deviation 1, as PyTorch's Embedding. */
  readonly initializer?: Initializer;
  /** A token whose vector is zeros, and never trained. Default: none. */
  readonly padding?: number;
}

/**
 * The layer, and its table for who reads it elsewhere: `affine(x, layer.table)` scores tokens with the same
 * vectors.
 */
export type EmbeddingLayer = Layer & {
  /** [tokens, size]. */
  readonly table: Tensor;
};

/**
 * A row of a trained table [tokens, size] per token: whole numbers [batch, …] (int32, int64 or uint8, 0 …
 * tokens − 1) → [batch, …, size]. Only the rows that were read have a gradient to compute: it is added row by
 * row, never through a one-hot matrix. The trainer checks the tokens before they are used.
 * Throws for sizes that are no whole numbers from 1 on, and for tokens of another dtype. Source: PyTorch
 * Embedding.
 */
export function embedding(tokens: number, size: number, options: EmbeddingOptions = {}): EmbeddingLayer {
  const where = `embedding(${tokens}, ${size})`;
  const { name = "embedding", initializer = normal(1), padding } = options;
  checkSizes(where, tokens, size, padding);
  const table = parameter([tokens, size], initializer, `${name}.weight`, {});
  const layer = (x: Tensor) => {
    const codes = codesOf(where, x);
    const vectors = gather(table, codes);
    if (padding === undefined) return vectors;
    const isText = cast(not(equal(codes, padding)), vectors.dtype);
    return mul(vectors, reshape(isText, [...codes.shape, 1]));
  };
  return Object.freeze(Object.assign(layer, { table }));
}

function codesOf(where: string, x: Tensor): Tensor {
  if (x.dtype === "int32" || x.dtype === "int64") return x;
  if (x.dtype === "uint8") return cast(x, "int32");
  return fail(where, {
    expected: "tokens of whole numbers, int32, int64 or uint8",
    got: `${x.dtype} ${formatShape(x.shape)}`,
    fix: `cast(x, "int32"), or linear(${x.shape.at(-1) ?? 1}) for numbers that measure something`,
  });
}

function checkSizes(where: string, tokens: number, size: number, padding: number | undefined): void {
  const wrong = [tokens, size].find((each) => !(Number.isSafeInteger(each) && each >= 1));
  if (wrong !== undefined) {
    fail(where, {
      expected: "sizes that are whole numbers from 1 on",
      got: String(wrong),
      fix: "for example embedding(vocabulary.size, 64)",
    });
  }
  if (padding !== undefined && !(Number.isInteger(padding) && padding >= 0 && padding < tokens)) {
    fail(where, {
      expected: `padding to be a token from 0 to ${tokens - 1}`,
      got: String(padding),
      fix: "leave it out, or name one of the tokens",
    });
  }
}
