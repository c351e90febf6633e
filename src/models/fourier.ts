/** ONNX's Fourier transforms, as products with cosines and sines: signals of models are short, and products have gradients. */
import { type Dim, formatShape } from "../array/shape.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin } from "./activation.ts";
import { constantOf, int64List } from "./arrays.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** What of a transform there is: frequencies, and in which direction. */
interface Form {
  readonly length: number;
  readonly isInverse: boolean;
  /** Only the frequencies up to half: those behind are their conjugates where the signal is real. */
  readonly isOneSided: boolean;
}

/** x [..., values, 1 or 2], the real part and the imaginary one → [..., frequencies, 2]. */
function transformed(node: NodeReader, x: Tensor, { length, isInverse, isOneSided }: Form): Tensor {
  if (length < 1) node.refuse("a signal of at least one value", String(length));
  if (isOneSided && x.shape.at(-1) === 2) {
    node.refuse(
      "a real signal, whose second half of frequencies mirrors the first",
      "a complex one, onesided",
    );
  }
  const frequencies = isOneSided ? Math.floor(length / 2) + 1 : length;
  node.bounded(length * frequencies, "a matrix of waves", 2 ** 22);
  const dtype = x.dtype === "float64" ? "float64" : "float32";
  const wave = (call: (angle: number) => number) => {
    const elements = Array.from({ length: frequencies * length }, (_, at) => {
      const turns = (Math.floor(at / length) * (at % length)) % length; // exact, however many there are
      return call((2 * Math.PI * turns) / length) / (isInverse ? length : 1);
    });
    return constantOf(elements, [frequencies, length], dtype);
  };
  const cosine = wave(Math.cos);
  const sine = wave((angle) => (isInverse ? Math.sin(angle) : -Math.sin(angle)));
  const outer = x.shape.slice(0, -2);
  const part = (index: number) =>
    ops.reshape(ops.slice(x, { start: index, end: index + 1 }), x.shape.slice(0, -1));
  const real = part(0);
  const byReal = [cosine, sine].map((waves) => ops.affine(real, waves)) as [Tensor, Tensor]; // two in, two out
  const isReal = x.shape.at(-1) === 1;
  const imaginary = isReal ? undefined : part(1);
  const parts =
    imaginary === undefined
      ? byReal
      : [ops.sub(byReal[0], ops.affine(imaginary, sine)), ops.add(byReal[1], ops.affine(imaginary, cosine))];
  return ops.concat(parts.map((one) => ops.reshape(one, [...outer, frequencies, 1])));
}

function requireComplex(node: NodeReader, x: Tensor): void {
  const parts = x.shape.at(-1);
  if (x.shape.length >= 2 && (parts === 1 || parts === 2)) return;
  node.refuse("a last axis of the real part, or of both parts", formatShape(x.shape));
}

/** Along one axis, which is an attribute up to set 19 and an input from 20 on; cut or filled up with zeros to a length. */
function fourier(node: NodeReader): Tensor {
  const x = node.input(0);
  requireComplex(node, x);
  const rank = x.shape.length;
  const axis = node.axis(node.opset < 20 ? node.int("axis", 1) : (node.numbers(2)?.[0] ?? -2));
  if (axis === rank - 1)
    node.refuse("an axis before the last, which holds real and imaginary parts", String(axis));
  requireWithin(node, x, [axis]);
  const size = node.fixed(axis);
  const length = node.bounded(node.numbers(1)?.[0] ?? size, "a signal");
  const fitted =
    length >= 1 && length <= size
      ? ops.slice(x, { end: length }, axis)
      : ops.pad(x, { after: length - size }, axis);
  const order = [...x.shape.keys()].filter((one) => one !== axis).toSpliced(rank - 2, 0, axis);
  const form = { length, isInverse: node.flag("inverse"), isOneSided: node.flag("onesided") };
  const result = transformed(node, ops.transpose(fitted, order), form);
  return ops.transpose(
    result,
    order.map((_, at) => order.indexOf(at)),
  );
}

/** Frames of a signal [samples, values, 1 or 2], each under a window → [samples, frames, frequencies, 2]. */
function shortTimeFourier(node: NodeReader): Tensor {
  const given = node.input(0);
  const x = given.shape.length === 2 ? ops.reshape(given, [...given.shape, 1]) : given;
  requireComplex(node, x);
  const [samples, parts] = [x.shape[0] as Dim, x.shape.at(-1)!]; // three axes
  requireWithin(node, x, [1]);
  const step = node.numbers(1)?.[0] ?? 0;
  const window = node.optional(2);
  const length = node.numbers(3)?.[0] ?? Number(window?.shape[0] ?? Number.NaN);
  const size = Number(x.shape[1]);
  if (!(step >= 1 && length >= 1 && length <= size)) {
    node.refuse(`frames within ${size} values, some steps apart`, `frames of ${length}, ${step} apart`);
  }
  const frames = Math.floor((size - length) / step) + 1;
  const count = node.bounded(frames * length, "frames");
  const positions = Array.from({ length: count }, (_, at) => Math.floor(at / length) * step + (at % length));
  const framed = ops.reshape(ops.gather(x, constant(int64List(positions)), 1), [
    samples,
    frames,
    length,
    parts,
  ]);
  const seen = window === undefined ? framed : ops.mul(framed, ops.reshape(window, [length, 1]));
  return transformed(node, seen, { length, isInverse: false, isOneSided: node.flag("onesided", true) });
}

export const fouriers: Operators = { DFT: fourier, STFT: shortTimeFourier };
