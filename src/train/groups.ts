/** Groups of parameters: which are frozen or learn a change of low rank, and which learn or decay faster or slower than the rest. */
import { elementCount, formatShape } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import { type NamePatterns, patternExpression } from "../models/name-pattern.ts";

/** Parameters by name, and what is different for them. */
export interface ParameterGroup {
  /** Their names, "linear1.weight": a text in which * stands for anything, a regular expression, or a list of them. */
  readonly parameters: NamePatterns;
  /** They keep their first values: they get no gradient, which costs no time, and no update. Default false. */
  readonly frozen?: boolean;
  /**
   * LoRA: they keep their first values, and those of two axes and more learn a change of low rank, W + (alpha / rank) · B · A. Only
   * A and B have gradients and an optimizer's slots; the factors below are theirs. What is evaluated, predicted with and
   * saved has the change merged into plain weights.
   */
  readonly lora?: LoraOptions;
  /** Times the optimizer's learning rate, its schedule included; above 0. Default 1. */
  readonly learningRateFactor?: number;
  /** Times the optimizer's weight decay, for those of them that decay; from 0 on. Default 1. */
  readonly weightDecayFactor?: number;
}

/** How a change of low rank is made. Source: Hu et al. 2021, arXiv:2106.09685. */
export interface LoraOptions {
  /** The change's rank: A is [rank, in], B is [out, rank]; of convolutions in counts the kernel too. 4 to 16 are common. */
  readonly rank: number;
  /** The change counts alpha / rank times. Default: rank, so once. (PEFT's defaults are 8 and 8.) */
  readonly alpha?: number;
}

/** The same with nothing left out, and the names of the weights that change. Plain data. */
export interface SettledLora {
  readonly rank: number;
  readonly alpha: number;
  readonly weights: readonly string[];
}

/** A group with nothing left out. Plain data. */
export interface SettledGroup {
  /** Their names, in the model's order. */
  readonly parameters: readonly string[];
  readonly frozen: boolean;
  readonly lora?: SettledLora;
  readonly learningRateFactor: number;
  readonly weightDecayFactor: number;
}

/** Shapes of parameters by name, in the model's order. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Which parameters each group has. Throws for a pattern that matches none, a parameter in two groups, factors out of their
 * range, factors or LoRA of what is frozen, a factor of a weight decay that the optimizer does not have, and a rank that
 * is none or larger than a weight's.
 */
export function settleGroups(
  groups: readonly ParameterGroup[],
  shapes: Shapes,
  weightDecay: number,
): readonly SettledGroup[] {
  const taken = new Map<string, number>();
  return groups.map((group, index) => {
    const where = `plan.groups[${index}]`;
    checkGroup(where, group, weightDecay);
    const parameters = matching(where, group.parameters, [...shapes.keys()]);
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
    const lora = group.lora && settleLora(where, group.lora, parameters, shapes);
    return { parameters, frozen, ...(lora && { lora }), learningRateFactor, weightDecayFactor };
  });
}

function settleLora(
  where: string,
  { rank, alpha = rank }: LoraOptions,
  parameters: readonly string[],
  shapes: Shapes,
): SettledLora {
  const shown = (name: string) => `"${name}" ${formatShape(shapes.get(name)!)}`;
  const weights = parameters.filter((name) => shapes.get(name)!.length >= 2);
  if (weights.length === 0) {
    fail(where, {
      expected: "a weight of two axes or more for lora",
      got: `none in ${parameters.slice(0, 12).map(shown).join(", ")}`,
      fix: "name the weights of layers, or train these without lora",
    });
  }
  const narrow = weights.find((name) => rank > fullRank(shapes.get(name)!));
  if (narrow === undefined) return { rank, alpha, weights };
  return fail(where, {
    expected: `a rank of at most ${fullRank(shapes.get(narrow)!)} for ${shown(narrow)}`,
    got: String(rank),
    fix: "lower the rank, or leave that weight out of the patterns: trained as it is it has fewer numbers",
  });
}

const fullRank = ([rows, ...rest]: readonly number[]) => Math.min(rows!, elementCount(rest));

const fields = ["parameters", "frozen", "lora", "learningRateFactor", "weightDecayFactor"];

function checkGroup(where: string, group: ParameterGroup, weightDecay: number): void {
  const { frozen, lora, learningRateFactor: rate, weightDecayFactor: decay } = group;
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
  if (lora !== undefined) checkLora(where, lora);
  if (frozen && lora !== undefined)
    refuse(
      "frozen, or lora",
      "both",
      "leave frozen out: under lora the weights keep their first values anyway",
    );
  if (decay !== undefined && weightDecay === 0)
    refuse(
      "an optimizer with weight decay",
      `one without, and weightDecayFactor ${decay}`,
      "give the optimizer a weightDecay, and the groups that shall not decay the factor 0",
    );
}

function checkLora(where: string, lora: unknown): void {
  const refuse = (expected: string, got: string, fix: string) =>
    fail(`${where}, lora`, { expected, got, fix });
  if (typeof lora !== "object" || lora === null || Array.isArray(lora)) {
    refuse("an object with a rank", kindOf(lora), "for example lora: { rank: 8, alpha: 16 }");
    return;
  }
  const { rank, alpha, ...rest } = lora as { readonly rank?: unknown; readonly alpha?: unknown }; // whatever it holds
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) refuse("only rank, alpha", unknown, "correct the name");
  if (!(Number.isSafeInteger(rank) && Number(rank) >= 1))
    refuse("a rank that is a whole number from 1 on", kindOf(rank), "for example rank: 8");
  if (alpha !== undefined && !(Number.isFinite(alpha) && Number(alpha) > 0))
    refuse("an alpha above 0", kindOf(alpha), "leave it out for the rank, or write twice the rank");
}

/** A list of patterns. Throws for what is none, or an empty list. */
export function patternsOf(where: string, patterns: NamePatterns): readonly (string | RegExp)[] {
  const list = typeof patterns === "string" || patterns instanceof RegExp ? [patterns] : patterns;
  const isPattern = (one: unknown) => typeof one === "string" || one instanceof RegExp;
  if (Array.isArray(list) && list.length > 0 && list.every(isPattern)) return list;
  return fail(where, {
    expected: "parameters as a text with *, a regular expression, or a list of them",
    got: kindOf(patterns),
    fix: 'for example "linear1.*"',
  });
}

function matching(where: string, patterns: NamePatterns, names: readonly string[]): readonly string[] {
  const tests = patternsOf(where, patterns).map((pattern) => ({ pattern, test: patternExpression(pattern) }));
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
