/** The words of a text: the same in a table, where a model is trained, and in a saved model, which cuts raw texts by itself. */

/**
 * What lies between words, one behind the other as texts are cut by them. All are ASCII, so that a file's bytes are cut as JavaScript's
 * characters are. Apostrophes, $, %, #, @ and & belong to words.
 */
export const wordSeparators: readonly string[] = [" ", ...'\n\r\t.,;:!?()[]<>"=/-'];

/** The code of a word that is not listed: no word is written so, since brackets lie between words. */
export const unknownWord = "[unknown]";

/**
 * How many parts of one piece count that lie between equal separators, empty ones too: the first ones. A saved model holds as many
 * places for every piece as the one with most has parts, and lines of a hundred dashes are common.
 */
export function mostParts(separator: string, length: number): number {
  return " \n\r\t".includes(separator) ? length : Math.min(length, 16);
}

/** At most `length` words, as they are written. A text is cut at blanks first, then every piece at each of the other separators. */
export function splitWords(text: string, length: number): string[] {
  let pieces = [text];
  for (const separator of wordSeparators) {
    const cut: string[] = [];
    for (const piece of pieces) {
      if (!piece.includes(separator)) cut.push(piece);
      else for (const part of partsOf(piece, separator, length)) if (part !== "") cut.push(part);
    }
    pieces = cut;
  }
  return pieces.slice(0, length).filter((piece) => piece !== "");
}

/** Whether a text has more words than are found in it, because of `length` or of a piece with more parts than count. */
export function hasMoreWords(text: string, found: number): boolean {
  const words = text.matchAll(word);
  for (let count = 0; count < found; count++) words.next();
  return words.next().done !== true;
}

const word = new RegExp(`[^${wordSeparators.map((separator) => `\\${separator}`).join("")}]+`, "g");

/** Blanks in a row are one, as ONNX's StringSplit without a delimiter has it. */
function partsOf(piece: string, separator: string, length: number): string[] {
  const limit = mostParts(separator, length);
  if (separator !== " ") return piece.split(separator, limit);
  return piece
    .split(separator)
    .filter((part) => part !== "")
    .slice(0, limit);
}

/** What a word is listed as: in lower case, where it is written so, in capitals, or with a capital first letter; else as it is. */
export function normalWord(word: string): string {
  const lower = word.toLowerCase();
  return spellingsOf(lower).includes(word) ? lower : word;
}

function spellingsOf(lower: string): string[] {
  const [first = "", ...rest] = lower; // by characters
  return [lower, first.toUpperCase() + rest.join(""), lower.toUpperCase()];
}

/** The code of every spelling of listed words: words[k] and its other spellings have code k. */
export function wordCodesOf(words: readonly string[]): ReadonlyMap<string, number> {
  const codes = new Map<string, number>();
  for (const [code, word] of words.entries()) {
    for (const spelling of [word, ...spellingsOf(word)])
      if (normalWord(spelling) === word) codes.set(spelling, code);
  }
  return codes;
}
