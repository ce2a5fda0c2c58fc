import { instructionGenerator, type Prng, type RandomFilter } from "@hypercraft/engine";
import { integerValue, range } from "@hypercraft/engine/testing/random-values";
import { armInstructions } from "../isa/table.js";
import {
  DATA_BYTES,
  DATA_MIDDLE,
  RECORD_POINTER,
  recordAddress,
  type UserCase,
  type UserState,
} from "./user-program.js";

// Random user-level instruction sequences that end: they branch forwards, or back in loops that count down, touch no
// memory but their record's, and use no encoding whose result the manual leaves open.

/** Registers that hold addresses or counts and are written by nothing else. */
const BASE = 26;
const POINTER = 27;
const COUNTER = 25;
const SP = 31;
const RESERVED: readonly number[] = [COUNTER, BASE, POINTER, RECORD_POINTER];
const BASES = [BASE, SP];

const writable = range(0, 31).filter((i) => !RESERVED.includes(i));
const numbered = writable.filter((i) => i !== SP);
const DESTINATIONS: RandomFilter["operands"] = {
  rd: writable,
  rdSp: numbered,
  xd: writable,
  wd: writable,
  xt: writable,
  wt: writable,
  xt2: writable,
  wt2: writable,
  xs: writable,
  ws: writable,
};

type Make = (prng: Prng) => number;
/** Encodings of a few instructions that belong together. */
type Unit = (prng: Prng) => readonly number[];

function generator(accept: RegExp, operands: RandomFilter["operands"] = {}): Make {
  const make = instructionGenerator(armInstructions, {
    accept: ({ name }) => accept.test(name),
    operands: { ...DESTINATIONS, ...operands },
  });
  return (prng) => make(prng).bits;
}

const named = (name: string, operands: Readonly<Record<string, number>>): number =>
  armInstructions.named(name).encode(operands);

const MEMORY = /^(ld|st|cas|swp|prf)/;
const CONTROL = /^(b|bl|br|blr|ret|b\.cond|cbn?z|tbn?z)$/;
const SYSTEM = /^(svc|hvc|smc|brk|hlt|eret|udf|wf[ei]|msr.*|mrs|sys|sysl|isb|dsb|dmb|hint|sevl?|clrex)$/;
const ORDERED = /^(ldar|stlr)/;
const EXCLUSIVE = /^(ldx|ldax|stx|stlx)/;
const ATOMIC = /^(ld(add|clr|eor|set|smax|smin|umax|umin)|swp|cas(?!p))/;
const PAIR_SWAP = /^casp/;

const others = (...excluded: readonly RegExp[]): readonly string[] =>
  armInstructions.instructions
    .map(({ name }) => name)
    .filter((name) => !excluded.some((pattern) => pattern.test(name)));
const oneOf = (names: readonly string[]): RegExp =>
  new RegExp(`^(${names.map((name) => name.replaceAll(".", "\\.")).join("|")})$`);

const VECTOR = /\.v$/;
const FLOAT = /^(f|[su]cvtf|urecpe|ursqrte)/;
const compute = generator(oneOf(others(MEMORY, CONTROL, SYSTEM, VECTOR)));
const vectors = generator(VECTOR);
const hints = generator(/^(dsb|dmb|isb|hint|sevl?|prf.*)$/, { imm: [0, 1, 7, 25, 29, 34] });
/** LD1 to LD4 and ST1 to ST4. */
const isStructure = ({ name, operands }: (typeof armInstructions.instructions)[number]): boolean =>
  MEMORY.test(name) && operands.has("vt");
const plainMemory = armInstructions.instructions
  .filter((instruction) => MEMORY.test(instruction.name) && !isStructure(instruction))
  .map(({ name }) => name)
  .filter((name) => ![ORDERED, EXCLUSIVE, ATOMIC, PAIR_SWAP].some((p) => p.test(name)));
