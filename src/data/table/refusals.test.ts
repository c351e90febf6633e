import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import type { Dataset } from "../dataset.ts";
import { allSamples } from "../samples.ts";
import { statistics } from "../statistics.ts";
import { type TableOptions, table } from "./table.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");

async function tableOf(content: string, options: TableOptions = { target: "y" }) {
  await writeFile(path, content);
  return table(path, options);
}
async function refusal(content: string, options: unknown = { target: "y" }): Promise<string> {
  // What JavaScript may pass although the types forbid it.
  const error = await tableOf(content, options as TableOptions).then(
    () => assert.fail("the table was read"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(path, "t.csv");
}
async function codes(data: Dataset, name: string): Promise<number[]> {
  const into = new Int32Array(data.size);
  await data.read(name, allSamples(data), into);
  return [...into];
}
const linesOf = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => `${line(index)}\n`).join("");

test("a column has one role, and every breach says which two", async () => {
  const text = "price,size,kind\n1,2,a\n2,3,b\n";
  const refused = async (options: object, message: string) =>
    assert.equal(await refusal(text, { target: "price", ...options }), `t.csv, option ${message}`);
  await refused(
    { target: [] },
    "target: expected at least one column, got none. Fix: name the column to predict",
  );
  await refused(
    { target: ["price", "kind", "price"] },
    'target: expected every column once, got "price" twice. Fix: name it once',
  );
  await refused(
    { weight: "price" },
    'weight: expected a column that is no target, got the target "price". Fix: name another column, or leave it out',
  );
  await refused(
    { ignore: ["kind", "price"] },
    'ignore: expected columns that are neither target nor weight, got the target "price". ' +
      "Fix: name another target, or do not ignore it",
  );
  await refused(
    { weight: "size", ignore: ["size"] },
    'ignore: expected columns that are neither target nor weight, got the weight "size". ' +
      "Fix: do not ignore it: it is no feature anyway",
  );
  await refused(
    { types: { price: "number" } },
    'types: expected features, got the target "price". Fix: for a target use task: "classification" or task: "regression"',
  );
  await refused(
    { weight: "size", types: { size: "number" } },
    'types: expected features, got the weight "size". Fix: leave it out: it is a number',
  );
  await refused(
    { ignore: ["size"], types: { size: "number" } },
    'types: expected features, got "size", which is ignored. Fix: name it in one of both',
  );
  const ignored = await tableOf(text, { target: "price", ignore: ["kind", "kind"] });
  assert.deepEqual(ignored.report.ignored, [{ column: "kind", reason: "asked" }]);
});

test("a said type is a number, a category, or at least two categories in order", async () => {
  const text = "cut,y\nFair,1\nGood,2\nFair,3\n";
  const refused = async (type: unknown, message: string) =>
    assert.equal(
      await refusal(text, { target: "y", types: { cut: type } }),
      `t.csv, option types, "cut": expected ${message}`,
    );
  await refused(
    "text",
    '"number", "category", "date", or a list of categories from least to most, got "text". ' +
      "Fix: choose one, or leave it out to decide by the values",
  );
  const order = "at least two categories, each once, from least to most";
  await refused(["Fair"], `${order}, got 1. Fix: name all of them, or write "category"`);
  await refused([], `${order}, got 0. Fix: name all of them, or write "category"`);
  await refused(["Fair", "Good", "Fair"], `${order}, got "Fair" twice. Fix: name it once`);
  const cell = "categories as they stand in the file: texts without blanks around them, and no missing value";
  await refused(["Fair", " Good"], `${cell}, got " Good". Fix: correct it, or remove it from the list`);
  await refused(["NA", "Fair"], `${cell}, got "NA". Fix: correct it, or remove it from the list`);
  await refused([1, 2], `${cell}, got 1. Fix: correct it, or remove it from the list`);
});

test("ordered categories keep the given order, also those that do not occur", async () => {
  const cut = ["Fair", "Good", "Very Good", "Ideal"];
  const grades = ["10", "9", "1"];
  const text = "cut,grade,y\nIdeal,9,1.5\n Good ,10,2\n,1,3\nFair,?,4\nIdeal,1,5\n";
  const data = await tableOf(text, { target: "y", types: { cut, grade: grades } });
  assert.deepEqual(data.schema.features, [
    { kind: "category", name: "cut", categories: cut, isOrdered: true },
    { kind: "category", name: "grade", categories: grades, isOrdered: true },
  ]);
  assert.deepEqual(await codes(data, "cut"), [3, 1, -1, 0, 3]);
  assert.deepEqual(await codes(data, "grade"), [1, 0, 2, -1, 2]);
  const [fitted] = (await statistics(data)).features;
  assert.deepEqual(fitted, {
    kind: "category",
    name: "cut",
    categories: cut,
    isOrdered: true,
    codes: [0, 1, 2, 3],
    counts: [1, 1, 0, 2],
    missing: 1,
    other: 0,
  });
  const many = Array.from({ length: 150 }, (_, rank) => `r${149 - rank}`);
  const long = await tableOf(`c,y\n${linesOf(300, (index) => `r${index % 150},${index}`)}`, {
    target: "y",
    types: { c: many },
  });
  const [all] = (await statistics(long)).features;
  assert.ok(all?.kind === "category");
  assert.deepEqual(all.categories, many);
});

test("a value that is none of the ordered categories is refused at its line", async () => {
  const types = { cut: ["Fair", "Good"] };
  assert.equal(
    await refusal('cut,y\nFair,1\n"",2\nGood,3\nPremium,4\nIdeal,5\n', { target: "y", types }),
    't.csv, line 5, column "cut": expected one of "Fair", "Good", got "Premium". ' +
      "Fix: correct the value, leave it empty if it is missing, or add it to the categories, where it belongs",
  );
  assert.match(
    await refusal("cut,y\nFair,1\n1.0,2\n", { target: "y", types: { cut: ["Fair", "1"] } }),
    /got "1\.0"/,
  );
});

test("a class with a single sample is refused at its line", async () => {
  assert.equal(
    await refusal("x,y\n1,a\n2,b\n3,a\n4,c\n5,c\n"),
    't.csv, line 3, target "y": expected at least two samples of every class: a model cannot learn a class from one, ' +
      'got one of class "b". Fix: add samples of the class, remove the line, or give it another class',
  );
  assert.equal(
    await refusal("x,y\n1,2.0\n5,1\n1,3\n7,1\n8,4\n9,4\n", { target: "y", task: "classification" }),
    't.csv, line 2, target "y": expected at least two samples of every class: a model cannot learn a class from one, ' +
      'got one of class "2" (another class too). ' +
      'Fix: add samples of the class, remove the line, or give it another class, or task: "regression"',
  );
});

test("more than a thousand classes are refused", async () => {
  const text = (classes: number, prefix: string) =>
    `x,y\n${linesOf(2 * classes, (index) => `${index % 7},${prefix}${index % classes}`)}`;
  assert.equal(
    await refusal(text(1001, "k")),
    't.csv, target "y": expected at most 1000 classes, got 1001. Fix: group the values into fewer classes',
  );
  assert.match(
    await refusal(text(1001, ""), { target: "y", task: "classification" }),
    /expected at most 1000 classes, got 1001\. Fix: task: "regression"$/,
  );
  const [target] = (await tableOf(text(1000, "k"))).schema.targets;
  assert.ok(target?.task === "classification" && target.categories.length === 1000);
});

test("of a hundred thousand categories the thousand most frequent are listed, the others counted", async () => {
  // k0 … k99999, each twice, but k500 … k1499 three times.
  const lines = linesOf(200_000, (index) => `k${index >> 1},${index % 97}`);
  const more = linesOf(1000, (index) => `k${index + 500},${index % 97}`);
  const text = `c,y\n${lines}${more}`;
  const started = performance.now();
  const data = await tableOf(text);
  const seconds = (performance.now() - started) / 1000;
  assert.ok(seconds < 20, `${seconds} s`); // it takes one; a quadratic way took minutes
  const [c] = data.schema.features;
  assert.ok(c?.kind === "category");
  assert.deepEqual([c.categories.length, c.categories[0], c.categories[999]], [1000, "k1000", "k999"]);
  assert.deepEqual(data.report.unlisted, { c: 198_000 });
  const read = await codes(data, "c");
  assert.deepEqual([read[0], c.categories[read[1000]!]], [1000, "k500"]);
  const [fitted] = (await statistics(data)).features;
  assert.ok(fitted?.kind === "category");
  assert.deepEqual([fitted.categories.length, fitted.other], [100, 201_000 - 300]);
  const all = await tableOf(text, { target: "y", types: { c: "category" } });
  assert.deepEqual([all.columns.c!.categories!.length, all.report.unlisted], [100_000, {}]);
});

test("a feature that is the target under another name is refused, as a number and as a text", async () => {
  const leak = (name: string, target: string) =>
    `t.csv, column "${name}": expected a feature that differs from the target "${target}" in some sample, ` +
    `got the target's value in every sample. Fix: ignore: ["${name}"]`;
  const numbers = "x,copy,y\n1,2.50,2.5\n5,3,3\n2,7,7.0\n";
  assert.equal(await refusal(numbers), leak("copy", "y"));
  assert.equal((await tableOf(numbers, { target: "y", ignore: ["copy"] })).schema.features.length, 1);
  assert.equal(await refusal(numbers, { target: "y", types: { copy: "category" } }), leak("copy", "y"));
  const classes = "x,copy,y\n1,a,a\n2,b,b\n3,a,a\n4,b,b\n";
  assert.equal(await refusal(classes), leak("copy", "y"));
  const codes = "x,copy,y\n1,0,0\n2,1,1\n3,0.0,0\n4,1,1\n";
  assert.equal(await refusal(codes), leak("copy", "y"));
  assert.equal(await refusal(codes, { target: ["x", "y"] }), leak("copy", "y"));
  // One sample that differs, or is missing, is enough.
  assert.equal((await tableOf(numbers.replace("7.0", "8"))).schema.features.length, 2);
  assert.equal((await tableOf(classes.replace("4,b", "4,"))).schema.features.length, 2);
});

test("infinities are refused with their line, in any form", async () => {
  for (const text of ["inf", "-Inf", "Infinity", "+infinity", "1e999", "-1e999"]) {
    assert.equal(
      await refusal(`x,y\n1,1.5\n2,3\n${text},4\n`),
      `t.csv, line 4, column "x": expected a number that fits float32, as 2 of 3 values are, got "${text}". ` +
        'Fix: correct the value, or leave it empty if it is missing, or types: { "x": "category" } to read the column as text',
    );
    assert.match(
      await refusal(`y,x\n1.5,7\n${text},2\n`),
      /line 3, column "y": .*, or task: "classification" to predict it as a class$/,
    );
  }
});

test("a column without a value is empty, whatever its type is said to be", async () => {
  for (const types of [{}, { e: "number" }, { e: "category" }, { e: ["a", "b"] }] as const) {
    const data = await tableOf("e,x,y\n,1,3\nNA,2,4\n", { target: "y", types });
    assert.deepEqual(data.report.ignored, [{ column: "e", reason: "empty" }]);
  }
});
