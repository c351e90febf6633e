/** Texts from a trained language model: token by token, each drawn from what the model says may come next. */
import { uniformAt } from "../array/random.ts";
import { fail, kindOf } from "../errors.ts";
import type { Model } from "./model.ts";
import { languageModel } from "./next-token.ts";
import type { SavedModel } from "./saved-model.ts";

/** The logits of what comes next, one per token of the vocabulary, for all tokens so far. */
export type NextToken = (tokens: Int32Array) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** How tokens are drawn. */
export interface SamplingOptions {
  /**
   * What logits are divided by. Default 1, what the model learned; below, likely tokens become likelier; 0
   * takes the likeliest (of equal ones the first).
   */
  readonly temperature?: number;
  /** Only so many of the likeliest tokens are drawn from. Default: all. */
  readonly topK?: number;
  /**
   * Only the fewest of the likeliest tokens whose probabilities add up to this share are drawn from. Default
   * 1: all. Counted behind temperature and topK. Source: Holtzman et al. 2019, "nucleus sampling".
   */
  readonly topP?: number;
}

/** What to write. */
export interface GenerateOptions extends SamplingOptions {
  /** What the text begins with: at least one token. */
  readonly prompt: ArrayLike<number>;
  /** How many tokens to add. */
  readonly length: number;
  /** Keys the draws: the same seed and the same model give the same tokens. Default 0. */
  readonly seed?: number;
  /** A token that ends the text; it is the last one given. Default: none. */
  readonly end?: number;
}

/**
 * Tokens that follow a prompt, without the prompt:
 *
 *   const prompt = vocabulary.encode("Call me ");
 *   const text = vocabulary.decode(await generate(model, { prompt, length: 200, temperature: 0.8, seed: 1 }));
 *
 * model: what `fit` gave, what `loadModel` read, or a function from all tokens so far to logits. A model
 * takes one column of tokens [batch, context] and gives logits [batch, context, tokens], each from what is
 * before it alone (causal attention, lstm, gru); or logits [batch, tokens] of what comes behind the context.
 * It sees the last `context` tokens, and the n-th is drawn by number n of (seed, "generate"), whatever was
 * drawn before.
 *
 * Throws for options out of their range, for tokens the model does not know, for a model of another form, for
 * one that puts out probabilities, and for one that looks at what comes later.
 */
export async function generate(
  model: Model | SavedModel | NextToken,
  options: GenerateOptions,
): Promise<Int32Array> {
  const tokens: number[] = [];
  for await (const token of sampleTokens(model, options)) tokens.push(token);
  return Int32Array.from(tokens);
}

/** The same, token by token as they are drawn; leaving the loop ends it. */
export async function* sampleTokens(
  model: Model | SavedModel | NextToken,
  options: GenerateOptions,
): AsyncGenerator<number, void, undefined> {
  checkModel(model);
  checkOptions(options);
  const { prompt, length, seed = 0, end } = options;
  const { next, close } = typeof model === "function" ? functionModel(model) : await languageModel(model);
  try {
    let tokens = Int32Array.from(prompt);
    for (let drawn = 0; drawn < length; drawn++) {
      const at = prompt.length + drawn;
      if (at === tokens.length) tokens = withRoom(tokens);
      const logits = await next(tokens.subarray(0, at));
      const token = drawToken(logits, options, uniformAt(seed, "generate", 0, drawn));
      tokens[at] = token;
      yield token;
      if (token === end) return;
    }
  } finally {
    await close();
  }
}

/** Twice as long: whoever asks for many tokens may leave after a few. */
function withRoom(tokens: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * tokens.length);
  larger.set(tokens);
  return larger;
}

const functionModel = (next: NextToken) => ({ next, close: async () => undefined });

/**
 * The token that a number in [0, 1) draws from logits: tokens lie side by side from 0 to 1, the likeliest
 * first, each as wide as it is likely. Throws when logits are NaN or +∞, or all are −∞ (which rules a token
 * out).
 */
