/** A folder of images: which files are in it, of which class each is, and what tells one state of it from another. */
import type { Dirent, Stats } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { sha256 } from "../../array/sha256.ts";
import { fail, kindOf } from "../../errors.ts";
import { failToAccess } from "../files.ts";

/** A file that should be an image. */
export interface ImageFile {
  /** From the folder on, with / between names on every system. */
  readonly path: string;
  /** Where to open it. */
  readonly location: string;
  /** The number of its class; 0 where there are none. */
  readonly code: number;
  /** What is wrong with it already: it is no file, or in no class. */
  readonly problem?: string;
}

/** What is in a folder of images. */
export interface ImageFolder {
  /** In the order of the code points of their paths. */
  readonly files: readonly ImageFile[];
  /** Names of the classes by code; none where folders are no classes. */
  readonly classes: readonly string[];
}

/**
 * Lists a folder of images. With `labels` every folder in it is a class, named like it, and all files below, however deep,
 * are its images; without, all files are images of no class. `classes` says which class has which code; left out, the
 * folders in the order of their names' code points. Symbolic links are followed.
 * Left alone are names that begin with a dot, what systems put beside files (Thumbs.db, desktop.ini, __MACOSX), and, with
 * `labels`, files directly in the folder that are not called like images: a licence, a list.
 * Throws when the folder is none or may not be read, when a link leads back to where it is, and when the folders do not
 * make at least two classes with a file each, or, with `classes`, are not among them.
 */
export async function listImages(
  folder: string,
  { labels, classes }: { readonly labels: boolean; readonly classes?: readonly string[] },
): Promise<ImageFolder> {
  const root = await openFolder(folder);
  const found = inOrderOfPaths(await walk(root, "", []));
  const files = found.filter(({ isFolder }) => !isFolder);
  if (!labels) {
    if (files.length === 0) noImages(folder);
    return { files: files.map((file) => ({ ...file, code: 0 })), classes: [] };
  }
  const folders = found.filter(({ isFolder }) => isFolder).map(({ path }) => path);
  const names = classes ?? folders;
  requireClasses(folder, names, folders, files, classes !== undefined);
  const codes = new Map(names.map((name, code) => [name, code]));
  return {
    classes: names,
    files: files.flatMap((file) => {
      const [name, ...rest] = file.path.split("/");
      const code = codes.get(name!);
      if (rest.length > 0 && code !== undefined) return [{ ...file, code }];
      // Whatever its content: a class cannot be made up for it, and a name of an image says that it should have one.
      return imageName.test(file.path) ? [{ ...file, code: 0, problem: "one in no class's folder" }] : [];
    }),
  };
}

/**
 * SHA-256 of the folder's full name, of every file's name, size and times of change, and of `options`. A file that is not
 * there counts as that.
 */
export async function fingerprintOfImages(
  folder: string,
  files: readonly ImageFile[],
  options: unknown,
): Promise<string> {
  const states: unknown[] = [resolve(folder), options];
  for (let from = 0; from < files.length; from += 64) {
    const some = files.slice(from, from + 64);
    const read = some.map(async ({ path, location, code }) => {
      const { size, mtimeMs, ctimeMs } = (await fs.stat(location).catch(() => undefined)) ?? gone;
      // Unpacking an archive may give every file the same time, but not the time at which that was noted.
      return [path, code, size, mtimeMs, ctimeMs];
    });
    states.push(await Promise.all(read));
  }
  return sha256(new TextEncoder().encode(JSON.stringify(states)));
}

const gone = { size: -1, mtimeMs: -1, ctimeMs: -1 };

const imageName = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif|bmp|heic)$/i;
const leftAlone = /^(\..*|thumbs\.db|desktop\.ini|__macosx)$/i;

async function openFolder(folder: unknown): Promise<string> {
  if (typeof folder !== "string" || folder === "") {
    fail("images", {
      expected: "the path of a folder",
      got: kindOf(folder),
      fix: "pass a text that is not empty",
    });
  }
  const state = await fs.stat(folder).catch((error) => failToList(folder, error));
  if (state.isDirectory()) return fs.realpath(folder);
  return fail(`images in ${folder}`, {
    expected: "a folder",
    got: "a file",
    fix: "name the folder it is in",
  });
}

