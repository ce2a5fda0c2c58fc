import type { Prng } from "@hypercraft/engine";
import { encode, type MemoryChoice, rmKind } from "../isa/encode.js";
import { x86Instructions } from "../isa/table.js";
import { assemble, DATA_BYTES, type X87State } from "./user-program.js";
import {
  type CaseSource,
  memory,
  POINTERS,
  type Row,
  range,
  startState,
  type Unit,
} from "./user-sequences.js";

// Random sequences of floating-point instructions on numbers of all kinds, with all control words. The status word is
// stored behind each instruction; exceptions that are not masked are cleared before they are raised.

const rows = (x86Instructions as readonly Row[]).filter(
  ({ feature, options }) => /^(x87|FXSR|XSAVE)$/.test(feature) && options.in64 !== "not",
);

/** Processors compute them differently. */
const TRANSCENDENTAL = /^(f2xm1|fyl2x|fyl2xp1|fsin|fcos|fsincos|fptan|fpatan)$/;
/** They move whole states. */
const IMAGES = /^(fldenv|frstor|fnstenv|fnsave) /;
const plain = rows.filter(
  ({ name }) => !TRANSCENDENTAL.test(name) && !/^(fwait|fldcw|fx(save|rstor)|x(save|rstor))/.test(name),
);

/** The instructions that random programs can compare. */
export const testedNames = rows.map(({ name }) => name).filter((name) => !TRANSCENDENTAL.test(name));

const SIGNIFICANDS = [
  1n << 63n,
  (1n << 63n) + 1n,
  (1n << 64n) - 1n,
  3n << 62n,
  (3n << 62n) + 1n,
  (1n << 63n) + (1n << 39n),
  (1n << 63n) + (1n << 40n),
  (1n << 63n) + (1n << 10n),
  (1n << 63n) + (1n << 11n),
  (1n << 64n) - (1n << 10n),
  1n,
  (1n << 63n) - 1n,
  1n << 62n,
];
const EXPONENTS = [
  0,
  1,
  2,
  0x7ffe,
  0x7fff,
  16383,
  16383 + 62,
  16383 + 63,
  16383 + 64,
  16383 - 63,
  16383 - 64,
];
/** Where singles and doubles end. */
const LIMITS = [127, 128, -126, -127, -149, -150, 1023, 1024, -1022, -1023, -1074, -1075, 15, 31, 59, 60].map(
  (e) => 16383 + e,
);

/** Any number of 80 bits. */
export function number80(prng: Prng): bigint {
  const sign = prng.oneIn(2) ? 0x8000 : 0;
  const pack = (exponent: number, significand: bigint) =>
    (BigInt((exponent & 0x7fff) | sign) << 64n) | significand;
  const normal = () => prng.bits64() | (1n << 63n);
  const near = () => 16383 + prng.below(130) - 65;
  switch (prng.below(10)) {
    case 0:
      return pack(prng.pick(EXPONENTS), prng.pick(SIGNIFICANDS));
    case 1:
      return pack(prng.pick(EXPONENTS), normal());
    case 2:
      return pack(prng.pick(LIMITS), prng.oneIn(2) ? normal() : prng.pick(SIGNIFICANDS));
    case 3:
      return pack(prng.below(0x8000), normal());
    case 4:
      return pack(prng.oneIn(2) ? 0 : 0x7fff, prng.oneIn(2) ? prng.bits64() : 0n);
    case 5: {
      // A small whole number, perhaps and a half.
      const value = BigInt(1 + prng.below(1 << prng.below(20)));
      const up = BigInt(64 - value.toString(2).length);
      return pack(16383 + 63 - Number(up) - prng.below(3), value << up);
    }
    case 6:
      // Few significant bits.
      return pack(near(), (normal() >> 41n) << 41n);
    default:
      return pack(near(), normal());
  }
}

const f64Bits = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0] as bigint;
const SPECIAL_64 = [
  0n,
  1n,
  0xf_ffff_ffff_ffffn,
  0x10_0000_0000_0000n,
  0x7ff0_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0x7ff8_0000_0000_1234n,
  0x7fef_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];
const SPECIAL_32 = [0, 1, 0x7f_ffff, 0x80_0000, 0x7f80_0000, 0x7f80_0001, 0x7fc0_1234, 0x7f7f_ffff].map(
  BigInt,
);

