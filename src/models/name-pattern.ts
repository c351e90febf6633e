/** Patterns of parameters' names. */

/** A text in which * stands for anything, a regular expression, or a list of them. */
export type NamePatterns = string | RegExp | readonly (string | RegExp)[];

/** The whole name matches a text; a regular expression matches where it finds itself in the name. */
export function patternExpression(pattern: string | RegExp): RegExp {
  // Without the flags that make a regular expression remember where it stopped.
  if (typeof pattern !== "string") return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ""));
  const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`, "s");
}
