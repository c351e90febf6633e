/** What checkpoints cost: the same run with a checkpoint every second, and without. */
import { ours } from "../harness/peers.ts";
import { interleave } from "../harness/rounds.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { markdown, type Table, target, versionsOf, withContenders } from "../harness/table.ts";

/** More often than anybody saves, so that rounds of some seconds hold several. */
const everySeconds = 1;

/** One row; the cost at a checkpoint every 30 s is a thirtieth of what is measured. */
export const checkpoint: Table = async (bench) => {
  const [saved, unsaved] = ["a checkpoint every second", "none"];
  const { measured, versions } = await withContenders([ours(saved), ours(unsaved)], async (contenders) => {
    const caseOf = ({ id }: { readonly id: string }) => ({
      kind: "checkpointed",
      everySeconds: id === saved ? everySeconds : null,
    });
    const effort = { ...bench.effort, roundMs: bench.isQuick ? 1000 : 5000 };
    return { ...(await interleave(contenders, caseOf, effort)), versions: versionsOf(contenders) };
  });
  const [withThem, without] = measured;
  // Means, since the median step has no checkpoint in it.
  const ratio = median(withThem!.means.map((ms, round) => ms / without!.means[round]!));
  const cost = ((ratio - 1) * everySeconds) / 30;
  const text = markdown(
    ["5 M parameters, AdamW, batch 64", "mean ms", "times as long"],
    [
      [saved, threeDigits(median(withThem!.means)), threeDigits(ratio)],
      [unsaved, threeDigits(median(without!.means)), "1"],
    ],
  );
  const targets = [
    target("checkpoint: cost of one every 30 s, as a share of the time", cost, "at most", 0.01),
  ];
  return { name: "checkpoint", title: "Checkpoints", text, data: measured, targets, versions };
};
