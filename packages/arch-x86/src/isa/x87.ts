import { Gpr, X87 } from "../cpu/state.js";
import { loadable } from "../cpu/x87/constants.js";
import { X87Image, X87Op, X87Source } from "../cpu/x87/operations.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";
import {
  type Lift,
  nonWaiting,
  note,
  operate,
  putImage,
  realMode,
  storeImage,
  wait,
  waiting,
  wholeAddress,
} from "./x87-lifter.js";

// The floating-point unit: SDM volume 2, F2XM1 to FYL2XP1, and WAIT. Memory is moved here; the unit computes.

const REGISTER: InstructionOptions = { form: "register" };
const hex = (value: number): string => value.toString(16).toUpperCase().padStart(2, "0");

/** An instruction on registers: `register` from the top. */
const onRegisters =
  (op: number, options: { toRegister?: boolean; pops?: number } = {}): Lift =>
  (b) => {
    note(b, false);
    operate(b, { op, register: b.d.rm & 7, ...options });
  };

/** An instruction with a memory operand that is read. */
const onMemory =
  (op: number, source: number, pops = 0): Lift =>
  (b) => {
    const value = b.unsigned(b.d.instruction?.operands.length === 1 ? 0 : 1);
    note(b, true);
    operate(b, { op, source, pops }, value);
  };

const BYTES: Readonly<Record<number, 2 | 4 | 8 | 10>> = {
  ...{ [X87Source.single]: 4, [X87Source.double]: 8, [X87Source.extended]: 10, [X87Source.decimal]: 10 },
  ...{ [X87Source.int16]: 2, [X87Source.int32]: 4, [X87Source.int64]: 8 },
};

/** A load of ten bytes. */
const loadTen =
  (source: number): Lift =>
  (b) => {
    const address = b.address(0);
    const low = b.load(8, false, address);
    const high = b.load(2, false, b.i64.add(address, b.i64.const(8)));
    note(b, true);
    operate(b, { op: X87Op.load, source }, low, high);
  };

/** The unit computes what to store; when it is stored, the state changes. */
const store =
  (source: number, pops: number, op: number = X87Op.store): Lift =>
  (b) => {
    const bytes = BYTES[source] as number;
    const address = b.address(0, true);
    b.probe(address, bytes);
    note(b, true);
    operate(b, { op, source, pops });
    const value = b.ir.get(X87.result);
    if (bytes === 10) {
      b.store(8, address, value);
      b.store(2, b.i64.add(address, b.i64.const(8)), b.ir.get(X87.resultHigh));
    } else b.store(bytes, address, value);
    operate(b, { op: X87Op.stored, pops });
  };

/** FCMOVcc: below, equal, below or equal, unordered, as condition codes; `negated`: not so. */
const moveIf =
  (condition: number, negated: boolean): Lift =>
  (b) => {
    const { i64 } = b;
    const holds = i64.extend_i32_u(b.flags.condition(condition | (negated ? 1 : 0)));
    note(b, false);
    operate(b, { op: X87Op.moveIf, register: b.d.rm & 7 }, holds);
  };

/** FCOMI and FUCOMI. */
const compareFlags =
  (op: number, pops: number): Lift =>
  (b) => {
    note(b, false);
    operate(b, { op, register: b.d.rm & 7, pops });
    b.flags.explicit(b.ir.get(X87.result));
  };

/** Environment (`whole` false) or state: sizes with operands of 16 bits, and otherwise. */
const image = (b: X86Builder, whole: boolean): { kind: number; bytes: number } => {
  const narrow = b.size === 2;
  const kind = narrow ? X87Image.environment16 : X87Image.environment32;
  const bytes = narrow ? 14 : 28;
  // States follow the environments in number.
  return { kind: (whole ? kind + 2 : kind) | realMode(b), bytes: whole ? bytes + 80 : bytes };
};

const saveImage =
  (whole: boolean): Lift =>
  (b) => {
    const { kind, bytes } = image(b, whole);
    const address = wholeAddress(b, bytes, true);
    b.probe(address, bytes);
    storeImage(b, kind, address, bytes);
    operate(b, { op: X87Op.savedImage, register: kind });
  };

const restoreImage =
  (whole: boolean): Lift =>
  (b) => {
    const { kind, bytes } = image(b, whole);
    putImage(b, wholeAddress(b, bytes, false), bytes);
    operate(b, { op: X87Op.restoreImage, register: kind });
  };

/** A constant, which is given as rounded to nearest. */
const constant =
  (number: number): Lift =>
  (b) => {
    const { i64 } = b;
    const { exponent, significand } = loadable(number, 0);
    note(b, false);
    operate(b, { op: X87Op.loadConstant, register: number }, i64.const(significand), i64.const(exponent));
  };

const simple =
  (op: number): Lift =>
  (b) => {
    operate(b, { op });
  };
const nothing: Lift = () => {};
const noteOnly: Lift = (b) => note(b, false);

/** FADD to FDIVR in D8 and DC, FIADD to FIDIVR in DA and DE: by ModRM.reg. */
const ARITHMETIC = ["add", "mul", "com", "comp", "sub", "subr", "div", "divr"] as const;

