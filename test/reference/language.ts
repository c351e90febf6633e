/** Reference of the ops of sequences: src/ops/{cumulative,attention,log-sum-exp}.ts. */
import { type Rules, rule } from "./rule.ts";
import { build, read, replaced } from "./value.ts";

export const language: Rules = {
  cumulativeSum: rule<{ axis: number; reverse: boolean; exclusive: boolean }>(
    ([x], { axis, reverse, exclusive }) =>
      build(x!.shape, (position) => {
        const here = position[axis]!;
        let total = 0;
        for (let at = 0; at < x!.shape[axis]!; at++) {
          const isCounted = at === here ? !exclusive : at > here === reverse;
          if (isCounted) total += read(x!, replaced(position, axis, at));
        }
        return total;
      }),
  ),
  logSumExp: rule<{ axis: number }>(([x], { axis }) =>
    build(x!.shape.toSpliced(axis, 1), (position) => {
      const line = Array.from({ length: x!.shape[axis]! }, (_, at) =>
        read(x!, position.toSpliced(axis, 0, at)),
      );
      const largest = Math.max(...line);
      return largest + Math.log(line.reduce((total, value) => total + Math.exp(value - largest), 0));
    }),
  ),
  // The op's second input is the softmax of the first, which its gradient reads; what the op means depends on
  // the scores.
  attend: ([scores, , values]) =>
    build([...scores!.shape.slice(0, 3), values!.shape[3]!], ([sample, head, time, place]) => {
      const keys = Array.from({ length: scores!.shape[3]! }, (_, key) => key);
      const fits = keys.map((key) => read(scores!, [sample!, head!, time!, key]));
      const best = Math.max(...fits);
      const weights = fits.map((fit) => Math.exp(fit - best));
      const total = weights.reduce((a, b) => a + b);
      return keys.reduce(
        (mean, key) => mean + (weights[key]! / total) * read(values!, [sample!, head!, key, place!]),
        0,
      );
    }),
};
