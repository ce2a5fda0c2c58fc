// The descriptor table that all system programs have.

/** Selectors of the frame's descriptor table. */
export const SELECTORS = `
  .equ CODE32, 0x08
  .equ DATA32, 0x10
  .equ CODE64, 0x18
  .equ CODE16, 0x20
  .equ DATA16, 0x28
  .equ USER_CODE32, 0x33
  .equ USER_DATA32, 0x3b
  .equ USER_CODE64, 0x43
  .equ TSS, 0x48
  .equ TSS_HIGH, 0x50
  .equ LDT, 0x58
  .equ LDT_HIGH, 0x60
  .equ CONFORMING, 0x68
  .equ DOWN, 0x70
  .equ ABSENT_DATA, 0x78
  .equ ABSENT_CODE, 0x80
  .equ READ_ONLY, 0x88
  .equ EXECUTE_ONLY, 0x90
  .equ GATE, 0x98
  .equ GATE_HIGH, 0xa0
  .equ GATE_INNER, 0xab
  .equ GATE_INNER_HIGH, 0xb0
  .equ GATE16, 0xb8
  .equ SMALL, 0xc0
  .equ RING1_CODE, 0xc9
  .equ RING1_DATA, 0xd1
  .equ GATE_RING1, 0xdb
  .equ TSS16, 0xe0
  .equ USER_CONFORMING, 0xeb
  .equ RING1_LIKE, 0xf0
  .equ TASK_GATE, 0xf8
  .equ TSS2, 0x100
  .equ BEYOND, 0x200
`;

const word = (low: number, high: number): string =>
  `.long 0x${(low >>> 0).toString(16)}, 0x${(high >>> 0).toString(16)}`;
export const flat = (rights: number): string => word(0xffff, 0x00cf_0000 | (rights << 8));

/** The descriptors behind the selectors; gates and system segments are filled in by the frame. */
export const DESCRIPTORS = [
  ...["gdt:", word(0, 0), flat(0x9b), flat(0x93)],
  // Flat code of 64 bits, and segments of 16.
  ...[word(0xffff, 0x00af_9b00), word(0xffff, 0x008f_9b00), word(0xffff, 0x000f_9300)],
  ...[flat(0xfb), flat(0xf3), word(0xffff, 0x00af_fb00)],
  ...["gdt_tss:", word(0, 0), word(0, 0), "gdt_ldt:", word(0, 0), word(0, 0)],
  // Conforming code; data that grows down from 4 GiB to 64 KiB; absent data and code; what cannot be written or read.
  ...[flat(0x9f), word(0x000f, 0x00c0_9700), flat(0x13), flat(0x1b), flat(0x91), flat(0x99)],
  ...["gdt_gate:", word(0, 0), word(0, 0), "gdt_gate_inner:", word(0, 0), word(0, 0)],
  ...["gdt_gate16:", word(0, 0)],
  // 256 bytes; ring 1; a gate to it.
  ...[word(0x00ff, 0x0040_9300), flat(0xbb), flat(0xb3), "gdt_gate_ring1:", word(0, 0)],
  ...["gdt_tss16:", word(0, 0), flat(0xff), flat(0xb3), "gdt_task_gate:", word(0, 0)],
  ...["gdt_tss2:", word(0, 0), word(0, 0), "gdt_end:"],
].join("\n");

/** Put the base of `label` in a system descriptor at `at`. Changes EAX. */
export const systemDescriptor = (
  at: string,
  label: string,
  limit: number | string,
  rights: number,
): string => `
  mov $${label}, %eax
  movw $${limit}, ${at}
  mov %ax, ${at} + 2
  shr $16, %eax
  mov %al, ${at} + 4
  movb $${rights}, ${at} + 5
  movb $0, ${at} + 6
  mov %ah, ${at} + 7
`;

/** A gate at `at`. Changes EAX. */
export const gateDescriptor = (
  at: string,
  label: string,
  selector: string,
  rights: number,
  parameters = 0,
): string => `
  mov $${label}, %eax
  mov %ax, ${at}
  movw $${selector}, ${at} + 2
  movb $${parameters}, ${at} + 4
  movb $${rights}, ${at} + 5
  shr $16, %eax
  mov %ax, ${at} + 6
`;
