/** Reads of several columns that belong together. */

/** A read that begins when it is called, and may have to be waited for. */
export type Read = () => void | Promise<void>;

/**
 * Begins all of them. What one throws at once is thrown, but where others are under way already: a promise tells then, since theirs
 * must be listened to, or what fails in them later would end the process.
 */
export function readTogether(reads: readonly Read[]): void | Promise<void> {
  const pending: Promise<void>[] = [];
  try {
    for (const read of reads) {
      const reading = read();
      if (reading !== undefined) pending.push(reading);
    }
  } catch (error) {
    if (pending.length === 0) throw error;
    pending.push(Promise.reject(error));
  }
  if (pending.length > 0) return Promise.all(pending).then(() => {});
}
