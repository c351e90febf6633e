/** Finds a Python with PyTorch, and the OpenBLAS kernels that are fastest on this processor. */
import { spawnSync } from "node:child_process";
import path from "node:path";

/** A Python that imports torch. */
export interface Python {
  readonly file: string;
  /** OPENBLAS_CORETYPE to set; undefined leaves the choice to OpenBLAS. */
  readonly blasCore: string | undefined;
  /** Speed of a [128, 784] × [784, 512] product on one thread by kernel choice, GFLOP/s. */
  readonly probed: Readonly<Record<string, number>>;
}

/** The contender's script. */
export const pytorchScript = path.join(import.meta.dirname, "../contenders/pytorch.py");

/**
 * BENCH_PYTHON, else python3 of the path, else /usr/bin/python3; undefined where none has torch. An OpenBLAS older
 * than the processor falls back to SSE3 kernels, 3.3 × slower here, which would flatter us: so the fastest is chosen.
 * OPENBLAS_CORETYPE, where it is set, is left as it is.
 */
export function findPython(): Python | undefined {
  const candidates = [process.env.BENCH_PYTHON, "python3", "/usr/bin/python3"];
  const file = candidates.find((name) => name !== undefined && probe(name, undefined) !== undefined);
  if (file === undefined) return undefined;
  const given = process.env.OPENBLAS_CORETYPE;
  const cores = given === undefined ? [undefined, "Haswell", "Zen", "SkylakeX", "Cooperlake"] : [given];
  const probed: Record<string, number> = {};
  let best: { core: string | undefined; speed: number } = { core: given, speed: 0 };
  for (const core of cores) {
    // The better of two; a core type the processor lacks ends the probe with an illegal instruction.
    const speed = Math.max(probe(file, core) ?? 0, probe(file, core) ?? 0);
    probed[core ?? "OpenBLAS's own choice"] = Math.round(speed);
    // A later core type has to win clearly: several share their kernels.
    if (speed > best.speed * 1.05) best = { core, speed };
  }
  return { file, blasCore: best.core, probed };
}

function probe(file: string, core: string | undefined): number | undefined {
  const environment = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", BENCH_THREADS: "1" };
  const env = core === undefined ? environment : { ...environment, OPENBLAS_CORETYPE: core };
  const { status, stdout } = spawnSync(file, [pytorchScript, "--probe"], { env, encoding: "utf8" });
  const speed = Number(stdout);
  return status === 0 && speed > 0 ? speed : undefined;
}