const displaced = plainMemory.filter((name) => !/\.(pre|post|reg|literal)$|^prf/.test(name));
const access = generator(oneOf(displaced), { xnSp: BASES, disp: range(0, 2032) });
const updating = generator(oneOf(plainMemory.filter((name) => /\.(pre|post)$/.test(name))), {
  xnSp: [POINTER],
});
const literal = generator(oneOf(plainMemory.filter((name) => /^ld.*\.literal$/.test(name))), {
  offset: range(-64, 64, 4),
});
const ordered = generator(ORDERED, { xnSp: BASES });
const atomic = generator(ATOMIC, { xnSp: BASES });
const firstOfPair = numbered.filter((i) => i % 2 === 0 && !RESERVED.includes(i + 1));
const pairSwap = generator(PAIR_SWAP, { xnSp: BASES, xs: firstOfPair, ws: firstOfPair });
const registers = (bits: number) => [bits & 31, (bits >>> 10) & 31];

/** A pair may not load one register twice. */
function distinct(make: Make): Make {
  return (prng) => {
    for (;;) {
      const bits = make(prng);
      const [first, second] = registers(bits);
      if (first !== second) return bits;
    }
  };
}

const single =
  (make: Make): Unit =>
  (prng) => [make(prng)];

/** Access at a pointer that the access moves. */
const walking: Unit = (prng) => [
  named("add.imm", { sf: 1, rdSp: POINTER, rnSp: SP, imm: prng.below(1000) }),
  distinct(updating)(prng),
];

/** Access with an index register, small enough for any scale. */
function indexing(): Unit {
  const names = plainMemory.filter((name) => name.endsWith(".reg") && !name.startsWith("prf"));
  return (prng) => {
    const index = prng.pick(numbered);
    const make = generator(oneOf([prng.pick(names)]), { xnSp: BASES, rm: [index] });
    // AND with 0x7f: N:immr:imms with seven ones.
    return [
      named("and.imm", { sf: 1, rdSp: index, rn: prng.pick(writable), bitmask: (1 << 12) | 6 }),
      make(prng),
    ];
  };
}

/** An exclusive load and a store to the same place. */
const exclusive: Unit = (prng) => {
  const [form, xnSp] = [
    prng.pick(["rb\\.w", "rh\\.w", "r\\.w", "r\\.x", "p\\.w", "p\\.x"]),
    prng.pick(BASES),
  ];
  const load = distinct(generator(new RegExp(`^lda?x${form}$`), { xnSp: [xnSp] }))(prng);
  for (;;) {
    const store = generator(new RegExp(`^stl?x${form}$`), { xnSp: [xnSp] })(prng);
    // The status register may not be the data.
    if (registers(store).includes((store >>> 16) & 31)) continue;
    return prng.oneIn(6) ? [load, named("clrex", { crm: 15 }), store] : [load, store];
  }
};

/** Compare and swap of two registers with what they were loaded from, or with anything. */
const swappingPair: Unit = (prng) => {
  const bits = pairSwap(prng);
  const [xs, xnSp] = [(bits >>> 16) & 31, (bits >>> 5) & 31];
  const [r, form] = ((bits >>> 30) & 1) === 1 ? ["x", "ldp.x"] : ["w", "ldp.w"];
  const load = named(form, { xnSp, [`${r}t`]: xs, [`${r}t2`]: xs + 1 });
  return prng.oneIn(2) ? [load, bits] : [bits];
};

/** A branch over some instructions, on a condition or not. */
const skipping: Unit = (prng) => {
  const skipped = range(1, 1 + prng.below(3)).map(() => compute(prng));
  const branch = generator(/^(b|bl|b\.cond|cbn?z|tbn?z)$/, {
    offset: [4 * (skipped.length + 1)],
    rd: range(0, 31),
  });
  return [branch(prng), ...skipped];
};

/** A comparison and what depends on it. */
const deciding: Unit = (prng) => [
  generator(/^(subs|adds|ands|bics|ccmp|ccmn)(\..*)?$/)(prng),
  generator(/^(csel|csinc|csinv|csneg|ccmp|ccmn|adc|sbc|adcs|sbcs)(\..*)?$/)(prng),
];

