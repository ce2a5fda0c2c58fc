import type { Value } from "@hypercraft/engine";
import { type A64Builder, a64 } from "./lifter.js";

// CRC32 (FEAT_CRC32): bit by bit, with the bits reflected, as the manual's polynomials are.

const { insn } = a64("CRC32");

const CRC32 = 0xedb88320;
const CRC32C = 0x82f63b78;

function reduce({ i32 }: A64Builder, start: Value, polynomial: number, bits: number): Value {
  let crc = start;
  for (let i = 0; i < bits; i++) {
    const mask = i32.sub(i32.const(0), i32.and(crc, i32.const(1)));
    crc = i32.xor(i32.shr_u(crc, i32.const(1)), i32.and(mask, i32.const(polynomial | 0)));
  }
  return crc;
}

/** What of a message of up to 32 bits stays behind after they are shifted in is the accumulator's upper part. */
function accumulate(b: A64Builder, crc: Value, data: Value, polynomial: number, bits: number): Value {
  const { i32 } = b;
  const low = bits === 32 ? data : i32.and(data, i32.const(2 ** bits - 1));
  return reduce(b, i32.xor(crc, low), polynomial, bits);
}

const lifting = (polynomial: number, bits: number) => (b: A64Builder, o: Operands) => {
  const crc = accumulate(b, b.w(o.wn), b.w(o.wm), polynomial, bits);
  b.setW(o.wd, crc);
};

type Operands = { wd: number; wn: number; wm: number };

const declare = (name: string, c: "0" | "1", polynomial: number) => [
  ...(["b", "h", "w"] as const).map((size, i) =>
    insn(
      `00011010110 wm:5 010 ${c} ${["00", "01", "10"][i] as "00"} wn:5 wd:5` as `wm:1 wn:1 wd:1`,
      `${name}${size} wd, wn, wm`,
      lifting(polynomial, 8 << i),
    ),
  ),
  insn(
    `10011010110 xm:5 010 ${c} 11 wn:5 wd:5` as `xm:1 wn:1 wd:1`,
    `${name}x wd, wn, xm`,
    (b, { wd, wn, xm }) => {
      const low = accumulate(b, b.w(wn), b.w(xm), polynomial, 32);
      const high = b.i32.wrap_i64(b.i64.shr_u(b.x(xm), b.i64.const(32)));
      b.setW(wd, accumulate(b, low, high, polynomial, 32));
    },
  ),
];

export const crc32 = [...declare("crc32", "0", CRC32), ...declare("crc32c", "1", CRC32C)];
