import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Programs on QEMU's hart, as an oracle for ours. Test support: needs Node, clang with lld, and QEMU.

const QEMU = "qemu-system-riscv64";
/** What QEMU's hart has that ours has not, off. */
const CPU = "rv64,h=true,sstc=true,pmu-num=0";

function runs(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export const haveQemuSystem = (): boolean => runs(QEMU) && runs("clang") && runs("ld.lld");

/** Definitions for programs: where to write characters, and how to stop. */
const PRELUDE = `
  .equ UART, 0x10000000
  .equ FINISHER, 0x100000
  .macro stop
    li t0, FINISHER
    li t1, 0x5555
    sw t1, 0(t0)
  1: j 1b
  .endm
`;

/**
 * Assemble a program for the bare `virt` machine, run it from M-mode at 0x8000_0000 and give what it wrote to
 * the UART. `blob` is loaded at 0x8020_0000.
 */
export function runOnQemu(source: string, blob: Uint8Array = new Uint8Array(0)): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "hypercraft-hart-"));
  const at = (name: string): string => join(folder, name);
  try {
    writeFileSync(at("a.s"), PRELUDE + source);
    writeFileSync(at("blob"), blob);
    const target = ["--target=riscv64", "-march=rv64imafdc", "-mno-relax", "-nostdlib", "-fuse-ld=lld"];
    execFileSync("clang", [
      ...target,
      "-Wl,-Ttext=0x80000000",
      "-Wl,-e,_start",
      at("a.s"),
      "-o",
      at("a.elf"),
    ]);
    const load =
      blob.length === 0 ? [] : ["-device", `loader,file=${at("blob")},addr=0x80200000,force-raw=on`];
    const serial = ["-serial", `file:${at("out")}`, "-display", "none", "-monitor", "none"];
    const machine = ["-machine", "virt", "-cpu", CPU, "-m", "64M", "-bios", "none", "-kernel", at("a.elf")];
    execFileSync(QEMU, [...machine, ...load, ...serial], { timeout: 120_000, stdio: "pipe" });
    return Uint8Array.from(readFileSync(at("out")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
