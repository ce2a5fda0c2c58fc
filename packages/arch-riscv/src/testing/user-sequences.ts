import {
  instructionGenerator,
  type Prng,
  type RandomFilter,
  type RandomInstruction,
} from "@hypercraft/engine";
import { integerValue, range } from "@hypercraft/engine/testing/random-values";
import { riscvInstructions } from "../isa/table.js";
import { DATA_BYTES, DATA_MIDDLE, recordAddress, type UserCase, type UserState } from "./user-program.js";

// Random user-level instruction sequences that end: they branch forwards only, touch no memory but their
// record's, and use no reserved encoding.

/** Registers that hold addresses and are never written: sp, a5 (a base of compressed accesses) and the record's pointer. */
const SP = 2;
const BASE = 15;
const RECORD_POINTER = 31;
/** What loops and calls need, written by nothing else: a pointer into the data, two return addresses, three counters. */
const POINTER = 25;
const LINKS = [26, 27] as const;
const COUNTERS = [28, 29, 30] as const;
const RESERVED: readonly number[] = [SP, BASE, POINTER, ...LINKS, ...COUNTERS, RECORD_POINTER];
const BASES = [SP, BASE];
const FFLAGS = 0x001;
const FRM = 0x002;
const FCSR = 0x003;

const writable = range(0, 31).filter((i) => !RESERVED.includes(i));
const DESTINATIONS = { rd: writable, "rd'": writable } as const;

type Make = (prng: Prng) => RandomInstruction;
/** A few instructions that belong together. */
type Unit = (prng: Prng) => readonly RandomInstruction[];

const CONTROL = /^(c\.)?(j|jal|jalr|jr|beq|bne|blt|bge|bltu|bgeu|beqz|bnez|ebreak|ecall)$/;
const MEMORY = /^(c\.)?f?(l[bhwd]u?|s[bhwd])(sp)?$/;
const ATOMIC = /^(lr|sc|amo)/;
/** QEMU before 8.0 counts on into the upper half when the lower one is zero. */
const WRONG_IN_ORACLE = /^ctzw$/;
const NEEDS_CASE = /^(c\.addi16sp|auipc|fence.*|pause)$/;

const generator = (filter: RandomFilter): Make => instructionGenerator(riscvInstructions, filter);

/** Arithmetic of the given extensions: anything that computes registers from registers. */
function arithmetic(extensions: readonly string[]): Make {
  return generator({
    extensions,
    accept: ({ name }) =>
      ![CONTROL, MEMORY, ATOMIC, NEEDS_CASE, WRONG_IN_ORACLE].some((excluded) => excluded.test(name)),
    operands: DESTINATIONS,
  });
}

const HINTS_AND_FENCES = generator({
  extensions: ["I", "Zihintpause", "Zifencei"],
  accept: ({ name }) => /^(fence|fence\.tso|fence\.i|pause|auipc)$/.test(name),
  operands: DESTINATIONS,
});

function memory(extensions: readonly string[]): Make {
  return generator({
    extensions,
    accept: ({ name }) => MEMORY.test(name),
    operands: { ...DESTINATIONS, rs1: BASES, "rs1'": BASES },
  });
}

const atomic = generator({
  extensions: ["A"],
  accept: ({ name }) => name.startsWith("amo"),
  operands: { ...DESTINATIONS, rs1: BASES },
});

/** Load-reserved and store-conditional, to the same place or not, or a store-conditional alone. */
function reservation(prng: Prng): readonly RandomInstruction[] {
  const width = prng.pick(["w", "d"]);
  const one = (name: string, rs1: number): RandomInstruction =>
    generator({
      accept: (i) => i.name === `${name}.${width}`,
      operands: { ...DESTINATIONS, rs1: [rs1] },
    })(prng);
  const base = prng.pick(BASES);
  const store = one("sc", prng.oneIn(4) ? prng.pick(BASES) : base);
  return prng.oneIn(6) ? [store] : [one("lr", base), store];
}

