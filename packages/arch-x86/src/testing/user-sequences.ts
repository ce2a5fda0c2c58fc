import type { Prng } from "@hypercraft/engine";
import type { X86Instruction } from "../isa/declaration.js";
import { encode, type MemoryChoice, type OperandChoices, rmKind } from "../isa/encode.js";
import { x86Instructions } from "../isa/table.js";
import {
  assemble,
  DATA_BYTES,
  DATA_MIDDLE,
  RECORD_POINTER,
  recordAddress,
  type UserCase,
  type UserState,
} from "./user-program.js";

// Random user-level instruction sequences that end: they branch forwards, or back in loops that count down, touch no
// memory but their record's, and mask the flags that the manual leaves undefined.

export type Row = X86Instruction<never>;
/** Bytes of a few instructions that belong together. */
export type Unit = (prng: Prng) => readonly number[];

const RSP = 4;
const RBP = 5;
const COUNTER = 13;
const POINTER = 14;
/** Registers that hold addresses or counts and are written by nothing else. */
const RESERVED: readonly number[] = [RSP, RBP, COUNTER, POINTER, RECORD_POINTER];
export const POINTERS = [RBP, POINTER];

export const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
export const writable = range(0, 15).filter((i) => !RESERVED.includes(i));

const rows = x86Instructions as readonly Row[];
/** What cannot stand anywhere: it moves the stack, branches, or traps. */
/** QEMU 7 does not know the second encodings of TEST. */
export const SPECIAL =
  /\/1\)$|^(push|pop |popf|leave|enter|jmp|j |call|ret|loop|jrcxz|syscall|ldmxcsr|stmxcsr|emms|lea|i?div|movs Y|cmps|stos|lods|scas|xlatb|bt.? Ev, Gv|cmpxchg16b|sh[lr]d)/;
export const absolute = ({ operands }: Row) => operands.some(({ place }) => place === "offset");
/** Does it work on MMX or XMM registers? Those have sequences of their own: `vector-sequences.ts`. */
export const isVector = ({ operands }: Pick<Row, "operands">): boolean =>
  operands.some(({ place }) => /^(xmm|mmx)/.test(place));
/** Not for programs that run alone, or not for these. */
export const foreign = (row: Pick<Row, "name" | "feature" | "operands">): boolean =>
  isVector(row) ||
  row.feature === "system" ||
  row.feature === "VMX" ||
  /^(x87|FXSR|XSAVE)$/.test(row.feature) ||
  /^(jmp|call) M|^retf|^iret|^int|^(mov S|mov RvMw, S)|^(push|pop) [defgsc]s|^enter|^l[defgs]s /.test(
    row.name,
  );
const plain = rows.filter(
  (row) => !SPECIAL.test(row.name) && !foreign(row) && !absolute(row) && row.options.in64 !== "not",
);

/** Sign-extended immediates, many of them small. */
export function immediate(prng: Prng): number {
  return prng.oneIn(2) ? prng.below(256) - 128 : prng.bits();
}

export const displacement = (prng: Prng): number =>
  prng.oneIn(2) ? prng.below(240) - 120 : prng.below(3000) - 1500;

/** An address in the record, and what has to be done for it first. */
export function memory(prng: Prng): { before: readonly number[]; operand: MemoryChoice } {
  const base = prng.pick(POINTERS);
  // The code is in the page before the record, whose data the distance reaches from anywhere there.
  if (prng.oneIn(8)) return { before: [], operand: { base: "rip", displacement: 8000 + prng.below(128) } };
  if (prng.oneIn(2)) return { before: [], operand: { base, displacement: displacement(prng) } };
  const index = prng.pick(writable);
  // Small enough for any scale.
  const before = assemble("movzx Gv, Eb", { operandSize: 4, reg: index, rm: index, rex: true });
  const operand = { base, index, scale: prng.below(4), displacement: displacement(prng) };
  return { before, operand };
}