/** Eight bytes of memory: a double, two singles, integers. */
export function number64(prng: Prng): bigint {
  const single = () =>
    prng.oneIn(3)
      ? (prng.pick(SPECIAL_32) as bigint) | (prng.oneIn(2) ? 0x8000_0000n : 0n)
      : BigInt((0x3e00_0000 + prng.below(0x300_0000) + (prng.oneIn(2) ? 0x8000_0000 : 0)) >>> 0);
  switch (prng.below(6)) {
    case 0:
      return (prng.pick(SPECIAL_64) as bigint) ^ (prng.oneIn(2) ? 1n << 63n : 0n);
    case 1:
      return f64Bits((prng.bits() / 2 ** 16) * (prng.oneIn(2) ? 1 : -1));
    case 2:
      return 0x3fe0_0000_0000_0000n + (prng.bits64() & 0x8030_ffff_ffff_ffffn);
    case 3:
      return BigInt.asUintN(64, BigInt(prng.below(200) - 100));
    case 4:
      return prng.bits64();
    default:
      return single() | (single() << 32n);
  }
}

/** Any rounding and precision; often everything is masked. */
function controlWord(prng: Prng): number {
  const masks = prng.oneIn(2) ? 0x3f : prng.below(64);
  return (prng.below(4) << 10) | (prng.pick([0, 2, 3, 3, 3]) << 8) | 0x40 | masks;
}

function unit87(prng: Prng): X87State {
  const tags = range(0, 7).reduce((sum, i) => sum | (prng.oneIn(6) ? 3 << (2 * i) : 0), 0);
  return {
    control: controlWord(prng),
    // No exceptions, lest they are raised.
    status: prng.below(0x8000) & 0x7f00,
    tags,
    registers: range(0, 7).map(() => number80(prng)),
  };
}

/** Store the status word where nothing is read, and clear exceptions. */
const observe: Unit = (prng) => [
  ...assemble("fnstsw Mw", { rm: { base: prng.pick(POINTERS), displacement: 2 * (prng.below(1000) - 500) } }),
  ...assemble("fnclex"),
];

/** MOV word [memory], constant; FLDCW. */
const control: Unit = (prng) => load(prng, controlWord(prng));

function load(prng: Prng, word: number): readonly number[] {
  const rm = { base: prng.pick(POINTERS), displacement: 2 * (prng.below(1000) - 500) };
  return [
    ...assemble("mov Ev, Iz", { operandSize: 2, rm, immediates: [word] }),
    ...assemble("fldcw Mw", { rm }),
  ];
}

const COMPARISON = /^(fi?com|fucom|ftst)/;
const INVALID = 1;
const DENORMAL = 2;

/**
 * Processors of other makers set condition codes and flags even if a comparison is invalid and that is not masked, and
 * leave C1 where the manual clears it: IE and DE are masked and C1 is cleared before comparisons.
 */
const beforeComparison: Unit = (prng) => [
  ...load(prng, controlWord(prng) | INVALID | DENORMAL),
  ...assemble("fincstp"),
  ...assemble("fdecstp"),
];

/** An instruction with random operands. */
function random(prng: Prng, row: Row): readonly number[] {
  return [...(COMPARISON.test(row.name) ? beforeComparison(prng) : []), ...operation(prng, row)];
}

function operation(prng: Prng, row: Row): readonly number[] {
  const inMemory = rmKind(row) === "memory";
  if (!inMemory) return [...encode(row, { rm: prng.below(8) }), ...observe(prng)];
  const { before, operand } = memory(prng);
  return [...before, ...encode(row, { rm: operand }), ...observe(prng)];
}

/** The image's instruction and data pointers are where processors differ: they are overwritten. */
const images: Unit = (prng) => {
  const row = prng.pick(plain.filter(({ name }) => IMAGES.test(name)));
  const operandSize = prng.pick([2, 4] as const);
  const rm: MemoryChoice = { base: prng.pick(POINTERS), displacement: prng.below(3000) - 1500 };
  const size = operandSize === 2 ? 14 : 28;
  const at = (offset: number) => ({ ...rm, displacement: (rm.displacement as number) + offset });
  // Everything masked in what is loaded, and no exceptions: else the next instruction would not be reached.
  const loads = /^(fldenv|frstor)/.test(row.name);
  const before = loads
    ? [...assemble("mov Ev, Iz", { operandSize: 2, rm: at(0), immediates: [controlWord(prng) | 0x3f] })]
    : [];
  const stored = range(3, 6).flatMap((i) =>
    assemble("mov Ev, Iz", {
      operandSize,
      rm: at((i * size) / 7),
      immediates: [0],
    }),
  );
  const narrow = operandSize === 2 ? [0x66] : [];
  const code = [...narrow, ...encode(row, { rm })];
  return [...before, ...code, ...(loads ? [] : stored), ...observe(prng)];
};

