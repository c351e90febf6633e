/**
 * Rules of a tokenizer.json in the words of the library that runs them. It cuts texts differently from the library that
 * the format comes from (Rust's tokenizers) where a rule has settings it does not look at; most of those can be said
 * otherwise, and the others are refused: other tokens than those a model was trained with would be silently wrong.
 */

/** A rule: an object with a type. */
export type Rule = Readonly<Record<string, unknown>>;

const isRule = (value: unknown): value is Rule =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The normalizer with the same result. */
export function normalizerFor(rule: unknown): unknown {
  if (!isRule(rule)) return rule ?? null;
  if (rule.type === "Sequence" && Array.isArray(rule.normalizers))
    return { ...rule, normalizers: rule.normalizers.map(normalizerFor) };
  const lowers = rule.type === "Lowercase" || (rule.type === "BertNormalizer" && rule.lowercase === true);
  if (!lowers) return rule;
  // JavaScript writes a sigma at the end of a word in its own way, Rust's tokenizers go character by character.
  const sigma = { type: "Replace", pattern: { String: "Σ" }, content: "σ" };
  return { type: "Sequence", normalizers: [sigma, rule] };
}

/** The pre-tokenizer with the same result. `refuse` is told what there is none for. */
export function preTokenizerFor(rule: unknown, refuse: (what: string) => never): unknown {
  if (!isRule(rule)) return rule ?? null;
  switch (rule.type) {
    case "Sequence": {
      const parts: readonly unknown[] = Array.isArray(rule.pretokenizers) ? rule.pretokenizers : [];
      return sequence(parts.map((part) => preTokenizerFor(part, refuse)));
    }
    case "Whitespace": // there, only ASCII makes words
      return sequence([{ type: "WhitespaceSplit" }, isolated(word)]);
    case "Digits": // there, only decimal digits
      return isolated(rule.individual_digits === true ? "\\p{N}" : "\\p{N}+");
    case "FixedLength": // there, halves of pairs
      return isolated(`[\\s\\S]{1,${Number(rule.length)}}`);
    case "Punctuation":
      return splitBy(punctuation, String(rule.behavior ?? "Isolated"), refuse);
    case "Metaspace":
      return metaspace(rule);
    case "Split":
      return split(rule, refuse);
    default:
      return rule;
  }
}

const sequence = (pretokenizers: readonly unknown[]) => ({ type: "Sequence", pretokenizers });
const isolated = (regex: string) => ({
  type: "Split",
  pattern: { Regex: regex },
  behavior: "Isolated",
  invert: false,
});

/** A word as Rust's regular expressions have it: \w of Unicode's Technical Standard 18. */
const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D]+";
const punctuation = "[\\p{P}!-/:-@\\[-`{-~]";

/** Replaces blanks, as there, and then cuts in front of each, as there not. Old files have no prepend_scheme. */
function metaspace(rule: Rule): unknown {
  const scheme = rule.prepend_scheme ?? (rule.add_prefix_space === false ? "never" : "always");
  const own = { ...rule, prepend_scheme: scheme };
  if (rule.split === false) return own;
  const mark = escaped(String(rule.replacement ?? "▁"));
  return sequence([own, isolated(`${mark}[^${mark}]*`)]);
}

function split(rule: Rule, refuse: (what: string) => never): unknown {
  const { pattern, behavior, invert } = rule;
  if (!isRule(pattern) || typeof behavior !== "string") return rule; // the library says what is wrong
  const regex = typeof pattern.String === "string" ? escaped(pattern.String) : String(pattern.Regex);
  if (invert !== true) return splitBy(regex, behavior, refuse);
  if (behavior === "Removed") return { ...rule, pattern: { Regex: regex } };
  if (behavior === "Isolated") return isolated(regex); // both what matches and what does not are kept
  return refuse(`a Split with the behavior ${behavior}, inverted`);
}

/** What becomes of the separators, as an expression whose matches stand alone, and so does what is between them. */
function splitBy(regex: string, behavior: string, refuse: (what: string) => never): unknown {
  const other = `(?:(?!${regex})[\\s\\S])+`;
  switch (behavior) {
    case "Removed":
      return { type: "Split", pattern: { Regex: `(?:${regex})` }, behavior: "Removed", invert: false };
    case "Isolated":
      return isolated(regex);
    case "Contiguous":
      return isolated(`(?:${regex})+`);
    case "MergedWithPrevious":
      return isolated(`${other}(?:${regex})|(?:${regex})`);
    case "MergedWithNext":
      return isolated(`(?:${regex})${other}|(?:${regex})`);
    default:
      return refuse(`a Split with the behavior ${behavior}`);
  }
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

/** What of a model the library does not do as it should, if anything. */
export function unsupportedModel(model: Rule): string | undefined {
  if (model.type === "Unigram" && model.byte_fallback === true) return "a Unigram model with byte_fallback";
  if (
    model.type === "BPE" &&
    typeof model.continuing_subword_prefix === "string" &&
    model.continuing_subword_prefix
  )
    return "byte-pair encoding with a continuing_subword_prefix";
  return undefined;
}
