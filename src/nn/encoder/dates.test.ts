import assert from "node:assert/strict";
import { test } from "node:test";
import { partsByDate } from "../../../test/reference/indexed.ts";
import type { AnyArray } from "../../array/array.ts";
import { dateParts, firstOfPart } from "../../array/date.ts";
import { dateFeatures, schemaFromMetadata, schemaToMetadata, type TableSchema } from "../../array/schema.ts";
import { memoryDataset } from "../../data/memory.ts";
import { statistics } from "../../data/statistics.ts";
import { buildProgram } from "../../graph/program.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import { encodeOnnx } from "../../onnx/encode.ts";
import { nodeRuntime } from "../../runtime/ort-node.ts";
import { encoder, featureNames } from "../encoder.ts";
import { rawRow } from "../raw-row.ts";

/** The columns of a dataset with these dates; "" is missing. */
function columnsOf({ features }: TableSchema, texts: readonly string[]) {
  return features.map(({ name, kind, ofDate }) => {
    const part = ofDate!.part; // every feature here is one of a date
    const values = texts.map((text) =>
      text === "" ? undefined : partsByDate(text)[dateParts.indexOf(part)]!,
    );
    const data =
      kind === "number"
        ? Float32Array.from(values, (value) => value ?? Number.NaN)
        : Int32Array.from(values, (value) => (value === undefined ? -1 : value - firstOfPart(part)));
    return { name, kind, data };
  });
}

async function run(features: Tensor, feeds: Readonly<Record<string, AnyArray>>): Promise<number[]> {
  const program = buildProgram({ name: "encoder", outputs: { features } });
  const session = await (await nodeRuntime()).load("encoder", encodeOnnx(program));
  try {
    const used = Object.entries(feeds).filter(([name]) => session.inputs.includes(name));
    return Array.from((await session.bind(Object.fromEntries(used)).run()).features!.data, Number);
  } finally {
    await session.close();
  }
}

/** Features by name of the asked dates, which must be the same from parts and from texts. */
async function encoded(hasTimes: boolean, training: readonly string[], asked: readonly string[]) {
  const schema: TableSchema = { features: dateFeatures("when", hasTimes), targets: [] };
  const dataset = memoryDataset({
    name: "dates",
    size: training.length,
    columns: Object.fromEntries(
      columnsOf(schema, training).map(({ name, kind, data }) => [
        name,
        {
          spec: { dtype: kind === "number" ? "float32" : "int32", shape: kind === "number" ? [1] : [] },
          data,
        },
      ]),
    ),
    schema,
  });
  const fitted = await statistics(dataset);
  const size = asked.length;
  const parts = Object.fromEntries(
    columnsOf(schema, asked).map(({ name, kind, data }): [string, AnyArray] => [
      name,
      kind === "number"
        ? { dtype: "float32", shape: [size, 1], data: Float32Array.from(data) }
        : { dtype: "int32", shape: [size], data: Int32Array.from(data) },
    ]),
  );
  const codedRow = Object.fromEntries(
    schema.features.map(({ name, kind }) => [
      name,
      kind === "number" ? input(name, ["batch", 1]) : input(name, ["batch"], "int32"),
    ]),
  );
  const features = encoder(fitted);
  const coded = await run(features(codedRow), parts);
  const texts: AnyArray = { dtype: "string", shape: [size], data: [...asked] };
  // A file carries the schema; what comes back of it makes the same row.
  const raw = await run(features(rawRow(schemaFromMetadata(schemaToMetadata(schema))!)), { when: texts });
  assert.deepEqual(raw, coded);
  const names = featureNames(fitted);
  return {
    names,
    of: (name: string) => coded.filter((_, at) => at % names.length === names.indexOf(name)),
  };
}

const days = [
  "2023-01-30",
  "2023-02-15",
  "2024-12-31",
  "2024-07-01",
  "2023-11-05",
  "2024-03-08",
  "2024-03-09",
];

test("a date is year, day and elapsed days as numbers, months on a circle, and its weekday", async () => {
  const { names, of } = await encoded(false, days, ["2024-12-01", "2025-01-01", "2024-06-01", "2024-07-06"]);
  assert.deepEqual(names, [
    "when year",
    "when day",
    "when elapsed",
    ...["Monday", "Tuesday", "Wednesday", "Friday", "Saturday", "Sunday"].map(
      (day) => `when weekday = ${day}`,
    ),
    "when month sine",
    "when month cosine",
  ]);
  const angle = (month: number) => (2 * Math.PI * (month - 1)) / 12;
  assert.deepEqual(
    of("when month sine"),
    [12, 1, 6, 7].map((month) => Math.fround(Math.sin(angle(month)))),
  );
  assert.deepEqual(
    of("when month cosine"),
    [12, 1, 6, 7].map((month) => Math.fround(Math.cos(angle(month)))),
  );
  assert.deepEqual(of("when weekday = Saturday"), [0, 0, 1, 1]);
  assert.deepEqual(of("when weekday = Sunday"), [1, 0, 0, 0]);
  const [december, january] = of("when elapsed");
  assert.ok(january! > december!);
});

test("a missing date is marked once, lies in the middle of every circle, and has the mean of every number", async () => {
  const { names, of } = await encoded(true, [...days, "", "2024-03-09 10:30"], ["", "2024-03-08 09:00", ""]);
  assert.deepEqual(
    names.filter((name) => name.endsWith("is missing")),
    ["when year is missing"],
  );
  assert.deepEqual(of("when year is missing"), [1, 0, 1]);
  for (const part of ["month", "hour", "minute"]) {
    assert.deepEqual([of(`when ${part} sine`)[0], of(`when ${part} cosine`)[0]], [0, 0], part);
  }
  // The mean in float64, rounded, and subtracted from itself: a rounding at most.
  for (const part of ["year", "day", "elapsed"]) assert.ok(Math.abs(of(`when ${part}`)[0]!) < 1e-6, part);
  for (const name of names.filter((one) => one.includes("weekday"))) assert.equal(of(name)[0], 0);
});

test("parts that never change are left out", async () => {
  const { names } = await encoded(true, ["2024-03-04 10:00", "2024-03-04 12:00"], ["2024-03-04 11:00"]);
  assert.deepEqual(names, ["when elapsed", "when hour sine", "when hour cosine"]);
});
