import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { arrays } from "../data/arrays.ts";
import { characterVocabulary } from "../data/text/characters.ts";
import { windows } from "../data/text/windows.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  attention,
  crossEntropy,
  embedding,
  gru,
  layerNorm,
  linear,
  positional,
  sequence,
  transformerBlock,
} from "../nn/index.ts";
import { flatten, reshape, slice, softmax } from "../ops/index.ts";
import { adamw } from "../optim/index.ts";
import { fit } from "./fit.ts";
import { drawToken, generate, sampleTokens } from "./generate.ts";
import type { Model } from "./model.ts";
import { loadModel } from "./saved-model.ts";
import { afterEpochs, afterSteps } from "./stop.ts";

const text =
  "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and " +
  "nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of " +
  "the world. It is a way I have of driving off the spleen and regulating the circulation.";
const vocabulary = characterVocabulary(text);
const context = 16;
const data = windows("text", Uint8Array.from(vocabulary.encode(text)), vocabulary, { context, stride: 2 });
const folder = temporaryFolder();

/** A model of what comes next, trained for some epochs. */
function trained(body: (tokens: Tensor) => Tensor, epochs: number): Promise<Model> {
  return fit({
    data,
    model: ({ tokens }) => body(tokens),
    loss: (logits, { next }) => crossEntropy(logits, next),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 32,
    stop: afterEpochs(epochs),
  });
}

const characterModel = () => sequence(embedding(vocabulary.size, 24), gru(64), linear(vocabulary.size));
let model: Model;
before(async () => {
  model = await trained(characterModel(), 40);
});

const continued = async (from: Parameters<typeof generate>[0], prompt: string, options = {}) =>
  vocabulary.decode(await generate(from, { prompt: vocabulary.encode(prompt), length: 40, ...options }));

test("a model trained on a short text goes on as the text does", async () => {
  const prompt = "Call me Ishmael.";
  const expected = text.slice(prompt.length, prompt.length + 40);
  assert.equal(await continued(model, prompt, { temperature: 0 }), expected);
});

test("the same seed gives the same tokens, another seed others", async () => {
  const [first, again, other] = await Promise.all(
    [1, 1, 2].map((seed) => continued(model, "I", { seed, temperature: 2 })),
  );
  assert.equal(first, again);
  assert.notEqual(first, other);
});

test("a saved model writes what the model writes", async () => {
  const path = join(folder, "text.onnx");
  await model.save(path);
  const saved = await loadModel(path);
  try {
    const options = { seed: 3, temperature: 1.5 };
    assert.equal(await continued(saved, "the ", options), await continued(model, "the ", options));
  } finally {
    await saved.close();
  }
});

test("a prompt longer than the context is cut to its end", async () => {
  const long = text.slice(30, 90);
  assert.equal(
    await continued(model, long, { seed: 5 }),
    await continued(model, long.slice(-context), { seed: 5 }),
  );
});

test("more tokens begin as fewer do, and leaving the loop ends the writing", async () => {
  const prompt = vocabulary.encode("a");
  const all = await generate(model, { prompt, length: 12, seed: 4 });
  assert.deepEqual(await generate(model, { prompt, length: 5, seed: 4 }), all.slice(0, 5));
  const seen: number[] = [];
  for await (const token of sampleTokens(model, { prompt, length: 12, seed: 4 })) {
    seen.push(token);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [...all.slice(0, 3)]);
});

test("the end token is the last one given", async () => {
  const counting = (tokens: Int32Array) =>
    Array.from({ length: 9 }, (_, token) => (token === tokens.length ? 50 : 0));
  assert.deepEqual([...(await generate(counting, { prompt: [0], length: 8, end: 4 }))], [1, 2, 3, 4]);
  assert.deepEqual([...(await generate(counting, { prompt: [0, 0], length: 3 }))], [2, 3, 4]);
  assert.deepEqual([...(await generate(counting, { prompt: [0], length: 0 }))], []);
});

/** How often each token is drawn, by uniform numbers that lie evenly. */
function shares(logits: readonly number[], options = {}): number[] {
  const draws = 10_000;
  const counts = logits.map(() => 0);
  for (let at = 0; at < draws; at++) counts[drawToken(logits, options, (at + 0.5) / draws)]!++;
  return counts.map((drawn) => drawn / draws);
}

