/**
 * No training run talks to anybody. ONNX Runtime keeps and uploads usage data unless it is told not to before its library
 * loads: where it does, it leaves a database under the user's cache folder and opens sockets, and both are looked for.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

/** What a process left in its home folder, and the sockets it was seen to hold. */
interface Traces {
  readonly files: readonly string[];
  readonly sockets: readonly string[];
}

/** Runs a module in a process of its own, with an empty home folder and no environment that could silence it. */
async function watch(source: string): Promise<Traces> {
  const home = await mkdtemp(join(tmpdir(), "microbatch-silence-"));
  try {
    const environment = {
      // Nothing else is inherited: the runtime is silent by itself where it sees a build server's variables.
      PATH: process.env.PATH,
      HOME: home,
      XDG_CACHE_HOME: join(home, ".cache"),
      TMPDIR: home,
      // Nobody listens there: the second test lets the runtime talk, and no word of it leaves this machine.
      https_proxy: "http://127.0.0.1:9",
      HTTPS_PROXY: "http://127.0.0.1:9",
    };
    // Pipes to a child are sockets in Node.js, so it gets none.
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: "ignore",
      env: environment,
    });
    const sockets = new Set<string>();
    let code: number | null | undefined;
    child.on("exit", (status) => {
      code = status;
    });
    while (code === undefined) {
      for (const socket of await socketsOf(child.pid!)) sockets.add(socket);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal(code, 0, "the watched process failed");
    return { files: await filesIn(home), sockets: [...sockets] };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function socketsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const open = await readdir(folder).catch(() => []);
  const targets = await Promise.all(open.map((name) => readlink(join(folder, name)).catch(() => "")));
  return targets.filter((target) => target.startsWith("socket:"));
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

describe("a training run", () => {
  it("opens no socket and leaves nothing in the user's home", async () => {
    const { files, sockets } = await watch(`
      const { fit } = await import(${url("../src/train/fit.ts")});
      const { plan } = await import(${url("plan.ts")});
      const model = await fit(plan({}));
      await model.predict(plan({}).data);
      await new Promise((resolve) => setTimeout(resolve, 1000)); // an upload would wait for the run to end
    `);
    assert.deepEqual({ files, sockets }, { files: [], sockets: [] });
  });

  it("would be seen if it did: the runtime left to itself writes its database, a connection shows as a socket", async () => {
    const { files } = await watch(
      `
      const { plan } = await import(${url("plan.ts")});
      const { trace } = await import(${url("../src/train/trace.ts")});
      const ort = await import("onnxruntime-node");
      await ort.InferenceSession.create(trace(plan({})).inference.bytes);
      await new Promise((resolve) => setTimeout(resolve, 500));
    `.replace('"onnxruntime-node"', JSON.stringify(import.meta.resolve("onnxruntime-node"))),
    );
    assert.ok(files.includes("onnxruntime.db"), `left ${files}`);
    const { sockets } = await watch(`
      const { createServer, connect } = await import("node:net");
      const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1", () => {
        connect(server.address().port, "127.0.0.1").on("close", () => setTimeout(() => server.close(), 1000));
      });
    `);
    assert.ok(sockets.length > 0);
  });
});
