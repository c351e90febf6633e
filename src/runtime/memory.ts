/** How much memory the machine or the container has left, and how much this process holds: as Linux tells it. */

/** What a runtime knows of memory, in bytes; undefined where the system does not tell. */
export interface MachineMemory {
  /** What the process can still take: of the machine's memory, or of its container's where that is less. */
  available(): number | undefined;
  /** What the process holds at the moment. */
  resident(): number | undefined;
  /** The most that it has held so far. */
  peak(): number | undefined;
  /** Gives back what the process has freed and still holds, where it can. */
  giveBack(): void;
}

/** Reads a file of the system; undefined where there is none. */
export type ReadText = (path: string) => string | undefined;

/** The memory of a Linux machine. */
export function linuxMemory(read: ReadText, giveBack: () => void = () => {}): MachineMemory {
  return Object.freeze({
    giveBack,
    available: () => smallest([machineBytes(read), ...containerBytes(read)]),
    resident: () => kibibytes(read("/proc/self/status"), "VmRSS"),
    peak: () => kibibytes(read("/proc/self/status"), "VmHWM"),
  });
}

const machineBytes = (read: ReadText) => kibibytes(read("/proc/meminfo"), "MemAvailable");

/** What is left of every limit that holds for the process: those of its control group and of all above. Versions 1 and 2. */
function containerBytes(read: ReadText): (number | undefined)[] {
  const lines = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  return lines.flatMap(([, controllers, path = "/"]) => {
    if (controllers === "") return groupsOf(path).map((group) => left(read, `/sys/fs/cgroup${group}`, files));
    if (!controllers?.split(",").includes("memory")) return [];
    return groupsOf(path).map((group) => left(read, `/sys/fs/cgroup/memory${group}`, oldFiles));
  });
}

const files = { limit: "memory.max", used: "memory.current", cache: "inactive_file" };
const oldFiles = {
  limit: "memory.limit_in_bytes",
  used: "memory.usage_in_bytes",
  cache: "total_inactive_file",
};

/** "/a/b" → "/a/b", "/a", "". Inside a container the path may be the host's, and only the last of them is there. */
function groupsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return Array.from({ length: parts.length + 1 }, (_, cut) =>
    parts
      .slice(0, parts.length - cut)
      .map((part) => `/${part}`)
      .join(""),
  );
}

/** Pages of files that were read lately count as used, but are given up as soon as memory is wanted. */
function left(read: ReadText, folder: string, names: typeof files): number | undefined {
  const limit = wholeNumber(read(`${folder}/${names.limit}`)); // "max" where there is none
  const used = wholeNumber(read(`${folder}/${names.used}`));
  if (limit === undefined || used === undefined) return undefined;
  const cache = read(`${folder}/memory.stat`)?.match(new RegExp(`^${names.cache} (\\d+)$`, "m"))?.[1];
  return Math.max(0, limit - used + Number(cache ?? 0));
}

function wholeNumber(text: string | undefined): number | undefined {
  const digits = text?.trim() ?? "";
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
}

function kibibytes(text: string | undefined, name: string): number | undefined {
  const digits = text?.match(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m"))?.[1];
  return digits === undefined ? undefined : 1024 * Number(digits);
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