test("tokens are drawn as often as they are likely, at any temperature, from topK and topP of them", () => {
  const logits = [Math.log(0.2), Math.log(0.5), Number.NEGATIVE_INFINITY, Math.log(0.3)];
  const close = (got: number[], want: number[]) => {
    want.forEach((share, token) => {
      assert.ok(Math.abs(got[token]! - share) <= 2e-4, `${got}, should be ${want}`); // two draws of 10 000
    });
  };
  close(shares(logits), [0.2, 0.5, 0, 0.3]);
  close(
    shares(logits, { temperature: 0.5 }),
    [0.04, 0.25, 0, 0.09].map((square) => square / 0.38),
  );
  close(shares(logits, { temperature: 0 }), [0, 1, 0, 0]);
  close(shares(logits, { topK: 2 }), [0, 5 / 8, 0, 3 / 8]);
  close(shares(logits, { topK: 9, topP: 1 }), [0.2, 0.5, 0, 0.3]);
  close(shares(logits, { topP: 0.79 }), [0, 5 / 8, 0, 3 / 8]);
  close(shares(logits, { topP: 0.81 }), [0.2, 0.5, 0, 0.3]);
  close(shares(logits, { topP: 0.01 }), [0, 1, 0, 0]);
  close(shares(logits, { topK: 2, topP: 0.6 }), [0, 1, 0, 0]); // of two, the first has 5/8
  close(shares([3, 3, 1e-9 + 3]), [1 / 3, 1 / 3, 1 / 3]);
  assert.equal(drawToken([7, 7], { temperature: 0 }, 0.9), 0);
  assert.equal(drawToken([0, 1000], {}, 1 - 2 ** -53), 1);
});

test("logits that are none are refused", () => {
  assert.throws(() => drawToken([0, Number.NaN], {}, 0.5), {
    message:
      "generate, logit of token 1: expected a number, got NaN. Fix: train with a smaller learning rate, or return −Infinity for a token that may not come",
  });
  assert.throws(() => drawToken([Number.NEGATIVE_INFINITY], {}, 0.5), {
    message:
      "generate: expected logits that leave at least one token, got −Infinity for all of them. Fix: rule out fewer tokens",
  });
});

test("wrong options say what to type instead", async () => {
  const refused = (options: object, message: string) =>
    assert.rejects(
      generate(() => [0], { prompt: [0], length: 1, ...options }),
      { message },
    );
  await refused(
    { prompt: [] },
    "generate, prompt: expected at least one token, got none. Fix: vocabulary.encode(text) makes one of a text",
  );
  await refused(
    { prompt: vocabulary.encode("") },
    "generate, prompt: expected at least one token, got none. Fix: vocabulary.encode(text) makes one of a text",
  );
  await refused(
    { end: -1 },
    "generate, end: expected a token, a whole number from 0 on, got -1. Fix: leave it out where there is none",
  );
  await refused(
    { prompt: "Call me" },
    'generate, prompt: expected at least one token, got "Call me". Fix: vocabulary.encode(text) makes one of a text',
  );
  await refused(
    { prompt: [1.5] },
    "generate, prompt: expected tokens that are whole numbers from 0 on, got 1.5. Fix: vocabulary.encode(text) makes one of a text",
  );
  await refused(
    { length: -1 },
    "generate, length: expected a whole number from 0 on, got -1. Fix: for example 100",
  );
  await refused(
    { temperature: -1 },
    "generate, temperature: expected a number from 0 on, got -1. Fix: for example 0.8",
  );
  await refused(
    { topK: 0 },
    "generate, topK: expected a whole number from 1 on, got 0. Fix: for example 40, or leave it out",
  );
  await refused(
    { topP: 0 },
    "generate, topP: expected a share above 0, up to 1, got 0. Fix: for example 0.9, or leave it out",
  );
  await refused(
    { seed: -1 },
    "random number, seed: expected a whole number from 0 to 9007199254740991, got -1. Fix: pass a seed in that range, for example 1",
  );
});

test("as many tokens as anybody asks for are written one by one", async () => {
  let seen = 0;
  const long = { prompt: [0], length: Number.MAX_SAFE_INTEGER };
  for await (const _ of sampleTokens((tokens) => [tokens.length, 0], long)) if (++seen === 100) break;
  assert.equal(seen, 100);
});

