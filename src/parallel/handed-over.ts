/** Numbers that one thread gives to another. */
import type { AnyArray } from "../array/array.ts";

/** Copies in memory of their own, and that memory, which can be handed over: the runtime's cannot. */
export function handedOver(arrays: Readonly<Record<string, AnyArray>>) {
  const own = Object.fromEntries(
    Object.entries(arrays).map(([name, array]): [string, AnyArray] => [name, copied(array)]),
  );
  return { arrays: own, memory: Object.values(own).flatMap(bufferOf) };
}

const copied = (array: AnyArray): AnyArray =>
  array.dtype === "string" ? array : { ...array, data: array.data.slice() };

const bufferOf = ({ data }: AnyArray): ArrayBuffer[] =>
  "buffer" in data && data.buffer instanceof ArrayBuffer ? [data.buffer] : [];
