/** ONNX's Attention and RotaryEmbedding (from set 23 on), as exporters of transformers write them. */
import { formatShape, type Shape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { constantOf } from "./arrays.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** [samples, positions, heads · size] → [samples, heads, positions, size]; four axes stay as they are. */
function headed(node: NodeReader, index: number, heads: string): Tensor {
  const x = node.input(index);
  if (x.shape.length === 4) return x;
  const count = node.int(heads, 0);
  const width = node.fixed(2, index);
  if (x.shape.length !== 3 || count < 1 || width % count !== 0) {
    node.refuse(`[samples, positions, ${heads} · size]`, `${formatShape(x.shape)} and ${count} heads`);
  }
  return ops.transpose(ops.reshape(x, [x.shape[0]!, x.shape[1]!, count, width / count]), [0, 2, 1, 3]);
}

/** Keys and values that several heads of queries share are repeated for each of them. */
function shared(node: NodeReader, x: Tensor, heads: number): Tensor {
  const [samples, own, ...rest] = x.shape;
  const times = heads / Number(own);
  if (times === 1) return x;
  if (!Number.isInteger(times)) node.refuse(`a multiple of ${own} heads of queries`, String(heads));
  const spread: Shape = [samples!, own!, 1, ...rest];
  const repeated = ops.expand(ops.reshape(x, spread), [samples!, own!, times, ...rest]);
  return ops.reshape(repeated, [samples!, heads, ...rest]);
}

/** What is added to the scores: 0 where a query may look, −∞ (or a mask of numbers) elsewhere. */
function withMask(node: NodeReader, scores: Tensor, queries: number, keys: number): Tensor {
  const mask = node.optional(3);
  let result = scores;
  if (node.flag("is_causal")) {
    node.bounded(queries * keys, "a mask", 2 ** 22);
    const isLater = Array.from({ length: queries * keys }, (_, at) =>
      Number(at % keys > Math.floor(at / keys)),
    );
    result = ops.where(constantOf(isLater, [queries, keys], "bool"), Number.NEGATIVE_INFINITY, result);
  }
  if (mask === undefined) return result;
  return mask.dtype === "bool" ? ops.where(mask, result, Number.NEGATIVE_INFINITY) : ops.add(result, mask);
}

function attention(node: NodeReader): readonly Tensor[] {
  if (node.has(4) || node.has(5) || node.has(6) || node.gives(1) || node.gives(2) || node.gives(3)) {
    node.refuse("queries, keys, values and a mask alone", "a cache of earlier keys, or scores that come out");
  }
  const queries = headed(node, 0, "q_num_heads");
  const heads = Number(queries.shape[1]);
  const [keys, values] = [headed(node, 1, "kv_num_heads"), headed(node, 2, "kv_num_heads")].map((one) =>
    shared(node, one, heads),
  ) as [Tensor, Tensor]; // two in, two out
  const [time, size, count] = [queries.shape[2], queries.shape[3], keys.shape[2]].map((dim) =>
    typeof dim === "number" ? dim : node.refuse("sequences of a fixed length", formatShape(queries.shape)),
  ) as [number, number, number]; // three in, three out
  const scale = node.float("scale", 1 / Math.sqrt(size));
  let scores = ops.matmul(ops.mul(queries, scale), ops.transpose(keys, [0, 1, 3, 2])); // [samples, heads, time, keys]
  const cap = node.float("softcap", 0);
  if (cap > 0) scores = ops.mul(ops.tanh(ops.div(scores, cap)), cap);
  const weights = ops.softmax(withMask(node, scores, time, count));
  const result = ops.matmul(weights, values);
  if (node.shape(0).length === 4) return [result];
  const [samples, , , last] = result.shape;
  return [ops.reshape(ops.transpose(result, [0, 2, 1, 3]), [samples!, time, heads * Number(last)])];
}

/** Pairs of elements turned by an angle that grows with the position: halves of the vector, or neighbours. */
function rotary(node: NodeReader): Tensor {
  const given = node.input(0);
  const x = headed(node, 0, "num_heads"); // [samples, heads, positions, size]
  const size = Number(x.shape[3]);
  const turned = node.int("rotary_embedding_dim", 0) || size;
  const half = turned / 2;
  const [cos, sin] = [1, 2].map((index) => {
    const cache = node.has(3) ? ops.gather(node.input(index), node.input(3)) : node.input(index);
    return ops.reshape(cache, [cache.shape[0]!, 1, cache.shape[1]!, half]);
  }) as [Tensor, Tensor]; // two in, two out
  const rotating = ops.slice(x, { start: 0, end: turned });
  const isNeighbours = node.flag("interleaved");
  const pairs: Shape = [...x.shape.slice(0, 3), ...(isNeighbours ? [half, 2] : [2, half])];
  const split = ops.reshape(rotating, pairs);
  const axis = isNeighbours ? 4 : 3;
  const [a, b] = [0, 1].map((at) =>
    ops.reshape(ops.slice(split, { start: at, end: at + 1 }, axis), [...x.shape.slice(0, 3), half]),
  ) as [Tensor, Tensor]; // two in, two out
  const parts = [ops.sub(ops.mul(cos, a), ops.mul(sin, b)), ops.add(ops.mul(sin, a), ops.mul(cos, b))];
  const one = (part: Tensor) =>
    ops.reshape(part, [...x.shape.slice(0, 3), ...(isNeighbours ? [half, 1] : [1, half])]);
  const joined = ops.reshape(ops.concat(parts.map(one), axis), rotating.shape);
  const whole = turned === size ? joined : ops.concat([joined, ops.slice(x, { start: turned })]);
  return given.shape.length === 4 ? whole : ops.reshape(ops.transpose(whole, [0, 2, 1, 3]), given.shape);
}

export const attentions: Operators = { Attention: attention, RotaryEmbedding: rotary };
