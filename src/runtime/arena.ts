/**
 * Arenas: parameters, slots, averages and lane sums in flat regions of one shared memory. The compiled kernels work on
 * it, other threads share it, and ONNX Runtime reads and writes views of it without copies.
 */
import { type NdArray, ndarray } from "../array/array.ts";
import { elementCount, formatShape } from "../array/shape.ts";
import { fail, messageOf } from "../errors.ts";
import { bytesPerPage, maximumPages } from "./wasm.ts";

/** Every tensor and every region starts on a multiple of this: two cache lines, a row of the kernels. */
export const alignBytes = 128;

/** Where one tensor lies inside a region. */
export interface Place {
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements before it; a multiple of 32. */
  readonly offset: number;
  /** Its elements. Between it and the next tensor is padding, which is zero. */
  readonly elements: number;
}

/** How float32 tensors share one flat region. Plain data. */
export interface Layout {
  readonly tensors: readonly Place[];
  /** Elements of a region, padding included. */
  readonly floats: number;
}

/** The plan of an arena. Plain data: with it another thread opens the same memory. */
export interface ArenaPlan {
  readonly layout: Layout;
  /** Names of regions, equal-sized copies of the layout. */
  readonly regions: readonly string[];
  /** Regions behind them that hold only so many tensors, the first of the layout: sums and slots, where not all are trained. */
  readonly partial?: { readonly tensors: number; readonly regions: readonly string[] };
}

/** One copy of the layout, or of the first tensors of it. */
export interface Region {
  readonly name: string;
  readonly layout: Layout;
  /** Where it starts in the memory, for the kernels. */
  readonly byteOffset: number;
  /** The whole region, padding included. */
  readonly floats: Float32Array<ArrayBufferLike>;
  /** Views of its tensors, by name. */
  readonly tensors: ReadonlyMap<string, NdArray>;
}

/** An open arena. */
export interface Arena {
  /** Shared and never grown, since growing detaches every view. Sent to another thread as it is. */
  readonly memory: WebAssembly.Memory;
  readonly plan: ArenaPlan;
  readonly layout: Layout;
  /** The region of that name. Throws where there is none. */
  region(name: string): Region;
  hasRegion(name: string): boolean;
}

/** Places tensors one behind the other, each aligned. Throws when two share a name or a dimension is not 1 or more. */
export function layout(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Layout {
  const places: Place[] = [];
  const names = new Set<string>();
  let floats = 0;
  for (const { name, shape } of tensors) {
    const elements = elementCount(shape);
    if (names.has(name) || !(Number.isSafeInteger(elements) && elements > 0)) {
      fail(`layout, tensor "${name}"`, {
        expected: "a name of its own and dimensions that are whole numbers from 1 on",
        got: names.has(name) ? "the same name twice" : formatShape(shape),
        fix: "rename it, or correct its shape",
      });
    }
    names.add(name);
    places.push({ name, shape: [...shape], offset: floats, elements });
    floats = aligned((floats + elements) * 4) / 4;
  }
  return { tensors: places, floats };
}

/**
 * A new arena, zeroed. The operating system gives pages when they are first touched, so regions that are never used
 * cost nothing. Throws when it needs more than 4 GiB, naming the bytes, or when the memory cannot be had.
 */
export function createArena(plan: ArenaPlan): Arena {
  const bytes = arenaBytes(plan);
  const pages = Math.max(1, Math.ceil(bytes / bytesPerPage));
  if (pages > maximumPages) {
    fail("createArena", {
      expected: `at most ${maximumPages * bytesPerPage} bytes (4 GiB)`,
      got: `${bytes} bytes: ${describeRegions(plan)}`,
      fix: "fewer lanes, an optimizer with fewer slots, no parameter averaging, or a smaller model",
    });
  }
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    fail(
      "createArena",
      {
        expected: `${pages * bytesPerPage} bytes of shared memory`,
        got: `"${messageOf(cause)}"`,
        fix: "free memory, or train a smaller model; in a browser the page must be cross-origin isolated",
      },
      { cause },
    );
  }
  return openArena(plan, memory);
}

/** The arena over a memory that `createArena` made with the same plan, here or in another thread. */
export function openArena(plan: ArenaPlan, memory: WebAssembly.Memory): Arena {
  if (memory.buffer.byteLength < arenaBytes(plan)) {
    fail("openArena", {
      expected: `a memory of at least ${arenaBytes(plan)} bytes`,
      got: `${memory.buffer.byteLength} bytes`,
      fix: "pass the memory and the plan of one arena",
    });
  }
  const regions = new Map<string, Region>();
  let end = 0;
  const names = regionsOf(plan);
  for (const { name, layout } of names) {
    regions.set(name, openRegion(name, layout, memory, end));
    end += aligned(layout.floats * 4);
  }
  if (regions.size !== names.length) {
    fail("openArena", {
      expected: "regions with names of their own",
      got: names.map(({ name }) => name).join(", "),
      fix: "rename the ones that occur twice",
    });
  }
  return Object.freeze({
    memory,
    plan,
    layout: plan.layout,
    region: (name: string) => regions.get(name) ?? noRegion(name, plan),
    hasRegion: (name: string) => regions.has(name),
  });
}

/** The bytes an arena of this plan takes, for the memory model. */
export function arenaBytes(plan: ArenaPlan): number {
  return regionsOf(plan).reduce((bytes, { layout }) => bytes + aligned(layout.floats * 4), 0);
}

/** Every region with what lies in it, in the order of the memory. */
function regionsOf({ layout, regions, partial }: ArenaPlan) {
  const whole = regions.map((name) => ({ name, layout }));
  if (partial === undefined) return whole;
  const first = firstOf(layout, partial.tensors);
  return [...whole, ...partial.regions.map((name) => ({ name, layout: first }))];
}

function firstOf({ tensors, floats }: Layout, count: number): Layout {
  return { tensors: tensors.slice(0, count), floats: tensors[count]?.offset ?? floats };
}

function describeRegions({ layout, regions, partial }: ArenaPlan): string {
  const whole = `${regions.length} regions of ${layout.floats * 4} bytes`;
  if (partial === undefined || partial.regions.length === 0) return whole;
  return `${whole}, ${partial.regions.length} of ${firstOf(layout, partial.tensors).floats * 4}`;
}

function openRegion(name: string, layout: Layout, memory: WebAssembly.Memory, byteOffset: number): Region {
  const { tensors: places, floats } = layout;
  const tensors = places.map(({ name: tensor, shape, offset, elements }): [string, NdArray] => [
    tensor,
    ndarray("float32", shape, new Float32Array(memory.buffer, byteOffset + offset * 4, elements)),
  ]);
  return Object.freeze({
    name,
    layout,
    byteOffset,
    floats: new Float32Array(memory.buffer, byteOffset, floats),
    tensors: new Map(tensors),
  });
}

function noRegion(name: string, plan: ArenaPlan): never {
  return fail("arena", {
    expected: `a region out of ${regionsOf(plan)
      .map(({ name: known }) => known)
      .join(", ")}`,
    got: `"${name}"`,
    fix: "name one of them, or add it to the plan's regions",
  });
}

const aligned = (bytes: number): number => Math.ceil(bytes / alignBytes) * alignBytes;
