import assert from "node:assert/strict";
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import type { Dataset } from "../dataset.ts";
import { missingMarkers } from "../numbers.ts";
import { type TableOptions, table } from "./table.ts";

const folder = temporaryFolder();

/** Reads a table from text or bytes; errors name the file "t.csv". */
async function tableOf(content: string | Uint8Array, options: TableOptions) {
  const path = join(folder, "t.csv");
  await writeFile(path, content);
  return table(path, options);
}
async function refusal(
  content: string | Uint8Array,
  options: TableOptions = { target: "y" },
): Promise<string> {
  const error = await tableOf(content, options).then(
    () => assert.fail("the table was read"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(join(folder, "t.csv"), "t.csv");
}
async function column(data: Dataset, name: string): Promise<number[]> {
  const spec = data.columns[name];
  const into = spec?.dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
  await data.read(
    name,
    Uint32Array.from({ length: data.size }, (_, sample) => sample),
    into,
  );
  return [...into];
}
const example = (name: string) =>
  fileURLToPath(new URL(`../../../examples/${name}/${name}.csv`, import.meta.url));

test("the penguins are read with their numbers, categories and missing values", async () => {
  const penguins = await table(example("penguins"), { target: "species" });
  assert.equal(penguins.size, 344);
  assert.deepEqual(
    penguins.schema.features.map(({ name, kind }) => `${name} ${kind}`),
    [
      "island category",
      "bill_length_mm number",
      "bill_depth_mm number",
      "flipper_length_mm number",
      "body_mass_g number",
      "sex category",
    ],
  );
  assert.deepEqual(penguins.schema.targets, [
    { task: "classification", name: "species", categories: ["Adelie", "Chinstrap", "Gentoo"] },
  ]);
  assert.deepEqual(penguins.columns.sex, { dtype: "int32", shape: [], categories: ["female", "male"] });
  assert.deepEqual(penguins.columns.body_mass_g, { dtype: "float32", shape: [1] });
  assert.deepEqual(penguins.report, {
    records: 344,
    withoutTarget: 0,
    missing: { bill_length_mm: 2, bill_depth_mm: 2, flipper_length_mm: 2, body_mass_g: 2, sex: 11 },
    unlisted: {},
    ignored: [],
    imprecise: [],
  });
  const [species, sex, bill] = await Promise.all(
    ["species", "sex", "bill_length_mm"].map((name) => column(penguins, name)),
  );
  assert.deepEqual(
    [0, 1, 2].map((code) => species!.filter((value) => value === code).length),
    [152, 68, 124],
  );
  assert.equal(sex!.filter((code) => code === -1).length, 11);
  assert.equal(bill![0], Math.fround(39.1));
  assert.equal(bill!.filter(Number.isNaN).length, 2);
});

test("samples without a target are left out and counted, and what else is missing stays", async () => {
  const penguins = await table(example("penguins"), { target: "body_mass_g", ignore: ["island"] });
  assert.equal(penguins.size, 342);
  assert.equal(penguins.report.withoutTarget, 2);
  assert.deepEqual(penguins.report.missing, { sex: 9 });
  assert.deepEqual(penguins.report.ignored, [{ column: "island", reason: "asked" }]);
  assert.deepEqual(penguins.schema.targets, [{ task: "regression", name: "body_mass_g" }]);
  assert.ok((await column(penguins, "body_mass_g")).every(Number.isFinite));
});

test("the other examples are read whole", async () => {
  for (const [name, target, size, features] of [
    ["wine", "cultivar", 178, 13],
    ["breast-cancer", "diagnosis", 569, 30],
  ] as const) {
    const data = await table(example(name), { target });
    assert.equal(data.size, size);
    assert.equal(data.schema.features.length, features);
    assert.ok(data.schema.features.every(({ kind }) => kind === "number"));
    assert.equal(data.schema.targets[0]!.task, "classification");
    assert.deepEqual(
      { ...data.report, records: 0 },
      {
        records: 0,
        withoutTarget: 0,
        missing: {},
        unlisted: {},
        ignored: [],
        imprecise: [],
      },
    );
  }
});

test("a split of a table is a table, and the same seed gives the same split", async () => {
  const wine = await table(example("wine"), { target: "cultivar" });
  const { training, validation } = wine.split({ validation: 0.25, seed: 4 });
  assert.equal(training.size + validation.size, wine.size);
  assert.equal(training.schema, wine.schema);
  assert.deepEqual(
    await column(wine.split({ validation: 0.25, seed: 4 }).validation, "alcohol"),
    await column(validation, "alcohol"),
  );
  const again = training.split({ validation: 0.5 });
  assert.equal(again.training.size + again.validation.size, training.size);
  assert.notEqual(await training.fingerprint(), await validation.fingerprint());
});

test("reading a file twice gives the same fingerprint, and another value another one", async () => {
  const prints = [];
  for (const text of ["x,y\n1,2\n2,3\n", "x,y\r\n1.0, 2\r\n\r\n2,3", "x,y\n1,2\n2,4\n"]) {
    prints.push(await (await tableOf(text, { target: "y", task: "regression" })).fingerprint());
  }
  assert.equal(prints[0], prints[1]);
  assert.notEqual(prints[0], prints[2]);
});

test("every marker of a missing value is one, in any case and with blanks around it", async () => {
  const markers = missingMarkers.flatMap((marker) => [
    marker,
    marker.toUpperCase(),
    ` ${marker.toLowerCase()} `,
    `"${marker}"`,
  ]);
  const lines = markers.map((marker, index) => `${marker},${marker},${index}.5`);
  const data = await tableOf(`n,c,y\n1,a,0\n2,b,9\n2,a,9\n${lines.join("\n")}\n`, { target: "y" });
  assert.deepEqual(await column(data, "n"), [1, 2, 2, ...markers.map(() => Number.NaN)]);
  assert.deepEqual(await column(data, "c"), [0, 1, 0, ...markers.map(() => -1)]);
  assert.deepEqual(data.report.missing, { n: markers.length, c: markers.length });
});

test("numbers in every usual form are numbers, others are text", async () => {
  const numbers = ["1", " 2 ", "+3", "-4.5", ".5", "6.", "7e1", "8E-2", "007", "3.4028234663852886e38"];
  const data = await tableOf(`x,y\n${numbers.map((text, index) => `${text},${index}.5`).join("\n")}`, {
    target: "y",
  });
  assert.deepEqual(
    await column(data, "x"),
    numbers.map((text) => Math.fround(Number(text))),
  );
  for (const text of ["1_000", "0x1F", "inf", "1e39", "1 000", "12%", "$5", "1d", "-"]) {
    const message = await refusal(`x,y\n1,1.5\n${text},2\n`, { target: "y", types: { x: "number" } });
    assert.match(message, /line 3, column "x": expected a number that fits float32, as 1 of 2 values are/);
    assert.ok(message.includes(`got "${text}"`), message);
  }
});

test("categories are in the order of code points, and classes that are whole numbers in the order of size", async () => {
  const text = "c,y\nä,10\nb,9.0\nZ,10.0\nb,-1\nä,9\nZ,-1\n\u{1f427},9\n\uffee,-1\n";
  const data = await tableOf(text, { target: "y" });
  assert.deepEqual(data.columns.c!.categories, ["Z", "b", "ä", "\uffee", "\u{1f427}"]);
  assert.deepEqual(data.schema.targets[0], {
    task: "classification",
    name: "y",
    categories: ["-1", "9", "10"],
  });
  assert.deepEqual(await column(data, "y"), [2, 1, 2, 0, 1, 0, 1, 0]);
  assert.deepEqual(await column(data, "c"), [2, 1, 0, 1, 2, 0, 4, 3]);
});

test("a target is a class when it is text or few whole numbers, else a number, unless the task is said", async () => {
  const taskOf = async (values: readonly string[], task?: "regression" | "classification") => {
    const text = `x,y\n${values.map((value, index) => `${index / 3},${value}`).join("\n")}\n`;
    const target = (await tableOf(text, { target: "y", ...(task && { task }) })).schema.targets[0]!;
    return target.task === "classification" ? target.categories : target.task;
  };
  assert.deepEqual(await taskOf(["true", "false", "true", "false"]), ["false", "true"]);
  assert.deepEqual(await taskOf(["0", "1", "0", "1"]), ["0", "1"]);
  assert.equal(await taskOf(["0", "1", "2"]), "regression", "each value once");
  assert.equal(await taskOf(["0.5", "1", "0.5", "1"]), "regression");
  const eleven = Array.from({ length: 22 }, (_, index) => String(index % 11));
  assert.equal(await taskOf(eleven), "regression");
  assert.equal(await taskOf(["0", "1", "0", "1"], "regression"), "regression");
  assert.equal((await taskOf(eleven, "classification")).length, 11);
  assert.deepEqual(await taskOf(["0.5", "1", "1", "0.5"], "classification"), ["0.5", "1"]);
});

test("what tells nothing is left out, with the reason, unless its type is said", async () => {
  const lines = ["a,b", "c,d", "e,f", "g,h"].map(
    (name, index) => `${index},"${name}",1,same,,${index % 2},7,${index}`,
  );
  const text = `,name,one,text,empty,half,mostly,y\n${lines.join("\n").replace("7,3", ",3")}\n`;
  const data = await tableOf(text, { target: "y", task: "regression" });
  assert.deepEqual(data.report.ignored, [
    { column: "", reason: "unnamed" },
    { column: "name", reason: "identifier" },
    { column: "one", reason: "constant" },
    { column: "text", reason: "constant" },
    { column: "empty", reason: "empty" },
  ]);
  assert.deepEqual(data.schema.features, [
    { kind: "number", name: "half" },
    { kind: "number", name: "mostly" }, // one value, but missing once: that tells something
  ]);
  const named = await tableOf(text, {
    target: "y",
    task: "regression",
    types: { name: "category", half: "category" },
  });
  assert.deepEqual(named.schema.features.slice(0, 2), [
    { kind: "category", name: "name", categories: ["a,b", "c,d", "e,f", "g,h"] },
    { kind: "category", name: "half", categories: ["0", "1"] },
  ]);
});

test("a text column of very many different values is taken for names of samples", async () => {
  const text = (different: number) =>
    `c,x,y\n${Array.from({ length: 240 }, (_, index) => `n${index % different},${index % 9},${index}`).join("\n")}\n`;
  assert.deepEqual((await tableOf(text(121), { target: "y" })).report.ignored, [
    { column: "c", reason: "identifier" },
  ]);
  assert.deepEqual((await tableOf(text(120), { target: "y" })).report.ignored, []);
});

test("weights are a column of their own, and several targets are allowed", async () => {
  const data = await tableOf("x,w,y,z\n1,0,5,a\n2,0.5,6,b\n3,2,7,a\n4,1,8,b\n", {
    target: ["y", "z"],
    weight: "w",
  });
  assert.equal(data.weight, "w");
  assert.deepEqual(data.columns.w, { dtype: "float32", shape: [] });
  assert.deepEqual(await column(data, "w"), [0, 0.5, 2, 1]);
  assert.deepEqual(data.schema.features, [{ kind: "number", name: "x" }]);
  assert.deepEqual(
    data.schema.targets.map(({ name, task }) => `${name} ${task}`),
    ["y regression", "z classification"],
  );
});

test("numbers that float32 holds badly are named", async () => {
  const text = "time,small,y\n1700000001,1e-30,1.5\n1700000002,2e-30,2\n1700000003,3e-30,3\n";
  assert.deepEqual((await tableOf(text, { target: "y" })).report.imprecise, ["time"]);
});

test("byte order marks, quotes, line ends in fields, tabs and odd file names do no harm", async () => {
  const text = '\ufeff"a b"\ty\r\n"x\r\ny"\t1\r\n"say ""hi"""\t2\r\n"x\r\ny"\t3.5';
  const data = await tableOf(text, { target: "y" });
  assert.deepEqual(data.columns["a b"]!.categories, ['say "hi"', "x\r\ny"]);
  assert.deepEqual(await column(data, "y"), [1, 2, 3.5]);
  const odd = join(folder, "[a]*?'b.csv");
  await writeFile(odd, "x,y\n1,2\n2,3\n");
  await writeFile(join(folder, "a*?'b.csv"), "x,y\n7,7\n8,8\n");
  assert.deepEqual(await column(await table(odd, { target: "y" }), "x"), [1, 2]);
  const prototype = await tableOf("__proto__,constructor,y\n1,2,3\n4,5,6\n", { target: "y" });
  const classes = await tableOf("a,constructor\n1,u\n2,v\n3,u\n4,v\n", { target: "constructor" });
  assert.deepEqual(Object.keys(classes.columns), ["constructor", "a"]);
  const asTarget = await tableOf("a,__proto__\n1,2.5\n4,5\n", { target: "__proto__" });
  assert.deepEqual(await column(asTarget, "__proto__"), [2.5, 5]);
  assert.deepEqual(await column(prototype, "__proto__"), [1, 4]);
  await assert.rejects(async () => column(prototype, "toString"), /expected one of the columns/);
});

test("the order of the file is kept, whatever number of threads reads it", async () => {
  const count = 200_000;
  const lines = Array.from(
    { length: count },
    (_, index) => `${index},${index % 3 === 0 ? "" : index / 2},${"x".repeat(index % 40)}z`,
  );
  const data = await tableOf(`x,y,c\n${lines.join("\n")}\n`, { target: "y" });
  const kept = Array.from({ length: count }, (_, index) => index).filter((index) => index % 3 !== 0);
  assert.deepEqual(await column(data, "x"), kept);
  assert.deepEqual(
    await column(data, "c"),
    kept.map((index) => 39 - (index % 40)),
  );
});

test("whatever text is quoted in a file comes out again", async () => {
  const field = fc
    .string({ unit: fc.constantFrom("a", "B", "1", '"', ",", ";", "\n", "\r", "\r\n", "ä", "'", " ") })
    .map((text) => `k${text}k`);
  const rows = fc.array(field, { minLength: 1, maxLength: 8 });
  const ends = fc.constantFrom("\n", "\r\n", "\r");
  await fc.assert(
    fc.asyncProperty(rows, ends, async (values, end) => {
      const lines = values.map((value, index) => `"${value.replaceAll('"', '""')}",${index}.5`);
      const data = await tableOf(["c,y", ...lines, "k,0.25", "k,0.25"].join(end), {
        target: "y",
        types: { c: "category" },
      });
      const { categories } = data.columns.c!;
      const read = (await column(data, "c")).map((code) => categories![code]);
      assert.deepEqual(read, [...values, "k", "k"]);
    }),
    { numRuns: 30 },
  );
});

test("mistakes in the options are plan errors that name what to type", async () => {
  const text = "price,size,kind\n1,2,a\n2,3,b\n";
  assert.equal(
    await refusal(text, { target: "prise" }),
    't.csv, option target: expected one of the columns price, size, kind, got "prise". Fix: did you mean "price"?',
  );
  assert.match(await refusal(text, { target: "PRICE" }), /Fix: did you mean "price"\?$/);
  assert.match(await refusal(text, { target: "owner" }), /Fix: name one of those$/);
  assert.match(
    await refusal(text, { target: "price", weight: "sise" }),
    /option weight: .*did you mean "size"/,
  );
  assert.match(
    await refusal(text, { target: "price", ignore: ["kimd"] }),
    /option ignore: .*did you mean "kind"/,
  );
  assert.match(
    await refusal(text, { target: "price", types: { kid: "number" } }),
    /option types: .*did you mean "kind"/,
  );
  const untyped = { target: "price", task: "rank" } as unknown as TableOptions; // as JavaScript may write it
  assert.equal(
    await refusal(text, untyped),
    't.csv, option task: expected "regression" or "classification", got "rank". ' +
      "Fix: choose one, or leave it out to decide by the values",
  );
});

test("files that hold no table are refused", async () => {
  await assert.rejects(
    table(join(folder, "none.csv"), { target: "y" }),
    /read .*none\.csv: expected a file, got nothing/,
  );
  await assert.rejects(table(folder, { target: "y" }), /got a folder/);
  assert.match(await refusal(""), /got an empty file/);
  assert.equal(
    await refusal("x,y\n\n"),
    "t.csv: expected at least one line of values below the header, got none. " +
      "Fix: check that the file was written to its end",
  );
  assert.match(await refusal("y\n1\n2\n"), /expected at least two columns/);
  assert.equal(
    await refusal("x,y\n1,\n2,NA\n"),
    't.csv, target "y": expected a value in at least one line, got none in 2 lines. Fix: name another target',
  );
  assert.equal(
    await refusal("name,x,y\na,7,1\nb,7,2\n"),
    't.csv: expected at least one column to predict from, got "name" (identifier), "x" (constant). ' +
      'Fix: add features, or say what one is: types: { column: "category" }',
  );
  assert.match(await refusal("y,\n1,5\n2,6\n"), /got "" \(unnamed\)/);
});

test("damaged files are refused at the line", async () => {
  assert.match(
    await refusal("x,y\n1,2\n3\n"),
    /^t\.csv, line 3: expected 2 fields, as in the header, got 1\./,
  );
  assert.match(await refusal('x,y\n1,"2\n3,4\n'), /^t\.csv, line 2: expected a second quote/);
  assert.match(await refusal("x,y\r\n1,2\n3,4\n"), /^t\.csv, line 2: expected the line end \\r\\n/);
  const latin1 = Uint8Array.from("x,y\n1,caf\xe9\n", (character) => character.charCodeAt(0));
  assert.match(await refusal(latin1), /^t\.csv, line 2: expected CSV text in UTF-8, got the byte 0xE9/);
  // An overlong form.
  const overlong = Uint8Array.from([...new TextEncoder().encode("x,y\n1,"), 0xe0, 0x80, 0xaf, 10]);
  assert.match(await refusal(overlong), /^t\.csv, line 2: expected CSV text in UTF-8, got the byte 0xE0/);
});

test("a column where numbers and text are mixed is refused at the line of the text", async () => {
  const numbers = Array.from({ length: 20 }, (_, index) => `${index},"${index}\n",${index / 2}`).join("\n");
  assert.equal(
    await refusal(`x,c,y\n${numbers}\ntwelve,1,7\n`),
    't.csv, line 42, column "x": expected a number that fits float32, as 20 of 21 values are, got "twelve". ' +
      "Fix: correct the value, or leave it empty if it is missing, " +
      'or types: { "x": "category" } to read the column as text',
  );
  assert.match(await refusal(`x,c,y\n${numbers}\n1e39,1,7\n`), /line 42, column "x": .* got "1e39"/);
  assert.match(
    await refusal("x,y\na,1\nb,2\n3,3\n", { target: "y", types: { x: "number" } }),
    /line 2, column "x": expected a number that fits float32, as 1 of 3 values are, got "a"/,
  );
  assert.match(
    await refusal(`y,c,x\n${numbers}\nmany,1,7\n`, { target: "y" }),
    /line 42, column "y": .*or task: "classification" to predict it as a class$/,
  );
  assert.match(
    await refusal("x,y\n1,a\n2,b\n", { target: "y", task: "regression" }),
    /line 2, column "y": expected a number.* as 0 of 2 values are, got "a"/,
  );
  const read = await tableOf(`x,c,y\n${numbers}\ntwelve,1,7\n`, { target: "y", types: { x: "category" } });
  assert.equal(read.schema.features[0]!.kind, "category");
});

test("decimal commas are refused with a hint, and read as text where that is said", async () => {
  assert.equal(
    await refusal("x;y\n3;1\n1.234,5;2\n-2,75;3\n"),
    't.csv, line 3, column "x": expected numbers with a decimal point and nothing between thousands, got "1.234,5". ' +
      'Fix: write decimal points, or types: { "x": "category" } to read the column as text',
  );
  const data = await tableOf('x;y\n3,5;1\n3,5;2\n"2,5";3\n', { target: "y", types: { x: "category" } });
  assert.deepEqual(data.columns.x!.categories, ["2,5", "3,5"]);
  assert.equal((await tableOf("x;y\na,1;1\na,1;2\nb;3\n", { target: "y" })).schema.features.length, 1);
});

test("weights and targets that cannot be used are refused", async () => {
  const weighted = { target: "y", weight: "w" };
  assert.equal(
    await refusal("x,w,y\n1,1,2\n2,-1,3\n", weighted),
    't.csv, line 3, weight "w": expected a number from 0 on in every line, above 0 in one, got "-1". ' +
      "Fix: write 0 to leave the sample out",
  );
  assert.match(await refusal("x,w,y\n1,1,2\n2,,3\n", weighted), /line 3, weight "w": .*got nothing/);
  assert.match(await refusal("x,w,y\n1,a,2\n2,1,3\n", weighted), /line 2, weight "w": .*got "a"/);
  assert.match(await refusal("x,w,y\n1,0,2\n2,0,3\n", weighted), /t\.csv, weight "w": .*got 0 in every line/);
  assert.equal(
    await refusal("x,y\n1,a\n2,a\n"),
    't.csv, target "y": expected at least two different values, got "a" in every sample. Fix: name another target',
  );
  assert.match(await refusal("x,y\n1,5\n2,5.0\n"), /got "5" in every sample/);
  assert.match(await refusal("x,y\n1,5.5\n2,5.5\n"), /got "5\.5" in every sample/);
  const names = Array.from({ length: 150 }, (_, index) => `${index},name${index}`).join("\n");
  assert.match(
    await refusal(`x,y\n${names}\n`),
    /target "y": expected classes that several samples share, got 150 different values in 150 samples/,
  );
});

test("reading leaves nothing behind in the folder for temporary files", async () => {
  const usual = process.env.TMPDIR;
  const own = await mkdtemp(join(folder, "temporary-")); // other tests write to the usual one at the same time
  process.env.TMPDIR = own;
  try {
    assert.equal(tmpdir(), own);
    await tableOf("x,y\n1,2\n2,3\n", { target: "y" });
    await refusal("x,y\n1,2\n2\n");
  } finally {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
  }
  assert.deepEqual(await readdir(own), []);
});

test("a name may hold line ends, of any kind, whatever ends the lines", async () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    for (const inside of ["\n", "\r\n", "\r"]) {
      const lines = [`"a${inside}b",y`, "1,2", "3,4", `5,6`];
      const read = await tableOf(lines.join(end), { target: "y", task: "regression" });
      assert.deepEqual(await column(read, `a${inside}b`), [1, 3, 5], JSON.stringify([end, inside]));
    }
  }
});

