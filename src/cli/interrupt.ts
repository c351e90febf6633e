/** Ctrl-C and SIGTERM: the first asks a command to end well, the second ends the process as it would without us. */

/** What a command throws that was asked to end and has nothing to show for it. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

const signals = ["SIGINT", "SIGTERM"] as const;

/** Calls `listener` at the first signal. What it returns forgets it. */
export function onInterrupt(listener: () => void): () => void {
  for (const signal of signals) process.once(signal, listener);
  return () => {
    for (const signal of signals) process.removeListener(signal, listener);
  };
}
