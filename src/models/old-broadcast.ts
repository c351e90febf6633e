/** How operators of two inputs took a smaller second one up to set 6: along axes that the node names, or not at all. */
import { formatShape, sameShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import type { NodeReader } from "./operator.ts";

/** The second input, with axes of size 1 behind it where the node lays it on the first one's axes from `axis` on. */
export function secondInput(node: NodeReader): Tensor {
  const [a, b] = [node.input(0), node.input(1)];
  if (node.opset >= 7 || sameShape(a.shape, b.shape)) return b;
  if (!node.flag("broadcast")) {
    node.refuse(
      "inputs of one shape, without broadcast",
      `${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
  }
  const last = a.shape.length - b.shape.length;
  const axis = node.int("axis", last);
  if (!Number.isInteger(axis) || axis < 0 || axis > last) {
    node.refuse(
      `an axis from 0 to ${last} for ${formatShape(b.shape)} on ${formatShape(a.shape)}`,
      String(axis),
    );
  }
  return ops.reshape(b, [...b.shape, ...Array<number>(last - axis).fill(1)]);
}

/** PRelu's slopes: one per channel up to set 6. */
export function slopesOf(node: NodeReader): Tensor {
  const [x, slope] = [node.input(0), node.input(1)];
  const isPerChannel = node.opset < 7 && slope.shape.length === 1 && slope.shape[0] !== 1;
  return isPerChannel
    ? ops.reshape(slope, [...slope.shape, ...Array<number>(Math.max(x.shape.length - 2, 0)).fill(1)])
    : slope;
}
