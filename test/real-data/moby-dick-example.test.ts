/** The example on Moby-Dick, its first steps on the whole book: its loss falls as PyTorch's does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterSteps } from "../../src/train/stop.ts";
import { train } from "../../src/train/train.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { mobyDick, testWith } from "./installed.ts";

const folder = temporaryFolder();
const example = new URL("../../examples/moby-dick/", import.meta.url);
const chapters = Array.from({ length: 135 }, (_, index) => `chapter_${index + 1}`);

testWith(mobyDick, "the example's loss falls as PyTorch's did, with the same architecture", async () => {
  const names = ["etymology", "extracts", ...chapters, "epilogue"];
  const parts = names.map((name) => readFileSync(join(mobyDick.folder, `${name}.txt`)));
  process.env.MOBY_DICK = join(folder, "moby-dick.txt");
  await writeFile(process.env.MOBY_DICK, Buffer.concat(parts));
  const { default: plan } = await import(new URL("plan.ts", example).href);
  const {
    span,
    samples,
    curves,
  }: { readonly span: number; readonly samples: number; readonly curves: readonly (readonly number[])[] } =
    JSON.parse(readFileSync(new URL("reference.json", example), "utf8"));
  assert.equal(plan.data.size, samples);
  const spans = 3;
  const sums = new Array<number>(spans).fill(0);
  for await (const event of train({ ...plan, validation: undefined, stop: afterSteps(spans * span) })) {
    if (event.type === "step") sums[Math.floor((event.step - 1) / span)]! += event.loss / span;
  }
  for (const [at, loss] of sums.entries()) {
    const theirs = curves.map((curve) => curve[at]!);
    const [least, most] = [Math.min(...theirs), Math.max(...theirs)];
    // One more seed lies within the five others, or about as far outside as they lie apart.
    assert.ok(loss > least - (most - least) && loss < most + (most - least), `${at}: ${loss}, ${theirs}`);
  }
});
