import type { Prng } from "@hypercraft/engine";
import { encode, rmKind } from "../isa/encode.js";
import { x86Instructions } from "../isa/table.js";
import { assemble, DATA_MIDDLE, RECORD_POINTER_32, type UserState } from "./user-program.js";
import {
  absolute,
  type CaseSource,
  displacement,
  foreign,
  immediate,
  isVector,
  maskFlags,
  type Row,
  range,
  SPECIAL,
  type Unit,
} from "./user-sequences.js";
import { isAligned, isComparable, start } from "./vector-sequences.js";

// Random sequences of 32-bit code, of all instructions that there are in it: those of 64-bit mode with fewer registers and
// other defaults, and those that 64-bit mode has not.

const ESP = 4;
const writable = range(0, 7).filter((i) => i !== ESP && i !== RECORD_POINTER_32);

const isThere = ({ options, encoding }: Row): boolean => options.in64 !== "only" && encoding.w !== 1;
const rows = (x86Instructions as readonly Row[]).filter(isThere);

/** What ends the program, or belongs together with others. */
const APART = /^(into|bound|pusha|popa|jmp|call|loop|j )/;

const vectorRows = rows.filter((row) => isVector(row) && isComparable(row));
const integerRows = rows.filter(
  (row) =>
    !isVector(row) && !SPECIAL.test(row.name) && !foreign(row) && !absolute(row) && !APART.test(row.name),
);

/** The instructions that the sequences hold. */
export const testedNames32 = [...vectorRows, ...integerRows].map(({ name }) => name);

/** ES, SS and DS: all the same. */
const SEGMENTS = [0x26, 0x36, 0x3e] as const;

/** An address in the record, which EBP points to the beginning of. */
function memory(prng: Prng, aligned: boolean) {
  const base = RECORD_POINTER_32;
  if (aligned)
    return { before: [], operand: { base, displacement: DATA_MIDDLE + 16 * (prng.below(180) - 90) } };
  const at = DATA_MIDDLE + displacement(prng);
  if (prng.oneIn(2)) return { before: [], operand: { base, displacement: at } };
  const index = prng.pick(writable);
  const before = assemble("and Ev, Iz", { rm: index, immediates: [0xff] });
  return { before, operand: { base, index, scale: prng.below(4), displacement: at } };
}

/** An instruction with random operands. */
function random(prng: Prng, row: Row): readonly number[] {
  const vector = isVector(row);
  const kind = rmKind(row);
  const inMemory = kind === "memory" || (kind === "both" && prng.oneIn(2));
  const general = (pattern: RegExp) => row.operands.some(({ place }) => pattern.test(place));
  const register = (pattern: RegExp) => (!vector || general(pattern) ? prng.pick(writable) : prng.below(8));
  const { before, operand } = inMemory
    ? memory(prng, vector && isAligned(row))
    : { before: [], operand: register(/^(rm|register)$/) };
  // AAM divides.
  const first = row.name.startsWith("aam") ? 1 + prng.below(100) : immediate(prng);
  const code = encode(row, {
    operandSize: vector ? 4 : prng.pick([2, 4, 4] as const),
    reg: register(/^reg$/),
    rm: operand,
    opcodeRegister: prng.pick(writable),
    vvvv: prng.pick(writable),
    immediates: [first, immediate(prng)],
    lock: inMemory && row.options.lock === true && prng.oneIn(4),
  });
  const prefix = inMemory && row.encoding.map < 4 && prng.oneIn(8) ? [prng.pick(SEGMENTS)] : [];
  return [...before, ...prefix, ...code, ...maskFlags(row.options.undefinedFlags ?? 0)];
}

const integer: Unit = (prng) => random(prng, prng.pick(integerRows));
const vector: Unit = (prng) => random(prng, prng.pick(vectorRows));
const any: Unit = (prng) => (prng.oneIn(2) ? integer(prng) : vector(prng));

/** All registers to the stack and back: nothing in between, which could change the record pointer there. */
const allRegisters: Unit = (prng) => {
  const operandSize = prng.pick([2, 4] as const);
  return [...assemble("pusha", { operandSize }), ...assemble("popa", { operandSize })];
};

const stack: Unit = (prng) => {
  const operandSize = prng.pick([2, 4] as const);
  const [from, to] = [prng.pick(writable), prng.pick(writable)];
  return [
    ...assemble(prng.pick(["push Zv", "push Ev"]), { operandSize, opcodeRegister: from, rm: from }),
    ...any(prng),
    ...assemble(prng.pick(["pop Zv", "pop Ev"]), { operandSize, opcodeRegister: to, rm: to }),
  ];
};

const skipping: Unit = (prng) => {
  const skipped = range(1, 1 + prng.below(3)).flatMap(() => any(prng));
  const code = prng.below(16).toString(16).toUpperCase();
  const names = ["jmp Jz", `j ${code}`];
  if (skipped.length < 128) names.push("jmp Jb", "jrcxz Jb", `j ${code} short`);
  return [...assemble(prng.pick(names), { immediates: [skipped.length] }), ...skipped];
};

const [ECX, ESI, EDI] = [1, 6, 7];

/** String instructions, alone and repeated, in both directions. */
const strings: Unit = (prng) => {
  const row = prng.pick(rows.filter(({ name }) => /^(movs Y|cmps|stos|lods|scas)/.test(name)));
  const pointer = (reg: number) =>
    assemble("lea Gv, M", {
      reg,
      rm: { base: RECORD_POINTER_32, displacement: DATA_MIDDLE + displacement(prng) },
    });
  const repeat = prng.pick(row.options.rep === "rep" ? [[], [0xf3]] : [[], [0xf2], [0xf3]]);
  return [
    ...pointer(ESI),
    ...pointer(EDI),
    ...assemble("mov Zv, Iv", { opcodeRegister: ECX, immediates: [prng.below(40)] }),
    ...(prng.oneIn(2) ? assemble("std") : []),
    ...repeat,
    ...encode(row, { operandSize: prng.pick([2, 4] as const) }),
    ...assemble("cld"),
  ];
};

const UNITS: readonly Unit[] = [
  ...[integer, integer, integer, integer, integer, integer, vector, vector, vector],
  ...[allRegisters, stack, skipping, strings],
];

/** The state of a processor with half the registers of half the size. */
function startState(prng: Prng, record: number): UserState {
  const state = start(prng, record);
  const gpr = state.gpr.map((value, i) =>
    i >= 8 ? 0n : i === ESP ? BigInt(record + DATA_MIDDLE) : BigInt.asUintN(32, value),
  );
  return { ...state, gpr, xmm: state.xmm.map((half, i) => (i < 16 ? half : 0n)) };
}

/** Where no register is recorded. */
const COUNTER = { base: RECORD_POINTER_32, displacement: 900 };

/** Programs of 32-bit code. */
export const CASES_32: CaseSource = {
  start: startState,
  units: UNITS,
  counting: {
    from: (times) => assemble("mov Ev, Iz", { rm: COUNTER, immediates: [times] }),
    step: assemble("dec Ev", { rm: COUNTER }),
  },
};
