import type { Prng } from "@hypercraft/engine";
import { encode, rmKind } from "../isa/encode.js";
import { x86Instructions } from "../isa/table.js";
import { assemble, DATA_BYTES } from "./user-program.js";
import {
  type CaseSource,
  displacement,
  immediate,
  isVector,
  memory,
  POINTERS,
  type Row,
  range,
  startState,
  type Unit,
  writable,
} from "./user-sequences.js";

// Random sequences of instructions on MMX and XMM registers, on numbers of all kinds, in all modes of MXCSR.

const rows = (x86Instructions as readonly Row[]).filter((row) => isVector(row) && row.options.in64 !== "not");

/** What other processors approximate in their own way, and what needs operands of its own. */
const APPROXIMATE = /^r(cp|sqrt)[ps]s/;
/** Are its results the same everywhere, whatever the registers hold? */
export const isComparable = ({ name }: Row): boolean =>
  !APPROXIMATE.test(name) && !name.startsWith("maskmov");
const plain = rows.filter(isComparable);

/** The instructions that random programs can compare. */
export const testedNames = rows.map(({ name }) => name).filter((name) => !APPROXIMATE.test(name));

const RDI = 7;

const f64Bits = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0] as bigint;
const f32Bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0] as number;

const NUMBERS = [
  0,
  1,
  1.5,
  2,
  3,
  0.5,
  1 / 3,
  4.5,
  7.5,
  65536,
  2 ** 31,
  2 ** 31 - 1,
  2 ** 31 - 0.5,
  2 ** 32,
  2 ** 63,
];
const DOUBLES = [
  ...NUMBERS.map(f64Bits),
  ...[1n, 2n, 0x000f_ffff_ffff_ffffn, 0x0010_0000_0000_0000n, 0x0010_0000_0000_0001n, 0x0020_0000_0000_0000n],
  ...[0x7fef_ffff_ffff_ffffn, 0x7fe0_0000_0000_0000n, 0x7ff0_0000_0000_0000n],
  // NaNs: quiet and signaling.
  ...[0x7ff8_0000_0000_0000n, 0x7ff8_0000_1234_5678n, 0x7ff0_0000_0000_0001n, 0x7ff4_dead_beef_0000n],
  // Where singles end.
  ...[2 ** -126, 2 ** -127, 2 ** -149, 2 ** -150, 2 ** -151, 2 ** 128, 2 ** 127 * 1.9999999999].map(f64Bits),
  f64Bits(2 ** 31 - 2 ** -21),
  f64Bits(-(2 ** 31) - 0.5),
];
const SINGLES = [
  ...NUMBERS.map(f32Bits),
  ...[1, 2, 0x7f_ffff, 0x80_0000, 0x80_0001, 0x100_0000, 0x7f7f_ffff, 0x7f00_0000, 0x7f80_0000],
  ...[0x7fc0_0000, 0x7fc0_1234, 0x7f80_0001, 0x7fa5_a5a5],
];

/** Eight bytes of few kinds, as strings to compare have them; every fourth is zero. */
const text = (prng: Prng): bigint =>
  prng.bits64() & 0x0303_0303_0303_0303n & (prng.oneIn(2) ? -1n : 0x0003n * 0x1_0001_0001_0001n);

/** Eight bytes: a double, two singles, or anything. */
export function number(prng: Prng): bigint {
  const sign = (bits: bigint, at: bigint) => (prng.oneIn(2) ? bits ^ (1n << at) : bits);
  const single = () =>
    prng.oneIn(3)
      ? BigInt((0x3f00_0000 + prng.below(0x100_0000)) >>> 0)
      : sign(BigInt(prng.pick(SINGLES) as number), 31n);
  switch (prng.below(6)) {
    case 5:
      return text(prng);
    case 0:
      return prng.bits64();
    case 1:
      return sign(0x3fe0_0000_0000_0000n + (prng.bits64() & 0x3f_ffff_ffff_ffffn), 63n);
    case 2:
      return sign(prng.pick(DOUBLES) as bigint, 63n);
    default:
      return single() | (single() << 32n);
  }
}

const FLUSH_TO_ZERO = 1 << 15;
const DENORMALS_ARE_ZERO = 1 << 6;

