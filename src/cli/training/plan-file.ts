/** A plan file: a TypeScript or JavaScript module whose default export is a plan. */
import { stat } from "node:fs/promises";
import { registerHooks } from "node:module";
import { relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { moduleBeside } from "../../data/module-beside.ts";
import { fail, kindOf, MicrobatchError, messageOf } from "../../errors.ts";
import type { Plan } from "../../train/plan.ts";
import { checkFields } from "../../train/plan-fields.ts";
import { isOwn, placeOf, thrown } from "../foreign.ts";

/** True for what Node runs as a module. */
export function isPlanFile(path: string): boolean {
  return /\.[cm]?[jt]s$/i.test(path);
}

/**
 * Runs the file and gives its default export, once it is found to be a plan. `microbatch` and `microbatch/node` inside
 * it are the copy of this package that is running, wherever the file lies: a second copy would not know the first one's
 * tensors. Throws for a file that is missing, cannot be run, throws, or exports no plan.
 */
export async function loadPlan(path: string): Promise<Plan> {
  const url = pathToFileURL(resolve(path)).href;
  const found = await stat(resolve(path)).catch((cause: unknown) =>
    fail(path, { expected: "a plan file", got: "nothing of that name", fix: "check the name" }, { cause }),
  );
  if (!found.isFile())
    fail(path, { expected: "a plan file", got: "no file of that name", fix: "name a file" });
  const hooks = registerHooks({
    resolve: (specifier, context, next) => next(doors.get(specifier) ?? specifier, context),
  });
  let exported: unknown;
  try {
    const module: { readonly default?: unknown } = await import(url);
    exported = await module.default;
  } catch (error) {
    explain(path, error);
  } finally {
    hooks.deregister();
  }
  if (exported === undefined) {
    fail(path, {
      expected: "a plan as its default export",
      got: "no default export",
      fix: "export default definePlan({ data, model, loss, optimizer })",
    });
  }
  if (typeof exported === "function") {
    fail(path, {
      expected: "a plan as its default export",
      got: kindOf(exported),
      fix: "export what it returns: export default await makePlan()",
    });
  }
  checkFields(exported);
  return exported as Plan; // checkFields has looked at every field
}

/** The running copy's doors. */
const doors = new Map(
  ["index", "node"].map((door) => [
    door === "index" ? "microbatch" : "microbatch/node",
    moduleBeside(import.meta.url, `../../${door}`).href,
  ]),
);

function explain(path: string, error: unknown): never {
  if (error instanceof MicrobatchError) throw error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const first = messageOf(error).split("\n")[0]!;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    fail(
      path,
      {
        expected: "TypeScript whose types can be left out, which is how Node runs it",
        got: `${first}${placeIn(path, error)}`,
        fix: 'write a union of texts for an enum ("a" | "b"), a module for a namespace, and fields for parameter properties',
      },
      { cause: error },
    );
  }
  if (error instanceof SyntaxError || code === "ERR_INVALID_TYPESCRIPT_SYNTAX") {
    const got = `${first}${placeIn(path, error)}`;
    fail(path, { expected: "TypeScript that can be read", got, fix: "correct it there" }, { cause: error });
  }
  if (code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED") {
    const fix =
      "install the package beside the file, or correct the name; files need their extension: ./model.ts";
    fail(path, { expected: "imports that exist", got: first, fix }, { cause: error });
  }
  fail(
    path,
    {
      expected: "a file that runs to its end",
      got: `${thrown(error)}${placeIn(path, error)}`,
      fix: "correct it there",
    },
    { cause: error },
  );
}

/** " (line 7)", or " (model.ts, line 7)" for a file that the plan imports, where the error says so. */
function placeIn(path: string, error: unknown): string {
  const place = placeOf(error);
  if (place === undefined || isOwn(place.file)) return "";
  return place.file === resolve(path)
    ? ` (line ${place.line})`
    : ` (${relative(process.cwd(), place.file)}, line ${place.line})`;
}
