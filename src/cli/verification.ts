/** microbatch verify: the promises of a plan, a table's plan or a model file, tried and told. */
import { fail } from "../errors.ts";
import { type Certificate, verify } from "../train/verify.ts";
import { isFolder } from "./image-rows.ts";
import { exitCodes } from "./options.ts";
import { print, styled } from "./say.ts";
import { isPlanFile } from "./training/plan-file.ts";
import { jobOf } from "./training/run.ts";
import type { VerifyFlags } from "./verify.ts";
import { killElsewhere } from "./verify-child.ts";

/** Prints the certificate. */
export async function runVerify(path: string, rows: string | undefined, flags: VerifyFlags): Promise<void> {
  if (/\.onnx$/i.test(path)) {
    const { verifyFile } = await import("./verify-file.ts");
    return show(path, await verifyFile(path, rows, flags, secondsLeft(flags)), flags);
  }
  if (rows !== undefined) {
    fail(`${path} ${rows}`, {
      expected: "rows beside an ONNX file alone",
      got: `${rows} beside ${path}`,
      fix: `microbatch verify ${path}`,
    });
  }
  const { threads, seconds, json, ...data } = flags;
  await requireTarget(path, data);
  const { plan } = await jobOf(path, data);
  const certificate = await verify(plan, {
    seconds: secondsLeft(flags),
    ...(threads !== undefined && { threads }),
    ...(isPlanFile(path) && { elsewhere: killElsewhere(path) }),
  });
  show(path, certificate, flags);
}

/** Told here, since it is another command that is to be typed. */
async function requireTarget(path: string, { target }: VerifyFlags): Promise<void> {
  if (target !== undefined || isPlanFile(path) || /\.txt(\.gz)?$/i.test(path) || (await isFolder(path)))
    return;
  fail("--target", {
    expected: "the column to predict",
    got: "none",
    fix: `microbatch verify ${path} --target <column>`,
  });
}

/** The time is for everything, the start and the reading of the data included; at least 0.4 of it for the trial itself. */
const secondsLeft = ({ seconds = 10 }: VerifyFlags) => Math.max(0.4 * seconds, seconds - process.uptime());

function show(path: string, certificate: Certificate, { json }: VerifyFlags): void {
  if (json === true) print(JSON.stringify({ verified: path, ...certificate }));
  else for (const line of linesOf(path, certificate)) print(line);
  if (!certificate.holds) process.exitCode = exitCodes.runFailed;
}

function linesOf(path: string, certificate: Certificate): string[] {
  const { data, parameters, batch, backend, checks } = certificate;
  const count = (value: number) => value.toLocaleString("en-US");
  const runtime = `${backend.name} ${backend.version} on ${backend.processor}`;
  const sizes = [...batch.microbatchSizes];
  const last = sizes.pop();
  const isTrained = parameters > 0;
  return [
    isTrained
      ? `${path}: ${count(data.samples)} samples of ${data.name}, ${count(parameters)} parameters, ${runtime}`
      : `${path}: ${runtime}`,
    ...(isTrained
      ? [
          `A batch of ${batch.samples}, in microbatches of ${sizes.join(", ")} and ${last}, on ${batch.lanes} lanes`,
        ]
      : []),
    ...checks.map(({ name, holds, why }) => `  ${mark(holds)}  ${name.padEnd(9)}${why}`),
    verdictOf(certificate),
  ];
}

function verdictOf({ checks, seconds }: Certificate): string {
  const tried = checks.filter(({ holds }) => holds !== "skipped");
  const failed = checks.filter(({ holds }) => holds === false).map(({ name }) => name);
  const of = `${tried.length} of ${checks.length} checks tried in ${seconds.toFixed(1)} s`;
  if (tried.length === 0) return `Nothing could be tried: ${of}.`;
  return failed.length === 0
    ? `All that was tried holds: ${of}.`
    : `Does not hold: ${failed.join(", ")}; ${of}.`;
}

function mark(holds: boolean | "skipped"): string {
  if (holds === "skipped") return styled("dim", "skipped", process.stdout);
  return holds ? styled("green", "holds  ", process.stdout) : styled("yellow", "fails  ", process.stdout);
}
