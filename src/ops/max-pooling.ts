/** The largest element of every window. */
import { productDim, type Shape } from "../array/shape.ts";
import { defineOp, type EmitContext, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { aboveZero } from "./above-zero.ts";
import { mul } from "./arithmetic.ts";
import { emitUnpooling, isUnpoolable } from "./max-unpooling.ts";
import { onnxWindows, pooledShape, type WindowOptions, type Windows, windowsOf } from "./pooling-windows.ts";
import { floats, requireDType } from "./require.ts";

/**
 * The largest element of every window: [samples, channels, length] or [samples, channels, height, width] → the same axes,
 * ⌊(length + 2 · padding − size) / stride⌋ + 1 each. Padding never wins.
 * At a tie the whole gradient goes to the first of the largest, row by row, as in PyTorch. A window that holds NaN may give
 * another of its elements: ONNX Runtime's kernel skips NaN at most places. Throws as `windowsOf`. Source: ONNX MaxPool-12.
 */
export function maxPooling(
  x: Tensor,
  size: number | readonly number[],
  options: WindowOptions = {},
  where = "maxPooling",
): Tensor {
  requireDType(where, x, floats);
  return apply(maxPoolingOp, [x], windowsOf(where, x, size, options));
}

/**
 * The same as `scattered`, the gradient of x pooled, with zeros where x is not above 0: found before it is scattered, on as
 * many numbers as there are windows. None where `scattered` is something else.
 */
export function scatteredAboveZero(scattered: Tensor, x: Tensor): Tensor | undefined {
  const [from, dy, pooled] = scattered.inputs;
  if (scattered.op.name !== scatterToLargestOp.name || from !== x || pooled === undefined) return undefined;
  return Object.freeze({ ...scattered, inputs: Object.freeze([from, mul(aboveZero(pooled), dy!), pooled]) });
}

function inferPooled([x]: readonly Tensor[], windows: Windows) {
  requireDType("maxPooling", x!, floats);
  return { shape: pooledShape(x!.shape, windows), dtype: x!.dtype };
}

/** Far apart, so that few draws are thrown away because two elements of a window nearly tie. */
const apart = (shape: Shape) => ({ shape, range: [-9, 9] as const });

const maxSamples: readonly (readonly [Shape, number | number[], WindowOptions])[] = [
  [["batch", 1, 4, 6], 2, {}],
  [["batch", 1, 5, 3], [2, 3], {}], // a row is left over
  [["batch", 2, 7], 3, {}],
  [["batch", 1, 5, 4], 3, { stride: 2, padding: 1 }],
  [["batch", 2, 6], 3, { stride: 1 }],
  [[1, 1, 3, 5], 2, { stride: [1, 3] }], // a column is in no window
];

const maxPoolingOp = defineOp<Windows>({
  name: "maxPooling",
  infer: inferPooled,
  gradient: ({ inputs: [x], output, attributes, dy }) => [
    apply(scatterToLargestOp, [x!, dy, output], attributes),
  ],
  onnx: ({ inputs, attributes, node, output }) => {
    node("MaxPool", inputs, onnxWindows(attributes), output);
  },
  samples: maxSamples.map(([shape, size, options]) => ({
    inputs: [apart(shape)],
    build: (x) => maxPooling(x, size, options),
  })),
});

/**
 * Of [x, dy], one number of dy per window: each added at the first of the largest of its window of x; zeros elsewhere.
 * For windows that overlap, leave gaps or reach beyond the edge, the places are MaxPool's second output. Comparing place by
 * place of the window and adding up by Col2Im takes 0.9 to 1.3 of the time, by ConvTranspose more.
 * For windows side by side see `emitUnpooling`. A third input, where there is one, is x pooled.
 */
const scatterToLargestOp: Op<Windows> = defineOp<Windows>({
  name: "scatterToLargest",
  infer: ([x]) => {
    requireDType("scatterToLargest", x!, floats);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [x], attributes, dy, needs }) => [
    undefined,
    needs(1) ? apply(pickLargestOp, [x!, dy], attributes) : undefined,
  ],
  onnx: (context) => {
    const { inputs, tensors, node, ints, constant: number, size, output } = context;
    const x = tensors[0]!;
    if (inputs.length > 2 && isUnpoolable(x, context.attributes)) return emitUnpooling(context);
    const total = productDim(x.shape, "scatterToLargest");
    const zeros = node("Expand", [number([0], [], x.dtype), size(total)]);
    const values = node("Reshape", [inputs[1]!, ints([-1])]);
    const positions = node("Reshape", [positionsOfLargest(context), ints([-1])]);
    const sums = node("ScatterElements", [zeros, positions, values], { axis: 0, reduction: "add" });
    const open = x.shape.map((dim) => (typeof dim === "number" ? dim : -1));
    node("Reshape", [sums, ints(open)], {}, output);
  },
  samples: [
    {
      inputs: [apart(["batch", 1, 5, 4]), ["batch", 1, 3, 2]],
      build: (x, dy) => apply(scatterToLargestOp, [x, dy], overlapping),
    },
  ],
});

const overlapping: Windows = { size: [3, 3], stride: [2, 2], padding: [1, 1] };

/** Of [x, values], both in x's shape: the value at the first of the largest of every window of x. */
const pickLargestOp: Op<Windows> = defineOp<Windows>({
  name: "pickLargest",
  infer: inferPooled,
  gradient: ({ inputs: [x], attributes, dy, needs }) => [
    undefined,
    needs(1) ? apply(scatterToLargestOp, [x!, dy], attributes) : undefined,
  ],
  onnx: (context) => {
    const { inputs, node, ints, output } = context;
    const values = node("Reshape", [inputs[1]!, ints([-1])]);
    node("Gather", [values, positionsOfLargest(context)], { axis: 0 }, output);
  },
  samples: [
    {
      inputs: [apart(["batch", 1, 5, 4]), ["batch", 1, 5, 4]],
      build: (x, values) => apply(pickLargestOp, [x, values], overlapping),
    },
  ],
});

/** MaxPool's second output: for every window a place in x flattened, also where all is NaN or −∞. */
function positionsOfLargest({ inputs, attributes, node, further }: EmitContext<Windows>): string {
  const values = node("MaxPool", [inputs[0]!], onnxWindows(attributes), undefined, "", 1);
  return further(values)[0]!;
}
