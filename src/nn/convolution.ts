/** What the convolutional layers share: their options, parameters and checks. */
import { factorOf, formatShape, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { type Initializer, parameter, type Tensor } from "../graph/tensor.ts";
import type { Pair } from "../ops/convolution-geometry.ts";
import { requireImage, requireWhole } from "../ops/convolution-geometry.ts";
import { uniform } from "./initializer.ts";
import type { Layer } from "./layer.ts";

/** Options that every convolutional layer takes. */
export interface ConvolutionLayerOptions {
  /** What its parameters are called: "conv" gives "conv.weight" and "conv.bias". */
  readonly name?: string;
  /** Whether a bias is added to every channel of the output. Default true. */
  readonly bias?: boolean;
  /** First weights. Default uniform ±1/√fan, as PyTorch's (kaiming_uniform_ with a = √5). */
  readonly initializer?: Initializer;
  /** First biases. Default uniform ±1/√fan, as PyTorch's. */
  readonly biasInitializer?: Initializer;
}

/** What tells one convolutional layer from another. */
export interface ConvolutionPlan {
  /** The call, for errors: "conv2d(16, 3)". */
  readonly where: string;
  /** The same call for other channels, as a fix. */
  readonly called: (inputs: number) => string;
  /** What parameters are called where no name is given. */
  readonly name: string;
  /** Channels of the input; learned from the first tensor where they are not given. */
  readonly inputs: number | undefined;
  readonly outputs: number;
  readonly groups: number;
  /** Axes of the input: 4 for images, 3 for sequences. */
  readonly axes: 3 | 4;
  /** The weight's shape. Its axes from the second on make up the fan. */
  weightShape(inputs: number): readonly number[];
  /** Checks what depends on the size of x, and applies the op. */
  apply(x: Tensor, weight: Tensor, bias: Tensor | undefined): Tensor;
}

/** The layer of a plan. Applying it again shares its parameters. */
export function convolutionLayer(plan: ConvolutionPlan, options: ConvolutionLayerOptions): Layer {
  const { where, outputs, groups, axes } = plan;
  requireWhole(where, "outputs", outputs);
  requireGroups(where, "outputs", outputs, groups);
  let inputs = plan.inputs;
  if (inputs !== undefined) {
    requireWhole(where, "inputs", inputs);
    requireGroups(where, "inputs", inputs, groups);
  }
  let own: ConvolutionParameters | undefined;
  return (x) => {
    requireFloat32(where, x);
    requireImage(where, x.shape, axes);
    const channels = factorOf(x.shape[1]!);
    if (inputs === undefined) requireGroups(where, "the channels of the input", channels, groups);
    inputs ??= channels;
    if (channels !== inputs) refuseChannels(plan, inputs, x.shape);
    own ??= parameters(plan, inputs, options);
    return plan.apply(x, own.weight, own.bias);
  };
}

/** The arguments of conv2d(outputs, kernel, options) and of conv2d(inputs, outputs, kernel, options). */
export function argumentsOf<Kernel extends number | Pair, Options>(
  args: readonly [number, number | Kernel, (Kernel | Options)?, Options?],
): { inputs: number | undefined; outputs: number; kernel: Kernel; options: Partial<Options> } {
  const [first, second, third, fourth] = args;
  // The overloads say which is which: a third argument that is a kernel comes after inputs and outputs.
  return typeof third === "number" || Array.isArray(third)
    ? { inputs: first, outputs: second as number, kernel: third as Kernel, options: fourth ?? {} }
    : { inputs: undefined, outputs: first, kernel: second as Kernel, options: (third as Options) ?? {} };
}

/** A kernel size as it is typed: 3 or [3, 5]. */
export const written = (kernel: number | Pair) =>
  Array.isArray(kernel) ? formatShape(kernel) : String(kernel);

interface ConvolutionParameters {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

function parameters(
  plan: ConvolutionPlan,
  inputs: number,
  options: ConvolutionLayerOptions,
): ConvolutionParameters {
  const shape = plan.weightShape(inputs);
  const limit = 1 / Math.sqrt(shape.slice(1).reduce((product, size) => product * size, 1));
  const { name = plan.name, bias = true } = options;
  const { initializer = uniform(limit), biasInitializer = uniform(limit) } = options;
  const owner = {};
  return {
    weight: parameter(shape, initializer, `${name}.weight`, owner),
    bias: bias ? parameter([plan.outputs], biasInitializer, `${name}.bias`, owner) : undefined,
  };
}

function requireFloat32(where: string, x: Tensor): void {
  if (x.dtype === "float32") return;
  fail(where, {
    expected: "a float32 tensor",
    got: `${x.dtype} ${formatShape(x.shape)}`,
    fix: `cast(x, "float32")`,
  });
}

function requireGroups(where: string, what: string, channels: number, groups: number): void {
  if (channels % groups === 0) return;
  fail(where, {
    expected: `groups to divide ${what}, ${channels}`,
    got: String(groups),
    fix: "groups: 1, or a divisor of both channels and outputs",
  });
}

function refuseChannels(
  { where, called, axes, inputs: given }: ConvolutionPlan,
  inputs: number,
  shape: Shape,
) {
  const channels = factorOf(shape[1]!);
  const isLast = shape.at(-1) === inputs;
  const order = axes === 4 ? "[0, 3, 1, 2]" : "[0, 2, 1]";
  const other =
    given === undefined
      ? `make another ${where} for it; this one took ${inputs} from the tensor it saw first`
      : called(channels);
  fail(where, {
    expected: `${inputs} channels, as axis 1`,
    got: formatShape(shape),
    fix: isLast
      ? `transpose(x, ${order}): channels come before ${axes === 4 ? "height and width" : "length"}`
      : other,
  });
}
