/** What is read of an e-mail, and the numbers its words become. */

/**
 * The subject and what was written, in lower case, cut into words, numbers and single signs. All other header lines are left out:
 * they tell through whose servers a mail of this collection came, so a model would learn the collector's post instead of spam.
 */
export function wordsOf(mail: string): string[] {
  const end = /\r?\n\r?\n/.exec(mail);
  const [header, body] =
    end === null ? [mail, ""] : [mail.slice(0, end.index), mail.slice(end.index + end[0].length)];
  const subject = /^subject:(.*)$/im.exec(header)?.[1] ?? "";
  // Beyond this many characters nothing is kept of a mail anyway, and some are megabytes of attachments.
  const text = `${subject}\n${body.slice(0, 20_000)}`.toLowerCase();
  return text.match(/\p{L}+|\p{N}+|[^\s\p{L}\p{N}]/gu) ?? [];
}

/** Codes of words: 0 is padding, 1 any word that is not in the list, 2 and on the words of the list. */
export interface Dictionary {
  readonly size: number;
  readonly codes: ReadonlyMap<string, number>;
}

/** The words that come in most of the mails, at most so many. */
export function dictionaryOf(mails: readonly (readonly string[])[], most: number): Dictionary {
  const counts = new Map<string, number>();
  for (const words of mails) for (const word of new Set(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const listed = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, most);
  return { size: listed.length + 2, codes: new Map(listed.map(([word], at) => [word, at + 2])) };
}

/** Each mail's first words as codes [mails, length] with a mask: 1 where there is a word, 0 behind the end. */
export function paddedWords(
  mails: readonly (readonly string[])[],
  { codes }: Dictionary,
  length: number,
): {
  readonly tokens: { readonly data: Int32Array; readonly shape: readonly number[] };
  readonly mask: { readonly data: Float32Array; readonly shape: readonly number[] };
} {
  const tokens = new Int32Array(mails.length * length);
  const mask = new Float32Array(mails.length * length);
  for (const [mail, words] of mails.entries()) {
    for (const [at, word] of words.slice(0, length).entries()) {
      tokens[mail * length + at] = codes.get(word) ?? 1;
      mask[mail * length + at] = 1;
    }
  }
  const shape = [mails.length, length];
  return { tokens: { data: tokens, shape }, mask: { data: mask, shape } };
}