/** Everything masked, any rounding, any flags. */
function mxcsr(prng: Prng): bigint {
  const flush = prng.oneIn(3) ? FLUSH_TO_ZERO : 0;
  const zeros = prng.oneIn(3) ? DENORMALS_ARE_ZERO : 0;
  const flags = prng.oneIn(3) ? prng.below(64) : 0;
  return BigInt(0x1f80 | (prng.below(4) << 13) | flush | zeros | flags);
}

export const isAligned = ({ operands, options }: Row): boolean =>
  options.unaligned !== true &&
  operands.some(({ place, size }) => /^(xmmRm|memory)$/.test(place) && size === 16);

/** An instruction with random operands. */
function random(prng: Prng, row: Row): readonly number[] {
  const kind = rmKind(row);
  const inMemory = kind === "memory" || (kind === "both" && prng.oneIn(3));
  const isGeneral = (pattern: RegExp) => row.operands.some(({ place }) => pattern.test(place));
  const register = (general: boolean) => (general ? prng.pick(writable) : prng.below(16));
  const choices = {
    operandSize: prng.pick([4, 8] as const),
    reg: register(isGeneral(/^reg$/)),
    immediates: [prng.oneIn(3) ? prng.below(16) : immediate(prng)],
  };
  if (!inMemory) return encode(row, { ...choices, rm: register(isGeneral(/^(rm|register)$/)) });
  if (isAligned(row)) {
    const rm = { base: prng.pick(POINTERS), displacement: 16 * (prng.below(180) - 90) };
    return encode(row, { ...choices, rm });
  }
  const { before, operand } = memory(prng);
  return [...before, ...encode(row, { ...choices, rm: operand })];
}

const any: Unit = (prng) => random(prng, prng.pick(plain));

/** Numbers for registers that have become NaNs. */
const refresh: Unit = (prng) => {
  const rm = { base: prng.pick(POINTERS), displacement: 8 * (prng.below(360) - 180) };
  const row = prng.pick(["movups Vps, Wps", "movups Vps, Wps", "movsd Vsd, Wsd", "movq Pq, Qq"]);
  return assemble(row, { reg: prng.below(16), rm });
};

const masked: Unit = (prng) => {
  const row = prng.pick(rows.filter(({ name }) => name.startsWith("maskmov")));
  const rm = { base: prng.pick(POINTERS), displacement: displacement(prng) };
  return [
    ...assemble("lea Gv, M", { operandSize: 8, reg: RDI, rm }),
    ...encode(row, { reg: prng.below(16), rm: prng.below(16) }),
  ];
};

/** Comparisons of strings, of lengths near a register's. */
const strings: Unit = (prng) => {
  const length = (register: number) =>
    assemble("mov Zv, Iv", {
      operandSize: 8,
      opcodeRegister: register,
      immediates: [prng.oneIn(8) ? prng.bits64() : prng.below(40) - 20],
    });
  const row = prng.pick(rows.filter(({ name }) => name.startsWith("pcmp") && /str[im] /.test(name)));
  return [...length(0), ...length(2), ...random(prng, row)];
};

/** A comparison and what depends on it. */
const deciding: Unit = (prng) => {
  const code = prng.below(16).toString(16).toUpperCase();
  const row = prng.pick(rows.filter(({ name }) => /^u?comis/.test(name)));
  const reg = prng.pick(writable);
  const name = prng.pick([`cmov ${code}`, `set ${code}`]);
  return [
    ...random(prng, row),
    ...assemble(name, { operandSize: 8, reg, rm: prng.pick(writable), rex: true }),
  ];
};

const UNITS: readonly Unit[] = [
  ...range(1, 12).map(() => any),
  ...[refresh, refresh, refresh, refresh, masked, strings, deciding],
];

export function start(prng: Prng, record: number) {
  const data = new BigUint64Array(DATA_BYTES / 8).map(() => number(prng));
  return {
    ...startState(prng, record),
    mxcsr: mxcsr(prng),
    xmm: range(0, 31).map(() => number(prng)),
    mmx: range(0, 7).map(() => number(prng)),
    data: new Uint8Array(data.buffer),
  };
}

/** Programs of vectors. */
export const VECTOR_CASES: CaseSource = { start, units: UNITS };
