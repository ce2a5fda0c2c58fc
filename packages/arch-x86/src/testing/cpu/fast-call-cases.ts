import type { SystemCase } from "./programs/case.js";
import { atRing3Of64, one, user64 } from "./system-programs.js";

// SYSCALL and SYSRET.

const STAR = `mov $0xc0000081, %ecx\nmov $0, %eax\nmov $0x00330008, %edx\nwrmsr
  mov $0xc0000082, %ecx\nmov $gate_entry, %eax\nxor %edx, %edx\nwrmsr
  mov $0xc0000084, %ecx\nmov $0x4ed5, %eax\nwrmsr
  mov $0x174, %ecx\nmov $8, %eax\nwrmsr
  mov $0x175, %ecx\nmov $ring1_stack, %eax\nwrmsr
  mov $0x176, %ecx\nmov $gate_entry, %eax\nwrmsr\n`;
const STEPPED = atRing3Of64("push $0x302\npopfq\nsyscall");

export const fastCalls: readonly SystemCase[] = [
  one("syscall", `${STAR}\nmov $0x3333333333333333, %rcx\nsyscall`),
  one("user: syscall", `${STAR}\n${atRing3Of64("push $0x4ed7\npopfq\nsyscall")}`),
  one("sysretq", `${STAR}\nmov $gate_entry, %ecx\nmov $0x246, %r11d\nsysretq`),
  one("sysretq with all flags", `${STAR}\nmov $gate_entry, %ecx\nmov $0x247ed7, %r11d\nsysretq`),
  one("sysretl", `${STAR}\nmov $gate_entry, %ecx\nmov $0x246, %r11d\nsysretl`),
  user64("sysretq", "sysretq"),
  // Steps: what counts is TF as they leave it.
  one("sysretq, stepping", `${STAR}\nmov $gate_entry, %ecx\nmov $0x346, %r11d\nsysretq`),
  one("syscall, stepping", `${STAR}\n${STEPPED}`),
  one(
    "syscall, stepping masked",
    `${STAR}\nmov $0xc0000084, %ecx\nmov $0x4fd5, %eax\nxor %edx, %edx\nwrmsr
    ${STEPPED}`,
  ),
  one(
    "compatible: syscall",
    `${STAR}\nmov $0xc0000083, %ecx\nmov $gate_entry, %eax\nxor %edx, %edx\nwrmsr
    mov $8f, %eax\njmp to_compatible\n.code32\n8: syscall\nint $0x31\n.code64`,
  ),
  // The frame's tables have 64-bit code behind 32-bit code and data, as SYSRET wants it; SYSEXIT's would be elsewhere.
];
