/**
 * The gradient of a convolution's weight as a convolution in ONNX Runtime's blocked form. It adds up over samples and places;
 * so columns of the image lie where channels would, a block of them in a row, and rows where the kernel would. Then rows of
 * the kernel are rows of the result, for nothing; only for its columns y is moved.
 */
import type { EmitContext } from "../graph/op.ts";
import type { Geometry } from "./convolution-geometry.ts";
import type { Wrapping } from "./convolution-wrapped.ts";

/** True where there are whole blocks of channels, of outputs and of columns a stride apart. */
export function isWeightBlocked(block: number | undefined, wrapping: Wrapping): block is number {
  const { kernel, image, size, channels, outputs, geometry } = wrapping;
  if (block === undefined || kernel[0] * kernel[1] === 1) return false;
  const columns = image[1] / geometry.strides[1];
  const isWhole = [channels, outputs, columns].every((one) => one % block === 0);
  // A column of the kernel that meets nothing but zeros would leave nothing of y.
  return isWhole && columnsOf(wrapping).every(({ moved }) => -size[1] < moved && moved < columns);
}

/** Writes the gradient [outputs, channels, rows, columns]. */
export function writeBlockedWeight(context: EmitContext<Geometry>, wrapping: Wrapping, block: number): void {
  const { node, ints, output } = context;
  const { channels, outputs, kernel, geometry } = wrapping;
  const columns = columnsOf(wrapping);
  const moves = [...new Set(columns.map(({ moved }) => moved))];
  const image = imageOf(context, wrapping, block);
  const y = outputsOf(context, wrapping, block);
  const kernels = moves.map((moved) => movedBy(context, wrapping, block, y, moved));
  // One block of outputs alone keeps half of the registers busy: 2.1 ms apart, 1.3 + 0.5 for putting them together.
  const stacks = outputs === block ? [kernels] : kernels.map((one) => [one]);
  const results = stacks.map((stack) => convolved(context, wrapping, block, image, stack));
  const all = results.length === 1 ? results[0]! : node("Concat", results, { axis: 2 });
  const places = columns.map(({ moved, phase }) => moves.indexOf(moved) * geometry.strides[1] + phase);
  const phases = node("Reshape", [
    all,
    ints([outputs, kernel[0], moves.length * geometry.strides[1], channels]),
  ]);
  const isInOrder =
    moves.length * geometry.strides[1] === kernel[1] && places.every((place, at) => place === at);
  const taken = isInOrder ? phases : node("Gather", [phases, ints(places)], { axis: 2 });
  const taps = node("Reshape", [taken, ints([outputs, kernel[0] * kernel[1], channels])]);
  const turned = node("Transpose", [taps], { perm: [0, 2, 1] });
  node("Reshape", [turned, ints([outputs, channels, ...kernel])], {}, output);
}

/** For each column of the kernel: which of the columns that a stride divides it meets, and how far y is moved along them. */
function columnsOf({ kernel, geometry: { strides, dilations, pads } }: Wrapping) {
  return Array.from({ length: kernel[1] }, (_, column) => {
    const start = column * dilations[1] - pads[1];
    const moved = Math.floor(start / strides[1]);
    return { moved, phase: start - moved * strides[1] };
  });
}

/**
 * [1, samples · block, height, column blocks · stride · channels] in blocks: for each sample, row and block of columns the
 * columns of one channel after the other. x is put into blocks of channels first, as its convolution does (it is merged with
 * that): from there each block is turned by itself. By one Transpose of x it took 0.46 ms instead of 0.16.
 */
