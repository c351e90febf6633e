/** Stands for `thread.ts` in a browser: there is no thread yet, so the reader augments for itself. */

/** None. */
export const startThread = undefined;
