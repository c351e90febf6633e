/** Arrays of the float64 reference: plain, slow and easy to believe. Every dtype but string is held as float64. */

/** Numbers (or strings) with a shape, row-major. */
export interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Only for tensors of strings; `data` is then empty. */
  readonly text?: readonly string[];
}

/** A place in an array: one index per axis. The functions below reuse one array for all places. */
export type Position = readonly number[];

/** Calls `visit` with every position of a shape, the last axis running fastest. */
export function forEach(shape: readonly number[], visit: (position: Position, index: number) => void): void {
  const position = shape.map(() => 0);
  const count = countOf(shape);
  for (let index = 0; index < count; index++) {
    visit(position, index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]!++;
      if (position[axis]! < shape[axis]!) break;
      position[axis] = 0;
    }
  }
}

/** The array whose element at each position is what `element` says. */
export function build(shape: readonly number[], element: (position: Position) => number): Value {
  const data = new Float64Array(countOf(shape));
  forEach(shape, (position, index) => {
    data[index] = element(position);
  });
  return { shape: [...shape], data };
}

/**
 * Where in `shape` the position lies. Aligned at the last axis; an axis of size 1 is read at 0 (broadcasting).
 * Throws outside of the shape, so that a wrong index cannot read a neighbour.
 */
export function offsetOf(shape: readonly number[], position: Position): number {
  let offset = 0;
  shape.forEach((size, axis) => {
    const index = position[position.length - shape.length + axis]!;
    if (size !== 1 && !(index >= 0 && index < size))
      throw new Error(`[${position}] is outside of [${shape}]`);
    offset = offset * size + (size === 1 ? 0 : index);
  });
  return offset;
}

/** The element at a position, broadcast as in `offsetOf`. */
export function read(value: Value, position: Position): number {
  return value.data[offsetOf(value.shape, position)]!;
}

/** The shape that arrays of these shapes broadcast to. */
export function broadcast(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/** How many elements a shape has. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

/** The list with the element at `axis` replaced. */
export function replaced<T>(list: readonly T[], axis: number, element: T): T[] {
  return [...list.slice(0, axis), element, ...list.slice(axis + 1)];
}
