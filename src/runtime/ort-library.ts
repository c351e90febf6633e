/**
 * ONNX Runtime's library through its C interface, for programs that write all their outputs in place. The package's binding copies
 * every output once more into memory of its own, and makes some 30 objects a run. Without that a microbatch took (ms, medians):
 * MLP of 670 k parameters, 32 samples: 1.40 → 0.99; LeNet, 16: 1.84 → 1.62; ResNet, 16: 24.0 → 23.0; GPT, 2: 19.9 → 18.6; LSTM,
 * 16: 9.79 → 9.34. The library, its kernels and the bytes that they give are the same.
 */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import type { NdArray } from "../array/array.ts";
import { onnxDType } from "../array/dtype.ts";
import { bug } from "../errors.ts";
import { checkArray, checkNames, refusedProgram, runFailed } from "./ort-checks.ts";
import type { Binding, Session } from "./runtime.ts";

type Koffi = typeof import("koffi");
type Type = string | ReturnType<Koffi["pointer"]> | ReturnType<Koffi["out"]>;
/** A function of the interface; most give null, or a status that says what is wrong. */
type Call<Result = Address | null> = (...given: readonly unknown[]) => Result;
/** Where something lies in memory. */
type Address = bigint;

/** The library, opened by one thread. */
export interface OrtLibrary {
  /** Makes a session for bindings that fetch every output. Throws a MicrobatchError that names the program when it is refused. */
  load(name: string, bytes: Uint8Array): Session;
}

/** Undefined where there is no build of koffi for this machine, or no library where the package keeps it. */
export async function openOrtLibrary(): Promise<OrtLibrary | undefined> {
  const path = libraryPath();
  const koffi = path && (await import("koffi").catch(() => undefined));
  if (!path || !koffi) return undefined;
  const calls = openInterface(koffi, path);
  const environment = calls.make(calls.createEnvironment, quiet, "microbatch");
  const shared = { options: makeOptions(calls), cpu: calls.make(calls.createCpuMemoryInfo, 1, 0) };
  const open = new Set<NativeSession>();
  // What a thread leaves behind when it is thrown out would stay until the process ends.
  if (!isMainThread)
    process.once("exit", () => {
      for (const session of open) session.release();
    });
  return {
    load: (name, bytes) => {
      let handle: Address;
      try {
        handle = calls.make(calls.createSession, environment, bytes, bytes.length, shared.options);
      } catch (cause) {
        return refusedProgram(name, cause);
      }
      const session = new NativeSession(calls, { name, handle, cpu: shared.cpu }, () => open.delete(session));
      open.add(session);
      return session;
    },
  };
}

