import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeterministicClock } from "../../time/clock.js";
import { createPc } from "../pc.js";
import type { RegisterProgram } from "./register-program.js";

export const hasQemu: boolean =
  spawnSync("qemu-system-x86_64", ["--version"], { stdio: "ignore" }).status === 0;

const MACHINE = ["-M", "pc,hpet=on"];
const COMMON = ["-cpu", "max", "-m", "32", "-display", "none", "-no-reboot"];
const DEVICES = ["-nodefaults", "-smp", "2", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"];

/** What a program reads on QEMU's PC. `base`: where it is in memory; `machine`: which PC, and more devices. */
export function onQemu(program: RegisterProgram, base?: number, machine = MACHINE): string[] {
  const folder = mkdtempSync(join(tmpdir(), "pc-"));
  try {
    const [kernel, output] = [join(folder, "kernel"), join(folder, "output")];
    writeFileSync(kernel, program.kernel(base));
    const files = ["-debugcon", `file:${output}`, "-kernel", kernel];
    spawnSync("qemu-system-x86_64", [...machine, ...COMMON, ...DEVICES, ...files], { timeout: 30_000 });
    // Firmware prints there before.
    const bytes = readFileSync(output);
    const length = program.reads.reduce((sum, { size }) => sum + size, 0);
    return program.values(bytes.subarray(bytes.length - length));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What it reads on the board. */
export async function onOurs(
  program: RegisterProgram,
  { base, mode = "bare" }: { readonly base?: number; readonly mode?: "vm" | "bare" } = {},
): Promise<string[]> {
  const bytes: number[] = [];
  const machine = await createPc({
    mode,
    memory: 32 << 20,
    cpus: 2,
    console: { read: () => -1, write: (part: Uint8Array) => void bytes.push(...part) },
    clock: new DeterministicClock(10, 1),
    kernel: { name: "kernel", bytes: program.kernel(base) },
  });
  await machine.run({ maxInstructions: 50_000_000 });
  return program.values(Uint8Array.from(bytes));
}
