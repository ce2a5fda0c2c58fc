import type { SystemCase } from "./programs/case.js";
import { compatible, one, user64 } from "./system-programs.js";

// Addresses that are not canonical, and compatibility mode.

const NOT_CANONICAL = "mov $0x8000000000000000, %rbx";
// Those through the stack segment are not here: QEMU tells no stack from other memory.
export const addresses: readonly SystemCase[] = [
  ...["mov (%rbx), %eax", "mov %eax, (%rbx)", "lock incl (%rbx)", "invlpg (%rbx)", "lgdt (%rbx)"],
  ...["fs mov (%rbx), %eax", "movups (%rbx), %xmm0", "mov %rbx, %rsi\nlodsb", "mov %rbx, %rdi\nstosb"],
].flatMap((code) => [
  one(code, `${NOT_CANONICAL}\n${code}`),
  user64(code, `${NOT_CANONICAL}\n${code}`),
  one(`edge: ${code}`, `mov $0x7ffffffffffe, %rbx\n${code}`),
]);

export const compatibleCases = [
  ...[
    "int $0x30",
    "sysenter",
    "mov $0x12345678, %eax\npush %eax\npop %ebx\nint $0x30",
    "ljmp $USER_CODE64, $1f\n.code64\n1: int $0x30",
  ],
  ...[
    "lcall $GATE_INNER, $0",
    "lcall $GATE, $0",
    "mov 0x8000000, %eax",
    "inc %eax\nint $0x30",
    "ud2",
    "pusha\npopa\nint $0x30",
    "pushf\npop %eax\nint $0x30",
  ],
  ...["iret", "lret", "mov %cr0, %eax"],
].map((text) => compatible(text, text));