/** An instruction with random operands. */
function random(prng: Prng, row: Row): readonly number[] {
  const kind = rmKind(row);
  const inMemory = kind === "memory" || (kind === "both" && prng.oneIn(2));
  const { before, operand } = inMemory ? memory(prng) : { before: [], operand: prng.pick(writable) };
  const choices: OperandChoices = {
    operandSize: prng.pick([2, 4, 4, 8, 8] as const),
    reg: prng.pick(writable),
    rm: operand,
    opcodeRegister: prng.pick(writable),
    vvvv: prng.pick(writable),
    immediates: [immediate(prng), immediate(prng)],
    lock: inMemory && row.options.lock === true && prng.oneIn(4),
  };
  return [...before, ...encode(row, choices), ...maskFlags(row.options.undefinedFlags ?? 0)];
}

/** Clear flags whose values the manual leaves open. */
export function maskFlags(flags: number): readonly number[] {
  if (flags === 0) return [];
  // AND dword [rsp], imm32.
  const mask = [...new Uint8Array(Int32Array.of(~flags).buffer)];
  return [...assemble("pushf"), 0x81, 0x24, 0x24, ...mask, ...assemble("popf")];
}

const any: Unit = (prng) => random(prng, prng.pick(plain));

const stack: Unit = (prng) => {
  const operandSize = prng.pick([2, 8] as const);
  const [from, to] = [prng.pick(writable), prng.pick(writable)];
  const between = range(1, prng.below(3)).flatMap(() => any(prng));
  return [
    ...assemble(prng.pick(["push Zv", "push Ev"]), { operandSize, opcodeRegister: from, rm: from }),
    ...between,
    ...assemble(prng.pick(["pop Zv", "pop Ev"]), { operandSize, opcodeRegister: to, rm: to }),
  ];
};

const flags: Unit = (prng) => [
  ...assemble("pushf"),
  ...assemble("pop Zv", { operandSize: 8, opcodeRegister: prng.pick(writable) }),
];

const addresses: Unit = (prng) => {
  const { before, operand } = memory(prng);
  // From the record's address, lest states of programs elsewhere differ.
  return [
    ...before,
    ...assemble("lea Gv, M", {
      operandSize: prng.pick([2, 4, 8] as const),
      reg: prng.pick(writable),
      rm: operand,
    }),
  ];
};

/** A branch over some instructions, on a condition or not. */
const skipping: Unit = (prng) => {
  const skipped = range(1, 1 + prng.below(3)).flatMap(() => any(prng));
  const code = prng.below(16).toString(16).toUpperCase();
  const names = ["jmp Jz", `j ${code}`, `j ${code}`];
  if (skipped.length < 128) names.push("jmp Jb", "jrcxz Jb", `j ${code} short`, `j ${code} short`);
  return [...assemble(prng.pick(names), { immediates: [skipped.length] }), ...skipped];
};

/** A comparison and what depends on it. */
const deciding: Unit = (prng) => {
  const code = prng.below(16).toString(16).toUpperCase();
  const setters = plain.filter(({ mnemonic }) =>
    /^(cmp|test|sub|add|and|or|inc|dec|adc|sbb|neg)$/.test(mnemonic),
  );
  const named = rows.filter(({ name }) => name === `cmov ${code}` || name === `set ${code}`);
  return [...random(prng, prng.pick(setters)), ...random(prng, prng.pick(named))];
};

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSI = 6;
const RDI = 7;

const constant = (register: number, value: number | bigint): number[] =>
  assemble("mov Zv, Iv", { operandSize: 8, opcodeRegister: register, immediates: [value] });
const pointer = (register: number, offset: number): number[] =>
  assemble("lea Gv, M", { operandSize: 8, reg: register, rm: { base: RBP, displacement: offset } });

/** Instructions with a name and operands that a filter allows. */
const named = (pattern: RegExp): readonly Row[] => rows.filter(({ name }) => pattern.test(name));