test("a table of hundreds of columns needs little memory", async () => {
  // A marker list as "in (…)" becomes a join per column: 200 columns took more than 4 GB.
  const names = Array.from({ length: 300 }, (_, index) => `f${index}`);
  const values = (row: number) => names.map((_, index) => ((row * 7 + index) % 5) + index + 0.5);
  const rows = Array.from({ length: 20 }, (_, row) => [...values(row), row].join(","));
  const wide = await tableOf(`${names.join(",")},y\n${rows.join("\n")}\n`, { target: "y" });
  assert.equal(wide.schema.features.length, 300);
  for (const index of [0, 63, 64, 299]) {
    assert.deepEqual(
      await column(wide, `f${index}`),
      rows.map((_, row) => values(row)[index]),
    );
  }
});

test("options of the wrong kind and under wrong names are refused", async () => {
  const refused = (options: unknown) => refusal("a,y\n1,2\n2,3\n", options as TableOptions);
  const expected =
    "target, and at most task, types, ignore, weight, keep, texts, clean, dialect; or like, and at most weight, texts, clean, dialect";
  assert.equal(
    await refused(null),
    `t.csv, options: expected ${expected}, got no target. Fix: for example table(path, { target: "price" })`,
  );
  assert.equal(
    await refused({ target: "y", ignored: ["a"] }),
    `t.csv, options: expected ${expected}, got "ignored". Fix: rename or remove it`,
  );
  assert.equal(
    await refused({ target: "y", ignore: "a" }),
    't.csv, option ignore: expected a list of names, got "a". Fix: correct it, or leave it out',
  );
});

test("numbers that float32 cannot hold are no classes, however many they are", async () => {
  const rows = Array.from({ length: 20 }, (_, row) => `${row % 7},${row - 10}e38`);
  assert.match(
    await refusal(`a,y\n${rows.join("\n")}\n`),
    /^t\.csv, line 2, column "y": expected a number that fits float32, as 7 of 20 values are, got "-10e38"/,
  );
});
