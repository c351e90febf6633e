/** Groups of parameters: which are frozen, and which learn or decay faster or slower than the rest. */
import { fail, kindOf } from "../errors.ts";
import { type NamePatterns, patternExpression } from "../models/name-pattern.ts";

/** Parameters by name, and what is different for them. */
export interface ParameterGroup {
  /** Their names, "linear1.weight": a text in which * stands for anything, a regular expression, or a list of them. */
  readonly parameters: NamePatterns;
  /** They keep their first values: they get no gradient, which costs no time, and no update. Default false. */
  readonly frozen?: boolean;
  /** Times the optimizer's learning rate, its schedule included; above 0. Default 1. */
  readonly learningRateFactor?: number;
  /** Times the optimizer's weight decay, for those of them that decay; from 0 on. Default 1. */
  readonly weightDecayFactor?: number;
}

/** A group with nothing left out. Plain data. */
export interface SettledGroup {
  /** Their names, in the model's order. */
  readonly parameters: readonly string[];
  readonly frozen: boolean;
  readonly learningRateFactor: number;
  readonly weightDecayFactor: number;
}

/**
 * Which parameters each group has. Throws for a pattern that matches none, a parameter in two groups, factors out of their
 * range, factors of what is frozen, and a factor of a weight decay that the optimizer does not have.
 */
export function settleGroups(
  groups: readonly ParameterGroup[],
  names: readonly string[],
  weightDecay: number,
): readonly SettledGroup[] {
  const taken = new Map<string, number>();
  return groups.map((group, index) => {
    const where = `plan.groups[${index}]`;
    checkGroup(where, group, weightDecay);
    const parameters = matching(where, group.parameters, names);
    for (const name of parameters) {
      const other = taken.get(name);
      if (other !== undefined) {
        fail(where, {
          expected: "parameters that no other group has",
          got: `"${name}", which plan.groups[${other}] has too`,
          fix: "make one of the patterns narrower",
        });
      }
      taken.set(name, index);
    }
    const { frozen = false, learningRateFactor = 1, weightDecayFactor = 1 } = group;
    return { parameters, frozen, learningRateFactor, weightDecayFactor };
  });
}

const fields = ["parameters", "frozen", "learningRateFactor", "weightDecayFactor"];

function checkGroup(where: string, group: ParameterGroup, weightDecay: number): void {
  const { frozen, learningRateFactor: rate, weightDecayFactor: decay } = group;
  const unknown = Object.keys(group).find((name) => !fields.includes(name));
  const refuse = (expected: string, got: string, fix: string) => fail(where, { expected, got, fix });
  if (unknown !== undefined) refuse(`only ${fields.join(", ")}`, unknown, "correct the name");
  if (frozen !== undefined && typeof frozen !== "boolean")
    refuse("frozen true or false", kindOf(frozen), "leave it out, or write frozen: true");
  if (rate !== undefined && !(Number.isFinite(rate) && rate > 0))
    refuse("a learningRateFactor above 0", kindOf(rate), "1 is the optimizer's rate; frozen: true is none");
  if (decay !== undefined && !(Number.isFinite(decay) && decay >= 0))
    refuse("a weightDecayFactor from 0 on", kindOf(decay), "1 is the optimizer's weight decay, 0 is none");
  if (frozen && (rate ?? decay) !== undefined)
    refuse("frozen, or factors", "both", "leave the factors out: what is frozen is not updated");
  if (decay !== undefined && weightDecay === 0)
    refuse(
      "an optimizer with weight decay",
      `one without, and weightDecayFactor ${decay}`,
      "give the optimizer a weightDecay, and the groups that shall not decay the factor 0",
    );
}

function matching(where: string, patterns: NamePatterns, names: readonly string[]): readonly string[] {
  const list = typeof patterns === "string" || patterns instanceof RegExp ? [patterns] : patterns;
  const isPattern = (one: unknown) => typeof one === "string" || one instanceof RegExp;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isPattern)) {
    fail(where, {
      expected: "parameters as a text with *, a regular expression, or a list of them",
      got: kindOf(patterns),
      fix: 'for example parameters: "linear1.*"',
    });
  }
  const tests = list.map((pattern) => ({ pattern, test: patternExpression(pattern) }));
  const idle = tests.find(({ test }) => !names.some((name) => test.test(name)));
  if (idle !== undefined) {
    const rest = names.length - 12;
    fail(where, {
      expected: "patterns that match parameters",
      got: `${idle.pattern}, which matches none`,
      fix: `the model's are ${names.slice(0, 12).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`,
    });
  }
  return names.filter((name) => tests.some(({ test }) => test.test(name)));
}
