/** microbatch generate: a text's model writes on from a prompt, to standard output as it draws. */
import type { Vocabulary } from "../data/text/vocabulary.ts";
import { fail } from "../errors.ts";
import { printable } from "../report/console.ts";
import { sampleTokens } from "../train/generate.ts";
import { loadModel } from "../train/saved-model.ts";
import type { GenerateFlags } from "./generate.ts";
import { vocabularyOf } from "./text-tokens.ts";

/** Writes the prompt and what follows it, and a line end. */
export async function runGenerate(file: string, flags: GenerateFlags): Promise<void> {
  const { prompt: text, tokens: length, temperature, topK, topP, seed } = flags;
  const model = await loadModel(file);
  try {
    const vocabulary = await vocabularyOf(file, model.summary.metadata);
    requireSize(file, vocabulary, model.summary.outputs[0]?.shape.at(-1));
    const prompt = promptOf(vocabulary, text);
    const options = { ...(topK !== undefined && { topK }), ...(topP !== undefined && { topP }) };
    const writer = new Writer(vocabulary, prompt);
    if (!(await write(text))) return;
    for await (const token of sampleTokens(model, { prompt, length, temperature, seed, ...options }))
      if (!(await write(writer.add(token)))) return;
    await write(`${writer.end()}\n`);
  } finally {
    await model.close();
  }
}

function promptOf(vocabulary: Vocabulary, text: string): Int32Array {
  const encoding = vocabulary.encoder("--prompt");
  const prompt = Int32Array.from([...encoding.push(text), ...encoding.finish()]);
  if (prompt.length > 0) return prompt;
  return fail("--prompt", {
    expected: "at least one token",
    got: "none",
    fix: 'for example --prompt "The "',
  });
}

/** A damaged file must not draw tokens that nobody can read. */
function requireSize(file: string, { size, name }: Vocabulary, outputs: unknown): void {
  if (outputs === size) return;
  fail(file, {
    expected: `logits of ${size} tokens, as ${name} has`,
    got: String(outputs ?? "none"),
    fix: "train the model again",
  });
}

/** Tokens as text, each as soon as it is certain: the bytes of a character come one by one. */
class Writer {
  readonly #vocabulary: Vocabulary;
  readonly #tokens: number[];
  #written: string;

  constructor(vocabulary: Vocabulary, prompt: Int32Array) {
    this.#vocabulary = vocabulary;
    this.#tokens = [...prompt];
    this.#written = vocabulary.decode(prompt);
  }

  /** What the token adds. All is decoded anew, since tokens may look different beside others; it takes less time than the model. */
  add(token: number): string {
    this.#tokens.push(token);
    return this.#news(this.#vocabulary.decode(this.#tokens).replace(/\uFFFD+$/, "")); // which may become a character yet
  }

  /** What is left. */
  end(): string {
    return this.#news(this.#vocabulary.decode(this.#tokens));
  }

  #news(text: string): string {
    if (text.length <= this.#written.length) return "";
    const news = text.slice(this.#written.length);
    this.#written = text;
    return news;
  }
}

/** Waits until the reader has taken it; false where the reader has gone (| head -1). A terminal gets no control characters. */
function write(text: string): Promise<boolean> {
  if (text === "") return Promise.resolve(true);
  const shown = process.stdout.isTTY ? text.split("\n").map(printable).join("\n") : text;
  return new Promise((resolve) =>
    process.stdout.write(shown, (error) => resolve(error === undefined || error === null)),
  );
}
