/** Reference of the ops that take indices or categories: src/ops/{gather,classes,category,date,words}.ts. */
import { logSoftmax } from "./elementwise.ts";
import { type Rules, rule } from "./rule.ts";
import { build, forEach, offsetOf, read, type Value } from "./value.ts";

export const gather: Rules = {
  gather: rule<{ axis: number }>(([table, indices], { axis }) => {
    const count = indices!.shape.length;
    const shape = [...table!.shape.slice(0, axis), ...indices!.shape, ...table!.shape.slice(axis + 1)];
    return build(shape, (position) => {
      const index = read(indices!, position.slice(axis, axis + count));
      return read(table!, [...position.slice(0, axis), index, ...position.slice(axis + count)]);
    });
  }),
  scatterAdd: ([table, indices, rows]) => {
    const result = copy(table!);
    const count = indices!.shape.length;
    forEach(rows!.shape, (position, index) => {
      const row = read(indices!, position.slice(0, count));
      result.data[offsetOf(result.shape, [row, ...position.slice(count)])]! += rows!.data[index]!;
    });
    return result;
  },
};

export const classes: Rules = {
  pick: ([x, indices]) =>
    build(indices!.shape, (position) => read(x!, [...position, read(indices!, position)])),
  place: ([x, indices, values]) => {
    const result = copy(x!);
    forEach(indices!.shape, (position, index) => {
      result.data[offsetOf(result.shape, [...position, indices!.data[index]!])] = values!.data[index]!;
    });
    return result;
  },
  // The op's second input is the log-softmax, which its gradient reads; what the op means depends on the logits alone.
  crossEntropy: rule<{ labelSmoothing: number }>(([logits, , labels], { labelSmoothing }) => {
    const logarithms = logSoftmax(logits!, logits!.shape.length - 1);
    const count = logits!.shape.at(-1)!;
    return build(labels!.shape, (position) => {
      let loss = 0;
      for (let label = 0; label < count; label++) {
        const isLabel = label === read(labels!, position);
        const target = (isLabel ? 1 - labelSmoothing : 0) + labelSmoothing / count;
        loss -= target * read(logarithms, [...position, label]);
      }
      return loss;
    });
  }),
};

export const category: Rules = {
  categoryCodes: rule<{
    categories: readonly string[];
    markers: readonly string[];
    missing: number;
    unseen: number;
  }>(([strings], { categories, markers, missing, unseen }) => ({
    shape: strings!.shape,
    data: Float64Array.from(strings!.text!, (text) => {
      if (categories.includes(text)) return categories.indexOf(text);
      return markers.includes(text) ? missing : unseen;
    }),
  })),
  categoryNames: rule<{ categories: readonly string[] }>(([codes], { categories }) => ({
    shape: codes!.shape,
    data: new Float64Array(0),
    text: Array.from(codes!.data, (code) => categories[code] ?? ""),
  })),
};

export const words: Rules = {
  wordCodes: rule<{ words: readonly string[]; length: number; markers: readonly string[] }>(
    ([strings], { words: listed, length, markers }) => {
      const rows = strings!.text!.map((text) => {
        const found = markers.includes(text) ? [] : (text.match(/[^ \n\r\t.,;:!?()[\]<>"=/-]+/g) ?? []);
        const codes = found.slice(0, length).map((word) => {
          const isMixed = !/^(\p{Lu}?[^\p{Lu}]*|[^\p{Ll}]*)$/u.test(word);
          return Math.max(0, listed.indexOf(isMixed ? word : word.toLowerCase()));
        });
        return [...codes, ...Array(length - codes.length).fill(listed.length)];
      });
      return { shape: [rows.length, length], data: Float64Array.from(rows.flat()) };
    },
  ),
};

const copy = (value: Value): Value => ({ shape: value.shape, data: value.data.slice() });

export const date: Rules = {
  datePartsOf: ([strings]) => {
    const rows = strings!.text!.map(partsByDate);
    return { shape: [rows.length, 7], data: Float64Array.from(rows.flat()) };
  },
};

/** By the language's own calendar, of a date that there is; float32 has elapsed days to about two minutes. */
export function partsByDate(text: string): number[] {
  const [, written, hour = "0", minute = "0", second = "0", zone = ""] =
    /^(.{10})(?:[T ](..):(..)(?::(..))?[.0-9]*(Z|[+-].*)?)?$/.exec(text)!;
  const start = new Date(`${written}T00:00:00Z`);
  const clock = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  const [, sign, hours = "0", minutes = "0"] = /^([+-])(..):?(.*)$/.exec(zone) ?? [];
  const ahead = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -60 : 60);
  return [
    start.getUTCFullYear(),
    start.getUTCMonth() + 1,
    start.getUTCDate(),
    ((start.getUTCDay() + 6) % 7) + 1,
    Number(hour),
    Number(minute),
    Math.fround(start.getTime() / 86_400_000 + (clock - ahead) / 86_400),
  ];
}
