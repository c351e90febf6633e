/** ONNX operators that are sums of products. */
import { type Dim, formatShape, isBatchDim } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin } from "./activation.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** Vectors become matrices of one row or column, which the result loses again. */
export function matmul(node: NodeReader, a: Tensor, b: Tensor): Tensor {
  requireWithin(node, a, [a.shape.length - 1]);
  const left = a.shape.length === 1 ? ops.reshape(a, [1, ...a.shape]) : a;
  const right = b.shape.length === 1 ? ops.reshape(b, [...b.shape, 1]) : b;
  const product = ops.matmul(left, right);
  const shape = product.shape.filter((_, axis) => {
    const fromEnd = product.shape.length - axis;
    return !(a.shape.length === 1 && fromEnd === 2) && !(b.shape.length === 1 && fromEnd === 1);
  });
  return ops.reshape(product, shape);
}

/** alpha · a' · b' + beta · c; c may be left out from set 11 on. */
function gemm(node: NodeReader): Tensor {
  const [a, b, c] = [node.input(0), node.input(1), node.optional(2)];
  const [transposeA, transposeB] = [node.flag("transA"), node.flag("transB")];
  requireWithin(node, a, [transposeA ? 0 : 1]);
  const [alpha, beta] = [node.float("alpha", 1), node.float("beta", 1)];
  if (alpha === 1 && (c === undefined || beta === 1)) {
    return ops.gemm(a, b, { transposeA, transposeB, summand: c });
  }
  const product = ops.gemm(a, b, { transposeA, transposeB });
  const scaled = alpha === 1 ? product : ops.mul(product, alpha);
  if (c === undefined || beta === 0) return scaled;
  return ops.add(scaled, beta === 1 ? c : ops.mul(c, beta));
}

/** Letters of each input and of the output. */
function equation(node: NodeReader): { readonly inputs: readonly string[]; readonly output: string } {
  const text = node.text("equation", "").replaceAll(" ", "");
  const [left, right] = text.split("->");
  const inputs = left!.split(",");
  if (!/^[a-zA-Z,.]*(->[a-zA-Z.]*)?$/.test(text) || inputs.length !== node.count) {
    node.refuse("an equation with one term per input", JSON.stringify(text));
  }
  const once = [...left!.replaceAll(/[,.]/g, "")].filter(
    (one, _, all) => all.filter((x) => x === one).length === 1,
  );
  const dots = left!.includes("...") ? "..." : "";
  return { inputs, output: right ?? dots + [...new Set(once)].sort().join("") };
}

/** Every input gets an axis per letter of the equation, in one order; what the output lacks is summed after multiplying. */
function einsum(node: NodeReader): Tensor {
  const { inputs, output } = equation(node);
  const named = inputs.map((term, index) => lettered(node, term, node.input(index)));
  const dots = Math.max(...named.map(({ dots: count }) => count));
  const dotNames = Array.from({ length: dots }, (_, index) => String(index));
  const wanted = output.replace("...", "").split("").filter(Boolean);
  const result = [...(output.includes("...") ? dotNames : []), ...wanted];
  const all = [...new Set([...result, ...dotNames, ...named.flatMap(({ letters }) => letters)])];
  const aligned = named.map(({ x, letters, dots: count }) => {
    const own = [...dotNames.slice(dots - count), ...letters];
    const order = all.filter((letter) => own.includes(letter)).map((letter) => own.indexOf(letter));
    const moved = ops.transpose(x, order);
    const sizes = moved.shape[Symbol.iterator]();
    return ops.reshape(
      moved,
      all.map((letter): Dim => (own.includes(letter) ? sizes.next().value! : 1)),
    );
  });
  const product = aligned.reduce((a, b) => ops.mul(a, b));
  const summed = all.flatMap((letter, axis) => (result.includes(letter) ? [] : [axis]));
  requireWithin(node, product, summed);
  node.bounded(
    product.shape.reduce<number>((count, dim) => count * (isBatchDim(dim) ? 1 : dim), 1),
    "a product",
    2 ** 28,
  );
  return ops.sum(product, { axes: summed });
}

/** The letters of a term, each once: a letter that comes twice takes the diagonal. */
function lettered(node: NodeReader, term: string, input: Tensor) {
  const dotted = term.includes("...");
  let letters = [...term.replace("...", "")];
  let x = input;
  const count = x.shape.length - letters.length;
  if (count < 0 || (count > 0 && !dotted))
    node.refuse(`as many letters as axes in "${term}"`, formatShape(x.shape));
  if (dotted && !term.startsWith("...")) node.refuse("dots in front", JSON.stringify(term));
  for (let at = 0; at < letters.length; at++) {
    const twin = letters.indexOf(letters[at]!, at + 1);
    if (twin < 0) continue;
    x = diagonal(x, count + at, count + twin);
    letters = letters.toSpliced(twin, 1);
    at--;
  }
  return { x, letters, dots: count };
}

/** The elements of two axes whose positions agree; they lie at axis `a`. */
function diagonal(x: Tensor, a: number, b: number): Tensor {
  const others = [...x.shape.keys()].filter((axis) => axis !== a && axis !== b);
  const moved = ops.transpose(x, [a, b, ...others]);
  const size = Number(x.shape[a]);
  const rows = Array.from({ length: size }, (_, index) =>
    ops.slice(ops.slice(moved, { start: index, end: index + 1 }, 0), { start: index, end: index + 1 }, 1),
  );
  const joined = ops.reshape(ops.concat(rows, 0), [size, ...others.map((axis) => x.shape[axis]!)]);
  const order = [...others.keys()].map((index) => index + 1).toSpliced(a, 0, 0);
  return ops.transpose(joined, order);
}

export const products: Operators = {
  Einsum: einsum,
  Gemm: gemm,
  MatMul: (node) => matmul(node, node.input(0), node.input(1)),
};
