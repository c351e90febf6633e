/** Products of matrices. Two-dimensional ones are Gemm: it takes transposed operands and a summand for free. */
import { broadcastShapes, type Dim, formatShape, productDim } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { add } from "./arithmetic.ts";
import { scatterAdd } from "./gather.ts";
import { fill, reshape, transpose } from "./movement.ts";
import { floats, requireDType, requireStretching } from "./require.ts";
import { cast } from "./selection.ts";

/**
 * Matrix product over the last two axes: [..., m, k] · [..., k, n] → [..., m, n]; leading axes broadcast.
 * Throws for vectors and for inner sizes that differ. Source: ONNX MatMul-13 and Gemm-13.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.shape.length < 2 || b.shape.length < 2) {
    fail("matmul", {
      expected: "two tensors of at least two axes",
      got: `${formatShape(a.shape)} and ${formatShape(b.shape)}`,
      fix: "reshape a vector to [1, k] or [k, 1]",
    });
  }
  if (b.shape.length === 2) return rows(a, (flat) => gemm(flat, b), b.shape[1]!);
  return apply(matmulOp, [a, b], {});
}

/**
 * x · weightᵀ + bias over the last axis: [..., in] · [out, in]ᵀ + [out] → [..., out].
 * Leading axes are flattened, which is free and faster than a batched product. Source: ONNX Gemm-13.
 */
export function affine(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (x.shape.length === 0 || weight.shape.length !== 2) {
    fail("affine", {
      expected: "x with at least one axis and a weight [out, in]",
      got: `${formatShape(x.shape)} and ${formatShape(weight.shape)}`,
      fix: x.shape.length === 0 ? "reshape x to [1]" : "reshape the weight to [out, in]",
    });
  }
  return rows(x, (flat) => gemm(flat, weight, { summand: bias, transposeB: true }), weight.shape[0]!);
}

/** Options of `gemm`. */
export interface GemmOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Added to the product; broadcasts to it. */
  readonly summand?: Tensor | undefined;
}

/** a' · b' + summand for two-dimensional tensors, where ' may transpose. Source: ONNX Gemm-13. */
export function gemm(a: Tensor, b: Tensor, options: GemmOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, summand } = options;
  return apply(gemmOp, summand === undefined ? [a, b] : [a, b, summand], { transposeA, transposeB });
}

/** Sum over the first of two axes: [m, n] → [n]. A product with ones is 1.4 × faster than ONNX ReduceSum. */
export function sumRows(x: Tensor): Tensor {
  return reshape(gemm(cast(fill([1, x.shape[0]!], 1), x.dtype), x), [x.shape[1]!]);
}

/**
 * sum + value, where a matrix product takes the sum as its summand and rows scattered into zeros are scattered into the
 * sum instead, so that adding costs no node of its own.
 * `value` must not be used elsewhere, or it is computed twice.
 */
export function accumulate(sum: Tensor, value: Tensor): Tensor {
  if (value.op.name === "reshape" && value.inputs[0]!.op.name === "gemm") {
    const product = value.inputs[0]!;
    // [1, out] = ones · dy reads a summand of shape [out] as it is.
    if (product.inputs.length === 2 && product.shape[0] === 1 && sum.shape.length === 1) {
      return reshape(withSummand(product, sum), sum.shape);
    }
  }
  if (value.op.name === "gemm" && value.inputs.length === 2) return withSummand(value, sum);
  if (value.op.name === "scatterAdd" && isZeros(value.inputs[0]!)) {
    return scatterAdd(sum, value.inputs[1]!, value.inputs[2]!);
  }
  return add(value, sum);
}

const isZeros = (x: Tensor) => x.op.name === "fill" && x.attributes.value === 0;

function withSummand(product: Tensor, summand: Tensor): Tensor {
  const { transposeA, transposeB } = product.attributes as GemmAttributes; // a gemm node has a gemm's attributes
  return gemm(product.inputs[0]!, product.inputs[1]!, { transposeA, transposeB, summand });
}

/** Runs a two-dimensional product on x with its leading axes flattened to one. */
function rows(x: Tensor, product: (flat: Tensor) => Tensor, columns: Dim): Tensor {
  if (x.shape.length === 2) return product(x);
  const leading = x.shape.slice(0, -1);
  const flat = reshape(x, [productDim(leading, "matmul"), x.shape.at(-1)!]);
  return reshape(product(flat), [...leading, columns]);
}

