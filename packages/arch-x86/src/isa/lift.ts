import { type CodeSource, type IrBuilder, wrapperOf } from "@hypercraft/engine";
import { type CodeMode, modeOf } from "../cpu/mode.js";
import { Decoded } from "./decoded.js";
import type { DecodeMode } from "./decoder.js";
import { Vector, X86Builder } from "./lifter.js";
import { x86Decoder } from "./table.js";
import { textOf } from "./text.js";

const wrap = wrapperOf((ir) => new X86Builder(ir));

/**
 * Lift the instruction at a page offset, as `GuestCpu.lift` asks: emits it and returns its length in bytes;
 * 0, with nothing emitted, if it cannot be fetched.
 */
export function liftInstruction(
  builder: IrBuilder,
  source: CodeSource,
  offset: number,
  mode: number,
): number {
  const b = wrap(builder);
  const result = x86Decoder.decode(b.d, (at) => source.u8(offset + at), modeOf(mode));
  if (result === "unfetched") return 0;
  if (result === "tooLong") b.d.length = 15;
  b.beginDecoded(offset, mode);
  if (result === "ok") b.d.instruction?.lift(b as never);
  else if (result === "tooLong") b.raise(Vector.GP, 0);
  else b.undefined();
  return b.d.length;
}

const shown = new Decoded();

/** One instruction as text in Intel's syntax, and its length. `ip` is its offset in CS. */
export function disassemble(
  bytes: (offset: number) => number,
  ip: bigint,
  mode: DecodeMode,
): { readonly text: string; readonly length: number } {
  const result = x86Decoder.decode(shown, bytes, mode);
  if (result !== "ok") return { text: "(bad)", length: Math.max(1, shown.length) };
  return { text: textOf(shown, ip), length: shown.length };
}

/** Assembly text of the instruction at a page offset. */
export function disassembleAt(source: CodeSource, offset: number, ip: bigint, mode: number): string {
  const codeMode: CodeMode = modeOf(mode);
  return disassemble((at) => source.u8(offset + at), ip, codeMode).text;
}
