/** The endurance trials, short: test/endurance/run.ts lives through as many as one has time for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { randomSequence } from "../src/array/random.ts";
import { modelNames } from "./endurance/models.ts";
import { live } from "./endurance/trial.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const steps = 8;
const folder = temporaryFolder();

for (const name of modelNames) {
  test(`${name}: killed and resumed, on other numbers of threads, with threads thrown out, a run ends with the same bytes`, async () => {
    const undisturbed = {
      name,
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
        workers: () => 3,
        // Killed once at a moment between its first word and its end, and again later.
        lifetime: (life) => (life < 2 ? 60 + 300 * random(life) : undefined),
        disturbance: (life) => life + 1,
      },
      join(folder, `${name} disturbed`),
    );
    assert.equal(outcome.hash, hash);
  });
}