function failToList(folder: string, error: unknown): never {
  return failToAccess(`images in ${folder}`, error, dirname(resolve(folder)), [
    "a folder",
    "nothing of that name",
    "check the name; the folder looked in is FOLDER",
  ]);
}

/** An entry on the way: folders directly in the root are kept, to be classes. */
interface Found {
  readonly path: string;
  readonly location: string;
  readonly isFolder: boolean;
  readonly problem?: string;
}

/** All files below a folder, and the folders directly in the root. `above` are the folders on the way here. */
async function walk(location: string, path: string, above: readonly string[]): Promise<Found[]> {
  const entries = await fs
    .readdir(location, { withFileTypes: true })
    .catch((error) => failToList(location, error));
  const found: Found[] = [];
  for (const entry of entries) {
    if (leftAlone.test(entry.name)) continue;
    const place = join(location, entry.name);
    const inside = path === "" ? entry.name : `${path}/${entry.name}`;
    const kind = entry.isSymbolicLink() ? await fs.stat(place).catch(() => undefined) : entry;
    const isFolder = kind?.isDirectory() ?? false;
    if (!isFolder) {
      const problem = problemOf(kind, entry.name);
      found.push({ path: inside, location: place, isFolder, ...(problem !== undefined && { problem }) });
      continue;
    }
    if (path === "") found.push({ path: inside, location: place, isFolder });
    const next = entry.isSymbolicLink() ? await fs.realpath(place) : place;
    const way = [...above, location];
    if (way.includes(next)) leadsBack(place, next);
    for (const each of await walk(next, inside, way)) found.push(each);
  }
  return found;
}

function problemOf(kind: Dirent | Stats | undefined, name: string): string | undefined {
  if (name.includes("\uFFFD")) return "a name that is not in UTF-8";
  if (kind === undefined) return "a symbolic link that leads nowhere";
  return kind.isFile() ? undefined : "a device or a pipe";
}

function leadsBack(link: string, target: string): never {
  return fail(link, {
    expected: "a symbolic link to other images",
    got: `one back to ${target}, which it is in`,
    fix: "remove the link",
  });
}

/** By code points, so that every system and every language gives the same order. */
function inOrderOfPaths(found: readonly Found[]): Found[] {
  return [...found].sort((a, b) => compareCodePoints(a.path, b.path));
}

/** Units of UTF-16 are in the order of code points, but for the surrogates, which stand for the highest ones. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) return raised(a.charCodeAt(at)) - raised(b.charCodeAt(at));
  }
  return a.length - b.length;
}

const raised = (unit: number) => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

function requireClasses(
  folder: string,
  names: readonly string[],
  folders: readonly string[],
  files: readonly Found[],
  isGiven: boolean,
): void {
  const where = `images in ${folder}`;
  const inFolders = new Set(
    files.filter(({ path }) => path.includes("/")).map(({ path }) => path.split("/")[0]!),
  );
  const strange = folders.find((name) => !names.includes(name));
  if (strange !== undefined) {
    const list = names.length > 10 ? `${names.slice(0, 10).join(", ")}, …` : names.join(", ");
    const fix = "move it elsewhere, or train with a folder that has it";
    fail(where, { expected: `folders of the classes ${list}`, got: `the folder "${strange}"`, fix });
  }
  if (inFolders.size === 0 && (files.length === 0 || isGiven)) noImages(folder);
  if (isGiven) return;
  const empty = folders.find((name) => !inFolders.has(name));
  if (folders.length < 2) {
    const got =
      folders.length === 0
        ? `none, and ${files.length === 1 ? "a file" : `${files.length} files`} directly in it`
        : `"${folders[0]}" alone`;
    fail(where, {
      expected: "a folder per class, at least two",
      got,
      fix: "without classes, pass labels: false",
    });
  }
  if (empty !== undefined) {
    const fix = "put its images there, or remove the folder";
    fail(where, { expected: "images in the folder of every class", got: `none in "${empty}"`, fix });
  }
}

function noImages(folder: string): never {
  return fail(`images in ${folder}`, {
    expected: "at least one image",
    got: "no file",
    fix: "check that it is the right folder, and that the images were unpacked",
  });
}
