/** Pieces of rows with their predictions, in order; with several threads some pieces are under way at once. */
import { inOrder } from "../parallel/inference.ts";
import { threads } from "../parallel/threads.ts";
import type { ModelOptions } from "../train/model.ts";
import type { RawColumns, SavedModel } from "../train/saved-model.ts";
import type { Outputs } from "./model-rows.ts";

/** What --threads says to a model. */
export const crewOf = (count: number | undefined): ModelOptions =>
  count === undefined ? {} : { parallel: threads(count) };

/** A piece of rows and what a model puts out for it. */
export interface Predicted<Piece> {
  readonly piece: Piece;
  readonly outputs: Outputs;
}

/** Reads on while threads compute; one thread reads and computes in turns. */
export function predicted<Piece extends { readonly columns: RawColumns }>(
  model: SavedModel,
  path: string,
  pieces: AsyncIterable<Piece>,
  count = 1,
): AsyncGenerator<Predicted<Piece>> {
  const begin = async function* () {
    for await (const piece of pieces)
      yield { result: model.predict(piece.columns, path).then((outputs) => ({ piece, outputs })) };
  };
  return inOrder(begin(), count === 1 ? 1 : 2 * count);
}
