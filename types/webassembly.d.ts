/**
 * The part of the WebAssembly interface this package uses. Neither TypeScript's `es2024` nor `@types/node`
 * declares it, and the `dom` library that does would also declare globals such as `name`, `length` and
 * `event`, under which a misspelled variable goes unnoticed.
 * Source: WebAssembly JavaScript Interface 2.0 and the threads and memory64 proposals.
 */
declare namespace WebAssembly {
  type ImportValue = Memory | Global | Table | number | bigint | ((...values: never[]) => unknown);
  type Imports = Readonly<Record<string, Readonly<Record<string, ImportValue>>>>;
  type Exports = Readonly<Record<string, unknown>>;

  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}

  class Module {
    readonly [Symbol.toStringTag]: "WebAssembly.Module";
    constructor(bytes: ArrayBufferView<ArrayBuffer> | ArrayBuffer);
    static exports(module: Module): { name: string; kind: string }[];
    static imports(module: Module): { module: string; name: string; kind: string }[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }

  /** Sizes in pages of 64 KiB; bigint when the address is "i64". */
  type MemoryDescriptor =
    | { address?: "i32"; initial: number; maximum?: number; shared?: boolean }
    | { address: "i64"; initial: bigint; maximum?: bigint; shared?: boolean };

  class Memory {
    constructor(descriptor: MemoryDescriptor);
    /** A SharedArrayBuffer when the memory is shared. Growing a memory that is not detaches every view. */
    readonly buffer: ArrayBufferLike;
    grow(pages: number): number;
    grow(pages: bigint): bigint;
  }

  class Global {
    constructor(
      descriptor: { value: "i32" | "i64" | "f32" | "f64"; mutable?: boolean },
      value?: number | bigint,
    );
    value: number | bigint;
  }

  class Table {
    constructor(descriptor: { element: "anyfunc" | "externref"; initial: number; maximum?: number });
    readonly length: number;
    get(index: number): unknown;
    set(index: number, value?: unknown): void;
  }

  function validate(bytes: ArrayBufferView<ArrayBuffer> | ArrayBuffer): boolean;
  function compile(bytes: ArrayBufferView<ArrayBuffer> | ArrayBuffer): Promise<Module>;
  function instantiate(
    bytes: ArrayBufferView<ArrayBuffer> | ArrayBuffer,
    imports?: Imports,
  ): Promise<{ module: Module; instance: Instance }>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
}
