import type { Decoded } from "../isa/decoded.js";
import { x86Decoder } from "../isa/table.js";
import type { X86Cpu } from "./cpu.js";

const PAGE = 4096;

/** Take the instruction at a linear address apart, as a fetch of present code finds it; of length 0 where it finds none. */
export function instructionAt(cpu: X86Cpu, lo: number, hi: number, out: Decoded): void {
  const { bytes } = cpu.core;
  const here = PAGE - (lo & (PAGE - 1));
  const first = cpu.translation.codeOffset(lo, hi);
  let second: number | undefined;
  const byteAt = (offset: number): number => {
    if (offset < here) return first < 0 ? -1 : (bytes[first + offset] as number);
    const next = lo + here;
    second ??= cpu.translation.codeOffset(
      next | 0,
      next > 0x7fff_ffff || (lo < 0 && next >= 0) ? hi + 1 : hi,
    );
    return second < 0 ? -1 : (bytes[second + offset - here] as number);
  };
  const result = x86Decoder.decode(out, byteAt, cpu.decodeMode);
  if (result !== "tooLong" && result !== "unfetched") return;
  out.instruction = undefined;
  out.length = 0;
}
