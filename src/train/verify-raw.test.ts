import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/reference/draw.ts";
import { partsByDate } from "../../test/reference/indexed.ts";
import { dateParts, isDate } from "../array/date.ts";
import { splitWords, unknownWord, wordCodesOf } from "../array/words.ts";
import { memoryDataset } from "../data/memory.ts";
import { dateOf, rawColumns } from "./verify-raw.ts";

const dateWith = (parts: readonly number[]) => dateOf((part) => parts[dateParts.indexOf(part)]!);

test("a date that is put together from its parts has these parts, seconds and zones included", () => {
  const random = seeded(1);
  const whole = (most: number) => Math.floor(most * random());
  const two = (value: number) => String(value).padStart(2, "0");
  for (let index = 0; index < 500; index++) {
    const [year, month, day] = [1 + whole(9999), 1 + whole(12), 1 + whole(28)];
    const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
    const clock = `T${two(whole(24))}:${two(whole(60))}:${two(whole(60))}`;
    const zone = `${random() < 0.5 ? "-" : "+"}${two(whole(15))}:${two(15 * whole(4))}`;
    const text = [date, date + clock, `${date}${clock}Z`, date + clock + zone][index % 4]!;
    const parts = partsByDate(text);
    const again = dateWith(parts);
    assert.ok(typeof again === "string" && isDate(again), `${text}: ${again}`);
    assert.deepEqual(partsByDate(again), parts, `${text}: ${again}`);
  }
  assert.equal(dateWith(dateParts.map(() => Number.NaN)), null);
  assert.equal(dateWith([2024, 3, 5, 2, 0, 0, 12]), undefined, "parts of two dates");
});

test("words that are put side by side are cut into the same words, and no text becomes a missing one", async () => {
  const words = [unknownWord, "na", "@", "it's", "über"];
  const codes = [
    [1, 5, 5],
    [0, 3, 4],
    [5, 5, 5],
    [2, 0, 0],
  ];
  const data = memoryDataset({
    name: "notes",
    size: codes.length,
    columns: {
      note: {
        spec: { dtype: "int32", shape: [3], categories: words, isWords: true },
        data: Int32Array.from(codes.flat()),
      },
    },
  });
  const raw = await rawColumns(data, ["note"]);
  assert.ok(typeof raw === "object");
  assert.deepEqual(raw.note, ["na .", "@@ it's über .", null, "@ @@ @@ ."]);
  const listed = wordCodesOf(words);
  const again = Array.from(raw.note as ArrayLike<string | null>, (text) =>
    splitWords(text ?? "", 3).map((word) => listed.get(word) ?? 0),
  );
  assert.deepEqual(again, [[1], [0, 3, 4], [], [2, 0, 0]]);
  assert.equal(
    await rawColumns(data, ["note", "title"]),
    '"title" cannot be put together again from what was read of it',
  );
});
