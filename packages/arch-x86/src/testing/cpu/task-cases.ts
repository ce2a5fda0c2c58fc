import type { ManualCase } from "./manual-cases.js";
import type { SystemCase } from "./programs/case.js";
import { one, user } from "./system-programs.js";

// Task switches. What they leave in the task-state segments and descriptors is shown in registers.

const NEW: Readonly<Record<string, string>> = {
  ...{ "0x20": "$7b", "0x24": "$0x246", "0x28": "$0xa1a1a1a1", "0x2c": "$0xa2a2a2a2", "0x30": "$0xa3a3a3a3" },
  ...{ "0x34": "$0xa4a4a4a4", "0x38": "$ring1_stack", "0x3c": "$0xa5a5a5a5", "0x40": "$0xa6a6a6a6" },
  ...{ "0x44": "$0xa7a7a7a7", "0x48": "$DATA32", "0x4c": "$CODE32", "0x50": "$DATA32", "0x54": "$DATA32" },
  ...{ "0x58": "$0", "0x5c": "$DATA32", "0x60": "$LDT", "0x64": "$0" },
};
const fill = (changes: Readonly<Record<string, string>> = {}): string =>
  Object.entries({ ...NEW, ...changes })
    .map(([at, value]) => `movl ${value}, tss2 + ${at}`)
    .join("\n");
/** A task of 16 bits: IP, FLAGS, registers, segments, LDT. It shares low memory's copy of the code below. */
const fill16 = [
  ...[
    "$0x7000",
    "$0x46",
    "$0xb1b1",
    "$0xb2b2",
    "$0xb3b3",
    "$0xb4b4",
    "$0x4000",
    "$0xb5b5",
    "$0xb6b6",
    "$0xb7b7",
  ],
  ...["$DATA32", "$CODE16", "$DATA32", "$DATA32", "$0"],
]
  .map((value, i) => `movw ${value}, tss16 + ${14 + 2 * i}`)
  .join("\n");

/** What it executes. It has no upper halves of registers: nobody says what they are, so it clears them. */
const CODE_16 = `
  mov $81f, %esi
  mov $0x7000, %edi
  mov $(82f - 81f), %ecx
  cld
  rep movsb
  jmp 82f
  .code16
81:
  ${["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"].map((name) => `movzwl %${name}, %e${name}`).join("\n")}
  int $0x30
  int $0x31
  .code32
82:`;

const SHOW = `
  int $0x30
  mov tss + 0x20, %ebx
  mov tss + 0x24, %ecx
  mov gdt_tss + 4, %edx
  mov gdt_tss2 + 4, %esi
  mov tss2, %edi
  mov %cr0, %ebp
  mov tss + 0x38, %eax
  int $0x30
  str %eax
  sldt %ebx
  mov tss + 0x48, %ecx
  mov tss + 0x4c, %edx
  int $0x30
`;
/** `go` switches; the new task shows itself and returns, if it can; then the old one does. */
const task = (name: string, go: string, changes = {}, before = "", wrap = one): SystemCase =>
  wrap(
    name,
    `jmp 6f
     7: ${SHOW}
     iret
     int $0x31
     6: ${fill(changes)}
     ${before}
     call initial
     ${go}
     int $0x30
     str %eax
     mov gdt_tss2 + 4, %ebx
     mov tss2 + 0x20, %ecx
     mov tss2 + 0x24, %edx
     mov tss2, %edi
     int $0x30`,
  );
const gateAt = (vector: number, rights: number) =>
  `movw $TSS2, idt + ${vector} * 8 + 2\nmovb $${rights}, idt + ${vector} * 8 + 5`;
const mend = (vector: number): SystemCase =>
  one(`mend ${vector}`, `movw $CODE32, idt + ${vector} * 8 + 2\nmovb $0x8e, idt + ${vector} * 8 + 5`);

const GO = ["ljmp $TSS2, $0", "lcall $TSS2, $0", "ljmp $TASK_GATE, $0", "lcall $TASK_GATE, $0"];
const CALL = "lcall $TSS2, $0";
/** What is loaded behind SS: a handler needs a stack. */
const SEGMENTS = { ds: "0x54", fs: "0x58" } as const;
const LOADED = ["CODE32", "DATA32", "USER_CODE32", "USER_DATA32", "CONFORMING"];
/** A fault in the new task returns to its first instruction; QEMU's processor says where the switch was. */
const FAULTS = [
  ...[["TSS", 10, 0x48] as const, ["ABSENT_DATA", 11, 0x78] as const],
  ...[["ABSENT_CODE", 11, 0x80] as const, ["BEYOND", 10, 0x200] as const],
];

export const taskCases: readonly SystemCase[] = [
  ...GO.map((go) => task(go, go)),
  ...["lcall $TASK_GATE, $0", "lcall $TSS2, $0"].map((go) => user(`task: ${go}`, go)),
  task("INT through a task gate", "int $0x20", {}, gateAt(0x20, 0x85)),
  mend(0x20),
  task("a fault through a task gate", "ud2", {}, gateAt(6, 0x85)),
  mend(6),
  task(
    "a fault with an error code through a task gate",
    "mov $BEYOND, %eax\nmov %ax, %es",
    {},
    gateAt(13, 0x85),
  ),
  mend(13),
  task("to the task that runs", "ljmp $TSS, $0"),
  task("to a busy task", CALL, {}, "movb $0x8b, gdt_tss2 + 5"),
  task("to an absent task", CALL, {}, "movb $0x09, gdt_tss2 + 5"),
  task("with too small a segment", CALL, {}, "movw $102, gdt_tss2"),
  one("(mend the limit)", "movw $103, gdt_tss2"),
  one("return to a task that is not busy", "movw $TSS2, tss\npushf\norl $0x4000, (%esp)\npopf\niret"),
  ...Object.entries(SEGMENTS).flatMap(([name, at]) =>
    LOADED.map((selector) => task(`${name} ${selector}`, CALL, { [at]: `$${selector}` })),
  ),
  one("a task of 16 bits", `${fill16}\n${CODE_16}\nlcall $TSS16, $0`),
];

/** Those that QEMU does not get right. */
export const taskFaults: readonly ManualCase[] = [
  ...Object.values(SEGMENTS).flatMap((at) =>
    FAULTS.map(([selector, vector, errorCode]) => ({
      ...task(`${at} ${selector}`, CALL, { [at]: `$${selector}` }),
      outcome: [vector, errorCode] as const,
    })),
  ),
];
