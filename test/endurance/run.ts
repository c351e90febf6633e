/**
 * The endurance trials: node test/endurance/run.ts [trials] [seed]. Each draws a model (1 M parameters and more) and what its run has, numbers of
 * threads, kills, threads thrown out and late, and must end with the hash of an undisturbed run on one thread.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomSequence } from "../../src/array/random.ts";
import { subjects } from "./models.ts";
import { live, phases as phaseNames } from "./trial.ts";

const [trials = 200, seed = 1] = process.argv.slice(2).map(Number);
const steps = 12;
const folder = await mkdtemp(join(tmpdir(), "endurance-"));
const expected = new Map<string, string>();
for (const [name, variant] of subjects) {
  const undisturbed = {
    name,
    variant,
    size: "whole",
    steps,
    workers: () => 1,
    lifetime: () => undefined,
    disturbance: () => 0,
  } as const;
  const began = performance.now();
  const called = `${name} ${variant}`;
  expected.set(called, (await live(undisturbed, join(folder, called))).hash);
  console.log(`${called}: ${expected.get(called)}, ${Math.round(performance.now() - began)} ms`);
}
let equal = 0;
const phases = new Map<string, number>();
for (let trial = 0; trial < trials; trial++) {
  const random = randomSequence(seed, "trial", trial);
  let drawn = 0;
  const draw = (below: number) => Math.floor(below * random(drawn++));
  const [name, variant] = subjects[draw(subjects.length)]!;
  const outcome = await live(
    {
      name,
      variant,
      size: "whole",
      steps,
      workers: () => 1 + draw(4),
      // At any moment, or soon after a phase has begun, so that every one of them is met.
      lifetime: (life) => {
        if (life >= 1 + draw(4)) return undefined;
        const from = draw(2) === 0 ? "started" : phaseNames[draw(phaseNames.length)]!;
        return { from, milliseconds: draw(from === "started" ? 2500 : 30) };
      },
      disturbance: (life) => (draw(2) === 0 ? 0 : 1 + 1000 * trial + life),
    },
    join(folder, `trial-${trial}`),
  );
  const isEqual = outcome.hash === expected.get(`${name} ${variant}`);
  if (isEqual) equal++;
  for (const phase of outcome.phases) phases.set(phase, (phases.get(phase) ?? 0) + 1);
  console.log(
    `${trial + 1}: ${name} ${variant}, killed ${outcome.kills} times (${outcome.phases}): ${isEqual ? "equal" : "DIFFERENT"}`,
  );
}
await rm(folder, { recursive: true, force: true });
console.log(
  `${equal} of ${trials} equal; killed in: ${[...phases].map(([phase, times]) => `${phase} ${times}`).join(", ")}`,
);
if (equal < trials) process.exitCode = 1;
