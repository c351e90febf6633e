import assert from "node:assert/strict";
import { test } from "node:test";
import { images } from "./images.ts";
import { type ImagesOptions, settle } from "./options.ts";

const size = [2, 3] as const;

test("what is left out is decided", () => {
  assert.deepEqual(settle("flowers", { size }), {
    height: 2,
    width: 3,
    channels: 3,
    fit: "cover",
    background: [255, 255, 255],
    labels: true,
    skip: 0,
  });
});

test("wrong options are refused before a file is read", async () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [
      undefined,
      "options: expected size, and at most channels, fit, background, labels, classes, onBadFile, got no size. Fix: for example { size: [64, 64] }",
    ],
    [
      { size, sizes: 3 },
      'options: expected size, and at most channels, fit, background, labels, classes, onBadFile, got "sizes". Fix: rename or remove it',
    ],
    [
      { size: 64 },
      "option size: expected [height, width] in pixels, whole numbers from 1 to 8192, got 64. Fix: for example [64, 64]",
    ],
    [
      { size: [64, 0.5] },
      "option size: expected [height, width] in pixels, whole numbers from 1 to 8192, got a list. Fix: for example [64, 64]",
    ],
    [
      { size: [64, 8193] },
      "option size: expected [height, width] in pixels, whole numbers from 1 to 8192, got a list. Fix: for example [64, 64]",
    ],
    [{ size, channels: 4 }, "option channels: expected 1 (grey) or 3 (colours), got 4. Fix: choose one"],
    [{ size, fit: "crop" }, 'option fit: expected "cover", "contain" or "fill", got "crop". Fix: choose one'],
    [
      { size, background: "white" },
      'option background: expected [red, green, blue], whole numbers from 0 to 255, got "white". Fix: for example [0, 0, 0] for black',
    ],
    [{ size, labels: "no" }, 'option labels: expected true or false, got "no". Fix: choose one'],
    [
      { size, classes: ["a", "a"] },
      "option classes: expected a list of names of folders, each once, got a list. Fix: for example classes: training.columns.class.categories",
    ],
    [
      { size, classes: ["a"], labels: false },
      "options: expected classes only where folders are classes, got labels: false too. Fix: remove one of the two",
    ],
    [
      { size, onBadFile: { skip: -1 } },
      'option onBadFile: expected "error" or { skip: how many files at most }, got an object. Fix: for example { skip: 10 }',
    ],
  ];
  for (const [options, message] of cases) {
    const given = options as ImagesOptions & { labels?: true }; // as JavaScript may pass
    await assert.rejects(images("nowhere", given), { message: `images in nowhere, ${message}` });
  }
});
