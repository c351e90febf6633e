/** What is checked before ONNX Runtime is asked anything, and how its refusals are told. */
import type { AnyArray } from "../array/array.ts";
import { holds } from "../array/dtype.ts";
import { elementCount, formatShape } from "../array/shape.ts";
import { fail, messageOf } from "../errors.ts";

/** ONNX Runtime ignores a mistyped name without a word, so every name is checked here. missingFix: given where none may be missing. */
export function checkNames(
  where: string,
  got: readonly string[],
  expected: readonly string[],
  missingFix?: string,
): void {
  const unknown = got.filter((name) => !expected.includes(name));
  const missing = missingFix !== undefined ? expected.filter((name) => !got.includes(name)) : [];
  if (unknown.length === 0 && missing.length === 0) return;
  fail(where, {
    expected: expected.join(", "),
    got: unknown.length > 0 ? `unknown ${unknown.join(", ")}` : `nothing for ${missing.join(", ")}`,
    fix: unknown.length > 0 ? "correct the name" : (missingFix ?? ""),
  });
}

/** Throws unless an array holds what its dtype and shape say. */
export function checkArray(name: string, { dtype, shape, data }: AnyArray): void {
  if (holds(data, dtype) && data.length === elementCount(shape)) return;
  fail(`array "${name}"`, {
    expected: `${elementCount(shape)} ${dtype} elements for ${formatShape(shape)}`,
    got: `${data.length} elements`,
    fix: "make it with ndarray(dtype, shape, data)",
  });
}

/** Throws what is said of a program that ONNX Runtime does not take. */
export function refusedProgram(name: string, cause: unknown): never {
  const fix = "if the file is damaged, make it again; if this package wrote it, please report it";
  const expected = "a program ONNX Runtime accepts";
  return fail(`program "${name}"`, { expected, got: messageOf(cause).trim(), fix }, { cause });
}

/** Throws what is said of a run that ended in an error. */
export function runFailed(name: string, cause: unknown): never {
  const fix = "check the values that were fed";
  return fail(
    `program "${name}"`,
    { expected: "a run without errors", got: messageOf(cause).trim(), fix },
    { cause },
  );
}