const csr = (names: readonly string[], operands: RandomFilter["operands"]): Make =>
  generator({
    extensions: ["Zicsr"],
    accept: ({ name }) => names.includes(name),
    operands: { ...DESTINATIONS, ...operands },
  });

const ALL_CSR = ["csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"];
const flagsAccess = csr(ALL_CSR, { csr: [FFLAGS] });
const controlRead = csr(["csrrs", "csrrc", "csrrsi", "csrrci"], { csr: [FRM, FCSR], rs1: [0], uimm: [0] });
/** Reserved rounding modes would make later instructions illegal. */
const roundingWrite = csr(["csrrwi"], { csr: [FRM], uimm: [0, 1, 2, 3, 4] });

function floatControl(prng: Prng): readonly RandomInstruction[] {
  return [prng.pick([flagsAccess, controlRead, roundingWrite])(prng)];
}

const bytesOf = (instructions: readonly RandomInstruction[]): number =>
  instructions.reduce((sum, { width }) => sum + width / 8, 0);

const branches = (compressed: boolean, distance: number): Make =>
  generator({
    extensions: compressed ? ["I", "C"] : ["I"],
    accept: (i) => CONTROL.test(i.name) && i.operands.has("offset") && i.width === (compressed ? 16 : 32),
    operands: { ...DESTINATIONS, offset: [distance] },
  });

const named = (name: string, operands: Readonly<Record<string, number>>): RandomInstruction => {
  const instruction = riscvInstructions.named(name);
  return { name, bits: instruction.encode(operands), width: instruction.width };
};

/** A branch or jump over some instructions. */
const skipping =
  (compressed: boolean, over: Unit): Unit =>
  (prng) => {
    const skipped = over(prng);
    const distance = bytesOf(skipped) + (compressed ? 2 : 4);
    return [branches(compressed, distance)(prng), ...skipped];
  };

/** An indirect jump over some instructions; the lowest bit of the target is to be ignored. */
const jumping =
  (compressed: boolean, over: Unit): Unit =>
  (prng) => {
    const skipped = over(prng);
    const register = prng.pick(writable.filter((i) => i !== 0));
    const link = prng.pick(writable);
    const odd = prng.below(2);
    if (!compressed) {
      const imm = 8 + bytesOf(skipped) + odd;
      return [
        named("auipc", { rd: register, upper: 0 }),
        named("jalr", { rd: link, rs1: register, imm }),
        ...skipped,
      ];
    }
    return [
      named("auipc", { rd: register, upper: 0 }),
      named("addi", { rd: register, rs1: register, imm: 10 + bytesOf(skipped) + odd }),
      named(prng.pick(["c.jr", "c.jalr"]), { rs1: register }),
      ...skipped,
    ];
  };

/** Which instructions a sequence is made of. Privileged and cache-block instructions are not for user mode. */
export type Extension = "I" | "M" | "A" | "F" | "D" | "C" | "Zba" | "Zbb" | "Zbs";
const USER_EXTENSIONS: readonly Extension[] = ["I", "M", "A", "F", "D", "C", "Zba", "Zbb", "Zbs"];

function units(extensions: readonly Extension[]): readonly Unit[] {
  const has = (extension: Extension) => extensions.includes(extension);
  const compressed = has("C");
  const compute = arithmetic(extensions);
  const access = memory(extensions);
  const single =
    (make: Make): Unit =>
    (prng) => [make(prng)];
  const few: Unit = (prng) => range(1, 1 + prng.below(3)).map(() => compute(prng));
  const list: Unit[] = [single(compute), single(compute), single(compute), single(compute), single(access)];
  list.push(skipping(false, few), jumping(false, few), single(HINTS_AND_FENCES));
  if (compressed) list.push(skipping(true, few), jumping(true, few));
  if (has("A")) list.push(single(atomic), reservation);
  if (has("F")) list.push(floatControl);
  return list;
}

