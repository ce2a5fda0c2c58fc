// What a process has used, as Linux tells it (proc_pid_stat(5), proc_pid_status(5)); elsewhere undefined.
import { readFileSync } from "node:fs";

/** USER_HZ: the unit of times in /proc, fixed for user programs. */
const TICK_MS = 10;

function read(pid: number | undefined, file: string): string | undefined {
  try {
    return pid === undefined ? undefined : readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** User and system time of all threads, in milliseconds. */
export function cpuMilliseconds(pid: number | undefined): number | undefined {
  const text = read(pid, "stat");
  return text === undefined ? undefined : parseCpuTime(text);
}

/** Bytes that were resident at once, at most. */
export function peakMemory(pid: number | undefined): number | undefined {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(read(pid, "status") ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Fields 14 and 15 of a stat line. The name before them is in parentheses and may hold anything. */
export function parseCpuTime(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
