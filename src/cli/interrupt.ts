/** Ctrl-C and SIGTERM: the first asks a command to end well, the second ends the process as it would without us. */

/** What a command throws that was asked to end and has nothing to show for it. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Calls `listener` at the first signal. What it returns forgets it. The second, whichever it is, ends the process as it would
 * without us: process.exit would abort in the middle of a session. Soon nobody listens any more, so that it ends native code
 * too, which may take long.
 */
export function onInterrupt(listener: () => void): () => void {
  let isHeard = false;
  const forget = () => {
    for (const signal of signals) process.removeListener(signal, heard);
  };
  const heard = (signal: NodeJS.Signals) => {
    if (isHeard) {
      forget();
      process.kill(process.pid, signal);
      return;
    }
    isHeard = true;
    listener();
    // Not at once: a second one that has come and that nobody has told us of yet would be lost.
    setTimeout(forget, 250).unref();
  };
  for (const signal of signals) process.on(signal, heard);
  return forget;
}
