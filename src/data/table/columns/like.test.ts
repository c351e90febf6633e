import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import type { TableSchema } from "../../../array/schema.ts";
import type { Dataset } from "../../dataset.ts";
import { allSamples } from "../../samples.ts";
import { statistics } from "../../statistics.ts";
import { type TableOptions, table } from "../table.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");

async function tableOf(content: string, options: TableOptions) {
  await writeFile(path, content);
  return table(path, options);
}
async function refusal(content: string, options: unknown): Promise<string> {
  // What JavaScript may pass although the types forbid it.
  const error = await tableOf(content, options as TableOptions).then(
    () => assert.fail("the table was read"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(path, "t.csv");
}
async function column(data: Dataset, name: string): Promise<number[]> {
  const into =
    data.columns[name]!.dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
  await data.read(name, allSamples(data), into);
  return [...into];
}
/** Every number of a dataset, by column. */
async function numbersOf(data: Dataset): Promise<Record<string, number[]>> {
  const names = Object.keys(data.columns);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await column(data, name)] as const)),
  );
}

const schema: TableSchema = {
  features: [
    { kind: "number", name: "x" },
    { kind: "category", name: "c", categories: ["a", "b", "it's"] },
    { kind: "category", name: "o", categories: ["low", "high"], isOrdered: true },
  ],
  targets: [
    { task: "classification", name: "k", categories: ["-1", "0", "10"] },
    { task: "regression", name: "y" },
  ],
};

test("the same file read by its own schema gives the same numbers", async () => {
  const examples = [
    ["penguins", "species"],
    ["wine", "cultivar"],
    ["breast-cancer", "diagnosis"],
  ];
  for (const [name, target] of examples) {
    const file = fileURLToPath(new URL(`../../../../examples/${name}/${name}.csv`, import.meta.url));
    const first = await table(file, { target: target! });
    const again = await table(file, { like: first.schema });
    assert.deepEqual(again.schema, first.schema);
    assert.equal(await again.fingerprint(), await first.fingerprint());
    assert.deepEqual(again.report, first.report);
  }
});

test("any table read by its own schema gives the same numbers, weights and missing values", async () => {
  const text = fc.constantFrom("a", "B", "it's", '"q,""r"""', "ä", " a ", "\u{1f427}", "", "NA", "1", "1.0");
  const number = fc.oneof(
    fc.integer({ min: -3, max: 3 }).map(String),
    fc.constantFrom("", "0.5", "1e3", "?"),
  );
  const whole = fc.constantFrom("0", "1", "1.0", "2", "-0", "");
  const record = fc.tuple(
    text,
    number,
    whole,
    fc.constantFrom("u", "v", "v ", ""),
    fc.constantFrom("0", "1.5"),
  );
  const sound = ["a,1,0,u,1", "b,2.5,1,v,1", "a,3,0,u,2", "b,4.5,1,v,2", "a,7,2,u,1", "b,8,2,v,1"];
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 30 }), async (records) => {
      const lines = ["c,n,k,s,w", ...sound, ...records.map((fields) => fields.join(","))];
      const options = {
        target: ["k", "s"],
        task: "classification",
        weight: "w",
        types: { c: "category" },
      } as const;
      const first = await tableOf(lines.join("\n"), options);
      const again = await table(path, { like: first.schema, weight: "w" });
      assert.deepEqual(await numbersOf(again), await numbersOf(first));
      assert.deepEqual(again.columns, first.columns);
      assert.deepEqual(again.report, first.report);
      assert.equal(again.weight, "w");
    }),
    { numRuns: 30 },
  );
});

test("a second table has the first one's columns and codes, whatever it holds itself", async () => {
  const text =
    'y,extra,o,c,k,x\n1,"one\n",high,b,10.0,5\n2,two,low,,0,\n,three,low,a,0,1\n3,,NA,it\'s,-1,7\n4,,,new,0,0\n';
  const data = await tableOf(text, { like: schema });
  assert.deepEqual(data.schema, schema);
  assert.deepEqual(Object.keys(data.columns).sort(), ["c", "k", "o", "x", "y"]);
  assert.deepEqual(await numbersOf(data), {
    k: [2, 1, 0, 1],
    y: [1, 2, 3, 4],
    x: [5, Number.NaN, 7, 0],
    c: [1, -1, 2, 3],
    o: [1, 0, -1, -1],
  });
  assert.deepEqual(data.report, {
    records: 5,
    withoutTarget: 1,
    missing: { x: 1, c: 1, o: 2 },
    unlisted: { c: 1 },
    ignored: [],
    imprecise: [],
  });
  const [, c, o] = (await statistics(data)).features;
  assert.ok(c?.kind === "category" && o?.kind === "category");
  assert.deepEqual([c.categories, c.counts, c.missing, c.other], [["b", "it's"], [1, 1], 1, 1]);
  assert.deepEqual(
    [o.categories, o.codes, o.counts, o.missing, o.isOrdered],
    [["low", "high"], [0, 1], [1, 1], 2, true],
  );
});