const SINGLES = [
  0, 0x3f800000, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7f7fffff, 0x00800000, 0x007fffff, 1, 0x4f000000,
];
const DOUBLES = [
  0n,
  0x3ff0000000000000n,
  0x7ff0000000000000n,
  0x7ff8000000000000n,
  0x7ff0000000000001n,
  0x7fefffffffffffffn,
  0x0010000000000000n,
  0x000fffffffffffffn,
  1n,
  0x43e0000000000000n,
  0x41e0000000000000n,
  0x47efffffe0000000n,
];

const sign = (prng: Prng, bit: bigint): bigint => (prng.oneIn(2) ? bit : 0n);

/** An exponent near one: sums and products are then not all trivial. */
function ordinary(prng: Prng, fraction: bigint, bias: number): bigint {
  return (BigInt(bias + prng.below(40) - 20) << fraction) | (prng.bits64() & ((1n << fraction) - 1n));
}

function floatValue(prng: Prng): bigint {
  const box = 0xffffffff00000000n;
  switch (prng.below(7)) {
    case 0:
      return prng.bits64();
    case 1:
      return box | BigInt(prng.bits() >>> 0);
    case 2:
      return box | BigInt(prng.pick(SINGLES)) | sign(prng, 1n << 31n);
    case 3:
      return prng.pick(DOUBLES) | sign(prng, 1n << 63n);
    case 4:
    case 5:
      return box | ordinary(prng, 23n, 127) | sign(prng, 1n << 31n);
    default:
      return ordinary(prng, 52n, 1023) | sign(prng, 1n << 63n);
  }
}

function startState(prng: Prng, record: number): UserState {
  const middle = BigInt(record + DATA_MIDDLE);
  const x = range(0, 31).map((i) => (BASES.includes(i) ? middle : integerValue(prng)));
  const f = range(0, 31).map(() => floatValue(prng));
  const data = Uint8Array.from({ length: DATA_BYTES }, () => prng.below(256));
  return { x, f, fcsr: (prng.below(5) << 5) | (prng.oneIn(2) ? prng.below(32) : 0), data };
}

function encode(instructions: readonly RandomInstruction[]): Uint8Array {
  const code = new Uint8Array(bytesOf(instructions));
  let at = 0;
  for (const { bits, width } of instructions) {
    for (let i = 0; i < width / 8; i++) code[at++] = (bits >>> (8 * i)) & 0xff;
  }
  return code;
}

/** `count` random cases of about `length` instructions each, for one program. */
export function randomUserCases(
  prng: Prng,
  count: number,
  length: number,
  extensions: readonly Extension[] = USER_EXTENSIONS,
): readonly UserCase[] {
  const list = units(extensions);
  return range(0, count - 1).map((i) => {
    const instructions: RandomInstruction[] = [];
    while (instructions.length < length) instructions.push(...prng.pick(list)(prng));
    return { start: startState(prng, recordAddress(i)), code: encode(instructions) };
  });
}

// --- Programs with loops and calls ---------------------------------------------------------------

/** An access through a pointer that depends on data, often across a page or at an odd address. */
function wandering(extensions: readonly Extension[]): Unit {
  const access = generator({
    extensions,
    accept: ({ name, width }) => width === 32 && MEMORY.test(name),
    operands: { ...DESTINATIONS, rs1: [POINTER], imm: range(-1024, 0) },
  });
  const exchange = generator({
    extensions: ["A"],
    accept: ({ name }) => ATOMIC.test(name),
    operands: { ...DESTINATIONS, rs1: [POINTER] },
  });
  return (prng) => {
    const atomic = extensions.includes("A") && prng.oneIn(3);
    return [
      named("andi", { rd: POINTER, rs1: prng.pick(writable), imm: atomic ? 0x7f8 : 0x7ff }),
      named("add", { rd: POINTER, rs1: POINTER, rs2: SP }),
      (atomic ? exchange : access)(prng),
    ];
  };
}

