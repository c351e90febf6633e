/** A second reader of Parquet: no code in common with the database's. */
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { hyparquet } from "./installed.ts";

/** What is used of the package, which is not there where nobody has installed it, so that its own types are not either. */
interface Hyparquet {
  parquetReadColumn(options: {
    readonly file: ArrayBufferLike;
    readonly columns: readonly [string];
    readonly compressors: { readonly ZSTD: (packed: Uint8Array) => Uint8Array };
  }): Promise<ArrayLike<unknown>>;
}

/** The values of some columns of a file, in order. */
export async function readSimply<Name extends string>(
  file: Uint8Array,
  columns: readonly Name[],
): Promise<Record<Name, unknown[]>> {
  const { parquetReadColumn }: Hyparquet = await import(join(hyparquet.folder, "src/read.js"));
  const content = new Uint8Array(file).buffer; // a Buffer may lie in a larger one
  const compressors = { ZSTD: zstdDecompressSync };
  const values: (readonly [Name, unknown[]])[] = [];
  for (const name of columns) {
    values.push([name, Array.from(await parquetReadColumn({ file: content, columns: [name], compressors }))]);
  }
  return Object.fromEntries(values) as Record<Name, unknown[]>; // fromEntries forgets which keys there are
}