/** A division whose quotient fits. */
const division: Unit = (prng) => {
  const row = prng.pick(named(/^i?div/));
  const signed = row.mnemonic === "idiv";
  const operandSize = prng.pick([2, 4, 8] as const);
  const divisor = prng.pick([RBX, RSI, 9, 12]);
  const undefinedFlags = maskFlags(row.options.undefinedFlags ?? 0);
  const choices = { operandSize, rm: divisor, rex: true };
  const nonZero = [
    ...assemble("movzx Gv, Eb", { operandSize: 4, reg: divisor, rm: divisor, rex: true }),
    ...assemble("or Ev, sIb", { operandSize: 4, rm: divisor, immediates: [1] }),
  ];
  if (row.name.endsWith("Eb")) {
    // Less than 256 times one.
    const small = assemble("movzx Gv, Eb", { operandSize: 4, reg: RAX, rm: RAX });
    const halved = signed ? assemble("shr Ev, 1", { operandSize: 4, rm: RAX }) : [];
    const lessened = signed ? assemble("shr Ev, 1", { operandSize: 4, rm: divisor }) : [];
    const odd = assemble("or Ev, sIb", { operandSize: 4, rm: divisor, immediates: [1] });
    return [...small, ...halved, ...nonZero, ...lessened, ...odd, ...encode(row, choices), ...undefinedFlags];
  }
  if (operandSize === 8 && prng.oneIn(2)) {
    // A dividend of 128 bits: below 2^40 times 2^64, by more than 2^60.
    const top = BigInt(prng.below(2 ** 20)) - (signed ? 2n ** 19n : 0n);
    const sign = signed && prng.oneIn(2) ? -1n : 1n;
    const by = sign * ((1n << 62n) + BigInt(prng.below(2 ** 30)));
    return [...constant(RDX, top), ...constant(divisor, by), ...encode(row, choices), ...undefinedFlags];
  }
  const upper = signed ? assemble("cwd", { operandSize }) : constant(RDX, 0);
  return [...upper, ...nonZero, ...encode(row, choices), ...undefinedFlags];
};

/** String instructions, alone and repeated, in both directions. */
const strings: Unit = (prng) => {
  const row = prng.pick(named(/^(movs Y|cmps|stos|lods|scas)/));
  const repeat = prng.oneIn(3)
    ? undefined
    : row.options.rep === "rep"
      ? 0xf3
      : prng.pick([0xf2, 0xf3] as const);
  const operandSize = prng.pick([2, 4, 8] as const);
  return [
    ...pointer(RSI, displacement(prng)),
    ...pointer(RDI, displacement(prng)),
    ...constant(RCX, prng.below(40)),
    ...(prng.oneIn(2) ? assemble("std") : []),
    ...encode(row, { operandSize, ...(repeat !== undefined && { repeat }) }),
    ...assemble("cld"),
  ];
};

const table: Unit = (prng) => [...pointer(RBX, displacement(prng)), ...assemble("xlatb")];

/** A bit anywhere around the memory operand. */
const farBit: Unit = (prng) => {
  const row = prng.pick(named(/^bt.? Ev, Gv$/));
  const reg = prng.pick([RAX, RSI, 11]);
  const number = prng.below(8000) - 4000;
  const operandSize = prng.pick([2, 4, 8] as const);
  const rm = prng.oneIn(2)
    ? prng.pick(writable)
    : { base: prng.pick(POINTERS), displacement: displacement(prng) };
  return [
    ...constant(reg, number),
    ...encode(row, { operandSize, reg, rm }),
    ...maskFlags(row.options.undefinedFlags ?? 0),
  ];
};

/** Shifts of two operands by less than their size. */
const doubleShift: Unit = (prng) => {
  const row = prng.pick(named(/^sh[lr]d/));
  const operandSize = prng.pick([2, 4, 8] as const);
  const count = prng.below(8 * operandSize);
  const rm = prng.oneIn(2)
    ? prng.pick(writable)
    : { base: prng.pick(POINTERS), displacement: displacement(prng) };
  const code = encode(row, { operandSize, reg: prng.pick(writable), rm, immediates: [count] });
  return [...constant(RCX, count), ...code, ...maskFlags(row.options.undefinedFlags ?? 0)];
};

