/** Ctrl-C and SIGTERM: the first asks a command to end well, the second ends the process as it would without us. */

/** What a command throws that was asked to end and has nothing to show for it. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Calls `listener` at the first signal. What it returns forgets it. The second signal, whichever it is, ends the process by
 * itself: nobody listens any more, so that it does so in the middle of native code too, where process.exit would abort.
 */
export function onInterrupt(listener: () => void): () => void {
  const forget = () => {
    for (const signal of signals) process.removeListener(signal, heard);
  };
  const heard = () => {
    forget();
    listener();
  };
  for (const signal of signals) process.on(signal, heard);
  return forget;
}
