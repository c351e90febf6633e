import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import type { Dataset } from "../../dataset.ts";
import { cachedJsonLines } from "../../json/cached-json-lines.ts";
import { jsonLines } from "../../json/json-lines.ts";
import { allSamples } from "../../samples.ts";
import { byteVocabulary } from "../../text/characters.ts";
import { padded } from "../../text/padded.ts";
import { tokenizerVocabulary } from "../../text/tokenizer.ts";
import { cachedTable } from "../cached-table.ts";
import type { TableOptions, TargetOptions } from "../options.ts";
import { table } from "../table.ts";

const folder = temporaryFolder();
const golden = new URL("../../../../test/golden/tokenizers.json", import.meta.url);
const tokenizer = join(folder, "tokenizer.json");
await writeFile(tokenizer, JSON.stringify(JSON.parse(readFileSync(golden, "utf8")).tokenizers[0].definition));

const bodies = [
  "Win € now",
  "see you at 5",
  "",
  "héllo ☃",
  'a, "quoted"\nsecond line',
  "NA",
  "ok",
  "what is this",
];
const mails = Array.from({ length: 64 }, (_, i) => ({
  body: bodies[i % 8]!,
  label: ["ham", "spam"][i % 2]!,
}));
const path = join(folder, "mails.csv");
const csv = (rows: typeof mails) =>
  `body,label\n${rows.map(({ body, label }) => `"${body.replaceAll('"', '""')}",${label}\n`).join("")}`;
await writeFile(path, csv(mails));

async function codesOf(data: Dataset, column = "body"): Promise<number[]> {
  const codes = new Int32Array(data.size * (data.columns[column]!.shape[0] ?? 1));
  await data.read(column, allSamples(data), codes);
  return [...codes];
}

/** What `padded` makes of the same texts; a missing one is empty. */
function expected(vocabulary: Parameters<typeof padded>[1], length: number, keep: "start" | "end" = "start") {
  const texts = mails.map(({ body }) => (body === "NA" ? "" : body));
  const padding = vocabulary.padding ?? vocabulary.size;
  return padded(texts, vocabulary, { length, padding, keep });
}

test("a column of texts becomes codes of one length, in memory, in a cache and from JSON Lines", async () => {
  const lines = join(folder, "mails.jsonl");
  await writeFile(lines, mails.map((mail) => JSON.stringify(mail)).join("\n"));
  const tokens = await tokenizerVocabulary(tokenizer);
  for (const [name, vocabulary] of [
    ["bytes", byteVocabulary()],
    [tokenizer, tokens],
  ] as const) {
    for (const keep of ["start", "end"] as const) {
      const options = { target: "label", texts: { body: { tokens: name, length: 10, keep } } };
      const cache = { folder: join(folder, "cache") };
      const wanted = expected(vocabulary, 10, keep);
      for (const data of [
        await table(path, options),
        await cachedTable(path, options, cache),
        await cachedTable(path, options, cache),
        await jsonLines(lines, options),
        await cachedJsonLines(lines, options, cache),
      ]) {
        assert.deepEqual(data.columns.body!.shape, [10]);
        assert.deepEqual(data.columns.body!.categories, vocabulary.categories);
        assert.deepEqual(await codesOf(data), [...wanted.tokens.data]);
        assert.deepEqual(data.report.truncated, { body: wanted.truncated });
        assert.deepEqual(data.report.unlisted, {});
        assert.deepEqual(data.schema.features, []);
      }
    }
  }
});

test("a second table is read with the same texts", async () => {
  const texts = { body: { tokens: "bytes", length: 6 } };
  const first = await table(path, { target: "label", texts });
  const other = join(folder, "test.csv");
  await writeFile(other, csv(mails.slice(3, 9)));
  const second = await table(other, { like: first.schema, texts });
  assert.deepEqual(second.columns, first.columns);
  assert.deepEqual(await codesOf(second), (await codesOf(first)).slice(18, 54));
  assert.deepEqual(await codesOf(second, "label"), (await codesOf(first, "label")).slice(3, 9));
  assert.equal(first.split({ stratify: "label" }).training.columns, first.columns);
});

test("a cache is made anew when its tokenizer has changed", async () => {
  const own = join(folder, "changing.json");
  await writeFile(own, readFileSync(tokenizer));
  const options = { target: "label", texts: { body: { tokens: own, length: 4 } } };
  const why: string[] = [];
  const cache = { folder: join(folder, "changing"), onRebuild: (reason: string) => why.push(reason) };
  await cachedTable(path, options, cache);
  await utimes(own, new Date(0), new Date(0));
  await cachedTable(path, options, cache);
  assert.deepEqual(why, [`the cache of ${path} is made anew: what it was made from has changed`]);
});

