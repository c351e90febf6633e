/**
 * What the process has freed: the C library keeps much of it for later, in pieces that large tensors do not fit into. Given back,
 * it counts for nobody. 20 to 45 MB were left after the probes of a run, and the run took none of it.
 */

/** Gives it back to the system; undefined where that cannot be asked for: without koffi, or with another C library than GNU's. */
export async function openGiveBack(): Promise<(() => void) | undefined> {
  try {
    const { default: koffi } = await import("koffi");
    const trim = koffi.load("libc.so.6").func("malloc_trim", "int", ["size_t"]);
    return () => {
      trim(0);
    };
  } catch {
    return undefined;
  }
}
