import {
  assembleBareProgram,
  type BareMachine,
  haveBareMachine,
  runBareProgram,
} from "@hypercraft/engine/testing/bare-program";

// Programs on QEMU's processor, as an oracle for ours. Test support: needs Node, clang with lld, and QEMU.

/** Where programs begin, in 32-bit protected mode with flat segments and without paging (PVH), and where their data is. */
export const PROGRAM = 0x10_0000;
export const BLOB = 0x80_0000;

/**
 * For programs: `put` writes AL to the serial port, `dump32` and `dump64` the bytes of EAX and RAX (they change EDX and
 * shift the register), `stop` turns the machine off.
 */
const PRELUDE = `
  .equ BLOB, ${BLOB}
  .section .note.pvh, "a", @note
  .long 4, 4, 18
  .asciz "Xen"
  .long _start
  .text
  .macro put
    mov $0x3f8, %edx
    outb %al, %dx
  .endm
  .macro dump32
    mov $0x3f8, %edx
    .rept 4
      outb %al, %dx
      shr $8, %eax
    .endr
  .endm
  .macro dump64
    mov $0x3f8, %edx
    .rept 8
      outb %al, %dx
      shr $8, %rax
    .endr
  .endm
  .macro stop
    mov $0x604, %edx
    mov $0x2000, %eax
    outw %ax, %dx
    hlt
  .endm
  .globl _start
  .code32
`;

const machine: BareMachine = {
  command: "qemu-system-x86_64",
  options: ["-machine", "q35", "-cpu", "max,vendor=GenuineIntel", "-m", "64M", "-nodefaults"],
  target: ["--target=x86_64"],
  text: PROGRAM,
  blob: BLOB,
  prelude: PRELUDE,
};

export const haveQemuSystem = (): boolean => haveBareMachine(machine);

/** The program's bytes from `PROGRAM` on, for a processor of ours. */
export const assembleForCpu = (source: string): Uint8Array => assembleBareProgram(machine, source);

/** Assemble a program, run it from `_start` and give what it wrote to the serial port. */
export const runOnQemu = (source: string, blob?: Uint8Array): Uint8Array =>
  runBareProgram(machine, source, blob);
