import type { Value } from "@hypercraft/engine";
import type { X86Declaration } from "./declaration.js";
import type { X86Builder } from "./lifter.js";
import {
  type Lift,
  lanesOf,
  read,
  readLow,
  shuffle,
  simd,
  type VectorLanes,
  write,
  zeroVector,
} from "./vector-lifter.js";

// Shifts of packed integers by one count for all lanes, in an operand or an immediate, and of whole XMM registers by
// bytes.

type Name = "shl" | "shr_u" | "shr_s";

/** By a count in the low half of the second operand; too large a one leaves zeros, or signs. */
const byOperand =
  (size: number, name: Name): Lift =>
  (b) => {
    const { ir, i32, i64 } = b;
    const [count, x] = [readLow(b, 1), read(b, 0)];
    const lanes = lanesOf(b, size);
    const beyond = i64.gt_u(count, i64.const(lanes.bits - 1));
    const low = i32.wrap_i64(count);
    const result =
      name === "shr_s"
        ? lanes.op(name, x, ir.select(beyond, i32.const(lanes.bits - 1), low))
        : ir.select(beyond, lanes.zero, lanes.op(name, x, low));
    write(b, 0, result);
  };

const shifted = (lanes: VectorLanes, name: Name, x: Value, count: number): Value =>
  name === "shl" ? lanes.shl(x, count) : lanes.shr(x, count, name === "shr_s");

const byImmediate =
  (size: number, name: Name): Lift =>
  (b) =>
    write(b, 0, shifted(lanesOf(b, size), name, read(b, 0), b.immediate & 0xff));

/** All 16 bytes, up or down. */
const byBytes =
  (up: boolean): Lift =>
  (b) => {
    const count = Math.min(b.immediate & 0xff, 16);
    const x = read(b, 0);
    // Zeros come first, or last.
    const zero = zeroVector(b);
    write(b, 0, up ? shuffle(b, zero, x, (i) => 16 - count + i) : shuffle(b, x, zero, (i) => i + count));
  };

type Row = readonly [name: string, size: number, operation: Name, opcode: string, group: string];

const ROWS: readonly Row[] = [
  ["psrlw", 1, "shr_u", "D1", "71 /2"],
  ["psrld", 2, "shr_u", "D2", "72 /2"],
  ["psrlq", 3, "shr_u", "D3", "73 /2"],
  ["psraw", 1, "shr_s", "E1", "71 /4"],
  ["psrad", 2, "shr_s", "E2", "72 /4"],
  ["psllw", 1, "shl", "F1", "71 /6"],
  ["pslld", 2, "shl", "F2", "72 /6"],
  ["psllq", 3, "shl", "F3", "73 /6"],
];

const mmx = simd("MMX", "mmx");
const sse2 = simd("SSE2");

export const packedShifts: readonly X86Declaration<X86Builder>[] = [
  ...ROWS.flatMap(([name, size, operation, opcode, group]) => [
    mmx(`${name} Pq, Qq`, `NP 0F ${opcode} /r`, byOperand(size, operation)),
    sse2(`${name} Vdq, Wdq`, `66 0F ${opcode} /r`, byOperand(size, operation)),
    mmx(`${name} Nq, Ib`, `NP 0F ${group}`, byImmediate(size, operation)),
    sse2(`${name} Udq, Ib`, `66 0F ${group}`, byImmediate(size, operation)),
  ]),
  sse2("psrldq Udq, Ib", "66 0F 73 /3", byBytes(false)),
  sse2("pslldq Udq, Ib", "66 0F 73 /7", byBytes(true)),
];
