/** The fully connected layer. */
import { formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { type Initializer, parameter, type Tensor } from "../graph/tensor.ts";
import { affine } from "../ops/matmul.ts";
import { uniform } from "./initializer.ts";
import { featuresOf, type Layer } from "./layer.ts";

/** Options of `linear`. */
export interface LinearOptions {
  /** What its parameters are called: "linear" gives "linear.weight" and "linear.bias". */
  readonly name?: string;
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean;
  /** First weights. Default uniform ±1/√inputs, as PyTorch's Linear (kaiming_uniform_ with a = √5). */
  readonly initializer?: Initializer;
  /** First biases. Default uniform ±1/√inputs, as PyTorch's Linear. */
  readonly biasInitializer?: Initializer;
}

/**
 * x · weightᵀ + bias over the last axis: [..., inputs] → [..., outputs]. Weight [outputs, inputs], bias [outputs].
 * Without `inputs` the layer takes them from the first tensor it is applied to. Applying it again shares its parameters.
 * Throws for sizes that are no whole numbers from 1 on, and for a tensor whose last axis is not `inputs`.
 */
export function linear(outputs: number, options?: LinearOptions): Layer;
export function linear(inputs: number, outputs: number, options?: LinearOptions): Layer;
export function linear(first: number, second?: number | LinearOptions, third?: LinearOptions): Layer {
  const [inputs, outputs, options] =
    typeof second === "number" ? [first, second, third ?? {}] : [undefined, first, second ?? {}];
  const where = inputs === undefined ? `linear(${outputs})` : `linear(${inputs}, ${outputs})`;
  for (const size of inputs === undefined ? [outputs] : [inputs, outputs]) checkSize(where, size);
  let size = inputs;
  let own: LinearParameters | undefined;
  return (x) => {
    const features = featuresOf(where, x);
    size ??= features;
    if (features !== size) {
      fail(where, {
        expected: `the last axis to be ${size}`,
        got: formatShape(x.shape),
        fix:
          inputs === undefined
            ? `make another linear(${outputs}) for it; this one took ${size} from the tensor it saw first`
            : `linear(${features}, ${outputs}), or select ${size} columns`,
      });
    }
    own ??= parameters(size, outputs, options);
    return affine(x, own.weight, own.bias);
  };
}

interface LinearParameters {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

function parameters(inputs: number, outputs: number, options: LinearOptions): LinearParameters {
  const { name = "linear", bias = true } = options;
  const { initializer = uniform(1 / Math.sqrt(inputs)) } = options;
  const { biasInitializer = uniform(1 / Math.sqrt(inputs)) } = options;
  const owner = {};
  return {
    weight: parameter([outputs, inputs], initializer, `${name}.weight`, owner),
    bias: bias ? parameter([outputs], biasInitializer, `${name}.bias`, owner) : undefined,
  };
}

function checkSize(where: string, size: number): void {
  if (!(Number.isSafeInteger(size) && size >= 1)) {
    fail(where, {
      expected: "sizes that are whole numbers from 1 on",
      got: String(size),
      fix: "for example linear(64)",
    });
  }
}