/** An indirect branch over some instructions. */
const jumping: Unit = (prng) => {
  const skipped = range(1, 1 + prng.below(3)).map(() => compute(prng));
  const xn = prng.pick(numbered);
  return [
    named("adr", { xd: xn, offset: 8 + 4 * skipped.length }),
    named(prng.pick(["br", "blr", "ret"]), { xn }),
    ...skipped,
  ];
};

const flags: Unit = (prng) => [
  generator(/^mrs$/, { system: [0x5a10] })(prng),
  ...(prng.oneIn(2) ? [named("msr", { system: 0x5a10, xt: prng.pick(writable) })] : []),
];

const UNITS: readonly Unit[] = [
  ...range(1, 4).map(() => single(compute)),
  single(distinct(access)),
  single(distinct(access)),
  ...range(1, 3).map(() => single(vectors)),
  single(hints),
  single(literal),
  single(ordered),
  ...range(1, 4).map(() => single(atomic)),
  walking,
  indexing(),
  exclusive,
  exclusive,
  swappingPair,
  skipping,
  deciding,
  jumping,
  flags,
];

/** Half of a vector register: integers, or numbers of moderate size in either precision. */
function vectorValue(prng: Prng): bigint {
  if (prng.oneIn(3)) return integerValue(prng);
  const words = new DataView(new ArrayBuffer(8));
  const number = (prng.below(2 ** 20) - 2 ** 19) * 2 ** (prng.below(40) - 30);
  if (prng.oneIn(2)) words.setFloat64(0, number);
  else words.setFloat32(4, number);
  return words.getBigUint64(0);
}

/** Half of a vector register: lanes of one size, many of them at an end of what a lane can hold. */
function lanesValue(prng: Prng): bigint {
  const bits = 8 << prng.below(4);
  const lane = (): bigint => {
    const top = 1n << BigInt(bits - 1);
    if (prng.oneIn(3)) return prng.bits64();
    return prng.pick([0n, 1n, -1n, top, top - 1n, top + 1n, BigInt(prng.below(20) - 10)]);
  };
  return range(0, 64 / bits - 1).reduce(
    (all, i) => all | (BigInt.asUintN(bits, lane()) << BigInt(bits * i)),
    0n,
  );
}

/** A number of a format where the rules differ: at the ends of its classes, few bits set, or any. */
function numberBits(prng: Prng, width: number, fraction: number): bigint {
  const f = BigInt(fraction);
  const top = (1n << BigInt(width - 1 - fraction)) - 1n;
  const bias = top >> 1n;
  const exponent = prng.pick([
    () => prng.pick([0n, 0n, 1n, 2n, top, top, top - 1n, top - 2n]),
    () => bias + BigInt(prng.below(2 * fraction + 20) - fraction - 10),
    () => prng.bits64() & top,
  ])();
  const all = prng.bits64() & ((1n << f) - 1n);
  const at = BigInt(prng.below(fraction));
  const low = prng.pick([0n, 0n, 1n << at, (1n << f) - 1n, all, all, (all >> at) << at, 1n << (f - 1n)]);
  const sign = prng.oneIn(3) ? 1n << BigInt(width - 1) : 0n;
  return sign | ((exponent < 0n ? 0n : exponent > top ? top : exponent) << f) | low;
}

/** Half of a vector register: numbers of one format. */
function floatsValue(prng: Prng): bigint {
  const [width, fraction] = prng.pick([
    [64, 52] as const,
    [32, 23] as const,
    [32, 23] as const,
    [16, 10] as const,
  ]);
  return range(0, 64 / width - 1).reduce(
    (all, i) => all | (numberBits(prng, width, fraction) << BigInt(width * i)),
    0n,
  );
}

function startState(prng: Prng, record: number, half: (prng: Prng) => bigint = vectorValue): UserState {
  const middle = BigInt(record + DATA_MIDDLE);
  return {
    x: range(0, 30).map((i) => (i === BASE || i === POINTER ? middle : integerValue(prng))),
    sp: middle,
    nzcv: BigInt(prng.below(16)) << 28n,
    fpcr: 0n,
    fpsr: 0n,
    v: range(0, 63).map(() => half(prng)),
    data: Uint8Array.from({ length: DATA_BYTES }, () => prng.below(256)),
  };
}

const encode = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);

