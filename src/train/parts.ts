/** Samples with the epoch they are drawn in: a batch has one part, or two where the next epoch fills it up. */

/** Samples of one epoch, in the order they are drawn. */
export interface Part {
  readonly epoch: number;
  readonly samples: Uint32Array;
}

/** How many samples the parts have. */
export function samplesIn(parts: readonly Part[]): number {
  return parts.reduce((sum, { samples }) => sum + samples.length, 0);
}

/** All samples, and the epoch of each. */
export function joinParts(parts: readonly Part[]): { samples: Uint32Array; epochs: Uint32Array } {
  const length = samplesIn(parts);
  const epochs = new Uint32Array(length);
  const samples = parts.length === 1 ? parts[0]!.samples : new Uint32Array(length);
  let at = 0;
  for (const part of parts) {
    if (parts.length > 1) samples.set(part.samples, at);
    epochs.fill(part.epoch, at, at + part.samples.length);
    at += part.samples.length;
  }
  return { samples, epochs };
}