/** The library that onnxruntime-node brings for this machine. */
function libraryPath(): string | undefined {
  const root = join(dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")), "bin");
  try {
    const [version] = readdirSync(root);
    const folder = join(root, version!, process.platform, process.arch);
    const file = readdirSync(folder).find((name) => /^(lib)?onnxruntime\.(so|dll|[\d.]*dylib)/.test(name));
    return file && join(folder, file);
  } catch {
    return undefined; // the package keeps it elsewhere
  }
}

const [quiet, everyOptimization] = [4, 99];

/** As in ort-node.ts, which says why. */
function makeOptions(calls: Interface): Address {
  const options = calls.make(calls.createSessionOptions);
  calls.check(calls.disableMemoryPattern(options));
  calls.check(calls.setOptimizationLevel(options, everyOptimization));
  calls.check(calls.setIntraOpThreads(options, 1));
  calls.check(calls.setInterOpThreads(options, 1));
  calls.check(calls.setLogSeverity(options, quiet));
  return options;
}

type Interface = ReturnType<typeof openInterface>;

/** The functions that are used, by their places in OrtApi, which never change. Source: onnxruntime_c_api.h. */
function openInterface(koffi: Koffi, path: string) {
  const base = koffi.load(path).func("OrtGetApiBase", "void *", [])() as Address;
  const getApi = koffi.proto("void *", ["uint32_t"]);
  const api = koffi.call(koffi.decode(base, "void *"), getApi, apiVersion) as Address;
  const at = <Result>(place: number, result: Type, ...parameters: readonly Type[]) =>
    koffi.decode(
      koffi.decode(api, place * koffi.sizeof("void *"), "void *"),
      koffi.proto(result, [...parameters]),
    ) as Call<Result>;
  const status = (place: number, ...parameters: readonly Type[]) =>
    at<Address | null>(place, "void *", ...parameters);
  const made = koffi.out(koffi.pointer("void *"));
  const errorMessage = at<string>(2, "str", "void *");
  const releaseStatus = at<void>(93, "void", "void *");
  const check = (status: Address | null): void => {
    if (status === null) return;
    const message = errorMessage(status);
    releaseStatus(status);
    throw new Error(message);
  };
  return {
    check,
    /** Calls a function whose last parameter takes what it makes. */
    make: (create: Call, ...given: readonly unknown[]): Address => {
      const into: [Address | null] = [null];
      check(create(...given, into));
      return into[0] ?? bug("ONNX Runtime made nothing");
    },
    createEnvironment: status(3, "int", "str", made),
    createSession: status(8, "void *", "void *", "size_t", "void *", made),
    createSessionOptions: status(10, made),
    disableMemoryPattern: status(17, "void *"),
    setLogSeverity: status(22, "void *", "int"),
    setOptimizationLevel: status(23, "void *", "int"),
    setIntraOpThreads: status(24, "void *", "int"),
    setInterOpThreads: status(25, "void *", "int"),
    countInputs: status(30, "void *", koffi.out(koffi.pointer("size_t"))),
    countOutputs: status(31, "void *", koffi.out(koffi.pointer("size_t"))),
    nameInput: status(36, "void *", "size_t", "void *", made),
    nameOutput: status(37, "void *", "size_t", "void *", made),
    createTensor: status(49, "void *", "void *", "size_t", "void *", "size_t", "int", made),
    createCpuMemoryInfo: status(69, "int", "int", made),
    freeAllocated: status(76, "void *", "void *"),
    defaultAllocator: status(78, made),
    releaseSession: at<void>(95, "void", "void *"),
    releaseTensor: at<void>(96, "void", "void *"),
    run: status(133, "void *", "void *", "void *"),
    createBinding: status(134, "void *", made),
    releaseBinding: at<void>(135, "void", "void *"),
    bindInput: status(136, "void *", "str", "void *"),
    bindOutput: status(137, "void *", "str", "void *"),
    textAt: (address: Address) => koffi.decode(address, "char", -1) as string,
  };
}

/** Of the interface: any version that has the functions above; every later library still answers to it. */
const apiVersion = 16;

interface Loaded {
  readonly name: string;
  readonly handle: Address;
  readonly cpu: Address;
}

/** What the library has for one binding. */
interface Bound {
  readonly binding: Address;
  readonly tensors: Address[];
  /** The library holds addresses: their arrays must not be collected before it. */
  readonly arrays: NdArray[];
}

class NativeSession implements Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #calls: Interface;
  readonly #loaded: Loaded;
  readonly #released: () => void;
  readonly #bound = new Set<Bound>();
  #isOpen = true;

  constructor(calls: Interface, loaded: Loaded, released: () => void) {
    this.#calls = calls;
    this.#loaded = loaded;
    this.#released = released;
    this.inputs = this.#names(calls.countInputs, calls.nameInput);
    this.outputs = this.#names(calls.countOutputs, calls.nameOutput);
  }

  bind(feeds: Parameters<Session["bind"]>[0], fetches: Readonly<Record<string, NdArray>> = {}): Binding {
    const { name, handle } = this.#loaded;
    checkNames(`program "${name}", feeds`, Object.keys(feeds), this.inputs, "feed the missing input");
    checkNames(`program "${name}", fetches`, Object.keys(fetches), this.outputs, "fetch every output");
    const calls = this.#calls;
    const bound: Bound = { binding: calls.make(calls.createBinding, handle), tensors: [], arrays: [] };
    this.#bound.add(bound);
    for (const [key, feed] of Object.entries(feeds)) {
      if (feed.dtype === "string") bug(`program "${name}" is fed strings in place`);
      calls.check(calls.bindInput(bound.binding, key, this.#tensor(bound, key, feed)));
    }
    for (const [key, fetch] of Object.entries(fetches))
      calls.check(calls.bindOutput(bound.binding, key, this.#tensor(bound, key, fetch)));
    return { run: (atPeak) => this.#run(bound, atPeak), release: () => this.#unbind(bound) };
  }

  async close(): Promise<void> {
    this.release();
  }

  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const bound of this.#bound) this.#unbind(bound);
    this.#calls.releaseSession(this.#loaded.handle);
    this.#released();
  }

  #unbind(bound: Bound): void {
    if (!this.#bound.delete(bound)) return;
    this.#calls.releaseBinding(bound.binding);
    for (const tensor of bound.tensors) this.#calls.releaseTensor(tensor);
    bound.arrays.length = 0; // whoever has the binding still has not the arrays
  }

  async #run(bound: Bound, atPeak?: () => void): Promise<Readonly<Record<string, never>>> {
    // What else this thread has to hear of: reads that are done, threads that are gone, signals. Other threads ask for it.
    if (isMainThread) await setImmediate();
    if (!this.#bound.has(bound)) bug(`program "${this.#loaded.name}" runs after its end`);
    try {
      this.#calls.check(this.#calls.run(this.#loaded.handle, null, bound.binding));
    } catch (cause) {
      runFailed(this.#loaded.name, cause);
    }
    atPeak?.();
    return {};
  }

  #tensor({ tensors, arrays }: Bound, name: string, array: NdArray): Address {
    checkArray(name, array);
    const { dtype, shape, data } = array;
    arrays.push(array);
    const dims = BigInt64Array.from(shape, BigInt);
    const { cpu } = this.#loaded;
    const { createTensor } = this.#calls;
    const tensor = this.#calls.make(
      createTensor,
      cpu,
      data,
      data.byteLength,
      dims,
      dims.length,
      onnxDType[dtype],
    );
    tensors.push(tensor);
    return tensor;
  }

  #names(count: Call, nameAt: Call): string[] {
    const calls = this.#calls;
    const { handle } = this.#loaded;
    const allocator = calls.make(calls.defaultAllocator);
    const counted: [number] = [0];
    calls.check(count(handle, counted));
    return Array.from({ length: Number(counted[0]) }, (_, index) => {
      const text = calls.make(nameAt, handle, index, allocator);
      const name = calls.textAt(text);
      calls.check(calls.freeAllocated(allocator, text));
      return name;
    });
  }
}
