/** Stands for `files.ts` in a browser: the same functions, which say why they cannot work there. */
import { fail } from "../errors.ts";

/** Throws: a browser has no files. */
export async function writeFileAtomically(path: string, _bytes: Uint8Array): Promise<void> {
  return noFiles(`write ${path}`, "offer the bytes as a download");
}

/** Throws: a browser has no files. */
export async function writeAtomically(
  path: string,
  _use: (write: (piece: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  return noFiles(`write ${path}`, "offer the bytes as a download");
}

/** Throws: a browser has no files. */
export async function requireWritable(path: string): Promise<void> {
  return noFiles(`write ${path}`, "offer the bytes as a download");
}

/** Throws: a browser has no files. */
export async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return noFiles(`read ${path}`, "fetch it: new Uint8Array(await (await fetch(url)).arrayBuffer())");
}

/** Throws: a browser has no files. */
export async function readFileBeside(path: string, location: string): Promise<Uint8Array<ArrayBuffer>> {
  return noFiles(
    `read "${location}" beside ${path}`,
    "fetch it, and give onnxFunction its bytes as external",
  );
}

/** Throws: a browser has no files. */
// biome-ignore lint/correctness/useYield: it has nothing to give
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  return noFiles(`read ${path}`, "fetch it: (await fetch(url)).body");
}

function noFiles(where: string, fix: string): never {
  return fail(where, { expected: "Node.js", got: "a browser, which has no files", fix });
}
