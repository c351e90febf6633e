import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import type { TrainEvent } from "../train/event.ts";
import { afterEpochs } from "../train/stop.ts";
import { train } from "../train/train.ts";
import { type ConsoleOptions, consoleReporter, digits, duration, printable } from "./console.ts";

/** A run with the seconds of a steady machine: how long a line gets is a matter of the rate and the time left. */
const events: TrainEvent[] = [];
for await (const event of train({ ...plan({}), stop: afterEpochs(4) }))
  events.push("seconds" in event ? { ...event, seconds: 0.001 } : event);

/** What a terminal of so many columns is written, each picture shown. */
function written(options: Partial<ConsoleOptions>, isTTY: boolean, columns = 200, shown = events): string {
  let text = "";
  const terminal = { isTTY, columns, write: (part: string) => (text += part) };
  const report = consoleReporter({ terminal, everyMs: 0, ...options });
  for (const event of shown) report(event);
  return text;
}

/** Colours take no room on the screen. */
const escapeCharacter = String.fromCharCode(27);
const colourless = (text: string) => text.replaceAll(new RegExp(`${escapeCharacter}\\[\\d+m`, "g"), "");

/** What stays on the screen when carriage returns have been obeyed. */
function screen(text: string): string {
  let line = "";
  for (const part of colourless(text).split("\r")) line = part + line.slice(part.length);
  return line.trimEnd();
}

const steps = events.filter(({ type }) => type === "step").length;

test("a log gets a plain line per picture: no bar, no colour, no carriage return", () => {
  const lines = written({ epochs: 4 }, false).trimEnd().split("\n");
  assert.equal(lines.length, steps);
  for (const line of lines)
    assert.match(line, /^epoch \d {2}step \d+ {2}loss \S+ {2}(\S+ \S+ {2})?\S+ samples\/s {2}≤ \S+ s left$/);
  assert.doesNotMatch(lines.join(""), new RegExp(`\\r|${escapeCharacter}|━`));
});

test("a terminal gets one line that is written over, and nothing is left of it in the end", () => {
  const text = written({ epochs: 4 }, true);
  assert.doesNotMatch(text, /\n/);
  assert.match(text, /━/);
  assert.equal(screen(text), "");
});

test("the bar is full at the end, by steps or by epochs, and is not drawn where nobody knows the length", () => {
  for (const length of [{ epochs: 4 }, { steps }]) {
    const last = written(length, true)
      .split("\r")
      .findLast((part) => part.includes("epoch"))!;
    assert.match(last, /━{12}/);
    assert.doesNotMatch(last, /─/);
    assert.match(last, /≤ 0 s left/);
  }
  assert.doesNotMatch(written({}, true), /━|─|left/);
});

test("the time left of a run that goes on is that of its own steps, not of those before", () => {
  const own = events.filter((event) => event.type === "step").slice(steps / 2);
  const started = events.flatMap((event) =>
    event.type === "started" ? [{ ...event, resumedAt: steps / 2 }] : [],
  );
  const lines = written({ steps }, false, 200, [...started, ...own])
    .trimEnd()
    .split("\n");
  assert.match(lines[0]!, /≤ \? left$/);
  assert.equal(Number(/≤ (\S+) s left$/.exec(lines[1]!)![1]), 2 * 0.001 * (steps / 2 - 2));
});

test("a step that is skipped gets a line of its own, and the live line goes on behind it", () => {
  const step = events.findIndex(({ type }) => type === "step") + 1;
  const message = "step 2: the loss became NaN or infinite; samples 1, 2 of arrays. The update is left out.";
  const told = { step: 2, action: "skip", samples: [1, 2], what: "loss", seconds: 0.001, message } as const;
  const shown: TrainEvent[] = [
    ...events.slice(0, step),
    { type: "diverged", ...told },
    ...events.slice(step),
  ];
  const [first, ...rest] = written({ epochs: 4 }, true, 200, shown).split("\n");
  assert.equal(screen(first!), message);
  assert.deepEqual([rest.length, screen(rest[0]!)], [1, ""]);
  assert.match(rest[0]!, /step 2 /);
});

test("the live line fits the terminal, so that it is one line", () => {
  const pictures = colourless(written({ epochs: 4 }, true, 40)).split("\r");
  for (const picture of pictures) assert.ok(picture.length <= 39, picture);
});

test("where there is no room for all of it, the epoch goes first, and the time left stays", () => {
  const last = (columns: number) =>
    colourless(written({ epochs: 4 }, true, columns))
      .split("\r")
      .findLast((part) => part.includes("step"))!;
  assert.match(last(100), /^━+ {2}epoch 4 {2}step 8/);
  assert.match(last(66), /^━{12} {2}step 8.* left *$/);
  assert.match(last(56), /^━{6} {2}step 8.* left *$/);
});

test("NO_COLOR leaves the bar and takes its colour", () => {
  process.env.NO_COLOR = "1";
  try {
    assert.ok(!written({ epochs: 4 }, true).includes(escapeCharacter));
  } finally {
    delete process.env.NO_COLOR;
  }
  assert.ok(written({ epochs: 4 }, true).includes(`${escapeCharacter}[36m━`));
});

test("between two pictures the asked time passes", () => {
  let clock = 0;
  const text = written({ now: () => (clock += 10), everyMs: 35 }, false);
  assert.equal(text.trimEnd().split("\n").length, Math.ceil(steps / 4));
});

test("control characters of names are written out, and only colours reach the terminal", () => {
  const line = "price\nin €\r \u001b[2J\u009b2J\u0007\t漢😀 \u001b[1mbold\u001b[22m";
  assert.equal(printable(line), "price\\nin €\\r \\u001b[2J\\u009b2J\\u0007\\t漢😀 \u001b[1mbold\u001b[22m");
});

test("numbers are shown as people read them", () => {
  const shown = [0, 0.00001234, 0.012345, 1.23456, 999.96, 1234.5, 1e6, 2.5e12, Number.NaN].map(digits);
  assert.deepEqual(shown, [
    "0",
    "1.23e-5",
    "0.01235",
    "1.235",
    "1,000",
    "1,235",
    "1,000,000",
    "2.50e+12",
    "NaN",
  ]);
  assert.deepEqual([0.012, 9.87, 99.4, 125, 7200, Infinity].map(duration), [
    "0.012 s",
    "9.9 s",
    "99 s",
    "2 min",
    "2 h",
    "?",
  ]);
});

test("what should be known of a run stays on the screen, a line of its own", () => {
  const noted = events.map(
    (event): TrainEvent =>
      event.type === "started" ? { ...event, notes: ["this run is of a kind\nthat needs words"] } : event,
  );
  for (const isTTY of [true, false]) {
    const lines = written({ epochs: 4 }, isTTY, 200, noted).split("\n");
    assert.equal(lines[0], "this run is of a kind\\nthat needs words");
    assert.ok(!lines.slice(1).join("").includes("needs words"));
  }
});