export function drawToken(logits: ArrayLike<number>, options: SamplingOptions, uniform: number): number {
  if (typeof logits?.length !== "number") {
    fail("generate", {
      expected: "logits, one number per token",
      got: kindOf(logits),
      fix: "return a list or a typed array from the function",
    });
  }
  const { temperature = 1, topK = logits.length, topP = 1 } = options;
  const order = likeliestFirst(logits);
  const largest = logits[order[0]!]!;
  if (temperature === 0) return order[0]!;
  const candidates = order.subarray(0, topK);
  const weights = Float64Array.from(candidates, (token) =>
    Math.exp((logits[token]! - largest) / temperature),
  );
  const count = nucleus(weights, topP);
  let total = 0;
  for (let at = 0; at < count; at++) total += weights[at]!;
  let left = uniform * total;
  for (let at = 0; at < count; at++) {
    left -= weights[at]!;
    if (left < 0) return candidates[at]!;
  }
  return candidates[count - 1]!; // rounding may leave a crumb
}

/** All tokens, by falling logits; of equal ones the first comes first. */
function likeliestFirst(logits: ArrayLike<number>): Int32Array {
  const order = Int32Array.from({ length: logits.length }, (_, token) => token);
  const wrong = order.find((token) => !(logits[token]! < Number.POSITIVE_INFINITY));
  if (wrong !== undefined) {
    fail(`generate, logit of token ${wrong}`, {
      expected: "a number",
      got: String(logits[wrong]),
      fix: "train with a smaller learning rate, or return −Infinity for a token that may not come",
    });
  }
  order.sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (order.length > 0 && logits[order[0]!]! > Number.NEGATIVE_INFINITY) return order;
  return fail("generate", {
    expected: "logits that leave at least one token",
    got: order.length === 0 ? "no logits" : "−Infinity for all of them",
    fix: "rule out fewer tokens",
  });
}

/** How many of the weights, which fall, it takes to have the share of their sum; at least one. */
function nucleus(weights: Float64Array, share: number): number {
  if (share >= 1) return weights.length;
  const wanted = share * weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (let at = 0; at < weights.length; at++) {
    sum += weights[at]!;
    if (sum >= wanted) return at + 1;
  }
  return weights.length;
}

function checkModel(model: unknown): void {
  const isModel = typeof model === "object" && model !== null && ("toOnnx" in model || "summary" in model);
  if (isModel || typeof model === "function") return;
  fail("generate", {
    expected: "a trained model, a loaded one, or a function from tokens to logits",
    got: kindOf(model),
    fix: "generate(await fit(plan), { prompt, length })",
  });
}

function checkOptions(options: GenerateOptions): void {
  const { prompt, length, temperature = 1, topK = 1, topP = 1, end = 0 } = options;
  const require = (isFine: boolean, what: string, expected: string, got: unknown, fix: string) => {
    if (!isFine) fail(`generate, ${what}`, { expected, got: kindOrNumber(got), fix });
  };
  const isWhole = (value: number, least: number) => Number.isSafeInteger(value) && value >= least;
  const codes = prompt === undefined || typeof prompt === "string" ? [] : Array.from(prompt);
  const fix = "vocabulary.encode(text) makes one of a text";
  require(codes.length > 0, "prompt", "at least one token", prompt, fix);
  const wrong = codes.find((code) => !isWhole(code, 0));
  require(wrong === undefined, "prompt", "tokens that are whole numbers from 0 on", wrong, fix);
  require(isWhole(length, 0), "length", "a whole number from 0 on", length, "for example 100");
  const isWarm = Number.isFinite(temperature) && temperature >= 0;
  require(isWarm, "temperature", "a number from 0 on", temperature, "for example 0.8");
  require(isWhole(
    end,
    0,
  ), "end", "a token, a whole number from 0 on", end, "leave it out where there is none");
  require(isWhole(topK, 1), "topK", "a whole number from 1 on", topK, "for example 40, or leave it out");
  require(topP > 0 &&
    topP <= 1, "topP", "a share above 0, up to 1", topP, "for example 0.9, or leave it out");
}

const kindOrNumber = (value: unknown) =>
  Array.isArray(value) || ArrayBuffer.isView(value) ? "none" : kindOf(value);
