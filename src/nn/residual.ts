/** Layers beside a way around them, so that gradients reach what lies before unhindered. */
import { formatShape, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { add } from "../ops/arithmetic.ts";
import type { Layer } from "./layer.ts";

/**
 * body(x) + shortcut(x). shortcut: default x itself; where the body changes the shape, a layer that changes it alike.
 * Throws where the two have different shapes: they would be stretched to each other, silently. Source: He et al. 2015.
 */
export function residual(body: Layer, shortcut: Layer = (x) => x): Layer {
  for (const [what, layer] of Object.entries({ body, shortcut })) {
    if (typeof layer === "function") continue;
    fail("residual", {
      expected: `a layer as ${what}`,
      got: typeof layer,
      fix: "pass a function of a tensor: residual(sequence(linear(64), relu, linear(64)))",
    });
  }
  return (x) => {
    const [main, around] = [body(x), shortcut(x)];
    if (!sameShape(main.shape, around.shape)) {
      fail("residual", {
        expected: `${formatShape(around.shape)} from the body, as from the shortcut`,
        got: `${formatShape(main.shape)} from ${formatShape(x.shape)}`,
        fix: `residual(body, ${shortcutFrom(x.shape, main.shape)}), or let the body keep the shape`,
      });
    }
    return add(main, around);
  };
}

/** A layer that gives the shape `to`, where one is known. */
function shortcutFrom(from: Shape, to: Shape): string {
  const isSameBut = (axis: number) =>
    from.length === to.length && from.every((dim, index) => index === axis || dim === to[index]);
  if (isSameBut(from.length - 1) && from.length < 4) return `linear(${to.at(-1)})`;
  if (from.length === 4 && to.length === 4) {
    const stride = [1, 2, 3, 4].find((step) =>
      [2, 3].every((axis) => strided(from[axis]!, step) === to[axis]),
    );
    if (stride !== undefined) return `conv2d(${to[1]}, 1${stride === 1 ? "" : `, { stride: ${stride} }`})`;
  }
  return `a layer that gives ${formatShape(to)}`;
}

/** What a convolution of size 1 leaves of an axis. */
const strided = (dim: Shape[number], stride: number) =>
  typeof dim === "number" ? Math.floor((dim - 1) / stride) + 1 : Number.NaN;
