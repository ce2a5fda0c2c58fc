import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { SEGMENTS, Seg } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";

// Segment registers, and everything that changes CS: far JMP, CALL and RET, IRET, INT.

const insn = x86("base");
const D64: InstructionOptions = { size64: "d64" };
const LEGACY: InstructionOptions = { in64: "not" };

type Lift = (b: X86Builder) => void;

/** Operand size, and above it the length. */
const sizeAndLength = (b: X86Builder): number => b.size | (b.d.length << 4);

/** The far pointer in memory: offset, then selector. */
function pointer(b: X86Builder, index: number): { selector: Value; offset: Value } {
  const address = b.address(index);
  const offset = b.load(b.size, false, address);
  const selector = b.load(2, false, b.i64.add(address, b.i64.const(b.size)));
  return { selector, offset };
}

const farIndirect =
  (helper: number): Lift =>
  (b) => {
    const { selector, offset } = pointer(b, 0);
    b.callAndDispatch(helper, sizeAndLength(b), selector, offset);
  };

const farDirect =
  (helper: number): Lift =>
  (b) => {
    const { i64, d } = b;
    const offset = i64.pair(d.operandSize === 2 ? d.immediate & 0xffff : d.immediate, 0);
    b.callAndDispatch(helper, sizeAndLength(b), i64.const(d.second & 0xffff), offset);
  };

const farReturn: Lift = (b) => {
  const release = b.d.instruction?.operands.length === 1 ? b.immediate & 0xffff : 0;
  b.callAndDispatch(Helper.farReturn, b.size, b.i64.const(release));
};

const NUMBERED = 0x2_0000;
const EXCEPTION = 0x1_0000;
const interrupt =
  (vector: number, flags = 0): Lift =>
  (b) =>
    b.callAndDispatch(Helper.softwareInterrupt, vector | (b.d.length << 8) | flags);

const overflow: Lift = (b) => {
  b.ir.callIf(b.flags.overflow(), Helper.softwareInterrupt, Vector.OF | (b.d.length << 8), b.i64.const(0));
};

/** MOV to a segment register: CS cannot be one, nor are there 6 and 7. */
const moveToSegment: Lift = (b) => {
  const number = b.register(0);
  if (number === Seg.cs || number > Seg.gs) return b.undefined();
  b.callAndDispatch(Helper.loadSegment, number, b.unsigned(1));
};

/** MOV from one: 16 bits in memory, zero-extended in a register. */
const moveFromSegment: Lift = (b) => {
  if (b.register(1) > Seg.gs) return b.undefined();
  const value = b.raw(1);
  b.write(0, value);
};

const pushSegment =
  (number: number): Lift =>
  (b) => {
    const value = b.i64.extend_i32_u(b.ir.get(SEGMENTS[number]!.selector));
    // A push of 32 bits writes 16 of them.
    const at = b.stackOffset(b.stackPointer(), -b.size);
    b.storeStack(at, b.size === 4 ? 2 : b.size, value);
    b.setStackPointer(at);
  };

const popSegment =
  (number: number): Lift =>
  (b) => {
    const value = b.zeroExtended(2, b.top(b.size));
    // The register first: it may fault.
    b.ir.call(Helper.loadSegment, number, value);
    b.drop(b.size);
    b.dispatch();
  };

/** LDS and so on: a far pointer into a segment register and another. */
const loadPointer =
  (number: number): Lift =>
  (b) => {
    const { selector, offset } = pointer(b, 1);
    b.ir.call(Helper.loadSegment, number | 8, selector);
    b.setGpr(b.register(0), b.size, offset);
    b.dispatch();
  };

export const far: readonly X86Declaration<X86Builder>[] = [
  insn("jmp Ap", "EA", farDirect(Helper.farJump), LEGACY),
  insn("call Ap", "9A", farDirect(Helper.farCall), LEGACY),
  insn("jmp Mp", "FF /5", farIndirect(Helper.farJump)),
  insn("call Mp", "FF /3", farIndirect(Helper.farCall)),
  insn("retf Iw", "CA", farReturn),
  insn("retf", "CB", farReturn),
  insn("iret", "CF", (b) => b.callAndDispatch(Helper.interruptReturn, sizeAndLength(b)), {
    text: "iret/iretd/iretq",
  }),
  insn("int3", "CC", interrupt(Vector.BP)),
  insn("int1", "F1", interrupt(Vector.DB, EXCEPTION)),
  insn("int Ib", "CD", (b) => interrupt(b.immediate & 0xff, NUMBERED)(b)),
  insn("into", "CE", overflow, LEGACY),
  insn("mov S, Ew", "8E /r", moveToSegment),
  insn("mov RvMw, S", "8C /r", moveFromSegment),
  insn("push es", "06", pushSegment(Seg.es), LEGACY),
  insn("push cs", "0E", pushSegment(Seg.cs), LEGACY),
  insn("push ss", "16", pushSegment(Seg.ss), LEGACY),
  insn("push ds", "1E", pushSegment(Seg.ds), LEGACY),
  insn("push fs", "0F A0", pushSegment(Seg.fs), D64),
  insn("push gs", "0F A8", pushSegment(Seg.gs), D64),
  insn("pop es", "07", popSegment(Seg.es), LEGACY),
  insn("pop ss", "17", popSegment(Seg.ss), LEGACY),
  insn("pop ds", "1F", popSegment(Seg.ds), LEGACY),
  insn("pop fs", "0F A1", popSegment(Seg.fs), D64),
  insn("pop gs", "0F A9", popSegment(Seg.gs), D64),
  insn("les Gv, Mp", "C4 /r", loadPointer(Seg.es), LEGACY),
  insn("lds Gv, Mp", "C5 /r", loadPointer(Seg.ds), LEGACY),
  insn("lss Gv, Mp", "0F B2 /r", loadPointer(Seg.ss)),
  insn("lfs Gv, Mp", "0F B4 /r", loadPointer(Seg.fs)),
  insn("lgs Gv, Mp", "0F B5 /r", loadPointer(Seg.gs)),
];
