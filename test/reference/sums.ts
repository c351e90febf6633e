/** Reference of the ops that add up: src/ops/matmul.ts and src/ops/reduction.ts. */
import { type Rules, rule } from "./rule.ts";
import { broadcast, build, countOf, forEach, read, type Value } from "./value.ts";

/** Products of matrices. */
export const matmul: Rules = {
  gemm: rule<{ transposeA: boolean; transposeB: boolean }>(([a, b, summand], { transposeA, transposeB }) => {
    const left = (row: number, inner: number) => read(a!, transposeA ? [inner, row] : [row, inner]);
    const right = (inner: number, column: number) => read(b!, transposeB ? [column, inner] : [inner, column]);
    const [rows, size] = transposeA ? [a!.shape[1]!, a!.shape[0]!] : [a!.shape[0]!, a!.shape[1]!];
    const columns = b!.shape[transposeB ? 0 : 1]!;
    return build([rows, columns], (position) => {
      let total = summand ? read(summand, position) : 0;
      for (let inner = 0; inner < size; inner++)
        total += left(position[0]!, inner) * right(inner, position[1]!);
      return total;
    });
  }),
  matmul: ([a, b]) => {
    const leading = broadcast([a!.shape.slice(0, -2), b!.shape.slice(0, -2)]);
    const [rows, size, columns] = [a!.shape.at(-2)!, a!.shape.at(-1)!, b!.shape.at(-1)!];
    return build([...leading, rows, columns], (position) => {
      const group = position.slice(0, -2);
      const [row, column] = [position.at(-2)!, position.at(-1)!];
      let total = 0;
      for (let inner = 0; inner < size; inner++)
        total += read(a!, [...group, row, inner]) * read(b!, [...group, inner, column]);
      return total;
    });
  },
};

interface Reduction {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** Folds the elements that fall on each output position, in order. NaN in max and min is not modelled. */
function fold(start: number, combine: (result: number, element: number) => number) {
  return (x: Value, { axes, keepDims }: Reduction): Value => {
    const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const result = build(kept, () => start);
    forEach(x.shape, (position, index) => {
      const at = position.map((place, axis) => (axes.includes(axis) ? 0 : place));
      const output = at.reduce((offset, place, axis) => offset * kept[axis]! + place, 0);
      result.data[output] = combine(result.data[output]!, x.data[index]!);
    });
    return keepDims ? result : { ...result, shape: x.shape.filter((_, axis) => !axes.includes(axis)) };
  };
}

const sum = fold(0, (total, element) => total + element);
const largest = fold(Number.NEGATIVE_INFINITY, Math.max);
const smallest = fold(Number.POSITIVE_INFINITY, Math.min);

export const reduction: Rules = {
  sum: rule<Reduction>(([x], options) => sum(x!, options)),
  mean: rule<Reduction>(([x], options) => {
    const total = sum(x!, options);
    const count = countOf(options.axes.map((axis) => x!.shape[axis]!));
    return { ...total, data: total.data.map((element) => element / count) };
  }),
  max: rule<Reduction>(([x], options) => largest(x!, options)),
  min: rule<Reduction>(([x], options) => smallest(x!, options)),
  argMax: rule<{ axis: number }>(([x], { axis }) =>
    build(x!.shape.toSpliced(axis, 1), (position) => {
      const line = Array.from({ length: x!.shape[axis]! }, (_, index) =>
        read(x!, position.toSpliced(axis, 0, index)),
      );
      return line.indexOf(Math.max(...line));
    }),
  ),
};
