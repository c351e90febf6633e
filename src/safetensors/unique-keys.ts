/** What JSON.parse hides: keys that an object has twice. */

/** The first key that an object of this JSON text has twice, anywhere in it; undefined where there is none. */
export function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    // A list gets a set too, which stays empty: only keys of objects are followed by a colon.
    if (character === "{" || character === "[") open.push(new Set());
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfText(json, at);
      if (nextCharacter(json, end + 1) === ":") {
        const key: string = JSON.parse(json.slice(at, end + 1)); // a JSON text is a string
        if (open.at(-1)?.has(key)) return key;
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
