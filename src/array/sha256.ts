/** SHA-256 of numbers and texts, on every platform that has Web Crypto. */

/** SHA-256 of bytes, as 64 hexadecimal digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Web Crypto refuses shared memory, so that is copied; other views are hashed where they lie.
  const own = isOwn(bytes) ? bytes : bytes.slice();
  const hash = await globalThis.crypto.subtle.digest("SHA-256", own);
  if (own !== bytes) own.buffer.transfer(0); // else copies pile up until they are collected
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * SHA-256, 64 hexadecimal digits, over parts in order. Text counts as UTF-8. Every part is hashed by itself (large ones
 * in pieces) and then the list of hashes, so that moving a byte from one part to the next changes the result.
 */
export async function sha256OfParts(parts: readonly (string | ArrayBufferView)[]): Promise<string> {
  const hashes: string[] = [];
  for (const part of parts) {
    const bytes = typeof part === "string" ? new TextEncoder().encode(part) : bytesOf(part);
    const pieces: string[] = [];
    for (let start = 0; start === 0 || start < bytes.length; start += pieceBytes) {
      pieces.push(await sha256(bytes.subarray(start, start + pieceBytes)));
    }
    hashes.push(`${bytes.length} ${pieces.join(" ")}`);
  }
  return sha256(new TextEncoder().encode(hashes.join("\n")));
}

/** Web Crypto hashes in one call only, of a copy that it makes: large pieces would take as much memory again. */
const pieceBytes = 2 ** 22;

const isOwn = (bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> => bytes.buffer instanceof ArrayBuffer;

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