function imageOf(context: EmitContext<Geometry>, wrapping: Wrapping, block: number): string {
  const { inputs, node, ints } = context;
  const { channels, image, geometry } = wrapping;
  const stride = geometry.strides[1];
  const [height, columnBlocks] = [image[0], image[1] / stride / block];
  const blocked = node("ReorderInput", [inputs[0]!], {}, undefined, nchwc);
  let turned: string;
  if (stride === 1) {
    const each = node("Reshape", [blocked, ints([-1, block, 1, block])]);
    turned = node("ReorderOutput", [each], { channels: block }, undefined, nchwc);
  } else {
    const each = node("Reshape", [blocked, ints([-1, block, stride * block])]);
    turned = node("Transpose", [each], { perm: [0, 2, 1] });
  }
  if (channels > block) {
    const apart = [-1, channels / block, height * columnBlocks, stride, block * block];
    turned = node("Transpose", [node("Reshape", [turned, ints(apart)])], { perm: [0, 2, 3, 1, 4] });
  }
  return node("Reshape", [turned, ints([1, -1, height, columnBlocks * stride * channels])]);
}

/** y in blocks of outputs, the blocks before the samples: [outputs / block, samples, height, width · block]. */
function outputsOf(context: EmitContext<Geometry>, wrapping: Wrapping, block: number): string {
  const { inputs, node, ints } = context;
  const { outputs, size } = wrapping;
  const blocks = outputs / block;
  let y = node("ReorderInput", [inputs[1]!], {}, undefined, nchwc);
  if (blocks > 1) {
    const apart = node("Reshape", [y, ints([-1, blocks, size[0] * size[1] * block])]);
    y = node("Transpose", [apart], { perm: [1, 0, 2] });
  }
  return node("Reshape", [y, ints([blocks, -1, size[0], size[1] * block])]);
}

/** y as wide as the image, so many columns to the right, zeros around. */
function movedBy(
  { node, ints, constant }: EmitContext<Geometry>,
  { image, size, geometry }: Wrapping,
  block: number,
  y: string,
  moved: number,
): string {
  const [before, after] = [moved * block, (image[1] / geometry.strides[1] - size[1] - moved) * block];
  if (before === 0 && after === 0) return y;
  return node("Pad", [y, ints([0, 0, 0, before, 0, 0, 0, after]), constant([0])]);
}

/** The image convolved with a stack of y's: [outputs, rows of the kernel, one each, stride · channels]. */
function convolved(
  { node, ints }: EmitContext<Geometry>,
  { image, size, kernel, channels, outputs, geometry }: Wrapping,
  block: number,
  x: string,
  stack: readonly string[],
): string {
  const { strides, dilations, pads } = geometry;
  const columnBlocks = image[1] / strides[1] / block;
  const all = stack.length === 1 ? stack[0]! : node("Concat", stack, { axis: 0 });
  const kernels = node("Reshape", [all, ints([stack.length * outputs, -1, size[0], columnBlocks])]);
  const reach = (size[0] - 1) * strides[0] + 1;
  const wanted = reach + (kernel[0] - 1) * dilations[0];
  const below = Math.max(0, wanted - image[0] - pads[0]);
  const attributes = {
    kernel_shape: [size[0], columnBlocks],
    strides: [dilations[0], 1],
    dilations: [strides[0], strides[1] * channels],
    pads: [pads[0], 0, below, 0],
    group: 1,
  };
  const blocked = node("Conv", [x, kernels], attributes, undefined, nchwc);
  const plain = node("ReorderOutput", [blocked], { channels: stack.length * outputs }, undefined, nchwc);
  const width = strides[1] * channels;
  const rows = Math.floor((image[0] + pads[0] + below - reach) / dilations[0]) + 1;
  const apart = node("Reshape", [plain, ints([stack.length, outputs, rows, width])]);
  // A last stride that found no room for another output may have found room for another row of the kernel.
  const kept = rows === kernel[0] ? apart : node("Slice", [apart, ints([0]), ints([kernel[0]]), ints([2])]);
  return stack.length === 1
    ? node("Reshape", [kept, ints([outputs, kernel[0], 1, width])])
    : node("Transpose", [kept], { perm: [1, 2, 0, 3] });
}

const nchwc = "com.microsoft.nchwc";
