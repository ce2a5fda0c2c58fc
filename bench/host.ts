// The machine that everything is measured on.
import { spawnSync } from "node:child_process";
import { cpus, loadavg, totalmem, type } from "node:os";

export interface HostDescription {
  readonly processor: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  /** Version of the QEMU compared with, if any. */
  readonly qemu: string | undefined;
  /** The Linux that runs in the guest. */
  readonly guest: string;
  /** Processes that wanted a core in the minute before, on average; 0 where the system does not tell. */
  readonly load: number;
  readonly date: string;
}

export function describeHost(qemu: string | undefined, guest: string): HostDescription {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim().replace(/\s+/g, " ") || process.arch,
    cores: processors.length,
    memory: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    qemu,
    guest,
    load: loadavg()[0] ?? 0,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** What `COMMAND --version` says; undefined when it cannot be run. */
export function qemuVersion(command: readonly string[]): string | undefined {
  const [program, ...args] = command;
  if (program === undefined) return undefined;
  const { status, stdout } = spawnSync(program, [...args, "--version"], { encoding: "utf8" });
  return status === 0 ? (/version (\S+)/.exec(stdout)?.[1] ?? stdout.trim()) : undefined;
}

/** Whether what is measured runs beside something else. */
export const isBusy = ({ load }: HostDescription): boolean => load > 0.8;