test("what is no such option, column or tokenizer is refused", async () => {
  const refused = (options: unknown, message: string) =>
    assert.rejects(table(path, options as TableOptions), { message });
  const text = { tokens: "bytes", length: 5 };
  const target: TargetOptions = { target: "label" };
  for (const [wrong, got] of [
    [{ tokens: "bytes" }, '{"tokens":"bytes"}'],
    [{ tokens: "bytes", length: 0 }, '{"tokens":"bytes","length":0}'],
    [{ ...text, keep: "middle" }, '{"tokens":"bytes","length":5,"keep":"middle"}'],
    [{ ...text, pad: 1 }, '{"tokens":"bytes","length":5,"pad":1}'],
    ["bytes", '"bytes"'],
    [{ ...text, words: ["a"] }, '{"tokens":"bytes","length":5,"words":["a"]}'],
    [{ ...text, tokens: "words", words: ["a", "a"] }, '{"tokens":"words","length":5,"words":["a","a"]}'],
    [{ ...text, tokens: "words", keep: "end" }, '{"tokens":"words","length":5,"keep":"end"}'],
  ] as const)
    await refused(
      { ...target, texts: { body: wrong } },
      `${path}, option texts, "body": expected { tokens: "bytes", "words" or the path of a tokenizer.json, length: a whole number ` +
        `from 1 on }, and at most keep: "end", or the list of words, got ${got}. Fix: for example { tokens: "bytes", length: 200 }`,
    );
  await refused(
    { ...target, texts: { bodz: text } },
    `${path}, option texts: expected one of the columns body, label, got "bodz". Fix: did you mean "body"?`,
  );
  await refused(
    { ...target, texts: { label: text } },
    `${path}, option texts: expected columns that have no other use, got the target "label". ` +
      "Fix: leave it out: it is in the dataset, and no feature",
  );
  await refused(
    { ...target, texts: { body: text }, types: { body: "category" } },
    `${path}, option types: expected features, got the text "body". Fix: leave it out: texts says what it is`,
  );
  const { schema } = await table(path, { ...target, types: { body: "category" } });
  await refused(
    { like: schema, texts: { body: text } },
    `${path}, option texts: expected columns that have no other use, got "body". Fix: name another column`,
  );
  await assert.rejects(table(path, { ...target, texts: { body: { tokens: "nowhere.json", length: 5 } } }), {
    message: /nowhere\.json: expected a file, got nothing of that name/,
  });
});

test("words are those of two texts or more, the commonest first, and another table is read by them", async () => {
  const rows = ["Free money, FREE!", "free beer", "the MONEY the", "", "one two three four five", "The end"];
  const file = join(folder, "words.csv");
  const lines = Array.from({ length: 12 }, (_, i) => `"${rows[i % 6]}",${["ham", "spam"][i % 2]}\n`);
  await writeFile(file, `body,label\n${lines.slice(0, 6).join("")}${lines.slice(0, 2).join("")}`);
  const options = { target: "label", texts: { body: { tokens: "words", length: 4 } } };
  const cache = { folder: join(folder, "cache") };
  const json = join(folder, "words.jsonl");
  const records = [...rows, ...rows.slice(0, 2)].map((body, i) => ({ body, label: ["ham", "spam"][i % 2] }));
  await writeFile(json, records.map((record) => JSON.stringify(record)).join("\n"));
  for (const data of [
    await table(file, options),
    await cachedTable(file, options, cache),
    await cachedTable(file, options, cache),
    await jsonLines(json, options),
  ]) {
    const { dtype, shape, categories, isWords } = data.columns.body!;
    assert.deepEqual([dtype, shape, isWords], ["int32", [4], true]);
    assert.deepEqual(categories, ["[unknown]", "free", "money", "beer", "the"]); // of 4, 3, 2 and 2 texts
    const expected = [
      [1, 2, 1, 5],
      [1, 3, 5, 5],
      [4, 2, 4, 5],
      [5, 5, 5, 5],
      [0, 0, 0, 0],
      [4, 0, 5, 5],
    ];
    assert.deepEqual(await codesOf(data), [...expected, ...expected.slice(0, 2)].flat());
    assert.deepEqual(data.report.truncated, { body: 1 });
    const words = categories!.slice(1).reverse();
    const like = await table(file, { like: data.schema, texts: { body: { ...options.texts.body, words } } });
    assert.deepEqual((await codesOf(like)).slice(0, 4), [4, 3, 4, 5]);
  }
});
