/** A trained language model as a function from tokens to the logits of what comes next. */
import { type AnyArray, int32, type NdArray } from "../array/array.ts";
import { fail } from "../errors.ts";
import { type OnnxSummary, type OnnxValue, summarizeOnnx } from "../onnx/decode.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import type { Model } from "./model.ts";
import type { SavedModel } from "./saved-model.ts";

/** A model that is open; whoever opened it closes it. */
export interface OpenLanguageModel {
  next(tokens: Int32Array): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/** Opens a model, or uses one that was loaded and stays open. Throws when it is no language model. */
export async function languageModel(model: Model | SavedModel): Promise<OpenLanguageModel> {
  if ("summary" in model) {
    const form = formOf(model.summary);
    const run = (rows: Int32Array[]) => model.predict({ [form.input]: rows.map((row) => Array.from(row)) });
    return { next: nextBy(form, run), close: async () => undefined };
  }
  const bytes = model.toOnnx();
  const form = formOf(summarizeOnnx(bytes, where));
  const session = await (await nodeRuntime()).load(where, bytes);
  const fed = int32(new Int32Array(2 * form.context), [2, form.context]);
  const binding = session.bind({ [form.input]: fed });
  const run = (rows: Int32Array[]) => {
    rows.forEach((row, index) => {
      (fed.data as Int32Array).set(row, index * form.context); // int32() made it one
    });
    return binding.run();
  };
  return { next: nextBy(form, run), close: () => session.close() };
}

const where = "generate";

/** What a language model takes and gives. */
interface Form {
  readonly input: string;
  readonly context: number;
  readonly output: string;
  readonly tokens: number;
  /** Whether there are logits at every position, or only behind the last. */
  readonly isEach: boolean;
}

type Run = (rows: Int32Array[]) => Promise<Readonly<Record<string, AnyArray>>>;

function formOf({ inputs, outputs }: OnnxSummary): Form {
  const [input] = inputs;
  const context = input?.shape[1];
  if (
    inputs.length !== 1 ||
    input?.dtype !== "int32" ||
    input.shape.length !== 2 ||
    typeof context !== "number"
  ) {
    return fail(where, {
      expected: "a model that takes one column of tokens, int32 [batch, context]",
      got: described(inputs),
      fix: "train one on windows of a text: characters(path, { context: 64 })",
    });
  }
  const output = outputs.find(({ dtype, shape: [, ...rest] }) => {
    const isFixed = rest.every((dim) => typeof dim === "number");
    return (
      dtype === "float32" && isFixed && (rest.length === 1 || (rest.length === 2 && rest[0] === context))
    );
  });
  if (output === undefined) {
    return fail(where, {
      expected: `a model that gives logits, float32 [batch, ${context}, tokens] or [batch, tokens]`,
      got: described(outputs),
      fix: "return the logits of every position: sequence(embedding(…), …, linear(vocabulary.size))",
    });
  }
  const tokens = Number(output.shape.at(-1));
  return { input: input.name, context, output: output.name, tokens, isEach: output.shape.length === 3 };
}

const described = (values: readonly OnnxValue[]) =>
  values.map(({ name, dtype, shape }) => `"${name}" ${dtype} [${shape.join(", ")}]`).join(", ") || "none";

/** The logits behind the last `context` tokens. */
function nextBy(form: Form, run: Run): (tokens: Int32Array) => Promise<ArrayLike<number>> {
  const { context, tokens: vocabulary, isEach, output } = form;
  let isKnown = false;
  return async (tokens) => {
    requireTokens(tokens, vocabulary);
    const seen = tokens.subarray(Math.max(0, tokens.length - context));
    if (!isEach && seen.length < context) {
      fail(`${where}, prompt`, {
        expected: `at least ${context} tokens: this model only tells what comes behind that many`,
        got: String(seen.length),
        fix: "begin with a longer text, or train a model that gives logits at every position",
      });
    }
    // What is behind the tokens must not matter. Two rows tell, and a microbatch of one would be computed as
    // two anyway.
    const rows = [0, vocabulary - 1].map((filler) => {
      const row = new Int32Array(context).fill(filler);
      row.set(seen);
      return row;
    });
    const logits = (await run(rows))[output] as NdArray; // formOf saw that it is float32
    const [first, second] = [0, 1].map((row) => at(logits, form, row, seen.length - 1)) as [
      Float32Array,
      Float32Array,
    ]; // two rows
    requireSame(first, second);
    if (!isKnown) requireLogits(logits, form, seen.length);
    isKnown = true;
    return first.slice();
  };
}

/** The logits of a row at a position. */
function at(
  { data }: NdArray,
  { context, tokens, isEach }: Form,
  row: number,
  position: number,
): Float32Array {
  const start = (isEach ? row * context + position : row) * tokens;
  return (data as Float32Array).subarray(start, start + tokens); // as above
}

function requireTokens(tokens: Int32Array, vocabulary: number): void {
  const place = tokens.findIndex((token) => token < 0 || token >= vocabulary);
  if (place < 0) return;
  fail(`${where}, token ${place} of the prompt`, {
    expected: `tokens from 0 to ${vocabulary - 1}`,
    got: String(tokens[place]),
    fix: "encode the prompt by the vocabulary that the model was trained with",
  });
}

/** Rows of one run differ by rounding at most. */
function requireSame(first: Float32Array, second: Float32Array): void {
  const scale = first.reduce((largest, logit) => Math.max(largest, Math.abs(logit)), 1);
  if (first.every((logit, token) => !(Math.abs(logit - second[token]!) > 1e-3 * scale))) return;
  fail(where, {
    expected: "a model that does not look at what comes later",
    got: "other logits when later tokens were changed",
    fix: "train it with causal attention: attention({ heads, causal: true })",
  });
}

/** Probabilities at every position would be drawn from as if they were logits: nearly at random. */
function requireLogits(logits: NdArray, form: Form, positions: number): void {
  if (form.tokens === 1) return;
  for (let position = 0; position < (form.isEach ? positions : 1); position++) {
    const row = at(logits, form, 0, position);
    if (row.some((value) => !(value >= 0)) || Math.abs(row.reduce((a, b) => a + b, 0) - 1) > 1e-5) return;
  }
  fail(where, {
    expected: "logits",
    got: "probabilities, which add up to 1",
    fix: "leave softmax out of the model: crossEntropy takes logits, and so does this",
  });
}
