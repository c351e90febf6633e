/** Reference of the convolutions: src/ops/convolution-ops.ts. Each pairs x, weight and y and sums over the other two. */
import type { Geometry, Pair } from "../../src/ops/convolution-geometry.ts";
import { type Rules, rule } from "./rule.ts";
import { build, offsetOf, read, type Value } from "./value.ts";

/** Places in x [n, c, h, w], weight [o, c', i, j] and y [n, o, h', w'] that belong together. */
type Visit = (x: readonly number[], weight: readonly number[], y: readonly number[]) => void;

/** Visits every place of y with every element of the kernel that meets the image there. */
function meet(
  { strides, dilations, pads, groups }: Geometry,
  [samples, channels, height, width]: readonly number[],
  [rows, columns]: readonly number[],
  [, outputs, down, across]: readonly number[],
  visit: Visit,
): void {
  const perGroup = channels! / groups;
  for (let n = 0; n < samples!; n++)
    for (let o = 0; o < outputs!; o++)
      for (let y = 0; y < down!; y++)
        for (let x = 0; x < across!; x++)
          for (let c = 0; c < perGroup; c++)
            for (let i = 0; i < rows!; i++)
              for (let j = 0; j < columns!; j++) {
                const row = y * strides[0] - pads[0] + i * dilations[0];
                const column = x * strides[1] - pads[1] + j * dilations[1];
                if (row < 0 || row >= height! || column < 0 || column >= width!) continue;
                const channel = Math.floor(o / (outputs! / groups)) * perGroup + c;
                visit([n, channel, row, column], [o, c, i, j], [n, o, y, x]);
              }
}

/** How often a kernel that reaches over `kernel` fits into `size` with its zeros. */
const fits = (size: number, kernel: number, stride: number, dilation: number, zeros: number) =>
  Math.floor((size + zeros - (kernel - 1) * dilation - 1) / stride) + 1;

const withBias = (shape: readonly number[], bias: Value | undefined) =>
  build(shape, ([, channel]) => (bias ? read(bias, [channel!]) : 0));

const addAt = (value: Value, position: readonly number[], amount: number) => {
  value.data[offsetOf(value.shape, position)]! += amount;
};

export const convolution: Rules = {
  convolution: rule<Geometry>(([x, weight, bias], geometry) => {
    const { strides, dilations, pads } = geometry;
    const [outputs, , ...kernel] = weight!.shape;
    const height = fits(x!.shape[2]!, kernel[0]!, strides[0], dilations[0], pads[0] + pads[2]);
    const width = fits(x!.shape[3]!, kernel[1]!, strides[1], dilations[1], pads[1] + pads[3]);
    const y = withBias([x!.shape[0]!, outputs!, height, width], bias);
    meet(geometry, x!.shape, kernel, y.shape, (from, tap, to) =>
      addAt(y, to, read(x!, from) * read(weight!, tap)),
    );
    return y;
  }),
  convolutionInput: rule<Geometry & { size: Pair }>(([y, weight, bias], { size, ...geometry }) => {
    const [, perGroup, ...kernel] = weight!.shape;
    const x = withBias([y!.shape[0]!, perGroup! * geometry.groups, ...size], bias);
    meet(geometry, x.shape, kernel, y!.shape, (from, tap, to) =>
      addAt(x, from, read(y!, to) * read(weight!, tap)),
    );
    return x;
  }),
  convolutionWeight: rule<Geometry & { kernel: Pair }>(([x, y], { kernel, ...geometry }) => {
    const weight = build([y!.shape[1]!, x!.shape[1]! / geometry.groups, ...kernel], () => 0);
    meet(geometry, x!.shape, kernel, y!.shape, (from, tap, to) =>
      addAt(weight, tap, read(x!, from) * read(y!, to)),
    );
    return weight;
  }),
};
