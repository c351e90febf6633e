/**
 * The gradient of a convolution's weight as a convolution in ONNX Runtime's blocked form. It adds up over samples and places;
 * so columns of the image lie where channels would, a block of them in a row, and rows where the kernel would. Then rows of
 * the kernel are rows of the result, for nothing; only for its columns y is moved.
 */
import type { EmitContext } from "../graph/op.ts";
import { nchwc } from "./convolution-blocked.ts";
import type { Geometry } from "./convolution-geometry.ts";
import type { Wrapping } from "./convolution-wrapped.ts";

/** How rows of x and y are cut into blocks. */
interface Frame extends Wrapping {
  readonly block: number;
  /** Columns a stride apart, with those that fill up the last block, or a part of one. */
  readonly columns: number;
  /** How many blocks a row takes: 1 where it takes a part of one only. */
  readonly columnBlocks: number;
  /** How many rows share a block. */
  readonly rows: number;
  /** How many such rows y has, with the zeros that fill up the last block. */
  readonly rowBlocks: number;
}

/**
 * How many times the products there are may be computed: blocks are filled up with zeros, and columns a stride apart all meet every
 * move of y. Beyond, this took 0.75 … 1.45 of the time of the other forms; below, 0.3 … 0.9, on 45 shapes of 16 to 512 channels.
 */
const mostComputed = 1.5;

/** Bytes of the kernels, y here, that are read again and again: beyond a core's cache, 1.03 … 1.3 of the time of other forms. */
const largestKernels = 2 ** 21;

/** How the gradient is cut into blocks of so many; nothing where that cannot be. */
export function weightFrame(block: number | undefined, wrapping: Wrapping): Frame | undefined {
  const { kernel, image, size, channels, outputs, geometry } = wrapping;
  if (block === undefined || kernel[0] * kernel[1] === 1) return undefined;
  // Fewer channels than a block were moved into place by one Transpose: 1.05 … 2.3 times the other forms' time for 1 and 3.
  if (channels % block !== 0 || outputs % block !== 0) return undefined;
  const least = Math.ceil(image[1] / geometry.strides[1]);
  const columnBlocks = Math.ceil(least / block);
  // Blocks are powers of two.
  const columns = least < block ? 2 ** Math.ceil(Math.log2(least)) : columnBlocks * block;
  const rows = Math.max(1, block / columns);
  const frame = { ...wrapping, block, columns, columnBlocks, rows, rowBlocks: Math.ceil(size[0] / rows) };
  // A column of the kernel that meets nothing but zeros would leave nothing of y.
  const isMet = columnsOf(frame).every(({ moved }) => -size[1] < moved && moved < columns);
  return isMet && isFaster(frame, least * size[0]) ? frame : undefined;
}

/** True where little is computed in vain, and the kernels stay in the cache. */
function isFaster(frame: Frame, places: number): boolean {
  const { block, columns, columnBlocks, rows, rowBlocks, kernel, outputs, geometry } = frame;
  const moves = movesOf(frame).length;
  const computed = (columns * rows * rowBlocks * moves * geometry.strides[1]) / kernel[1];
  // Four blocks of outputs are computed at once, of float32.
  const atOnce = Math.min(outputs === block ? outputs * moves : outputs, 4 * block);
  const kernels = 4 * rowBlocks * columnBlocks * block * atOnce;
  return computed <= mostComputed * places && kernels <= largestKernels;
}

