import { le } from "../code-bytes.js";
import type { X86Vm } from "./rig.js";

// Tables for guests in 64-bit mode, whose handlers tell by a hypercall which vector it was.

const GDT = 0x4000;
const IDT = 0x5000;
const HANDLERS = 0x6000;
const HANDLER_SIZE = 16;
const POINTERS = 0x3000;
const CODE_SELECTOR = 8;

/** Added to the vector, the number of a handler's hypercall; what it finds on its stack is where RSP is. */
export const VECTOR_CALL = 0x1000;

/** `lgdt; lidt`: for a guest to begin with. */
export const LOAD_TABLES: readonly number[] = [
  ...[0x0f, 0x01, 0x14, 0x25, ...le(POINTERS)],
  ...[0x0f, 0x01, 0x1c, 0x25, ...le(POINTERS + 16)],
];

/** Flat code and data, and a handler for every vector, behind whose call IRETQ is. */
export function writeVectors({ memory }: X86Vm): void {
  memory?.writeU64(GDT + CODE_SELECTOR, 0x00af_9b00_0000_ffffn);
  memory?.writeU64(GDT + 2 * CODE_SELECTOR, 0x00cf_9300_0000_ffffn);
  for (let vector = 0; vector < 256; vector++) {
    const handler = HANDLERS + HANDLER_SIZE * vector;
    const gate = (BigInt(handler >>> 16) << 48n) | 0x8e00_0000_0000n;
    memory?.writeU64(IDT + 16 * vector, gate | BigInt(CODE_SELECTOR << 16) | BigInt(handler & 0xffff));
    // mov eax, VECTOR_CALL + vector; vmcall; iretq
    memory?.write(handler, Uint8Array.from([0xb8, ...le(VECTOR_CALL + vector), 0x0f, 1, 0xc1, 0x48, 0xcf]));
  }
  for (const [i, base] of [GDT, IDT].entries()) {
    memory?.writeU16(POINTERS + 16 * i, 0xfff);
    memory?.writeU64(POINTERS + 16 * i + 2, BigInt(base));
  }
}
