import { type BareMachine, haveBareMachine, runBareProgram } from "@hypercraft/engine/testing/bare-program";

// Programs on QEMU's hart, as an oracle for ours. Test support: needs Node, clang with lld, and QEMU.

/** `cpu`: what QEMU's hart has that ours has not, off. The prelude tells programs where to write and how to stop. */
const VIRT: BareMachine = {
  command: "qemu-system-riscv64",
  options: ["-machine", "virt", "-cpu", "rv64,h=true,sstc=true,pmu-num=0", "-m", "64M", "-bios", "none"],
  target: ["--target=riscv64", "-march=rv64imafdc", "-mno-relax"],
  text: 0x8000_0000,
  blob: 0x8020_0000,
  prelude: `
  .equ UART, 0x10000000
  .equ FINISHER, 0x100000
  .macro stop
    li t0, FINISHER
    li t1, 0x5555
    sw t1, 0(t0)
  1: j 1b
  .endm
`,
};

export const haveQemuSystem = (): boolean => haveBareMachine(VIRT);

/**
 * Assemble a program for the bare `virt` machine, run it from M-mode at 0x8000_0000 and give what it wrote to
 * the UART. `blob` is loaded at 0x8020_0000.
 */
export const runOnQemu = (source: string, blob?: Uint8Array): Uint8Array =>
  runBareProgram(VIRT, source, blob);
