import {
  type DisassembleOptions,
  type IrBuilder,
  instructionGenerator,
  type ParcelSource,
  type Prng,
  type RandomFilter,
  type RandomInstruction,
  wrapperOf,
} from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { A64Builder } from "./lifter.js";
import { armInstructions } from "./table.js";

const LENGTH = 4;

const wrap = wrapperOf((ir) => new A64Builder(ir));

/**
 * Lift the instruction at a page offset, as `GuestCpu.lift` asks: emits it and returns its length in bytes;
 * 0, with nothing emitted, if it cannot be fetched.
 */
export function liftInstruction(
  builder: IrBuilder,
  source: ParcelSource,
  offset: number,
  mode: number,
): number {
  if ((offset & (LENGTH - 1)) !== 0) return liftUnaligned(builder, offset, mode);
  const low = source.u16(offset);
  const high = source.u16(offset + 2);
  if (low < 0 || high < 0) return 0;
  const bits = low | (high << 16);
  const b = wrap(builder);
  b.begin(offset, LENGTH, bits, mode);
  const instruction = armInstructions.find(bits);
  if (instruction === undefined) b.undefined();
  else instruction.lift(b, bits);
  return LENGTH;
}

/** Whatever branched there need not look: what is executed at such an address is its exception. */
function liftUnaligned(builder: IrBuilder, offset: number, mode: number): number {
  const length = LENGTH - (offset & (LENGTH - 1));
  const b = wrap(builder);
  b.begin(offset, length, 0, mode);
  b.callAndDispatch(Helper.pcAlignment);
  return length;
}

/** Assembly text of an instruction at a virtual address, in the manual's syntax. */
export function disassemble(bits: number, pc: bigint, options?: DisassembleOptions): string {
  return armInstructions.disassemble(bits, pc, 32, options);
}

/** Assembly text of the instruction at a page offset, as `GuestCpu.disassemble` asks. */
export function disassembleAt(source: ParcelSource, offset: number, pc: bigint): string {
  return disassemble(source.u16(offset) | (source.u16(offset + 2) << 16), pc);
}

/** A random instruction. For many with one filter, `instructionGenerator(armInstructions, filter)` is cheaper. */
export function randomInstruction(prng: Prng, filter?: RandomFilter): RandomInstruction {
  return instructionGenerator(armInstructions, filter)(prng);
}
