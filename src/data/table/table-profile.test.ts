import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { sourceOf } from "../../array/schema.ts";
import { table } from "./table.ts";
import { type ProfileOptions, profileTable } from "./table-profile.ts";

const folder = temporaryFolder();
const example = (name: string) => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));
async function profileOf(text: string, options: ProfileOptions = {}) {
  const path = join(folder, "t.csv");
  await writeFile(path, text);
  const profile = await profileTable(path, options);
  return { ...profile, column: (name: string) => profile.columns.find((one) => one.name === name)! };
}

/** As test/golden/make_profile.py writes them. */
interface GoldenColumn {
  readonly missing: number;
  readonly distinct: number;
  readonly top?: readonly (readonly [string, number])[];
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  readonly deviation: number;
  readonly quantiles: Readonly<Record<string, number>>;
}
const golden: { readonly tables: Readonly<Record<string, Readonly<Record<string, GoldenColumn>>>> } =
  JSON.parse(readFileSync(new URL("../../../test/golden/profile.json", import.meta.url), "utf8"));

/** Both sum float64 numbers in orders of their own: 1e-12 of the largest number is a thousand roundings. */
function assertClose(actual: number, expected: number, scale: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-12 * scale, `${what}: ${actual}, NumPy has ${expected}`);
}

test("means, deviations, quantiles and counts are those of NumPy", async () => {
  for (const [name, expected] of Object.entries(golden.tables)) {
    const { columns, samples } = await profileTable(example(name));
    assert.deepEqual(
      columns.map((column) => column.name),
      Object.keys(expected),
    );
    for (const { name, numbers, top = [], ...column } of columns) {
      const known = expected[name]!;
      assert.deepEqual([column.missing, column.distinct], [known.missing, known.distinct], name);
      assert.equal(column.present, samples - known.missing);
      if (known.top !== undefined) {
        const found = top.map(({ value, count }) => [value, count]);
        assert.deepEqual(found, known.top);
        assert.equal(top[0]!.share, top[0]!.count / column.present!);
      } else {
        assert.ok(numbers !== undefined, name);
        assert.deepEqual([numbers.minimum, numbers.maximum], [known.minimum, known.maximum]);
        const scale = Math.max(Math.abs(known.minimum), Math.abs(known.maximum));
        assertClose(numbers.mean, known.mean, scale, `mean of ${name}`);
        assertClose(numbers.deviation, known.deviation, scale, `deviation of ${name}`);
        for (const [share, value] of Object.entries(known.quantiles)) {
          const found = Object.entries(numbers.quantiles).find(([key]) => key === share)?.[1];
          assertClose(found ?? Number.NaN, value, scale, `quantile ${share} of ${name}`);
        }
      }
    }
  }
});

const mixed = `id,when,size,width,size2,always,nothing,colour,,y
${Array.from({ length: 12 }, (_, row) => `n${row},2020-01-${10 + row},${row},${row % 5 === 0 ? "NA" : row / 4},${row},k,,${row % 3 === 0 ? "red" : "blue"},?,${row === 7 ? "" : row % 2 === 0 ? "no" : "yes"}`).join("\n")}
n3,2020-01-13,3,0.75,3,k,,red,?,yes
`;

test("every column has its type, role and counts, and what is the same is named", async () => {
  const profile = await profileOf(mixed, { target: "y" });
  assert.deepEqual([profile.records, profile.samples, profile.withoutTarget], [13, 12, 1]);
  assert.equal(profile.duplicates, 1);
  assert.deepEqual(profile.identical, [["size", "size2"]]);
  assert.deepEqual(
    profile.columns.map(({ name, role, type, missing }) => [name, role, type, missing]),
    [
      ["id", "feature", "category", 0],
      ["when", "feature", "date", 0],
      ["size", "feature", "number", 0],
      ["width", "feature", "number", 3],
      ["size2", "left out", "identical", 0],
      ["always", "left out", "constant", 0],
      ["nothing", "left out", "empty", 12],
      ["colour", "feature", "category", 0],
      ["", "left out", "unnamed", undefined],
      ["y", "target", "class", 0],
    ],
  );
  assert.deepEqual(profile.column("y").top, [
    { value: "no", count: 6, share: 0.5 },
    { value: "yes", count: 6, share: 0.5 },
  ]);
  const { report, schema } = await table(profile.path, { target: "y" });
  assert.deepEqual(
    profile.columns.filter(({ role }) => role === "feature").map(({ name }) => name),
    [...new Set(schema.features.map(sourceOf))],
  );
  assert.equal(report.withoutTarget, profile.withoutTarget);
});

test("without a target every record is a sample, and what has a type said has that type", async () => {
  const profile = await profileOf(mixed, {
    types: { size: "category", colour: ["blue", "red"] },
    ignore: ["y"],
  });
  assert.deepEqual([profile.samples, profile.duplicates], [13, 1]);
  assert.deepEqual(
    ["size", "colour", "y"].map((name) => profile.column(name).type),
    ["category", "ordered category", "asked"],
  );
  assert.equal(profile.column("size").categories, 12);
});

test("what would end the reading is shown in its column, with all that can be", async () => {
  const profile = await profileOf(
    "x,z,y\n1,5,a\n2,6,b\n3,7,a\n4,8,b\n5,9,a\n6,1,b\n7,2,a\n8,3,b\n9,4,a\n1O,5,c\n",
    {
      target: "y",
    },
  );
  const { path } = profile;
  assert.equal(
    profile.column("x").problem,
    `${path}, line 11, column "x": expected a number that fits float32, as 9 of 10 values are, got "1O". ` +
      'Fix: correct the value, or leave it empty if it is missing, or types: { "x": "category" } to read the column as text',
  );
  assert.deepEqual([profile.column("x").type, profile.column("x").distinct], ["mixed", 10]);
  assert.match(profile.column("y").problem!, /at least two samples of every class.*got one of class "c"/);
  assert.equal(profile.column("z").problem, undefined);
});

test("what is no table, and options that name no column, are refused", async () => {
  await assert.rejects(
    profileOf("x,y\n1,2,3\n"),
    /t\.csv, line 2: expected 2 fields, as in the header, got 3/,
  );
  await assert.rejects(
    profileOf("x,y\n1,2\n", { target: "z" }),
    /option target: expected one of the columns x, y/,
  );
  await assert.rejects(profileOf("x,y\n1,2\n", { types: { z: "number" } }), /option types: expected one of/);
  await assert.rejects(profileOf("x,y\n"), /expected at least one line of values below the header, got none/);
});
