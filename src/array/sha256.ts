/** SHA-256 of numbers and texts, on every platform that has Web Crypto. */

/** SHA-256 of bytes, as 64 hexadecimal digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Web Crypto refuses shared memory, so that is copied; other views are hashed where they lie.
  const own =
    bytes.buffer instanceof ArrayBuffer
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      : bytes.slice();
  const hash = await globalThis.crypto.subtle.digest("SHA-256", own);
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

/** Web Crypto hashes in one call only, and refuses very large arrays. */
const pieceBytes = 2 ** 26;

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
