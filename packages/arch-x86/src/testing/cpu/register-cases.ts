import type { SystemCase } from "./programs/case.js";
import { one } from "./system-programs.js";

// Model-specific and control registers in long mode.

/** Model-specific registers that hold addresses; STAR, which holds anything; and PAT. QEMU checks no values. */
const ADDRESS_MSRS = [0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102];
const msrCase = (msr: number, value: string, before: string): SystemCase => {
  const write = (to: string) => `mov $${msr}, %ecx\nmov $${to}, %rax\nmov %rax, %rdx\nshr $32, %rdx\nwrmsr\n`;
  const read = "xor %eax, %eax\nxor %edx, %edx\nrdmsr\nint $0x30\n";
  return one(`wrmsr ${msr.toString(16)} ${value}`, write(value) + read + write(before));
};

const msrs: readonly SystemCase[] = [
  ...ADDRESS_MSRS.flatMap((msr) =>
    ["0x123", "0x7fffffffffff", "0xffff800000000000"].map((value) => msrCase(msr, value, "0")),
  ),
  msrCase(0xc000_0081, "0x8000400020001000", "0"),
  msrCase(0x174, "0x33", "0"),
  msrCase(0x277, "0x0001040600070506", "0x0007040600070406"),
];

const EFER_VALUES = ["0x501", "0xd01", "0xd00"];
const efer = EFER_VALUES.map((value) =>
  one(
    `efer ${value}`,
    `mov $0xc0000080, %ecx\nmov $${value}, %rax\nmov %rax, %rdx\nshr $32, %rdx\nwrmsr\nrdmsr\nint $0x30\nmov $0xc0000080, %ecx\nxor %edx, %edx\nmov $0xd01, %eax\nwrmsr`,
  ),
);

const CR0_VALUES = ["0x80010031", "0x80000031", "0xe0010031", "0x8001003b", "0x80050033", "0x80010021"];
const cr0 = CR0_VALUES.map((value) =>
  one(
    `cr0 ${value}`,
    `mov $${value}, %rax\nmov %rax, %cr0\nmov %cr0, %rax\nint $0x30\nmov $0x80010031, %eax\nmov %rax, %cr0`,
  ),
);

const CR4_VALUES = ["0x620", "0x6a0", "0x630"];
const cr4 = CR4_VALUES.map((value) =>
  one(
    `cr4 ${value}`,
    `mov $${value}, %rax\nmov %rax, %cr4\nmov %cr4, %rax\nmov $0x620, %ebx\nmov %rbx, %cr4\nint $0x30`,
  ),
);

export const registers = [...msrs, ...efer, ...cr0, ...cr4];
