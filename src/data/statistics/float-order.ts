/** The bits of float32 numbers as whole numbers that stand in the order of the numbers. */

export const bitsOf = (values: Float32Array) =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);
export const isNanBits = (bits: number) => (bits & 0x7fffffff) > 0x7f800000;
/** Turns bits into whole numbers that are in order as the floats are: −∞ first. */
export const orderOf = (bits: number) => (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;

/** The number of such a whole number. */
export function floatOf(order: number): number {
  const bits = order & 0x80000000 ? order & 0x7fffffff : ~order;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}
