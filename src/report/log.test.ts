import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import type { StepEvent } from "../train/event.ts";
import { eventLog } from "./log.ts";

const folder = temporaryFolder();
const step: StepEvent = {
  type: "step",
  step: 1,
  epoch: 0,
  position: 32,
  samples: 32,
  weight: 0.1 + 0.2,
  loss: Number.NaN,
  penalty: -0,
  gradientNorm: Number.POSITIVE_INFINITY,
  clipScale: 5e-324,
  learningRate: 1 / 3,
  seconds: 0.5,
  dataSeconds: 0,
  waitSeconds: 0,
  updateSeconds: 0,
  lanes: [],
  laneSquaredNorms: [Float64Array.of(0.1, Number.NaN)],
};

const linesOf = (path: string) => readFileSync(path, "utf8").split("\n");

test("a logged event is a line with exact numbers, there as soon as it is reported", () => {
  const path = join(folder, "events.jsonl");
  const log = eventLog(path);
  log.report(step);
  const line = JSON.parse(linesOf(path)[0]!);
  for (const key of ["weight", "loss", "penalty", "gradientNorm", "clipScale", "learningRate"] as const)
    assert.ok(Object.is(Number(line[key]), step[key]), key);
  assert.deepEqual(line.laneSquaredNorms, [[0.1, "NaN"]]);
  assert.ok(!("lanes" in line));
  assert.match(line.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  log.close();
});

test("a log goes on behind what is there, and half a line that was left ends before the next", () => {
  const path = join(folder, "torn.jsonl");
  for (const left of ['{"type":"step","st', ""]) {
    appendFileSync(path, left);
    const log = eventLog(path);
    log.append({ type: "resumed", step: 4 });
    log.close();
  }
  const lines = linesOf(path);
  assert.deepEqual(
    [lines.length, lines[0], JSON.parse(lines[1]!).step, JSON.parse(lines[2]!).type],
    [4, '{"type":"step","st', 4, "resumed"],
  );
});

test("a log that cannot be written to says so", () => {
  assert.throws(() => eventLog(join(folder, "nowhere", "events.jsonl")), {
    message: `write ${join(folder, "nowhere", "events.jsonl")}: expected a file, got nothing of that name. Fix: check the name; the folder looked in is ${join(folder, "nowhere")}`,
  });
});