/** Accesses near the middle of the data, where a page ends. */
function crossing(extensions: readonly Extension[]): Unit {
  const edge = 4096 - DATA_MIDDLE;
  const access = generator({
    extensions,
    accept: ({ name, width }) => width === 32 && MEMORY.test(name),
    operands: { ...DESTINATIONS, rs1: BASES, imm: range(edge - 8, edge + 1) },
  });
  return (prng) => [access(prng)];
}

/** Rounds of loops by depth, at most. */
const ROUNDS = [90, 14, 6];

/** Makes one program: what it computes with, and the functions it may call by their addresses. */
class LoopingProgram {
  private readonly prng: Prng;
  private readonly units: readonly Unit[];
  private readonly code: RandomInstruction[] = [];
  private at = 0;
  /** Functions that return through the first link register, and through the second. */
  private readonly functions: [number[], number[]] = [[], []];

  constructor(prng: Prng, kinds: readonly Unit[]) {
    this.prng = prng;
    // A few kinds each, so that some programs have long stretches without calls of helpers.
    this.units = range(1, 2 + prng.below(5)).map(() => prng.pick(kinds));
  }

  build(): readonly RandomInstruction[] {
    const jump = this.code.length;
    this.put(named("jal", { rd: 0, offset: 4 }));
    if (this.prng.oneIn(2)) this.callee(1);
    if (!this.prng.oneIn(3)) this.callee(0);
    this.code[jump] = named("jal", { rd: 0, offset: this.at });
    for (let loops = 1 + this.prng.below(2); loops > 0; loops--) this.loop(0);
    return this.code;
  }

  private put(...instructions: readonly RandomInstruction[]): void {
    this.code.push(...instructions);
    this.at += bytesOf(instructions);
  }

  private callee(link: 0 | 1): void {
    this.functions[link].push(this.at);
    this.some(3);
    if (link === 0 && this.prng.oneIn(2)) this.call(1);
    this.some(2);
    this.put(named("jalr", { rd: 0, rs1: LINKS[link], imm: 0 }));
  }

  private call(link: 0 | 1): void {
    const target = this.functions[link][0];
    if (target === undefined) return;
    if (this.prng.oneIn(2)) return this.put(named("jal", { rd: LINKS[link], offset: target - this.at }));
    const distance = target - this.at;
    this.put(
      named("auipc", { rd: LINKS[link], upper: 0 }),
      named("jalr", { rd: LINKS[link], rs1: LINKS[link], imm: distance }),
    );
  }

  private loop(depth: number): void {
    const counter = COUNTERS[depth] as number;
    this.put(named("addi", { rd: counter, rs1: 0, imm: 2 + this.prng.below(ROUNDS[depth] as number) }));
    const top = this.at;
    for (let parts = 1 + this.prng.below(3); parts > 0; parts--) {
      this.some(4);
      if (depth + 1 < COUNTERS.length && this.prng.oneIn(3)) this.loop(depth + 1);
      else if (this.prng.oneIn(3)) this.call(this.prng.oneIn(2) ? 0 : 1);
    }
    this.put(named("addi", { rd: counter, rs1: counter, imm: -1 }));
    const offset = top - this.at;
    this.put(
      this.prng.oneIn(2)
        ? named("bne", { rs1: counter, rs2: 0, offset })
        : named("blt", { rs1: 0, rs2: counter, offset }),
    );
  }

  private some(most: number): void {
    for (let n = this.prng.below(most + 1); n > 0; n--) this.put(...this.prng.pick(this.units)(this.prng));
  }
}

/** Random cases that loop and call, long enough for a compiler to be worth its while; for one program. */
export function randomLoopingCases(
  prng: Prng,
  count: number,
  extensions: readonly Extension[] = USER_EXTENSIONS,
): readonly UserCase[] {
  const kinds = [...units(extensions), wandering(extensions), crossing(extensions)];
  return range(0, count - 1).map((i) => ({
    start: startState(prng, recordAddress(i)),
    code: encode(new LoopingProgram(prng, kinds).build()),
  }));
}
