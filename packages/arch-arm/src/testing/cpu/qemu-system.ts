import {
  assembleBareProgram,
  type BareMachine,
  haveBareMachine,
  runBareProgram,
} from "@hypercraft/engine/testing/bare-program";

// Programs on QEMU's PE, as an oracle for ours. Test support: needs Node, clang with lld, and QEMU.

/** Where programs begin, at EL2 with everything masked and the MMU off, and where their data is. */
export const PROGRAM = 0x4020_0000;
export const BLOB = 0x4080_0000;

/**
 * For programs: `put Xn|Wn` writes the low byte of a register to the UART, `dump` 8 bytes of an X register (both change
 * x28 and x29), `stop` turns the machine off, and `constant` loads 64 bits.
 */
const PRELUDE = `
  .equ UART, 0x09000000
  .equ BLOB, ${BLOB}
  .macro constant register, value
    movz \\register, #((\\value) & 0xffff)
    movk \\register, #(((\\value) >> 16) & 0xffff), lsl #16
    movk \\register, #(((\\value) >> 32) & 0xffff), lsl #32
    movk \\register, #(((\\value) >> 48) & 0xffff), lsl #48
  .endm
  .macro put register
    mov x28, UART
    strb \\register, [x28]
  .endm
  .macro dump register
    mov x28, UART
    mov x29, \\register
    .rept 8
      strb w29, [x28]
      lsr x29, x29, #8
    .endr
  .endm
  .macro stop
    movz w0, #0x0008
    movk w0, #0x8400, lsl #16
    smc #0
    b .
  .endm
  .globl _start
`;

/** QEMU's model of a processor: `cortex-a57` (Armv8.0 with a PMU) or `max` (all that QEMU has). */
export type QemuCpu = "cortex-a57" | "max";

const machine = (cpu: QemuCpu): BareMachine => ({
  command: "qemu-system-aarch64",
  options: ["-machine", "virt,virtualization=on", "-cpu", cpu, "-m", "64M"],
  target: ["--target=aarch64", "-march=armv8.1-a"],
  text: PROGRAM,
  blob: BLOB,
  prelude: PRELUDE,
});

export const haveQemuSystem = (): boolean => haveBareMachine(machine("max"));

/** The program's bytes from `PROGRAM` on, for a PE of ours. */
export const assembleForPe = (source: string): Uint8Array => assembleBareProgram(machine("max"), source);

/** Assemble a program, run it from EL2 and give what it wrote to the UART. `blob` is loaded at `BLOB`. */
export const runOnQemu = (source: string, blob?: Uint8Array, cpu: QemuCpu = "cortex-a57"): Uint8Array =>
  runBareProgram(machine(cpu), source, blob);
