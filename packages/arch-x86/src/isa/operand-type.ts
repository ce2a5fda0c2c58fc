// Operand types as in the SDM's opcode maps (volume 2, appendix A.2): a letter for where the operand is and a suffix
// for how large it is; or the name of a register that the opcode implies.

/** Where an operand is. */
export type OperandPlace =
  /** General-purpose register or memory, by ModRM.rm; `memory` and `register` allow one of them only. */
  | "rm"
  | "memory"
  | "register"
  /** General-purpose register by ModRM.reg, by VEX.vvvv, by the opcode. */
  | "reg"
  | "vvvv"
  | "opcode"
  /** Segment, control or debug register by ModRM.reg. */
  | "segment"
  | "control"
  | "debug"
  /** XMM register or memory, XMM register by ModRM.rm, by ModRM.reg. */
  | "xmmRm"
  | "xmmRegister"
  | "xmmReg"
  /** The same with MMX registers. */
  | "mmxRm"
  | "mmxRegister"
  | "mmxReg"
  /** ST(i) by ModRM.rm. */
  | "stack"
  | "immediate"
  /** An immediate that is sign-extended to the operand size. */
  | "signedImmediate"
  /** Distance from the next instruction. */
  | "relative"
  /** A far pointer in the instruction. */
  | "farPointer"
  /** Memory at an offset in the instruction. */
  | "offset"
  /** Memory at DS:rSI and at ES:rDI. */
  | "source"
  | "destination"
  /** A register or number that the opcode implies: `index`. */
  | "fixed"
  | "fixedSegment"
  | "one";

/** How large: bytes, or what the operand size (v), at most 4 of it (z), REX.W (y), a far pointer (p) make of it. */
export type OperandSize = number | "v" | "z" | "y" | "p";

export interface OperandType {
  readonly name: string;
  readonly place: OperandPlace;
  readonly size: OperandSize;
  /** Bytes of it if it is a register, where those are others. */
  readonly registerSize: OperandSize | undefined;
  /** Number of the register that the opcode implies. */
  readonly index: number;
}

/** All of one shape, as every instruction that is decoded looks at some of them. */
function operandType(
  name: string,
  place: OperandPlace,
  size: OperandSize,
  index = -1,
  registerSize?: OperandSize,
): OperandType {
  return { name, place, size, registerSize, index };
}

const PLACES: Readonly<Record<string, OperandPlace>> = {
  ...{ E: "rm", M: "memory", R: "register", G: "reg", B: "vvvv", Z: "opcode" },
  ...{ S: "segment", C: "control", D: "debug" },
  ...{ W: "xmmRm", U: "xmmRegister", V: "xmmReg", Q: "mmxRm", N: "mmxRegister", P: "mmxReg" },
  ...{ I: "immediate", sI: "signedImmediate", J: "relative", A: "farPointer", O: "offset" },
  ...{ X: "source", Y: "destination" },
};

const SIZES: Readonly<Record<string, OperandSize>> = {
  ...{ "": 0, b: 1, w: 2, d: 4, q: 8, dq: 16, x: 16, t: 10, s: 10, v: "v", z: "z", y: "y", p: "p" },
  ...{ ss: 4, sd: 8, ps: 16, pd: 16 },
};

const FIXED = new Map<string, OperandType>();
const fixed = (name: string, place: OperandPlace, index: number, size: OperandSize) =>
  FIXED.set(name, operandType(name, place, size, index));
for (const [index, name] of ["al", "cl"].entries()) fixed(name, "fixed", index, 1);
// Registers whose width is the operand size: `rAX` is AX, EAX or RAX; `zAX` never RAX.
for (const [index, name] of ["AX", "CX", "DX", "BX"].entries()) {
  fixed(`r${name}`, "fixed", index, "v");
  fixed(`z${name}`, "fixed", index, "z");
}
fixed("ax", "fixed", 0, 2);
fixed("dx", "fixed", 2, 2);
for (const [index, name] of ["es", "cs", "ss", "ds", "fs", "gs"].entries())
  fixed(name, "fixedSegment", index, 2);
fixed("xmm0", "xmmReg", 0, 16);
fixed("st", "stack", 0, 10);
fixed("1", "one", 1, 1);
FIXED.set("STi", operandType("STi", "stack", 10));

// A register, or less memory.
const narrower = (name: string, size: OperandSize, registerSize: OperandSize) =>
  FIXED.set(name, operandType(name, "rm", size, -1, registerSize));
narrower("RdMb", 1, 4);
narrower("RdMw", 2, 4);
narrower("RvMw", 2, "v");

const TYPE = /^(sI|[A-Z])([a-z]*)$/;

/** Parse an operand type. Throws an `Error` for one that there is not. */
export function parseOperandType(text: string): OperandType {
  const known = FIXED.get(text);
  if (known !== undefined) return known;
  const [, letter = "", suffix = ""] = TYPE.exec(text) ?? [];
  const place = PLACES[letter];
  const size = SIZES[suffix];
  if (place === undefined || size === undefined) throw new Error(`no operand type ${text}`);
  return operandType(text, place, size);
}

/** Places that ModRM.rm says, and what its mod may be: 3 a register, 0 memory. */
export const RM_PLACES: ReadonlyMap<OperandPlace, "both" | "memory" | "register"> = new Map([
  ["rm", "both"],
  ["xmmRm", "both"],
  ["mmxRm", "both"],
  ["memory", "memory"],
  ["register", "register"],
  ["xmmRegister", "register"],
  ["mmxRegister", "register"],
]);
