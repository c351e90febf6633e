/** A folder of images as the rows of a saved model: one input of bytes, read in the size that the model was trained on. */
import { stat } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { failToAccess } from "../data/files.ts";
import { type Images, images, type UnlabelledColumns } from "../data/images/images.ts";
import { parseNumber } from "../data/numbers.ts";
import { fail } from "../errors.ts";
import type { RawColumns, SavedModel } from "../train/saved-model.ts";
import type { AnsweredRows } from "./answers.ts";

/** Some rows: what is written of them again, by columns, and what the model takes. */
export interface ModelPiece {
  readonly names: readonly string[];
  readonly rows: number;
  readonly texts: readonly (readonly string[])[];
  readonly columns: RawColumns;
}

/** True for a folder. Throws where one may be meant and nothing has that name; what else is wrong is told where it is read. */
export function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    (error) => {
      // Files have endings, or are patterns; no path at all is told as such, further on.
      const isMissing =
        error?.code === "ENOENT" && path !== "" && extname(path) === "" && !/[*?[{]/.test(path);
      return isMissing && failToAccess(`read ${path}`, error, dirname(resolve(path)));
    },
  );
}

/** Images at a time: a pixel takes 8 bytes on its way into the model. */
const imagesPerPiece = 64;

/**
 * All images below the folder, in the order of their paths. Throws for a model of anything but images, and what `images`
 * throws.
 */
export async function* imageRows(
  file: string,
  model: SavedModel,
  folder: string,
): AsyncGenerator<ModelPiece> {
  const { name, ...size } = imageInput(file, model);
  const data = await images(folder, { ...sizeOf(size), labels: false });
  for await (const { first, rows, values } of piecesOf(data, size)) {
    const files = data.report.files.slice(first, first + rows);
    yield { names: ["file"], rows, texts: [files], columns: { [name]: values } };
  }
}

/** Images of a folder for each class, and the classes as a column of answers of that name. */
export async function* answeredImages(
  file: string,
  model: SavedModel,
  {
    folder,
    column,
    classes,
  }: { readonly folder: string; readonly column: string; readonly classes: readonly string[] },
): AsyncGenerator<{ readonly columns: RawColumns; readonly piece: AnsweredRows }> {
  const { name, ...size } = imageInput(file, model);
  const data = await images(folder, { ...sizeOf(size), classes });
  for await (const { first, rows, samples, values } of piecesOf(data, size)) {
    const codes = new Int32Array(rows);
    await data.read("class", samples, codes);
    const piece = {
      names: [column],
      rows,
      columns: { [column]: Array.from(codes, (code) => classes[code]!) },
      numbers: {},
      parse: (text: string) => parseNumber(text),
      placeOf: async (row: number) => `${folder}/${data.report.files[first + row]}`,
    };
    yield { columns: { [name]: values }, piece };
  }
}

type Size = Omit<ReturnType<typeof imageInput>, "name">;

const sizeOf = ({ channels, height, width }: Size) => ({ size: [height, width], channels }) as const;

/** The images as lists of numbers, some at a time. */
async function* piecesOf(
  data: Pick<Images<UnlabelledColumns>, "size" | "read">,
  { channels, height, width }: Size,
): AsyncGenerator<{
  readonly first: number;
  readonly rows: number;
  readonly samples: Uint32Array;
  readonly values: readonly (readonly number[])[];
}> {
  const bytes = channels * height * width;
  const pixels = new Uint8Array(imagesPerPiece * bytes);
  for (let first = 0; first < data.size; first += imagesPerPiece) {
    const rows = Math.min(imagesPerPiece, data.size - first);
    const samples = Uint32Array.from({ length: rows }, (_, row) => first + row);
    await data.read("image", samples, pixels);
    const values = Array.from({ length: rows }, (_, row) => [
      ...pixels.subarray(row * bytes, (row + 1) * bytes),
    ]);
    yield { first, rows, samples, values };
  }
}

function imageInput(
  file: string,
  { summary: { inputs } }: SavedModel,
): { readonly name: string; readonly channels: 1 | 3; readonly height: number; readonly width: number } {
  const [input, ...others] = inputs;
  const [, channels, height, width] = input?.shape.map(Number) ?? [];
  const isImage = input?.dtype === "uint8" && input.shape.length === 4 && (channels === 1 || channels === 3);
  if (others.length === 0 && isImage) return { name: input.name, channels, height: height!, width: width! };
  return fail(file, {
    expected: "a model of one image, uint8 [batch, channels, height, width]",
    got: inputs.map(({ name, dtype, shape }) => `"${name}" ${dtype} [${shape.join(", ")}]`).join(", "),
    fix: "name a table, or a model that microbatch train made from a folder of images",
  });
}
