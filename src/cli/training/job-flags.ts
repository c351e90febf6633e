/** What jobs of several kinds ask of flags alike: which they do not take, the shares they hold out, and when they end. */
import { fail } from "../../errors.ts";
import { afterEpochs, type StopRule, whenStale } from "../../train/stop.ts";
import type { TrainFlags } from "./flags.ts";
import { stopRulesOf } from "./plan-flags.ts";

/** Throws at the first flag of `kinds`, its names as they are typed, that was given and is not `shared`. */
export function refuseFlags(
  flags: TrainFlags,
  kinds: Readonly<Record<string, string>>,
  proof: { readonly expected: string; readonly got: string; fix(flag: string): string },
  shared: readonly (keyof TrainFlags)[] = [],
): void {
  for (const [name, flag] of Object.entries(kinds)) {
    if (!Object.hasOwn(flags, name) || shared.includes(name as keyof TrainFlags)) continue; // one that is shared, or none
    fail(flag, { expected: proof.expected, got: proof.got, fix: proof.fix(flag) });
  }
}

/** The shares to hold out of what has no columns, by which a file of its own could be read. what: "the images". */
export function heldShares(
  { validation, test }: TrainFlags,
  { what, share }: { readonly what: string; readonly share: number },
): { readonly validation: number; readonly test?: number } {
  const shareOf = (flag: string, held: TrainFlags["test"]) => {
    if (held === undefined || "share" in held) return held?.share;
    return fail(flag, {
      expected: `a share of ${what}`,
      got: held.file,
      fix: `for example ${flag} ${share}`,
    });
  };
  const validated = shareOf("--validation", validation) ?? share;
  const tested = shareOf("--test", test);
  return { validation: validated, ...(tested !== undefined && { test: tested }) };
}

/** The rules that flags name, and behind them the default ones, where no length was given. */
export function stopRulesWithin(
  flags: TrainFlags,
  defaults: { readonly epochs: number; readonly patience: number },
): StopRule[] {
  const rules = stopRulesOf(flags);
  if (flags.epochs !== undefined || flags.steps !== undefined) return rules;
  rules.push(afterEpochs(defaults.epochs));
  if (flags.patience === undefined) rules.push(whenStale("validation.loss", { patience: defaults.patience }));
  return rules;
}
