import { markOf, type SystemCase } from "./case.js";
import { gateDescriptor } from "./descriptors.js";

// The handlers of interrupts and exceptions, and the cases that may end in them.

const hasErrorCode = (vector: number): boolean =>
  vector === 8 || (vector >= 10 && vector <= 14) || vector === 17 || vector === 21;

export const VECTORS = 0x32;
/** User code may call these. */
const OPEN_VECTORS = [3, 4, 0x30, 0x31];

export const stubs = (bits: 32 | 64): string =>
  Array.from({ length: VECTORS }, (_, vector) => {
    const placeholder = hasErrorCode(vector) ? "" : "push $0x7777\n";
    return `.align 16\nstub_${bits}_${vector}:\n${placeholder}push $${vector}\njmp common_${bits}`;
  }).join("\n");

/** Fill the table of handlers. */
export const fillIdt = (bits: 32 | 64): string =>
  Array.from({ length: VECTORS }, (_, vector) => {
    const rights = OPEN_VECTORS.includes(vector) ? 0xee : 0x8e;
    const at = `idt + ${vector * (bits / 4)}`;
    return gateDescriptor(at, `stub_${bits}_${vector}`, bits === 32 ? "CODE32" : "CODE64", rights);
  }).join("");

/** Let a gate of long mode use an entry of the interrupt stack table. */
export const gateIst = (vector: number, entry: number): string =>
  `movb $${entry}, idt + ${vector * 16} + 4\n`;

export const cases = (list: readonly SystemCase[], between: string): string =>
  list
    .map(
      ({ code }, i) => `
  ${between}
  mov $${markOf(i)}, %eax
  call emit
  movl $case_${i}, resume
  call initial
  ${code}
case_${i}:`,
    )
    .join("\n");

/** How every program begins: a stack, no timer of the firmware's, our descriptors. */
export const BEGIN = `
  mov $stack, %esp
  mov $0xff, %al
  out %al, $0x21
  out %al, $0xa1
  lgdt gdtr`;

/** User code may use ports 0 to 7 and 16 on, but not the serial port's neighbours. */
export const IO_MAP = `
io_map: .byte 0, 0xff
  .skip 126
  .byte 0xff
tss_end:`;
