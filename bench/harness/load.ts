/** How much processor time others took while something was measured (Linux; 0 elsewhere). */
import fs from "node:fs";

/** Starts a measurement; call the result for the cores others kept busy since, on average. */
export function watchOthers(pids: readonly number[]): () => number {
  const start = performance.now();
  const before = othersSeconds(pids);
  return () => Math.max(0, ((othersSeconds(pids) - before) * 1000) / (performance.now() - start));
}

const ticksPerSecond = 100; // USER_HZ, which is 100 on every Linux that Node.js runs on

function othersSeconds(pids: readonly number[]): number {
  if (process.platform !== "linux") return 0;
  const [, ...fields] = fs.readFileSync("/proc/stat", "utf8").split("\n")[0]!.split(/\s+/);
  const [user, nice, system, , , interrupt, softInterrupt, steal] = fields.map(Number);
  const busy = user! + nice! + system! + interrupt! + softInterrupt! + steal!;
  return busy / ticksPerSecond - [process.pid, ...pids].reduce((sum, pid) => sum + secondsOf(pid), 0);
}

/** User and system time of a process with all its threads. */
function secondsOf(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // the name before it may hold spaces
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