function requireProduct(where: string, a: Tensor, b: Tensor, inner: Dim, k: Dim): void {
  // Not the same float: a model that is judged in float64 mixes float64 inputs with parameters, which are float32.
  requireDType(where, a, floats);
  requireDType(where, b, floats);
  if (inner !== k) {
    fail(where, {
      expected: "inner sizes to agree",
      got: `${inner} in ${formatShape(a.shape)} and ${k} in ${formatShape(b.shape)}`,
      fix: `give the right side ${inner} where it has ${k}, or the left side ${k} where it has ${inner}`,
    });
  }
}

type GemmAttributes = { readonly transposeA: boolean; readonly transposeB: boolean };

const gemmOp = defineOp<GemmAttributes>({
  name: "gemm",
  infer: ([a, b, summand], { transposeA, transposeB }) => {
    if (a!.shape.length !== 2 || b!.shape.length !== 2) {
      fail("gemm", {
        expected: "two tensors of two axes",
        got: `${formatShape(a!.shape)} and ${formatShape(b!.shape)}`,
        fix: "use matmul for more axes",
      });
    }
    const [m, inner] = transposeA ? [a!.shape[1]!, a!.shape[0]!] : [a!.shape[0]!, a!.shape[1]!];
    const [k, n] = transposeB ? [b!.shape[1]!, b!.shape[0]!] : [b!.shape[0]!, b!.shape[1]!];
    requireProduct("matmul", a!, b!, inner, k);
    if (summand) {
      requireDType("matmul", summand, floats);
      requireStretching("matmul", "a summand", summand.shape, [m, n]);
    }
    return { shape: [m, n], dtype: a!.dtype };
  },
  gradient: ({ inputs: [a, b, summand], attributes: { transposeA, transposeB }, dy, needs }) => [
    !needs(0)
      ? undefined
      : transposeA
        ? gemm(b!, dy, { transposeA: transposeB, transposeB: true })
        : gemm(dy, b!, { transposeB: !transposeB }),
    !needs(1)
      ? undefined
      : transposeB
        ? gemm(dy, a!, { transposeA: true, transposeB: transposeA })
        : gemm(a!, dy, { transposeA: !transposeA }),
    ...(summand ? [dy] : []),
  ],
  onnx: ({ inputs, attributes: { transposeA, transposeB }, node, output }) => {
    node("Gemm", inputs, { ...(transposeA && { transA: 1 }), ...(transposeB && { transB: 1 }) }, output);
  },
  samples: [
    {
      inputs: [
        ["batch", 4],
        [4, 2],
      ],
      build: (a, b) => gemm(a, b),
    },
    {
      inputs: [
        ["batch", 2, 4],
        [4, 3],
      ],
      build: matmul,
    },
    { inputs: [["batch", 4], [2, 4], [2]], build: (a, b, c) => affine(a, b, c) },
    {
      inputs: [
        ["batch", 4],
        ["batch", 2],
      ],
      build: (a, b) => gemm(a, b, { transposeA: true }),
    },
    {
      inputs: [
        [4, "batch"],
        [2, 4],
      ],
      build: (a, b) => gemm(a, b, { transposeA: true, transposeB: true }),
    },
    { inputs: [["batch", 2, 4], [3, 4], [3]], build: (a, b, c) => affine(a, b, c) },
    { inputs: [["batch", 4], [4]], build: (a, b) => add(sumRows(a), b) },
    {
      inputs: [
        ["batch", 4],
        ["batch", 2],
        [4, 2],
      ],
      build: (a, b, c) => accumulate(c, gemm(a, b, { transposeA: true })),
    },
  ],
});

const matmulOp: Op = defineOp({
  name: "matmul",
  infer: ([a, b]) => {
    const [m, inner] = a!.shape.slice(-2) as [Dim, Dim];
    const [k, n] = b!.shape.slice(-2) as [Dim, Dim];
    requireProduct("matmul", a!, b!, inner, k);
    const leading = broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2), "matmul");
    return { shape: [...leading, m, n], dtype: a!.dtype };
  },
  gradient: ({ inputs: [a, b], dy, needs }) => [
    needs(0) ? matmul(dy, swapLast(b!)) : undefined,
    needs(1) ? apply(matmulOp, [swapLast(a!), dy], {}) : undefined,
  ],
  onnx: "MatMul",
  samples: [
    {
      inputs: [
        ["batch", 2, 4],
        ["batch", 4, 3],
      ],
      build: matmul,
    },
    {
      inputs: [
        ["batch", 2, 2, 4],
        [2, 4, 3],
      ],
      build: matmul,
    },
  ],
});

/** x with its last two axes swapped. */
export function swapLast(x: Tensor): Tensor {
  const axes: readonly number[] = x.shape.map((_, axis) => axis);
  return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}
