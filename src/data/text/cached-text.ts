/** Windows of a text that are kept whole, one by one, as in a cache: what they mean, and how they are divided. */
import { fail } from "../../errors.ts";
import type { Dataset } from "../dataset.ts";
import type { Split } from "../shares.ts";
import { subset } from "../split.ts";
import type { Vocabulary } from "./vocabulary.ts";
import {
  type PositionSplitOptions,
  splitByPosition,
  type TextColumns,
  type TextReport,
  type WindowOptions,
} from "./windows.ts";

/** Windows of a text, or of a part of one. */
export interface TextWindows extends Dataset<TextColumns> {
  readonly vocabulary: Vocabulary;
  /**
   * Divides the text by position as that of `characters` does: no code of one part is to be predicted in
   * another. Windows stay where they are in the text, so those that lie across a cut are in no part. Default
   * validation: 0.2.
   */
  split(options?: PositionSplitOptions): Split<TextWindows>;
}

/** The windows of a whole text. */
export interface CachedText extends TextWindows {
  readonly report: TextReport;
}

/** What the kept windows of a text are. */
export function cachedText(
  dataset: Dataset<TextColumns>,
  report: TextReport,
  vocabulary: Vocabulary,
  options: WindowOptions,
): CachedText {
  const text = { dataset, vocabulary, options };
  return Object.freeze({ ...windowsFrom(text, dataset, 0, report.codes), report });
}

interface KeptText {
  readonly dataset: Dataset<TextColumns>;
  readonly vocabulary: Vocabulary;
  readonly options: WindowOptions;
}

/** part: the windows of the codes start … end − 1. */
function windowsFrom(text: KeptText, part: Dataset<TextColumns>, start: number, end: number): TextWindows {
  const { vocabulary, options } = text;
  return Object.freeze({
    ...part,
    vocabulary,
    split: (shares?: PositionSplitOptions) =>
      splitByPosition(part.name, end - start, options, shares, (called, from, to) =>
        partOf(text, `${called} part of ${part.name}`, start + from, start + to),
      ),
  });
}

function partOf(text: KeptText, name: string, start: number, end: number): TextWindows {
  const { context, stride = context } = text.options;
  const first = Math.ceil(start / stride);
  const last = Math.floor((end - context - 1) / stride);
  if (last < first) {
    fail(name, {
      expected: "a window that lies in it as a whole",
      got: `none in ${end - start} codes, of ${context + 1} each, ${stride} apart`,
      fix: "a larger share for it, or a longer text",
    });
  }
  const samples = Uint32Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return windowsFrom(text, subset(text.dataset, samples, name), start, end);
}
