/** What JSON.parse does not tell: keys that an object has twice; and how deep it would have to go. */
import { kindOf } from "../errors.ts";

/** A header's object holds tensors' objects, which hold lists: what goes deeper only costs memory. */
const deepest = 3;

/**
 * What is wrong with a JSON text before it is parsed: a key that an object has twice, or more than three levels. Undefined
 * where neither is. Throws a SyntaxError for some texts that are no JSON.
 */
export function headerProblem(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    // A list gets a set too, which stays empty: only keys of objects are followed by a colon.
    if (character === "{" || character === "[") {
      if (open.push(new Set()) > deepest) return `lists or objects ${open.length} deep`;
    } else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfText(json, at);
      if (nextCharacter(json, end + 1) === ":") {
        const key: string = JSON.parse(json.slice(at, end + 1)); // a JSON text is a string
        if (open.at(-1)?.has(key)) return `${kindOf(key)} twice`;
        open.at(-1)?.add(key);
      }
      at = end;
    }
  }
  return undefined;
}

/** Where the text that begins at `start` has its closing quotation mark. */
function endOfText(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at;
}

function nextCharacter(json: string, from: number): string | undefined {
  let at = from;
  while (at < json.length && " \t\r\n".includes(json[at]!)) at++;
  return json[at];
}