const COMPARE = X87Op.compare;
const comparison = (reg: number): boolean => reg === 2 || reg === 3;

const memoryArithmetic = ARITHMETIC.flatMap((name, reg) => {
  const lift = (source: number) =>
    comparison(reg) ? onMemory(COMPARE, source, reg - 2) : onMemory(reg, source);
  return [
    waiting(`f${name} Md`, `D8 /${reg}`, lift(X87Source.single)),
    waiting(`f${name} Mq`, `DC /${reg}`, lift(X87Source.double)),
    waiting(`fi${name} Md`, `DA /${reg}`, lift(X87Source.int32)),
    waiting(`fi${name} Mw`, `DE /${reg}`, lift(X87Source.int16)),
  ];
});

/** Destination ST(0): D8; ST(i): DC, and DE with a pop. There, SUB and SUBR, DIV and DIVR have each other's place. */
const registerArithmetic = ARITHMETIC.flatMap((name, reg) => {
  const compare = (pops: number) => onRegisters(COMPARE, { pops });
  if (comparison(reg)) return [waiting(`f${name} STi`, `D8 /${reg}`, compare(reg - 2), REGISTER)];
  const swapped = reg < 4 ? reg : reg ^ 1;
  // "destination - source" with the destination ST(i).
  const other = ARITHMETIC[swapped] as string;
  return [
    waiting(`f${name} st, STi`, `D8 /${reg}`, onRegisters(reg), REGISTER),
    waiting(`f${other} STi, st`, `DC /${reg}`, onRegisters(swapped, { toRegister: true }), REGISTER),
    waiting(
      `f${other}p STi, st`,
      `DE /${reg}`,
      onRegisters(swapped, { toRegister: true, pops: 1 }),
      REGISTER,
    ),
  ];
});

/** Encodings that processors have besides those that the manual names. */
const alias = (name: string): InstructionOptions => ({ form: "register", name });

const comparisons: readonly X86Declaration<X86Builder>[] = [
  waiting("fcom STi", "DC /2", onRegisters(COMPARE), alias("fcom DC")),
  waiting("fcomp STi", "DC /3", onRegisters(COMPARE, { pops: 1 }), alias("fcomp DC")),
  waiting("fcomp STi", "DE /2", onRegisters(COMPARE, { pops: 1 }), alias("fcomp DE")),
  waiting("fcompp", "DE D9", onRegisters(COMPARE, { pops: 2 })),
  waiting("fucom STi", "DD /4", onRegisters(X87Op.compareQuiet), REGISTER),
  waiting("fucomp STi", "DD /5", onRegisters(X87Op.compareQuiet, { pops: 1 }), REGISTER),
  waiting("fucompp", "DA E9", onRegisters(X87Op.compareQuiet, { pops: 2 })),
  waiting("fcomi st, STi", "DB /6", compareFlags(X87Op.compareFlags, 0), REGISTER),
  waiting("fcomip st, STi", "DF /6", compareFlags(X87Op.compareFlags, 1), REGISTER),
  waiting("fucomi st, STi", "DB /5", compareFlags(X87Op.compareFlagsQuiet, 0), REGISTER),
  waiting("fucomip st, STi", "DF /5", compareFlags(X87Op.compareFlagsQuiet, 1), REGISTER),
];

const CONDITIONS = [
  ["b", 2],
  ["e", 4],
  ["be", 6],
  ["u", 10],
] as const;

const { single, double, int16, int32, int64, extended, decimal } = X87Source;

const transfers: readonly X86Declaration<X86Builder>[] = [
  waiting("fld Md", "D9 /0", onMemory(X87Op.load, single)),
  waiting("fld Mq", "DD /0", onMemory(X87Op.load, double)),
  waiting("fld Mt", "DB /5", loadTen(extended)),
  waiting("fild Mw", "DF /0", onMemory(X87Op.load, int16)),
  waiting("fild Md", "DB /0", onMemory(X87Op.load, int32)),
  waiting("fild Mq", "DF /5", onMemory(X87Op.load, int64)),
  waiting("fbld Mt", "DF /4", loadTen(decimal)),
  waiting("fst Md", "D9 /2", store(single, 0)),
  waiting("fst Mq", "DD /2", store(double, 0)),
  waiting("fstp Md", "D9 /3", store(single, 1)),
  waiting("fstp Mq", "DD /3", store(double, 1)),
  waiting("fstp Mt", "DB /7", store(extended, 1)),
  waiting("fist Mw", "DF /2", store(int16, 0)),
  waiting("fist Md", "DB /2", store(int32, 0)),
  waiting("fistp Mw", "DF /3", store(int16, 1)),
  waiting("fistp Md", "DB /3", store(int32, 1)),
  waiting("fistp Mq", "DF /7", store(int64, 1)),
  waiting("fisttp Mw", "DF /1", store(int16, 1, X87Op.storeTruncated)),
  waiting("fisttp Md", "DB /1", store(int32, 1, X87Op.storeTruncated)),
  waiting("fisttp Mq", "DD /1", store(int64, 1, X87Op.storeTruncated)),
  waiting("fbstp Mt", "DF /6", store(decimal, 1)),
  waiting("fld STi", "D9 /0", onRegisters(X87Op.loadRegister), REGISTER),
  waiting("fst STi", "DD /2", onRegisters(X87Op.storeRegister), REGISTER),
  waiting("fstp STi", "DD /3", onRegisters(X87Op.storeRegister, { pops: 1 }), REGISTER),
  waiting("fstp STi", "D9 /3", onRegisters(X87Op.storeUnchecked), alias("fstp D9")),
  waiting("fstp STi", "DF /2", onRegisters(X87Op.storeRegister, { pops: 1 }), alias("fstp DF /2")),
  waiting("fstp STi", "DF /3", onRegisters(X87Op.storeRegister, { pops: 1 }), alias("fstp DF /3")),
  waiting("fxch STi", "D9 /1", onRegisters(X87Op.exchange), REGISTER),
  waiting("fxch STi", "DD /1", onRegisters(X87Op.exchange), alias("fxch DD")),
  waiting("fxch STi", "DF /1", onRegisters(X87Op.exchange), alias("fxch DF")),
  ...CONDITIONS.flatMap(([name, code], reg) => [
    waiting(`fcmov${name} st, STi`, `DA /${reg}`, moveIf(code, false), REGISTER),
    waiting(`fcmovn${name} st, STi`, `DB /${reg}`, moveIf(code, true), REGISTER),
  ]),
  ...["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"].map((name, i) =>
    waiting(name, `D9 ${hex(0xe8 + i)}`, constant(i)),
  ),
];

