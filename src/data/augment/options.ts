/** The options of augmentations, checked by the rules of their kind. */
import { fail, kindOf } from "../../errors.ts";
import type { Augmentation, AugmentationKind, AugmentationOptions, OptionRule } from "./augmentation.ts";

/** An augmentation of a kind, with all its options. Throws for one that is unknown, missing, or not what it must be. */
export function describeAugmentation<Options>(kind: AugmentationKind<Options>, given: object): Augmentation {
  const { name, rules } = kind;
  return Object.freeze({ name, options: Object.freeze(settleOptions(name, rules, given)) });
}

/** The given options and the defaults of the others, in the order of the rules. */
export function settleOptions(
  where: string,
  rules: Readonly<Record<string, OptionRule>>,
  given: unknown,
): AugmentationOptions {
  const names = Object.keys(rules);
  const refuse = (got: string, fix: string) =>
    fail(where, { expected: `options ${names.join(", ")}`, got, fix });
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return refuse(kindOf(given), `for example { ${names[0]}: … }`);
  }
  const values = new Map<string, unknown>(Object.entries(given));
  const unknown = [...values.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) refuse(`"${unknown}"`, "correct the name");
  return Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [
      name,
      settleOption(where, name, rule, values.get(name) ?? rule.default),
    ]),
  );
}

function settleOption(where: string, name: string, rule: OptionRule, value: unknown): number | string {
  if ("oneOf" in rule) {
    if (typeof value === "string" && rule.oneOf.includes(value)) return value;
    const choices = rule.oneOf.map((choice) => `"${choice}"`);
    return fail(where, {
      expected: `${name} to be one of ${choices.join(", ")}`,
      got: kindOf(value),
      fix: `leave it out for "${rule.default}"`,
    });
  }
  const { from, to, isWhole = false } = rule;
  const isNumber = typeof value === "number" && value >= from && value <= to;
  if (isNumber && (!isWhole || Number.isInteger(value))) return value;
  return fail(where, {
    expected: `${name} to be a ${isWhole ? "whole number" : "number"} from ${from} to ${to}`,
    got: kindOf(value),
    fix: rule.default === undefined ? `for example ${name}: 4` : `leave it out for ${rule.default}`,
  });
}
