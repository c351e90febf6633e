/** Model files of anybody, damaged or forged: what they claim is checked, and what cannot be right is refused. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { buildProgram, concat, encodeOnnx, input, mul } from "../src/index.ts";
import { microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
// What JSON.parse gives; the tests change what is in it.
type Json = ReturnType<typeof JSON.parse>;

before(async () => {
  const rows = Array.from({ length: 30 }, (_, i) => `${Math.sin(i)},${i},${["u", "v", "w"][i % 3]}`);
  await writeFile(join(folder, "rows.csv"), `a,b,kind\n${rows.join("\n")}\n`);
  const trained = await microbatch("train", "rows.csv", "--target", "kind", "--epochs", "1");
  assert.equal(trained.code, 0, trained.stderr);
});

/** The trained model with a change, under a name. */
async function forge(name: string, change: (model: ModelProto) => void): Promise<string> {
  const model = fromBinary(ModelProtoSchema, await readFile(join(folder, "model.onnx")));
  change(model);
  await writeFile(join(folder, name), toBinary(ModelProtoSchema, model));
  return name;
}

const changeMetadata = (key: string, change: (json: Json) => void) => (model: ModelProto) => {
  const entry = model.metadataProps.find((one) => one.key === key)!;
  const json = JSON.parse(entry.value);
  change(json);
  entry.value = JSON.stringify(json);
};
const changeSchema = (change: (json: Json) => void) => changeMetadata("microbatch.schema", change);

test("a file whose metadata names other classes than it computes gives no class the probability of another", async () => {
  for (const categories of [["u", "v"], ["u", "v", "w", "x"], []]) {
    const name = await forge(
      "classes.onnx",
      changeSchema(({ targets }) => {
        targets[0].categories = categories;
      }),
    );
    for (const command of ["predict", "evaluate"]) {
      const { code, stdout, stderr } = await microbatch(command, name, "rows.csv");
      assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
      const said = `expected a number for each of the ${categories.length} classes that its metadata names, got [batch, 3]`;
      assert.ok(stderr.startsWith(`classes.onnx, output "probabilities": ${said}. Fix: `), stderr);
    }
  }
});

test("a file whose statistics are of another target is not judged by them", async () => {
  const name = await forge(
    "statistics.onnx",
    changeMetadata("microbatch.statistics", (json) => {
      json.targets = [{ task: "regression", name: "kind", mean: 0, deviation: 1 }];
    }),
  );
  const { code, stderr } = await microbatch("evaluate", name, "rows.csv");
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^statistics\.onnx, metadata "microbatch\.statistics": expected the statistics of a table/,
  );
});

test("inspect shows what anybody wrote, whatever its kind", async () => {
  const name = await forge(
    "run.onnx",
    changeMetadata("microbatch", (json) => {
      json.plan = { parameters: [null, 5], data: { samples: { toString: 5 } }, optimizer: [], backend: null };
    }),
  );
  const { code, stdout, stderr } = await microbatch("inspect", name);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.match(stdout, /\n {2}on \? samples of \?\n {2}\?, batch \?, microbatch \?, lanes \?, seed \?\n/);
});

test("inspect lets no file move the cursor of whoever looks into it", async () => {
  const name = await forge("cursor.onnx", (model) => {
    model.producerName = "\u001b[2Jsomebody";
    model.metadataProps[0]!.key = "a\nb";
    model.graph!.output[0]!.name = "\u001b]0;title\u0007";
  });
  const { code, stdout } = await microbatch("inspect", name);
  assert.equal(code, 0);
  assert.match(stdout, /, by \\u001b\[2Jsomebody\n/);
  assert.match(stdout, /\n {2}\\u001b\]0;title\\u0007 /);
  assert.match(stdout, /\n {2}a\\nb /);
});

test("a model that takes nothing from rows, or calls an output __proto__, is refused; constructor is a name", async () => {
  const [a, b] = [input("a", ["batch", 1]), input("b", ["batch", 1])];
  const write = async (name: string, change: (model: ModelProto) => void) => {
    const program = buildProgram({ name: "other", outputs: { constructor: mul(concat([a, b]), 2) } });
    const model = fromBinary(ModelProtoSchema, encodeOnnx(program));
    change(model);
    await writeFile(join(folder, name), toBinary(ModelProtoSchema, model));
    return microbatch("predict", name, "rows.csv");
  };
  const good = await write("constructor.onnx", () => {});
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^a,b,kind,constructor 0,constructor 1\n0,0,u,0,0\n/);
  const nothing = await write("nothing.onnx", ({ graph }) => {
    graph!.input = [];
  });
  assert.equal(
    nothing.stderr,
    "nothing.onnx: expected inputs and outputs, none of them called __proto__, got 0 inputs, 1 outputs: constructor. " +
      "Fix: load a model that this package has saved\n",
  );
  const proto = await write("proto.onnx", ({ graph }) => {
    const [last] = graph!.output;
    for (const node of graph!.node)
      node.output = node.output.map((name) => (name === last!.name ? "__proto__" : name));
    last!.name = "__proto__";
  });
  assert.match(
    proto.stderr,
    /^proto\.onnx: expected inputs and outputs, none of them called __proto__, got 2 inputs, 1 outputs: a, b, __proto__\./,
  );
});
