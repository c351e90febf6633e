/** What the numbers were measured on. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** The machine and the versions of everything that took part. */
export interface Machine {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** Name → version. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Reads the machine; `versions` are those of the contenders. */
export function readMachine(versions: Readonly<Record<string, string>> = {}): Machine {
  const processors = os.cpus();
  return {
    date: new Date().toISOString(),
    processor: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.platform()} ${os.arch()}`,
    versions: {
      "Node.js": process.versions.node,
      "onnxruntime-node": versionOf("onnxruntime-node"),
      ...commitVersion(),
      ...versions,
    },
  };
}

const root = path.join(import.meta.dirname, "../..");

function versionOf(name: string): string {
  const manifest = path.join(root, "node_modules", name, "package.json");
  return JSON.parse(fs.readFileSync(manifest, "utf8")).version;
}

/** The commit measured, "+" where files differ from it. Nothing outside a git checkout. */
function commitVersion(): Record<string, string> {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", root, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    const isChanged = git("status", "--porcelain", "--", "src") !== "";
    return { microbatch: `${git("rev-parse", "--short", "HEAD")}${isChanged ? "+" : ""}` };
  } catch {
    return {};
  }
}
