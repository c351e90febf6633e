/** The plan learns from one chapter, and the README's comparison is the reference's. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { microbatchIn } from "../../test/command-line.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
const textOf = (name: string) => readFile(join(import.meta.dirname, name), "utf8");

it("one chapter teaches the plan more than how often each character comes", async () => {
  delete process.env.MOBY_DICK; // whoever has the whole book reads the chapter here, too
  const { code, stdout, stderr } = await microbatch("train", join(import.meta.dirname, "plan.ts"), "--json");
  assert.equal(code, 0, stderr);
  const { validation, baseline } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  // The frequencies of single characters are at 2.98 nats, those of pairs near 2.4: this is on the way there.
  assert.ok(validation.loss < 2.7 && baseline.loss > 2.9, `${validation.loss} against ${baseline.loss}`);
});

it("the README's curve of PyTorch is that of reference.json, and no difference is beyond noise", async () => {
  const { curves }: { readonly curves: readonly (readonly number[])[] } = JSON.parse(
    await textOf("reference.json"),
  );
  const rows = [...(await textOf("README.md")).matchAll(/^\| \d+ … \d+ \|(.*)\|$/gm)];
  assert.equal(rows.length, curves[0]!.length);
  for (const [at, [line, cells]] of rows.entries()) {
    const [theirs, ours, difference] = cells!.split("|").map((cell) => cell.split("±").map(Number));
    const values = curves.map((curve) => curve[at]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(Math.abs(mean - theirs![0]!) <= 6e-4, line); // three decimals
    assert.ok(Math.abs(ours![0]! - theirs![0]! - difference![0]!) <= 1.6e-3, line); // three of them
    assert.ok(Math.abs(difference![0]!) <= 2 * difference![1]!, line);
  }
});