test("classes with one sample and features that equal the target are none of a second table's business", async () => {
  const like: TableSchema = {
    features: [{ kind: "number", name: "x" }],
    targets: [{ task: "classification", name: "k", categories: ["1", "2"] }],
  };
  const data = await tableOf("x,k\n1,1\n2,2\n", { like });
  assert.deepEqual(await column(data, "k"), [0, 1]);
  assert.deepEqual(await column(await tableOf("x,k\n7,2\n", { like }), "k"), [1]);
});

test("a category column without a category takes everything for unlisted", async () => {
  const like: TableSchema = {
    features: [{ kind: "category", name: "c", categories: [] }],
    targets: [{ task: "regression", name: "y" }],
  };
  assert.deepEqual(await column(await tableOf("c,y\na,1\n,2\n", { like }), "c"), [0, -1]);
});

test("what a second table lacks, or has beyond the schema, is refused with file, line and column", async () => {
  const like = { like: schema };
  const head = "x,c,o,k,y\n";
  assert.equal(
    await refusal("x,c,order,k\n1,a,low,0\n", like),
    "t.csv: expected the columns of the first table, x, c, o, k, y, got no o, y. " +
      "Fix: add the columns, empty where a value is missing",
  );
  assert.match(await refusal("x,c,o,k,Y\n1,a,low,0,1\n", like), /got no y\. Fix: rename "Y" to "y"$/);
  assert.equal(
    await refusal(`${head}1,a,low,0,1\nmany,a,low,0,2\n`, like),
    't.csv, line 3, column "x": expected a number that fits float32, as 1 of 2 values are, got "many". ' +
      "Fix: correct the value, or leave it empty if it is missing",
  );
  assert.match(await refusal(`${head}1,a,low,0,1e39\n`, like), /line 2, column "y": .* got "1e39"/);
  assert.equal(
    await refusal(`${head}1,a,low,0,1\n1,"a\n",low,7,2\n1,a,low,8,2\n`, like),
    't.csv, line 3, column "k": expected one of the classes of the first table, "-1", "0", "10", got "7". ' +
      "Fix: correct the value, or leave it empty to leave the line out",
  );
  assert.match(await refusal(`${head}1,a,low,0.5,1\n`, like), /got "0\.5"/);
  assert.match(await refusal(`${head}1,a,low,,1\n`, like), /target "k", "y": .*got none in 1 lines/);
  assert.match(await refusal(head, like), /expected at least one line of values below the header/);
});

test("like stands alone, or with a weight of its own", async () => {
  const text = "x,c,o,k,y,w\n1,a,low,0,1,2\n";
  assert.deepEqual(await column(await tableOf(text, { like: schema, weight: "w" }), "w"), [2]);
  assert.equal(
    await refusal(text, { like: schema, target: "y" }),
    't.csv, options: expected at most weight, texts, clean and dialect beside like, which says everything else, got "target" too. ' +
      "Fix: remove target, or like",
  );
  assert.match(await refusal(text, { like: schema, types: { x: "number" } }), /got "types" too/);
  assert.equal(
    await refusal(text, { like: schema, weight: "y" }),
    't.csv, option weight: expected a column that is no target and no feature, got the target "y". ' +
      "Fix: name another column",
  );
  assert.match(
    await refusal(text, { like: schema, weight: "v" }),
    /option weight: expected one of the columns/,
  );
  assert.equal(
    await refusal(text, { like: { schema } }),
    "t.csv, option like: expected the schema of a table, as in table(path, { like: training.schema }), " +
      "got an object. Fix: correct it, or leave it out",
  );
});

/** Checked by tsc, never run: like and target exclude each other. */
export async function optionsAreTyped(): Promise<void> {
  await table(path, { like: schema, weight: "w" });
  // @ts-expect-error the schema says the targets
  await table(path, { like: schema, target: "y" });
  // @ts-expect-error the schema says the types
  await table(path, { like: schema, types: {} });
  // @ts-expect-error one of both
  await table(path, { weight: "w" });
}