const EXTENDED_BYTES = 576;
const RAX = 0;
const RDX = 2;

/** Where processors differ: the pointers, and which bits MXCSR has. */
const forgetPointers = (rm: MemoryChoice): readonly number[] =>
  [6, 8, 12, 16, 20, 28].flatMap((offset) =>
    assemble("mov Ev, Iz", {
      operandSize: offset === 6 ? 2 : 4,
      rm: { ...rm, displacement: (rm.displacement as number) + offset },
      immediates: [0],
    }),
  );

/** Something that leaves memory alone. */
const registersOnly = plain.filter((row) => rmKind(row) !== "memory" && !COMPARISON.test(row.name));
const between: Unit = (prng) => [
  ...encode(prng.pick(registersOnly), { rm: prng.below(8) }),
  ...assemble("fnclex"),
];

/** Save the registers; after something else, restore them. */
const extended: Unit = (prng) => {
  const rm = { base: prng.pick(POINTERS), displacement: 16 * (prng.below(160) - 100) };
  const suffix = () => (prng.oneIn(2) ? "64" : "");
  return [
    ...assemble(`fxsave${suffix()} M`, { rm }),
    ...forgetPointers(rm),
    ...between(prng),
    ...assemble(`fxrstor${suffix()} M`, { rm }),
  ];
};

/** FLD1, FNCLEX, PCMPEQD: processors may find that registers in their initial state need not be saved. */
const IN_USE = [0xd9, 0xe8, 0xdb, 0xe2, 0x66, 0x0f, 0x76, 0xc0];

const components: Unit = (prng) => {
  const rm = { base: prng.pick(POINTERS), displacement: 64 * (prng.below(40) - 25) };
  const at = (offset: number) => ({ ...rm, displacement: rm.displacement + offset });
  const ask = () => [
    ...assemble("mov Zv, Iv", { operandSize: 4, opcodeRegister: RAX, immediates: [prng.below(4)] }),
    ...assemble("mov Zv, Iv", { operandSize: 4, opcodeRegister: RDX, immediates: [0] }),
  ];
  const header = range(0, 7).flatMap((i) =>
    assemble("mov Ev, Iz", { operandSize: 8, rm: at(EXTENDED_BYTES - 64 + 8 * i), immediates: [0] }),
  );
  const mxcsr = assemble("mov Ev, Iz", { operandSize: 4, rm: at(24), immediates: [0x1f80] });
  return [
    ...IN_USE,
    ...header,
    ...mxcsr,
    ...ask(),
    ...assemble(`xsave${prng.oneIn(2) ? "64" : ""} M`, { rm }),
    ...forgetPointers(rm),
    ...between(prng),
    ...ask(),
    ...assemble(`xrstor${prng.oneIn(2) ? "64" : ""} M`, { rm }),
  ];
};

const any: Unit = (prng) => {
  const row = prng.pick(plain);
  return IMAGES.test(row.name) ? images(prng) : random(prng, row);
};

/** A number, after something has made the registers NaNs or empty. */
const refresh: Unit = (prng) => [
  ...assemble("ffree STi", { rm: 7 }),
  ...random(prng, prng.pick(rows.filter(({ name }) => /^(fld M|fild|fbld)/.test(name)))),
];

/** FCOMI and the like, and flags that decide. */
const flags: Unit = (prng) => [
  ...assemble("cmp Ev, Gv", { operandSize: 4, reg: prng.below(4), rm: 6 + prng.below(4) }),
  ...random(prng, prng.pick(rows.filter(({ name }) => /^(fcmov|fu?comi)/.test(name)))),
];

const wait: Unit = () => assemble("fwait");

const UNITS: readonly Unit[] = [
  ...range(1, 9).map(() => any),
  ...[refresh, refresh, refresh, refresh, flags, control, wait, extended, components],
];

function start(prng: Prng, record: number) {
  const data = new BigUint64Array(DATA_BYTES / 8).map(() => number64(prng));
  return { ...startState(prng, record), x87: unit87(prng), data: new Uint8Array(data.buffer) };
}

/** Programs of the floating-point unit. */
export const X87_CASES: CaseSource = { start, units: UNITS };
