/** The update rules alone: how near they come to the speed at which memory can be copied. */
import { ours, pytorch } from "../harness/peers.ts";
import { interleave, ratio } from "../harness/rounds.ts";
import { threeDigits } from "../harness/statistics.ts";
import { markdown, type Table, versionsOf, withContenders } from "../harness/table.ts";

/** Arrays read and written by one pass: parameter, gradient and slots in, parameter and slots out. */
const rules = [
  { rule: "sgd", title: "SGD", arrays: 3 },
  { rule: "momentum", title: "SGD with momentum", arrays: 5 },
  { rule: "adamw", title: "AdamW", arrays: 7 },
] as const;

const models = [
  { title: "1 M parameters", shapes: new Array(16).fill([250, 250]), floats: 1e6 },
  { title: "20 M parameters", shapes: new Array(20).fill([1000, 1000]), floats: 20e6 },
] as const;

/** Milliseconds an update, and gigabytes a second of the traffic that cannot be avoided. */
export const update: Table = async (bench) => {
  const copyId = "memory copy";
  const specs = [ours(), ours(copyId), ...pytorch(bench.python)];
  return withContenders(specs, async (contenders) => {
    const header = ["", ...contenders.map(({ id }) => id)];
    const rows: string[][] = [];
    const data: unknown[] = [];
    for (const { title, shapes, floats } of bench.isQuick ? models.slice(0, 1) : models) {
      for (const { rule, title: ruleTitle, arrays } of rules) {
        bench.say(`update, ${ruleTitle}, ${title}`);
        const result = await interleave(
          contenders,
          ({ id }) => (id === copyId ? { kind: "memoryCopy", floats } : { kind: "update", rule, shapes }),
          bench.effort,
        );
        data.push({ rule, floats, ...result });
        rows.push([
          `${ruleTitle}, ${title}`,
          ...result.measured.map((own, index) => {
            const bytes = 4 * floats * (own.id === copyId ? 2 : arrays);
            const speed = `${threeDigits(own.median)} ms, ${threeDigits(bytes / own.median / 1e6)} GB/s`;
            return index < 2 ? speed : `${speed} · ${threeDigits(ratio(own, result.measured[0]!))} ×`;
          }),
        ]);
      }
    }
    const text = [
      "Bytes are those that one pass has to read and write; the copy reads and writes one array of the parameters' size.",
      "",
      markdown(header, rows),
    ].join("\n");
    const title = "Update rules against a memory copy";
    return { name: "update", title, text, data, targets: [], versions: versionsOf(contenders) };
  });
};
