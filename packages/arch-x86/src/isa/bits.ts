import type { Value } from "@hypercraft/engine";
import type { X86Declaration } from "./declaration.js";
import { Flag } from "./flags.js";
import { type X86Builder, x86 } from "./lifter.js";

// Single bits, searches for them, and counts: BT, BTS, BTR, BTC, BSF, BSR, POPCNT, LZCNT, TZCNT, BSWAP, MOVBE, CRC32.

const insn = x86("base");

type Change = (b: X86Builder, value: Value, bit: Value) => Value;

const CHANGES: readonly (readonly [name: string, group: number, change: Change | null])[] = [
  ["bt", 4, null],
  ["bts", 5, (b, value, bit) => b.i64.or(value, bit)],
  ["btr", 6, (b, value, bit) => b.i64.and(value, b.i64.xor(bit, b.i64.const(-1)))],
  ["btc", 7, (b, value, bit) => b.i64.xor(value, bit)],
];
const TESTED = { undefinedFlags: Flag.OF | Flag.SF | Flag.AF | Flag.PF };

/** A bit of the first operand by the second one; in memory a register's bits count on from there. */
const testing =
  (change: Change | null) =>
  (b: X86Builder): void => {
    const { i64 } = b;
    const bytes = b.bytes(0);
    const number = b.signed(1);
    const within = i64.and(number, i64.const(8 * bytes - 1));
    const far = b.isMemory(0) && b.d.instruction?.operands[1]?.place === "reg";
    if (far)
      b.moveAddress(i64.shl(i64.shr_s(number, i64.const(bitShift(bytes))), i64.const(bitShift(bytes) - 3)));
    const value = b.raw(0, change !== null);
    if (change !== null) b.write(0, change(b, value, i64.shl(i64.const(1), within)));
    b.flags.carryOnly(i64.and(i64.shr_u(value, within), i64.const(1)));
  };

/** log2 of the bits of an operand. */
const bitShift = (bytes: number): number => 3 + Math.log2(bytes);

const tests = CHANGES.flatMap(([name, group, change]) => {
  const options = change === null ? TESTED : { ...TESTED, lock: true };
  const opcode = (0x83 + 8 * group).toString(16).toUpperCase();
  return [
    insn(`${name} Ev, Gv`, `0F ${opcode} /r`, testing(change), options),
    insn(`${name} Ev, Ib`, `0F BA /${group}`, testing(change), options),
  ];
});

const SEARCHED = { undefinedFlags: Flag.CF | Flag.OF | Flag.SF | Flag.AF | Flag.PF };

/** BSF and BSR leave the destination as it is if there is no bit. */
const scanning =
  (forward: boolean) =>
  (b: X86Builder): void => {
    const { i64, i32 } = b;
    const source = b.unsigned(1);
    const found = forward ? i64.ctz(source) : i64.sub(i64.const(63), i64.clz(source));
    b.setGprIf(i32.eqz(i64.eqz(source)), b.register(0), b.bytes(0), found);
    b.flags.logic(8, source);
  };

/** LZCNT and TZCNT give the operand's size if there is no bit, and set CF. */
const counting =
  (forward: boolean) =>
  (b: X86Builder): void => {
    const { i64 } = b;
    const bits = 8 * b.bytes(1);
    const source = b.unsigned(1);
    // A bit beyond the operand ends the search.
    const guarded = bits === 64 ? source : i64.or(source, i64.pair(...guard(bits)));
    const result = forward ? i64.ctz(guarded) : i64.sub(i64.clz(source), i64.const(64 - bits));
    b.write(0, result);
    b.flags.partial(result, i64.extend_i32_u(i64.eqz(source)));
  };

const guard = (bits: number): [low: number, high: number] => (bits === 32 ? [0, 1] : [2 ** bits, 0]);

const populationCount = (b: X86Builder): void => {
  const { i64, ir } = b;
  const source = b.unsigned(1);
  b.write(0, i64.popcnt(source));
  b.flags.explicit(ir.select(i64.eqz(source), i64.const(Flag.ZF), i64.const(0)));
};

/** The bytes of an operand in reverse. */
function reversed(b: X86Builder, bytes: number, value: Value): Value {
  const { i64 } = b;
  const mask = (low: number, high: number) => i64.pair(low, high);
  const swap = (v: Value, by: number, low: number): Value => {
    const kept = mask(low, low);
    return i64.or(i64.shl(i64.and(v, kept), i64.const(by)), i64.and(i64.shr_u(v, i64.const(by)), kept));
  };
  if (bytes === 2) return swap(b.zeroExtended(2, value), 8, 0x00ff00ff);
  const words = i64.rotl(value, i64.const(32));
  const all = swap(swap(words, 16, 0x0000ffff), 8, 0x00ff00ff);
  return bytes === 8 ? all : i64.shr_u(all, i64.const(32));
}

const byteSwap = (b: X86Builder): void => {
  const bytes = b.bytes(0);
  // Of 16 bits it is undefined, and clears them.
  if (bytes === 2) return b.write(0, b.i64.const(0));
  b.write(0, reversed(b, bytes, b.raw(0)));
};

const moveBigEndian = (b: X86Builder): void => b.write(0, reversed(b, b.bytes(0), b.raw(1)));

/** CRC-32C, the polynomial 11EDC6F41, bits reflected. */
const CRC_POLYNOMIAL = 0x82f63b78;

/** Eight steps at once: the remainder of a byte, by the bits of it that decide about subtractions. */
function crcByte(b: X86Builder, value: Value): Value {
  const { i32 } = b;
  let crc = value;
  for (let bit = 0; bit < 8; bit++) {
    const low = i32.sub(i32.const(0), i32.and(crc, i32.const(1)));
    crc = i32.xor(i32.shr_u(crc, i32.const(1)), i32.and(low, i32.const(CRC_POLYNOMIAL)));
  }
  return crc;
}

const crc32 = (b: X86Builder): void => {
  const { i32, i64 } = b;
  const source = b.unsigned(1);
  let crc = i32.wrap_i64(b.raw(0));
  for (let byte = 0; byte < b.bytes(1); byte++) {
    const next = i32.wrap_i64(i64.and(i64.shr_u(source, i64.const(8 * byte)), i64.const(0xff)));
    crc = crcByte(b, i32.xor(crc, next));
  }
  b.write(0, i64.extend_i32_u(crc));
};

export const bits: readonly X86Declaration<X86Builder>[] = [
  ...tests,
  insn("bsf Gv, Ev", "0F BC /r", scanning(true), SEARCHED),
  insn("bsr Gv, Ev", "0F BD /r", scanning(false), SEARCHED),
  x86("POPCNT")("popcnt Gv, Ev", "F3 0F B8 /r", populationCount),
  x86("BMI1")("tzcnt Gv, Ev", "F3 0F BC /r", counting(true), TESTED),
  x86("LZCNT")("lzcnt Gv, Ev", "F3 0F BD /r", counting(false), TESTED),
  insn("bswap Zv", "0F C8+r", byteSwap),
  x86("MOVBE")("movbe Gv, Mv", "NFx 0F 38 F0 /r", moveBigEndian),
  x86("MOVBE")("movbe Mv, Gv", "NFx 0F 38 F1 /r", moveBigEndian),
  x86("SSE4.2")("crc32 Gy, Eb", "F2 0F 38 F0 /r", crc32),
  x86("SSE4.2")("crc32 Gy, Ev", "F2 0F 38 F1 /r", crc32),
];