/** Instructions on ST(0), and ST(1): D9 with a ModRM byte; how many registers are popped. */
const OPERATIONS: readonly (readonly [name: string, modrm: number, op: number, pops?: number])[] = [
  ["fchs", 0xe0, X87Op.changeSign],
  ["fabs", 0xe1, X87Op.absolute],
  ["ftst", 0xe4, X87Op.test],
  ["fxam", 0xe5, X87Op.examine],
  ["f2xm1", 0xf0, X87Op.powerLessOne],
  ["fyl2x", 0xf1, X87Op.logarithm, 1],
  ["fptan", 0xf2, X87Op.tangent],
  ["fpatan", 0xf3, X87Op.arctangent, 1],
  ["fxtract", 0xf4, X87Op.extract],
  ["fprem1", 0xf5, X87Op.remainderNearest],
  ["fprem", 0xf8, X87Op.remainder],
  ["fyl2xp1", 0xf9, X87Op.logarithmOfMore, 1],
  ["fsqrt", 0xfa, X87Op.squareRoot],
  ["fsincos", 0xfb, X87Op.sineAndCosine],
  ["frndint", 0xfc, X87Op.roundToInteger],
  ["fscale", 0xfd, X87Op.scale],
  ["fsin", 0xfe, X87Op.sine],
  ["fcos", 0xff, X87Op.cosine],
];

const control: readonly X86Declaration<X86Builder>[] = [
  waiting("fnop", "D9 D0", noteOnly),
  waiting("fdecstp", "D9 F6", onRegisters(X87Op.decrement)),
  waiting("fincstp", "D9 F7", onRegisters(X87Op.increment)),
  waiting("ffree STi", "DD /0", onRegisters(X87Op.free), REGISTER),
  waiting("ffreep STi", "DF /0", onRegisters(X87Op.free, { pops: 1 }), REGISTER),
  waiting("fldcw Mw", "D9 /5", (b) => {
    operate(b, { op: X87Op.loadControl }, b.unsigned(0));
  }),
  waiting("fldenv M", "D9 /4", restoreImage(false)),
  waiting("frstor M", "DD /4", restoreImage(true)),
  nonWaiting("fnstenv M", "D9 /6", saveImage(false)),
  nonWaiting("fnsave M", "DD /6", saveImage(true)),
  nonWaiting("fnstcw Mw", "D9 /7", (b) => b.write(0, b.i64.extend_i32_u(b.ir.get(X87.control)))),
  nonWaiting("fnstsw Mw", "DD /7", (b) => b.write(0, b.i64.extend_i32_u(b.ir.get(X87.status)))),
  nonWaiting("fnstsw ax", "DF E0", (b) => b.setGpr(Gpr.rax, 2, b.i64.extend_i32_u(b.ir.get(X87.status)))),
  nonWaiting("fnclex", "DB E2", simple(X87Op.clearExceptions)),
  nonWaiting("fninit", "DB E3", simple(X87Op.initialize)),
  // Of coprocessors before the 80387.
  nonWaiting("fneni", "DB E0", nothing),
  nonWaiting("fndisi", "DB E1", nothing),
  nonWaiting("fnsetpm", "DB E4", nothing),
  x86("x87")("fwait", "9B", wait),
];

export const floatingPoint: readonly X86Declaration<X86Builder>[] = [
  ...memoryArithmetic,
  ...registerArithmetic,
  ...comparisons,
  ...transfers,
  ...OPERATIONS.map(([name, modrm, op, pops = 0]) =>
    waiting(name, `D9 ${hex(modrm)}`, onRegisters(op, { pops })),
  ),
  ...control,
];