const swapping16: Unit = (prng) => {
  const rm = { base: prng.pick(POINTERS), displacement: 16 * (prng.below(100) - 50) };
  const load = (reg: number, further: number) =>
    assemble("mov Gv, Ev", { operandSize: 8, reg, rm: { ...rm, displacement: rm.displacement + further } });
  const same = prng.oneIn(2) ? [...load(RAX, 0), ...load(RDX, 8)] : [];
  return [...same, ...assemble("cmpxchg16b Mdq", { rm, lock: prng.oneIn(2) })];
};

const UNITS: readonly Unit[] = [
  ...[any, any, any, any, any, any, stack, flags, addresses, skipping, deciding, deciding],
  ...[division, strings, table, farBit, doubleShift, swapping16],
];

const CORNERS = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
].flatMap((v) => [v, BigInt.asUintN(64, -v), BigInt.asUintN(64, v << 32n), BigInt.asUintN(64, ~v << 31n)]);

function value(prng: Prng): bigint {
  switch (prng.below(4)) {
    case 0:
      return prng.pick(CORNERS);
    case 1:
      return BigInt.asUintN(64, BigInt(prng.below(200) - 100));
    case 2:
      return BigInt.asUintN(64, BigInt(prng.bits()));
    default:
      return prng.bits64();
  }
}

/** CF, PF, AF, ZF, SF and OF. */
const FLAGS = 0x8d5;

export function startState(prng: Prng, record: number): UserState {
  const middle = BigInt(record + DATA_MIDDLE);
  return {
    gpr: range(0, 15).map((i) => (i === RSP || POINTERS.includes(i) ? middle : value(prng))),
    rflags: BigInt((prng.bits() & FLAGS) | 2),
    mxcsr: 0x1f80n,
    xmm: range(0, 31).map(() => value(prng)),
    mmx: range(0, 7).map(() => value(prng)),
    data: Uint8Array.from({ length: DATA_BYTES }, () => prng.below(256)),
  };
}

/** Where cases come from: a random state whose memory is at a record, and pieces of code. */
export interface CaseSource {
  start(prng: Prng, record: number): UserCase["start"];
  readonly units: readonly Unit[];
  /** Instructions that begin to count loops, and that count one; by default in a register of 64-bit mode. */
  readonly counting?: Counting;
}

interface Counting {
  from(times: number): number[];
  readonly step: readonly number[];
}

const IN_REGISTER: Counting = {
  from: (times) => assemble("mov Zv, Iv", { operandSize: 4, opcodeRegister: COUNTER, immediates: [times] }),
  step: assemble("dec Ev", { operandSize: 4, rm: COUNTER }),
};

/** Random pieces, of about so many bytes together. */
export function sequence(units: readonly Unit[], prng: Prng, bytes: number): number[] {
  const code: number[] = [];
  while (code.length < bytes) code.push(...prng.pick(units)(prng));
  return code;
}

/** Cases of about `bytes` bytes of code each. */
export function randomCases(source: CaseSource, prng: Prng, count: number, bytes: number): UserCase[] {
  return range(0, count - 1).map((i) => ({
    start: source.start(prng, recordAddress(i)),
    code: Uint8Array.from(sequence(source.units, prng, bytes)),
  }));
}

/** Cases that run their code `times` times. */
export function loopingCases(
  source: CaseSource,
  prng: Prng,
  count: number,
  bytes: number,
  times: number,
): UserCase[] {
  const { from, step } = source.counting ?? IN_REGISTER;
  return range(0, count - 1).map((i) => {
    const body = sequence(source.units, prng, bytes);
    // JNZ to the body's beginning.
    const back = -(body.length + step.length + 6);
    const code = [...from(times), ...body, ...step, ...assemble("j 5", { immediates: [back] })];
    return { start: source.start(prng, recordAddress(i)), code: Uint8Array.from(code) };
  });
}

/** Programs of integers. */
export const INTEGER_CASES: CaseSource = { start: startState, units: UNITS };