function sequence(prng: Prng, length: number): number[] {
  const words: number[] = [];
  while (words.length < length) words.push(...prng.pick(UNITS)(prng));
  return words;
}

/** `count` random cases of about `length` instructions each, for one program. */
export function randomUserCases(prng: Prng, count: number, length: number): readonly UserCase[] {
  return range(0, count - 1).map((i) => ({
    start: startState(prng, recordAddress(i)),
    code: encode(sequence(prng, length)),
  }));
}

/** One of each of the instructions of the vector registers whose names match. */
/** immh:immb of the least and the most that lanes of each size can be shifted by, and one beside it. */
const EXTREME_SHIFTS = [8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127];

/** One instruction, with any operands its encoding has; if it shifts by an immediate, often by an extreme one. */
function anyOf(name: string): Make {
  const make = generator(oneOf([name]), { xnSp: name.endsWith(".post") ? [POINTER] : BASES });
  if (!armInstructions.named(name).operands.has("immhb")) return make;
  const extreme = generator(oneOf([name]), { immhb: EXTREME_SHIFTS });
  return (prng) => (prng.oneIn(2) ? extreme : make)(prng);
}

const vectorMakers = (accept: RegExp): readonly Unit[] =>
  armInstructions.instructions
    .filter((instruction) => VECTOR.test(instruction.name) || isStructure(instruction))
    .filter(({ name }) => accept.test(name))
    .map(({ name }) => {
      const make = anyOf(name);
      if (!name.endsWith(".post")) return single(make);
      return (prng) => [
        named("add.imm", { sf: 1, rdSp: POINTER, rnSp: SP, imm: prng.below(1000) }),
        make(prng),
      ];
    });

/** A sequence that runs so many times. */
const looped = (body: readonly number[], rounds: number): readonly number[] => [
  named("movz", { sf: 1, rd: COUNTER, imm: rounds }),
  ...body,
  named("sub.imm", { sf: 1, rdSp: COUNTER, rnSp: COUNTER, imm: 1 }),
  named("cbnz", { sf: 1, rd: COUNTER, offset: -4 * (body.length + 1) }),
];

/**
 * Cases that hold every instruction of the vector registers so many times, `length` of them in a case; where two follow
 * each other, they follow in another order the next time. A case runs so many rounds.
 */
export function randomVectorCases(
  prng: Prng,
  times: number,
  length: number,
  rounds: number,
): readonly UserCase[] {
  return casesOf(repeated(prng, /./, times), length, rounds, (record) =>
    startState(prng, record, lanesValue),
  );
}

/** The same of floating point alone, on numbers where its rules differ and with any FPCR. */
export function randomFloatCases(
  prng: Prng,
  times: number,
  length: number,
  rounds: number,
): readonly UserCase[] {
  return casesOf(repeated(prng, FLOAT, times), length, rounds, (record) => ({
    ...startState(prng, record, floatsValue),
    fpcr: prng.oneIn(4) ? 0n : BigInt(prng.below(32)) << 22n,
  }));
}

function repeated(prng: Prng, accept: RegExp, times: number): readonly (readonly number[])[] {
  const makers = vectorMakers(accept);
  return range(1, times).flatMap(() => {
    const left = [...makers];
    return makers.map(() => (left.splice(prng.below(left.length), 1)[0] as Unit)(prng));
  });
}

function casesOf(
  units: readonly (readonly number[])[],
  length: number,
  rounds: number,
  start: (record: number) => UserState,
): readonly UserCase[] {
  return range(0, Math.ceil(units.length / length) - 1).map((i) => ({
    start: start(recordAddress(i)),
    code: encode(looped(units.slice(i * length, (i + 1) * length).flat(), rounds)),
  }));
}

/** As `randomUserCases`, in a loop that runs often enough for a compiler to be worth its while. */
export function randomLoopingCases(
  prng: Prng,
  count: number,
  length: number,
  rounds: number,
): readonly UserCase[] {
  return range(0, count - 1).map((i) => {
    const code = looped(sequence(prng, length), rounds);
    return { start: startState(prng, recordAddress(i)), code: encode(code) };
  });
}