/** Writes the gradient [outputs, channels, rows, columns]. */
export function writeBlockedWeight(context: EmitContext<Geometry>, frame: Frame): void {
  const { node, ints, output } = context;
  const { block, channels, outputs, kernel, geometry } = frame;
  const columns = columnsOf(frame);
  const moves = movesOf(frame);
  const image = imageOf(context, frame);
  const y = outputsOf(context, frame);
  const kernels = moves.map((moved) => movedBy(context, frame, y, moved));
  // One block of outputs alone keeps half of the registers busy: 2.1 ms apart, 1.3 + 0.5 for putting them together.
  const stacks = outputs === block ? [kernels] : kernels.map((one) => [one]);
  const results = stacks.map((stack) => convolved(context, frame, image, stack));
  const all = results.length === 1 ? results[0]! : node("Concat", results, { axis: 2 });
  const stride = geometry.strides[1];
  let taken = all;
  if (stride > 1) {
    const phases = node("Reshape", [all, ints([outputs, kernel[0], moves.length * stride, channels])]);
    const places = columns.map(({ moved, phase }) => moves.indexOf(moved) * stride + phase);
    taken = node("Gather", [phases, ints(places)], { axis: 2 });
  }
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

/** The different ones of how far y is moved. */
const movesOf = (wrapping: Wrapping) => [...new Set(columnsOf(wrapping).map(({ moved }) => moved))];

/**
 * [1, samples · block, rows, column blocks · stride · channels] in blocks: for each sample, row and block of columns the columns
 * of one channel after the other. x is put into blocks of channels first, as its convolution does (it is merged with that):
 * from there each block is turned by itself. By one Transpose of x it took 0.46 ms instead of 0.16.
 */
function imageOf(context: EmitContext<Geometry>, frame: Frame): string {
  const { node, ints } = context;
  const { block, channels, columnBlocks, geometry } = frame;
  const stride = geometry.strides[1];
  const [x, rows] = imageRows(context, frame);
  let turned: string;
  if (stride === 1) {
    const each = node("Reshape", [x, ints([-1, block, 1, block])]);
    turned = node("ReorderOutput", [each], { channels: block }, undefined, nchwc);
  } else {
    const each = node("Reshape", [x, ints([-1, block, stride * block])]);
    turned = node("Transpose", [each], { perm: [0, 2, 1] });
  }
  if (channels > block) {
    const apart = [-1, channels / block, rows * columnBlocks, stride, block * block];
    turned = node("Transpose", [node("Reshape", [turned, ints(apart)])], { perm: [0, 2, 3, 1, 4] });
  }
  return node("Reshape", [turned, ints([1, -1, rows, columnBlocks * stride * channels])]);
}

/** x in blocks of channels, and its rows: as many columns as blocks have. Where rows share a block, every row with the next. */
function imageRows(context: EmitContext<Geometry>, frame: Frame): readonly [x: string, rows: number] {
  const { inputs, node, ints, constant } = context;
  const { block, image, kernel, geometry, columns, rows, rowBlocks } = frame;
  const [stride, top] = [geometry.strides[0], geometry.pads[0]];
  const x = node("ReorderInput", [inputs[0]!], {}, undefined, nchwc);
  const missing = columns * geometry.strides[1] - image[1];
  const [above, below] = rows === 1 ? [0, 0] : [top, zerosBelow(frame)];
  const around = [0, above, 0, 0, below, missing * block];
  const all = node("Reshape", [x, ints([-1, image[0], image[1] * block])]);
  const filled = around.some(Boolean) ? node("Pad", [all, ints(around), constant([0])]) : all;
  if (rows === 1) return [filled, image[0]];
  const firsts = (rowBlocks - 1) * rows * stride + (kernel[0] - 1) * geometry.dilations[0] + 1;
  const together = Array.from({ length: firsts }, (_, first) =>
    Array.from({ length: rows }, (_, row) => first + row * stride),
  );
  return [node("Gather", [filled, ints(together.flat())], { axis: 1 }), firsts];
}

/** How many rows below the image its kernels reach. */
function zerosBelow({ image, kernel, geometry, rows, rowBlocks }: Frame): number {
  const reach = (rows * rowBlocks - 1) * geometry.strides[0] + (kernel[0] - 1) * geometry.dilations[0] + 1;
  return Math.max(0, reach - image[0] - geometry.pads[0]);
}

/** y in blocks of outputs, the blocks before the samples: [outputs / block, samples, height, width · block]. */
function outputsOf({ inputs, node, ints }: EmitContext<Geometry>, { block, outputs, size }: Frame): string {
  const blocks = outputs / block;
  let y = node("ReorderInput", [inputs[1]!], {}, undefined, nchwc);
  if (blocks > 1) {
    const apart = node("Reshape", [y, ints([-1, blocks, size[0] * size[1] * block])]);
    y = node("Transpose", [apart], { perm: [1, 0, 2] });
  }
  return node("Reshape", [y, ints([blocks, -1, size[0], size[1] * block])]);
}

/** y in rows of whole blocks, so many columns to the right, zeros around. */
function movedBy(context: EmitContext<Geometry>, frame: Frame, y: string, moved: number): string {
  const { node, ints, constant } = context;
  const { block, size, columns, rows, rowBlocks } = frame;
  const [before, after] = [moved * block, (columns - size[1] - moved) * block];
  const around = [0, 0, 0, before, 0, 0, rows * rowBlocks - size[0], after];
  return around.some(Boolean) ? node("Pad", [y, ints(around), constant([0])]) : y;
}

/** The image convolved with a stack of y's: [outputs, rows of the kernel, one each, stride · channels]. */
function convolved(
  { node, ints }: EmitContext<Geometry>,
  frame: Frame,
  x: string,
  stack: readonly string[],
): string {
  const { image, kernel, channels, outputs, geometry, columnBlocks, rows, rowBlocks } = frame;
  const [strides, dilations] = [geometry.strides, geometry.dilations];
  const all = stack.length === 1 ? stack[0]! : node("Concat", stack, { axis: 0 });
  const kernels = node("Reshape", [all, ints([stack.length * outputs, -1, rowBlocks, columnBlocks])]);
  const width = strides[1] * channels;
  const [above, below] = rows === 1 ? [geometry.pads[0], zerosBelow(frame)] : [0, 0];
  const attributes = {
    kernel_shape: [rowBlocks, columnBlocks],
    strides: [dilations[0], 1],
    dilations: [strides[0] * rows, width],
    pads: [above, 0, below, 0],
    group: 1,
  };
  const blocked = node("Conv", [x, kernels], attributes, undefined, nchwc);
  const plain = node("ReorderOutput", [blocked], { channels: stack.length * outputs }, undefined, nchwc);
  const reach = (rowBlocks - 1) * strides[0] + 1;
  const found = rows === 1 ? Math.floor((image[0] + above + below - reach) / dilations[0]) + 1 : kernel[0];
  // A last stride that found no room for another output may have found room for another row of the kernel.
  const kept = found === kernel[0] ? plain : node("Slice", [plain, ints([0]), ints([kernel[0]]), ints([2])]);
  if (stack.length === 1) return node("Reshape", [kept, ints([outputs, kernel[0], 1, width])]);
  const apart = node("Reshape", [kept, ints([stack.length, outputs, kernel[0], width])]);
  return node("Transpose", [apart], { perm: [1, 2, 0, 3] });
}
