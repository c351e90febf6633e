/** The endurance trials, short: test/endurance/run.ts lives through as many as one has time for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { randomSequence } from "../src/array/random.ts";
import { type ModelName, modelNames, type Variant } from "./endurance/models.ts";
import { type Lifetime, live } from "./endurance/trial.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const steps = 8;
const folder = temporaryFolder();

/** What the run of each has: of what there is, one here; the trials draw from all. */
const variants: Readonly<Record<ModelName, Variant>> = {
  mlp: "back",
  cnn: "augmented",
  transformer: "average",
};

/** After which words their lives are ended: each model in two phases, at any moment from "started" on. */
const killedIn: Readonly<Record<ModelName, readonly Lifetime["from"][]>> = {
  mlp: ["caching", "started"],
  cnn: ["started", "saving"],
  transformer: ["evaluating", "checkpoint"],
};

for (const name of modelNames) {
  test(`${name}: killed and resumed, on other numbers of threads, with threads thrown out, a run ends with the same bytes`, async () => {
    const undisturbed = {
      name,
      variant: variants[name],
      size: "small",
      steps,
      workers: () => 1,
      lifetime: () => undefined,
      disturbance: () => 0,
    } as const;
    const { hash } = await live(undisturbed, join(folder, `${name} undisturbed`));
    const random = randomSequence(3, "endurance test", name);
    const outcome = await live(
      {
        ...undisturbed,
        workers: () => 2,
        lifetime: (life) => {
          const from = killedIn[name][life];
          return from && { from, milliseconds: 300 * random(life) * (from === "started" ? 1 : 0.1) };
        },
        disturbance: (life) => life + 1,
      },
      join(folder, `${name} disturbed`),
    );
    assert.equal(outcome.hash, hash);
  });
}
