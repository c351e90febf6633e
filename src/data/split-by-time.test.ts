import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { arrays } from "./arrays.ts";
import { splitByTime, splitSamplesByTime } from "./split-by-time.ts";
import { table } from "./table/table.ts";

const folder = temporaryFolder();

test("every sample of a later part is later than all of an earlier one, and the border is the nearest there is", () => {
  const times = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 3, maxLength: 60 });
  fc.assert(
    fc.property(
      times,
      fc.double({ min: 0.05, max: 0.6, noNaN: true }),
      fc.boolean(),
      (all, share, hasTest) => {
        const distinct = new Set(all).size;
        fc.pre(distinct >= (hasTest ? 3 : 2));
        const shares = { validation: share, ...(hasTest && { test: 0.3 }) };
        const { training, validation, test } = splitSamplesByTime(all, shares);
        const parts = [training, validation, ...(test === undefined ? [] : [test])];
        assert.deepEqual(
          parts.flatMap((samples) => [...samples]).sort((a, b) => a - b),
          [...all.keys()],
        );
        const times = parts.map((samples) => Array.from(samples, (sample) => all[sample]!));
        for (let part = 1; part < parts.length; part++) {
          assert.ok(Math.max(...times[part - 1]!) < Math.min(...times[part]!));
        }
        if (hasTest) return;
        const wanted = all.length * (1 - share);
        for (const time of new Set(all)) {
          const before = all.filter((other) => other < time).length;
          if (before > 0)
            assert.ok(Math.abs(training.length - wanted) <= Math.abs(before - wanted), `${all}, ${share}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("shares are those asked for where no times are equal, the latest for test", () => {
  const times = Array.from({ length: 100 }, (_, sample) => (sample * 37) % 100);
  const { training, validation, test } = splitSamplesByTime(times, { validation: 0.2, test: 0.1 });
  const of = (samples: Uint32Array) => Array.from(samples, (sample) => times[sample]!).sort((a, b) => a - b);
  assert.deepEqual(of(training), [...Array(70).keys()]);
  assert.deepEqual(
    of(validation),
    Array.from({ length: 20 }, (_, index) => 70 + index),
  );
  assert.deepEqual(
    of(test!),
    Array.from({ length: 10 }, (_, index) => 90 + index),
  );
});

test("a border that large ties push to the end leaves a part for the rest", () => {
  const times = [1, 2, 3, ...Array(97).fill(0)];
  const { training, validation, test } = splitSamplesByTime(times, { validation: 0.2, test: 0.2 });
  assert.deepEqual([training.length, [...validation], [...test!]], [97, [0], [1, 2]]);
});

test("dates in a table are compared by their time, ordered categories by their rank, other numbers as they are", async () => {
  const path = join(folder, "days.csv");
  const sizes = ["small", "medium", "large", "huge"];
  const rows = Array.from({ length: 60 }, (_, row) => {
    const day = (row * 7) % 60;
    const date = new Date(Date.UTC(2023, 11, 15 + day)).toISOString().slice(0, 10);
    return `${date},${sizes[Math.floor(day / 15)]},${day / 4},${row % 2}`;
  });
  await writeFile(path, `date,size,x,y\n${rows.join("\n")}\n`);
  const data = await table(path, { target: "y", types: { date: "category", size: sizes } });
  const xs = async (column: string, validation: number) => {
    const parts = await data.splitByTime(column, { validation });
    assert.equal(parts.training.schema, data.schema);
    const values = new Float32Array(parts.validation.size);
    await parts.validation.read("x", Uint32Array.from(values.keys()), values);
    return [...values].map((x) => 4 * x).sort((a, b) => a - b);
  };
  const last = (count: number) => Array.from({ length: count }, (_, index) => 60 - count + index);
  assert.deepEqual(await xs("date", 0.2), last(12)); // across the turn of the year
  assert.deepEqual(await xs("x", 0.2), last(12));
  assert.deepEqual(await xs("size", 0.3), last(15));
});

test("texts are compared whatever the order of their codes", async () => {
  const day = {
    dtype: "int32",
    shape: [],
    categories: ["2024-02", "2023-12", "2024-01", "2023-11"],
  } as const;
  const data = { ...arrays({ day: Int32Array.of(0, 1, 2, 3, 0) }), columns: { day } };
  const { training, validation } = await splitByTime(data, "day", { validation: 0.4 });
  const read = async (part: typeof training) => {
    const codes = new Int32Array(part.size);
    await part.read("day", Uint32Array.from(codes.keys()), codes);
    return [...codes];
  };
  assert.deepEqual(
    [await read(training), await read(validation)],
    [
      [1, 2, 3],
      [0, 0],
    ],
  ); // by code 3 would be the latest
});

test("texts that are numbers or dates are compared as such, whatever they begin with", async () => {
  const validationOf = async (categories: readonly string[], validation: number) => {
    const day = { dtype: "int32", shape: [], categories } as const;
    const data = {
      ...arrays({ day: Int32Array.from(categories.keys()) }, { name: "toy" }),
      columns: { day },
    };
    const parts = await splitByTime(data, "day", { validation });
    const codes = new Int32Array(parts.validation.size);
    await parts.validation.read("day", Uint32Array.from(codes.keys()), codes);
    return [...codes].map((code) => categories[code]);
  };
  const cases: readonly (readonly [later: readonly string[], earlier: readonly string[]])[] = [
    [
      ["1000000000000", "1000000000001"],
      ["999999999998", "-5000000000000"],
    ], // milliseconds in 2001
    [["9007199254740993"], ["9007199254740992"]],
    [
      ["10.5", "1e2"],
      ["9.5", "-20"],
    ],
    [["2040-01-01T12:00:00-10:00"], ["2040-01-01T21:00:00Z"]],
    [["2040-01-02 00:30+02"], ["2040-01-01 22:00"]],
    [["2024-03-05 14:30:05.000002"], ["2024-03-05 14:30:05.000001"]],
    [["1969-12-31T23:59:59.5Z"], ["1969-12-31T23:59:59.25Z", "0001-01-01"]],
    [["2024-W05"], ["2023-W52"]],
  ];
  for (const [later, earlier] of cases) {
    const share = later.length / (later.length + earlier.length);
    for (const texts of [
      [...later, ...earlier],
      [...earlier, ...later],
    ]) {
      assert.deepEqual((await validationOf(texts, share)).toSorted(), later.toSorted());
    }
  }
  // The same moment, written in two ways, is in one part.
  const same = ["2040-01-01T12:00Z", "2040-01-01 14:00+02:00"];
  assert.deepEqual(await validationOf(["2039-01-01", ...same], 0.4), same);
  for (const text of [
    "31/12/2023",
    "1.2.24",
    "12-31-2023 10:00",
    "5 Jan 2024",
    "January 5, 2024",
    "Mon, Jan 5 2024",
  ]) {
    await assert.rejects(validationOf([text, "x"], 0.5), {
      message:
        'splitByTime of toy, "day": expected dates whose texts stand in the order of time, as 2024-01-31, ' +
        `got "${text}". Fix: write the year first, then month and day`,
    });
  }
});

test("times that are missing, too few of them, and columns without one are refused", async () => {
  await assert.rejects(splitByTime(arrays({ t: [1, Number.NaN] }, { name: "toy" }), "t"), {
    message:
      'splitByTime of toy, "t": expected a value of "t" in every sample, got none in sample 1, and in 1 of 2 in all. ' +
      "Fix: fill the column, or leave those samples out with subset",
  });
  assert.throws(() => splitSamplesByTime([3, 3, 3]), {
    message:
      "splitByTime: expected at least 2 different times, got 1. Fix: use split, or a column with more of them",
  });
  assert.throws(
    () => splitSamplesByTime([1, 2, 2], { test: 0.2 }),
    /expected at least 3 different times, got 2/,
  );
  await assert.rejects(splitByTime(arrays({ t: [1, 2] }, { name: "toy" }), "day" as "t"), {
    message:
      'splitByTime of toy, "day": expected the name of a column with one value per sample, got no such column, "day". ' +
      "Fix: one of t",
  });
});
