import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { SEGMENTS, Seg, X87 } from "../cpu/state.js";
import { packRequest, REAL_MODE_IMAGE, type X87Request, X87Source } from "../cpu/x87/operations.js";
import { shortcutNumber } from "../cpu/x87/shortcuts/index.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";

// What the floating-point instructions share: when they may be executed, what they note, and how the unit is called.
// SDM volume 1, 8.1.8, 8.6 and 8.7.

export type Lift = (b: X86Builder) => void;

/** The status word's summary of exceptions that are not masked. */
const ERROR_SUMMARY = 0x80;

/** What keeps an instruction from being executed; false if that is certain. */
function available(b: X86Builder, waiting: boolean): boolean {
  const { mode, ir, i32 } = b;
  if (mode.emulated || mode.taskSwitched) {
    b.raise(Vector.NM);
    return false;
  }
  if (waiting) b.raiseIf(i32.and(ir.get(X87.status), i32.const(ERROR_SUMMARY)), Vector.MF);
  return true;
}

/** FWAIT: only a task switch with CR0.MP counts. */
export function wait(b: X86Builder): void {
  const { mode, ir, i32 } = b;
  if (mode.monitored && mode.taskSwitched) return b.raise(Vector.NM);
  b.raiseIf(i32.and(ir.get(X87.status), i32.const(ERROR_SUMMARY)), Vector.MF);
}

const declare =
  (feature: string, waiting: boolean) =>
  (
    text: string,
    encoding: string,
    lift: Lift,
    options: InstructionOptions = {},
  ): X86Declaration<X86Builder> =>
    x86(feature)(text, encoding, (b) => available(b, waiting) && lift(b), options);

/** Declares an instruction that raises what waits to be raised. */
export const waiting = declare("x87", true);
/** Declares one that does not. */
export const nonWaiting = declare("x87", false);
/** The same with another CPUID feature. */
export const nonWaitingOf = (feature: string) => declare(feature, false);

/** Note the instruction, and its memory operand if there is one: for everything but control instructions. */
export function note(b: X86Builder, memory: boolean): void {
  const { ir, i64, i32, d, mode } = b;
  const linear = ir.pc(b.offset);
  const base = mode.bits === 64 || mode.flat ? null : ir.get(SEGMENTS[Seg.cs]!.base);
  ir.set(X87.instruction, base === null ? linear : b.zeroExtended(4, i64.sub(linear, base)));
  ir.set(X87.instructionSegment, ir.get(SEGMENTS[Seg.cs]!.selector));
  const modrm = (d.mod << 6) | ((d.reg & 7) << 3) | (d.rm & 7);
  ir.set(X87.opcode, i32.const(((d.opcode & 7) << 8) | modrm));
  if (!memory) return;
  ir.set(X87.data, b.effectiveAddress());
  ir.set(X87.dataSegment, ir.get(SEGMENTS[b.segmentOf()]!.selector));
}

/** Have the unit do something. */
export function operate(
  b: X86Builder,
  request: Partial<X87Request> & Pick<X87Request, "op">,
  x?: Value,
  y?: Value,
): void {
  const packed = packRequest({ ...request, length: b.d.length });
  const shortcut = shortcutNumber(request.op, request.source ?? X87Source.register);
  if (shortcut === undefined) b.ir.call(Helper.x87, packed, x, y);
  else b.ir.shortcut(shortcut, Helper.x87, packed, x, y);
}

/** As real mode has images. */
export const realMode = ({ mode }: X86Builder): number =>
  mode.protectedMode && !mode.virtual8086 ? 0 : REAL_MODE_IMAGE;

/** The pieces of an image's eight bytes: their offsets in them and sizes. */
function pieces(bytes: number, word: number): readonly (readonly [offset: number, size: 8 | 4 | 2])[] {
  const left = bytes - 8 * word;
  if (left >= 8) return [[0, 8]];
  if (left === 2) return [[0, 2]];
  return left === 4
    ? [[0, 4]]
    : [
        [0, 4],
        [4, 2],
      ];
}

/** Linear address of the memory operand, of a size that its type does not say. */
export const wholeAddress = (b: X86Builder, bytes: number, write: boolean): Value =>
  b.inSegment(b.segmentOf(), b.effectiveAddress(), bytes, write);

/** Give an image's bytes to the unit. */
export function putImage(b: X86Builder, address: Value, bytes: number): void {
  const { ir, i64 } = b;
  for (let word = 0; 8 * word < bytes; word++) {
    let value: Value | null = null;
    for (const [offset, size] of pieces(bytes, word)) {
      const part = b.load(size, false, i64.add(address, i64.const(8 * word + offset)));
      value = value === null ? part : i64.or(value, i64.shl(part, i64.const(8 * offset)));
    }
    ir.call(Helper.x87PutImageWord, word << 4, value as Value);
  }
}

/** Store an image's bytes, which have been probed. */
export function storeImage(b: X86Builder, image: number, address: Value, bytes: number): void {
  const { ir, i64 } = b;
  for (let word = 0; 8 * word < bytes; word++) {
    const value = ir.call(Helper.x87ImageWord, image | (word << 4));
    for (const [offset, size] of pieces(bytes, word))
      b.store(
        size,
        i64.add(address, i64.const(8 * word + offset)),
        offset === 0 ? value : i64.shr_u(value, i64.const(8 * offset)),
      );
  }
}