test("what is no model, and a function that gives no logits, are refused", async () => {
  const options = { prompt: [0], length: 1 };
  await assert.rejects(generate("text.onnx" as unknown as Model, options), {
    message:
      'generate: expected a trained model, a loaded one, or a function from tokens to logits, got "text.onnx". Fix: generate(await fit(plan), { prompt, length })',
  });
  await assert.rejects(
    generate(() => undefined as unknown as number[], options),
    {
      message:
        "generate: expected logits, one number per token, got undefined. Fix: return a list or a typed array from the function",
    },
  );
});

test("tokens that the model does not know are refused", async () => {
  await assert.rejects(generate(model, { prompt: [0, vocabulary.size], length: 1 }), {
    message: `generate, token 1 of the prompt: expected tokens from 0 to ${vocabulary.size - 1}, got ${vocabulary.size}. Fix: encode the prompt by the vocabulary that the model was trained with`,
  });
});

test("a transformer writes, from any prompt and past its context", async () => {
  const body = sequence(
    embedding(vocabulary.size, 16),
    positional("learned"),
    transformerBlock({ heads: 2, causal: true, dropout: 0.1 }),
    layerNorm(),
    linear(vocabulary.size),
  );
  const gpt = await trained(body, 1);
  const [first, again] = [await continued(gpt, "C", { topK: 5 }), await continued(gpt, "C", { topK: 5 })];
  assert.equal(first.length, 40);
  assert.equal(first, again);
});

test("a model that sees what comes later is refused", async () => {
  const seeing = await trained(
    sequence(embedding(vocabulary.size, 4), attention({ heads: 1, causal: false }), linear(vocabulary.size)),
    1,
  );
  await assert.rejects(continued(seeing, "Call"), {
    message:
      "generate: expected a model that does not look at what comes later, got other logits when later tokens were changed. Fix: train it with causal attention: attention({ heads, causal: true })",
  });
});

test("probabilities are refused", async () => {
  const body = sequence(embedding(vocabulary.size, 4), linear(vocabulary.size));
  const served = await fit({
    data,
    model: ({ tokens }) => body(tokens),
    loss: (logits, { next }) => crossEntropy(logits, next),
    serve: (logits) => ({ probabilities: softmax(logits) }),
    optimizer: adamw({ learningRate: 0.01 }),
    stop: afterSteps(1),
  });
  await assert.rejects(continued(served, "Call"), {
    message:
      "generate: expected logits, got probabilities, which add up to 1. Fix: leave softmax out of the model: crossEntropy takes logits, and so does this",
  });
});

test("a model of what comes behind the whole context wants a prompt of that length", async () => {
  const body = sequence(
    embedding(vocabulary.size, 4),
    gru(8),
    (states) => flatten(slice(states, { start: -1 }, 1)),
    linear(vocabulary.size),
  );
  const last = await fit({
    data,
    model: ({ tokens }) => body(tokens),
    loss: (logits, { next }) => crossEntropy(logits, reshape(slice(next, { start: -1 }), ["batch"])),
    optimizer: adamw({ learningRate: 0.01 }),
    stop: afterSteps(1),
  });
  assert.equal((await continued(last, text.slice(0, context))).length, 40);
  await assert.rejects(continued(last, "Call"), {
    message: `generate, prompt: expected at least ${context} tokens: this model only tells what comes behind that many, got 4. Fix: begin with a longer text, or train a model that gives logits at every position`,
  });
});

test("a model of something else is refused", async () => {
  const body = linear(1);
  const numbers = arrays({
    x: { data: Float32Array.of(1, 2), shape: [2, 1] },
    y: { data: Float32Array.of(1, 2), shape: [2, 1] },
  });
  const other = await fit({
    data: numbers,
    model: ({ x }) => body(x),
    loss: (predicted) => predicted,
    optimizer: adamw({ learningRate: 0.01 }),
    stop: afterSteps(1),
  });
  await assert.rejects(generate(other, { prompt: [0], length: 1 }), {
    message:
      'generate: expected a model that takes one column of tokens, int32 [batch, context], got "x" float32 [batch, 1]. Fix: train one on windows of a text: characters(path, { context: 64 })',
  });
});
