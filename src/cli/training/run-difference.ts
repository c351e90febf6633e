/** A run that cannot go on as it is typed, in the words of the command line. */
import { MicrobatchError } from "../../errors.ts";
import type { ResolvedPlan } from "../../train/resolve.ts";
import type { RecordedCommand } from "../run-files.ts";
import { keepingFlags, lengthFlags, typed } from "./run-command.ts";

/** What the fields of a plan are to whoever has typed a command. */
const fields: Readonly<Partial<Record<keyof ResolvedPlan, string>>> = {
  batchSize: "--batch-size",
  microbatchSize: "--microbatch-size",
  lanes: "--lanes",
  seed: "--seed",
  lastBatch: "--last-batch",
  sampler: "--sampling",
  optimizer: "the optimizer",
  learningRates: "the learning rates",
  clip: "--clip",
  emaDecay: "--ema",
  stop: "the ends",
  programs: "the network",
  parameters: "the weights",
  data: "the data",
  validationData: "the validation data",
  initialWeights: "the weights it began with",
  backend: "the runtime or processor",
  lowerings: "the kernels",
};

/** What differs between two commands, as both are typed: "--seed 0" and "--seed 5". */
export function commandDifferences(
  before: Pick<RecordedCommand, "inputs" | "flags">,
  now: Pick<RecordedCommand, "inputs" | "flags">,
): { readonly before: string; readonly now: string; readonly names: readonly string[] } | undefined {
  const plain = (command: typeof before): typeof before => JSON.parse(JSON.stringify(command)); // as it is recorded
  const [old, own] = [plain(before), plain(now)];
  const names = [...new Set([...Object.keys(old.flags), ...Object.keys(own.flags)])].filter(
    (name) =>
      !(keepingFlags as readonly string[]).includes(name) &&
      JSON.stringify(old.flags[name]) !== JSON.stringify(own.flags[name]),
  );
  const isOther = JSON.stringify(old.inputs) !== JSON.stringify(own.inputs);
  if (names.length === 0 && !isOther) return undefined;
  const say = ({ inputs, flags }: typeof before) =>
    [
      ...(isOther ? [inputs.join(" ")] : []),
      ...names.map((name) =>
        flags[name] === undefined ? `no ${typed(name, true)}` : typed(name, flags[name]),
      ),
    ].join(", ");
  return { before: say(old), now: say(own), names: isOther ? ["inputs", ...names] : names };
}

interface Commands {
  readonly folder: string;
  readonly before: RecordedCommand | undefined;
  readonly now: RecordedCommand;
}

/** The same error where it is about something else. */
export function explainDifference(
  error: MicrobatchError,
  { folder, before, now }: Commands,
): MicrobatchError {
  if (error.where !== `plan.checkpoint, ${folder}`) return error;
  const where = `--run ${folder}`;
  if (/^a place without/.test(error.expected)) {
    const fix = "go on with it: --resume, or name another folder";
    return new MicrobatchError(
      where,
      { expected: "a folder without a run", got: error.got, fix },
      { cause: error },
    );
  }
  const [, step = "?", was = ""] =
    /^the plan that was saved at step (\d+) \((.*)\)$/s.exec(error.expected) ?? [];
  const typedOtherwise = before && commandDifferences(before, now);
  const isHarmless = /anyway/.test(error.fix);
  const isLength = (name: string) => (lengthFlags as readonly string[]).includes(name);
  const isSpread = typedOtherwise?.names.every(isLength) === true && /\blearningRates /.test(was);
  const spread = isSpread ? ", over which the schedule spreads other learning rates" : "";
  return new MicrobatchError(
    where,
    {
      expected: `the command of the run at step ${step} (${typedOtherwise?.before ?? inWords(was, (name) => name)})`,
      got: `${typedOtherwise?.now ?? inWords(error.got, (name) => name.replace(/^the/, "other"))}${spread}`,
      fix: isHarmless
        ? "type what was typed then, or go on in spite of it: --resume-anyway"
        : `type what was typed then, or begin anew in another folder${typedOtherwise ? "" : "; other data or another version of this package is another run"}`,
    },
    { cause: error },
  );
}

/** "seed 5; data {…}" → "--seed 5; other data": hashes tell nobody anything. */
function inWords(differences: string, nameLong: (name: string) => string): string {
  return differences
    .split("; ")
    .map((difference) => {
      const [, field = "", value = ""] = /^(\w+) (.*)$/s.exec(difference) ?? [];
      const name = fields[field as keyof ResolvedPlan] ?? field; // or what is none
      return value.length > 60 ? nameLong(name) : `${name} ${value}`;
    })
    .join("; ");
}
