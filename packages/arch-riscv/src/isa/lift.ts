import {
  type DisassembleOptions,
  type EncodingWidth,
  type IrBuilder,
  instructionGenerator,
  type ParcelSource,
  type Prng,
  type RandomFilter,
  type RandomInstruction,
  wrapperOf,
} from "@hypercraft/engine";
import { RiscvBuilder } from "./lifter.js";
import { riscvInstructions } from "./table.js";

/** Length of the instruction that begins with these 16 bits. Longer formats than 32 bits do not exist here. */
function widthOf(bits: number): EncodingWidth {
  return (bits & 3) === 3 ? 32 : 16;
}

const wrap = wrapperOf((ir) => new RiscvBuilder(ir));

/**
 * Lift the instruction at a page offset, as `GuestCpu.lift` asks: emits it and returns its length in bytes;
 * 0, with nothing emitted, if its second half cannot be fetched.
 */
export function liftInstruction(
  builder: IrBuilder,
  source: ParcelSource,
  offset: number,
  mode: number,
): number {
  let bits = source.u16(offset);
  if (bits < 0) return 0;
  const width = widthOf(bits);
  if (width === 32) {
    const high = source.u16(offset + 2);
    if (high < 0) return 0;
    bits |= high << 16;
  }
  const length = width / 8;
  const b = wrap(builder);
  b.begin(offset, length, bits, mode);
  const instruction = riscvInstructions.find(bits, width);
  if (instruction === undefined) b.illegal();
  else instruction.lift(b, bits);
  return length;
}

/**
 * Assembly text of an instruction at a virtual address, in the style of binutils. Only the low 16 bits of a
 * compressed instruction count.
 */
export function disassemble(bits: number, pc: bigint, options?: DisassembleOptions): string {
  const width = widthOf(bits);
  return riscvInstructions.disassemble(width === 16 ? bits & 0xffff : bits, pc, width, options);
}

/** Assembly text of the instruction at a page offset, as `GuestCpu.disassemble` asks. */
export function disassembleAt(source: ParcelSource, offset: number, pc: bigint): string {
  const first = source.u16(offset);
  return disassemble(widthOf(first) === 16 ? first : first | (source.u16(offset + 2) << 16), pc);
}

/** A random legal instruction. For many with one filter, `instructionGenerator(riscvInstructions, filter)` is cheaper. */
export function randomInstruction(prng: Prng, filter?: RandomFilter): RandomInstruction {
  return instructionGenerator(riscvInstructions, filter)(prng);
}
