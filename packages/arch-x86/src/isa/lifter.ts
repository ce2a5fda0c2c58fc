import { type AccessSize, InstructionBuilder, type IrBuilder, type Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { type CodeMode, modeOf } from "../cpu/mode.js";
import { GPR, Gpr, READ_LIMITS, SEGMENTS, Seg, WRITE_LIMITS, XMM } from "../cpu/state.js";
import { x86InstructionsOf } from "./declaration.js";
import { Decoded, operandBytes, RIP } from "./decoded.js";
import { FlagsWriter } from "./flags.js";
import type { OperandType } from "./operand-type.js";

/** Exception vectors that instructions raise by themselves. */
export const Vector = {
  DE: 0,
  DB: 1,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  SS: 12,
  GP: 13,
  MF: 16,
  XM: 19,
} as const;

/** 32 bits set. */
const LOW_32 = -1;
const PAGE = 4096;
/** How far from a pointer a displacement leads: further away it is the address of a table, and the register an index. */
const NEAR = 1 << 16;
const GENERAL: ReadonlySet<unknown> = new Set(GPR);

/**
 * The instruction being lifted, with x86's names for what the IR offers.
 *
 * Values of general operands are i64. `raw` ones are right in their low `bytes` and anything above; `signed` and
 * `unsigned` ones are extended. An instruction reads and stores all of its memory before it writes registers or
 * flags, so that a fault leaves them as they were.
 */
export class X86Builder extends InstructionBuilder<CodeMode> {
  readonly flags: FlagsWriter;
  /** The instruction taken apart. */
  readonly d = new Decoded();
  /** Linear address of the memory operand: computed once. */
  private linear: Value | null = null;
  /** What was read of it, and how that is extended: it is read once. */
  private loaded: Value | null = null;
  private loadedSigned = false;

  constructor(ir: IrBuilder) {
    super(ir, modeOf);
    this.flags = new FlagsWriter(ir);
  }

  /** Begin the instruction that was decoded into `d`. */
  beginDecoded(offset: number, mode: number): void {
    this.begin(offset, this.d.length, 0, mode);
    this.linear = null;
    this.loaded = null;
  }

  /** Operand size in bytes. */
  get size(): number {
    return this.d.operandSize;
  }

  private operand(index: number): OperandType {
    const type = this.d.instruction?.operands[index];
    if (type === undefined) throw new Error(`${this.d.instruction?.name} has no operand ${index}`);
    return type;
  }

  /** Bytes of an operand. */
  bytes(index: number): number {
    return operandBytes(this.d, this.operand(index));
  }

  /** Is the operand memory? */
  isMemory(index: number): boolean {
    const { place } = this.operand(index);
    if (place === "rm" || place === "xmmRm" || place === "mmxRm") return this.d.mod !== 3;
    return place === "memory" || place === "offset" || place === "source" || place === "destination";
  }

  /** Number of the register an operand is. */
  register(index: number): number {
    const { d } = this;
    const { place, index: implied } = this.operand(index);
    switch (place) {
      case "reg":
      case "segment":
      case "control":
      case "debug":
      case "xmmReg":
        return implied >= 0 ? implied : d.reg;
      case "mmxReg":
        return d.reg & 7;
      case "mmxRm":
      case "mmxRegister":
      case "stack":
        return implied >= 0 ? implied : d.rm & 7;
      case "vvvv":
        return d.vvvv;
      case "opcode":
        return d.opcodeRegister;
      case "fixed":
      case "fixedSegment":
        return implied;
      default:
        return d.rm;
    }
  }

  // Registers

  /** A general-purpose register of some bytes: right in its low bytes. AH to BH are 4 to 7 without a REX prefix. */
  gpr(number: number, bytes: number): Value {
    if (bytes === 1 && this.isHigh(number)) return this.high(number);
    return this.ir.get(GPR[number]!);
  }

  /** Write the low bytes of a register; four clear the rest, fewer leave it. */
  setGpr(number: number, bytes: number, value: Value): void {
    const { ir, i64 } = this;
    if (bytes === 8) return ir.set(GPR[number]!, value);
    if (bytes === 4) return ir.set(GPR[number]!, this.zeroExtended(4, value));
    if (bytes === 1 && this.isHigh(number)) return this.setHigh(number, value);
    const mask = bytes === 1 ? 0xff : 0xffff;
    const field = GPR[number]!;
    ir.set(field, i64.or(i64.and(ir.get(field), i64.const(~mask)), i64.and(value, i64.const(mask))));
  }

  /** The same if an i32 is not zero; else nothing of the register changes, not even an upper half. */
  setGprIf(condition: Value, number: number, bytes: number, value: Value): void {
    const field = GPR[bytes === 1 && this.isHigh(number) ? number & 3 : number]!;
    const before = this.ir.get(field);
    this.setGpr(number, bytes, value);
    this.ir.set(field, this.ir.select(condition, this.ir.get(field), before));
  }

  /** AH, CH, DH or BH (4 to 7) in the low byte, whatever prefixes there are. */
  high(number: number): Value {
    return this.i64.shr_u(this.ir.get(GPR[number & 3]!), this.i64.const(8));
  }

  setHigh(number: number, value: Value): void {
    const { ir, i64 } = this;
    const field = GPR[number & 3]!;
    const placed = i64.shl(i64.and(value, i64.const(0xff)), i64.const(8));
    ir.set(field, i64.or(i64.and(ir.get(field), i64.const(~0xff00)), placed));
  }

  private isHigh(number: number): boolean {
    return !this.d.rex && number >= 4 && number < 8;
  }

  signExtended(bytes: number, value: Value): Value {
    const { i64 } = this;
    switch (bytes) {
      case 1:
        return i64.extend8_s(value);
      case 2:
        return i64.extend16_s(value);
      case 4:
        return i64.extend32_s(value);
      default:
        return value;
    }
  }

  zeroExtended(bytes: number, value: Value): Value {
    if (bytes === 8 || (bytes === 4 && this.isNarrow(value))) return value;
    return this.i64.and(value, bytes === 4 ? this.i64.pair(LOW_32, 0) : this.i64.const(2 ** (8 * bytes) - 1));
  }

  /** Outside of long mode, general registers have nothing in their upper halves (`X86Cpu.modeChanged`). */
  private isNarrow(value: Value): boolean {
    return !this.mode.longMode && value.field !== null && GENERAL.has(value.field);
  }

  // Operands

  /** An operand: right in its low bytes. `update`: it will be written, too. */
  raw(index: number, update = false): Value {
    return this.read(index, false, update);
  }

  /** An operand, sign-extended. */
  signed(index: number, update = false): Value {
    const value = this.read(index, true, update);
    return this.isMemory(index) || this.isImmediate(index)
      ? value
      : this.signExtended(this.bytes(index), value);
  }

  /** An operand, zero-extended. */
  unsigned(index: number, update = false): Value {
    const value = this.read(index, false, update);
    return this.isMemory(index) ? value : this.zeroExtended(this.bytes(index), value);
  }

  isImmediate(index: number): boolean {
    const { place } = this.operand(index);
    return place === "immediate" || place === "signedImmediate" || place === "one";
  }

  private read(index: number, signed: boolean, update: boolean): Value {
    const { d, i64 } = this;
    if (this.isMemory(index)) return this.readMemory(index, signed, update);
    switch (this.operand(index).place) {
      case "immediate":
      case "signedImmediate":
        return index > 0 && this.isImmediate(index - 1)
          ? i64.const(d.second)
          : i64.pair(d.immediate, d.immediateHigh);
      case "one":
        return i64.const(1);
      case "segment":
      case "fixedSegment":
        return i64.extend_i32_u(this.ir.get(SEGMENTS[this.register(index)]!.selector));
      default:
        return this.gpr(this.register(index), this.bytes(index));
    }
  }

  private readMemory(index: number, signed: boolean, update: boolean): Value {
    const bytes = this.bytes(index);
    if (this.loaded === null) {
      this.loaded = this.load(bytes, signed, this.address(index, update));
      this.loadedSigned = signed;
    }
    if (signed === this.loadedSigned) return this.loaded;
    return signed ? this.signExtended(bytes, this.loaded) : this.zeroExtended(bytes, this.loaded);
  }

  /** The immediate as a number: sign-extended from its size, 32 bits of it. */
  get immediate(): number {
    return this.d.immediate;
  }

  /** Write an operand: the low bytes of `value`. */
  write(index: number, value: Value): void {
    const bytes = this.bytes(index);
    if (this.isMemory(index)) this.store(bytes, this.address(index, true), value);
    else this.setGpr(this.register(index), bytes, value);
  }

  /** Write an operand of four bytes: an i32. */
  writeNarrow(index: number, value: Value): void {
    const wide = this.i64.extend_i32_u(value);
    if (this.isMemory(index)) this.store(4, this.address(index, true), wide);
    else this.ir.set(GPR[this.register(index)]!, wide);
  }

  /** An operand of four bytes as an i32. */
  narrow(index: number, update = false): Value {
    return this.i32.wrap_i64(this.raw(index, update));
  }

  // Addresses

  /** Linear address of a memory operand; its segment has been checked for all of its bytes. */
  address(index: number, write = false): Value {
    if (this.linear === null) {
      const segment = this.segmentOf();
      const offset = this.effectiveAddress(!this.goesBeyond(segment, write));
      this.linear = this.inSegment(segment, offset, this.bytes(index), write);
    }
    return this.linear;
  }

  /** The memory operand is further up by a signed number of bytes. */
  moveAddress(distance: Value): void {
    const offset = this.wrapped(this.i64.add(this.effectiveAddress(), distance));
    this.linear = this.inSegment(this.segmentOf(), offset, this.bytes(0), true);
  }

  /** The segment that the memory operand is in. */
  segmentOf(): number {
    const { segment, stackBased } = this.d;
    return segment >= 0 ? segment : stackBased ? Seg.ss : Seg.ds;
  }

  /** The memory operand's offset in its segment, as LEA gives it: as wide as the address size, zero-extended. */
  effectiveAddress(wrap = true): Value {
    const { d, ir } = this;
    if (d.base === RIP) return this.wrapped(ir.pc(this.next + d.displacement));
    return this.offsetFrom(d.base < 0 ? null : ir.get(GPR[d.base]!), wrap);
  }

  /** The same with a value for the base register. */
  private offsetFrom(base: Value | null, wrap = true): Value {
    const { d, i64, ir } = this;
    const { displacement, displacementHigh } = d;
    let sum = base;
    if (d.index >= 0) {
      const index = ir.get(GPR[d.index]!);
      const scaled = d.scale === 0 ? index : i64.shl(index, i64.const(d.scale));
      sum = sum === null ? scaled : i64.add(sum, scaled);
    }
    if (sum === null) return this.wrapped(i64.pair(displacement, displacementHigh));
    if (displacement !== 0) sum = i64.add(sum, i64.const(displacement));
    return wrap ? this.wrapped(sum) : sum;
  }

  private wrapped(address: Value): Value {
    return this.zeroExtended(this.d.addressSize, address);
  }

  /**
   * In flat 32-bit code, pointers with a displacement need not be wrapped: beyond 4 GiB, translation looks at the lower
   * halves, which is slow but hardly happens. Such addresses are then checked together. An index may be negative.
   */
  private goesBeyond(segment: number, write: boolean): boolean {
    const { mode, d } = this;
    if (segment >= Seg.fs || (write && segment === Seg.cs) || !isPlain32(mode)) return false;
    return d.addressSize === 4 && d.index < 0 && Math.abs(d.displacement) < NEAR;
  }

  /** Linear address of an offset, which is zero-extended from at most the address size. Checks what the segment asks for. */
  inSegment(segment: number, offset: Value, bytes: number, write: boolean): Value {
    const { mode, ir, i64 } = this;
    const own = segment >= Seg.fs;
    if (mode.bits === 64) return own ? i64.add(ir.get(SEGMENTS[segment]!.base), offset) : offset;
    // Code cannot be written, however flat it lies.
    if (mode.flat && !own && !(write && segment === Seg.cs)) return offset;
    const limit = ir.get((write ? WRITE_LIMITS : READ_LIMITS)[segment]!);
    const last = bytes === 1 ? offset : i64.add(offset, i64.const(bytes - 1));
    const constant = segment | (write ? 8 : 0) | (Math.min(bytes, 0xffff) << 4);
    ir.callIf(i64.gt_s(last, limit), Helper.segmentLimit, constant, offset);
    return this.zeroExtended(4, i64.add(ir.get(SEGMENTS[segment]!.base), offset));
  }

  /** Linear addresses of string elements are what their index registers hold. */
  get plainStrings(): boolean {
    const { mode, d } = this;
    return d.addressSize !== 2 && (mode.bits === 64 || mode.flat) && this.segmentOf() < Seg.fs;
  }

  load(bytes: number, signed: boolean, address: Value): Value {
    return this.ir.load(bytes as AccessSize, signed, address);
  }

  store(bytes: number, address: Value, value: Value): void {
    this.ir.store(bytes as AccessSize, address, value);
  }

  /** Some bytes can be written, wherever they begin. */
  probe(address: Value, bytes: number): void {
    this.ir.probe("write", 1, address);
    this.ir.probe("write", 1, this.i64.add(address, this.i64.const(bytes - 1)));
  }

  // The stack. Several pushes of one instruction move the pointer once, when all are stored.

  /** The stack pointer, as an offset in SS. */
  stackPointer(): Value {
    return this.zeroExtended(this.mode.stack, this.ir.get(GPR[Gpr.rsp]!));
  }

  setStackPointer(value: Value): void {
    const { stack } = this.mode;
    // Not through `setGpr`, for which 2 bytes and a REX prefix would matter: a stack of 2 bytes leaves the rest.
    if (stack === 8) return this.ir.set(GPR[Gpr.rsp]!, value);
    this.setGpr(Gpr.rsp, stack, value);
  }

  /** `bytes` further up (or, negative, down) the stack from an offset in it. */
  stackOffset(pointer: Value, bytes: number): Value {
    const { mode, i64 } = this;
    const sum = i64.add(pointer, i64.const(bytes));
    return mode.stack === 4 && isPlain32(mode) ? sum : this.zeroExtended(mode.stack, sum);
  }

  loadStack(pointer: Value, bytes: number): Value {
    return this.load(bytes, false, this.inSegment(Seg.ss, pointer, bytes, false));
  }

  storeStack(pointer: Value, bytes: number, value: Value): void {
    this.store(bytes, this.inSegment(Seg.ss, pointer, bytes, true), value);
  }

  push(bytes: number, value: Value): void {
    const top = this.stackPointer();
    this.storeStack(this.stackOffset(top, -bytes), bytes, value);
    // Added once more: the first sum is part of the access.
    this.setStackPointer(this.stackOffset(top, -bytes));
  }

  /** The top of the stack; `drop` takes it off when everything that can fault is done. */
  top(bytes: number): Value {
    return this.loadStack(this.stackPointer(), bytes);
  }

  drop(bytes: number): void {
    this.setStackPointer(this.stackOffset(this.stackPointer(), bytes));
  }

  /** POP to memory: a base of rSP is the pointer after the pop. */
  popTo(value: Value, pointer: Value): void {
    if (this.d.base !== Gpr.rsp) {
      this.write(0, value);
      return this.setStackPointer(pointer);
    }
    this.linear = this.inSegment(this.segmentOf(), this.offsetFrom(pointer), this.size, true);
    this.store(this.size, this.linear, value);
    this.setStackPointer(pointer);
  }

  // Vectors

  /** A vector operand of 16 bytes. Memory has to be aligned where the instruction says so. */
  vector(index: number, aligned = false): Value {
    if (!this.isMemory(index)) return this.ir.get(XMM[this.register(index)]!);
    return this.ir.load(16, false, this.address(index), { aligned });
  }

  writeVector(index: number, value: Value, aligned = false): void {
    if (this.isMemory(index)) this.ir.store(16, this.address(index, true), value, { aligned });
    else this.ir.set(XMM[this.register(index)]!, value);
  }

  // Control

  /** The offset in CS of the next instruction, as CALL pushes it. */
  nextIp(): Value {
    const { ir, i64, mode } = this;
    const linear = ir.pc(this.next);
    // In flat code as well, a place in the page of the instruction is where it is.
    if (mode.bits === 64 || (mode.bits === 32 && mode.flat && this.next < PAGE)) return linear;
    const ip = mode.flat ? linear : i64.sub(linear, ir.get(SEGMENTS[Seg.cs]!.base));
    return this.zeroExtended(mode.bits === 16 ? 2 : 4, ip);
  }

  /**
   * #GP unless code can be at an offset in CS: the branch faults, not what it leads to. Offsets are zero-extended from
   * the operand size; `taken`: an i32, not zero if the branch is taken at all.
   */
  checkTarget(ip: Value, taken?: Value): void {
    const { ir, i32, i64, mode } = this;
    let beyond: Value;
    if (mode.bits === 64) {
      // Bits 63:47 are all the same: with one added to them, those above are clear.
      beyond = i32.wrap_i64(i64.shr_u(i64.add(ip, i64.pair(0, 0x8000)), i64.const(48)));
    } else if (mode.flat) return;
    else beyond = i64.gt_u(ip, i64.extend_i32_u(ir.get(SEGMENTS[Seg.cs]!.limit)));
    this.raiseIf(taken === undefined ? beyond : i32.and(i32.eqz(i32.eqz(taken)), beyond), Vector.GP, 0);
  }

  /** Go on at an offset in CS, which is zero-extended from the operand size and was checked. */
  jumpTo(ip: Value): void {
    this.ir.jumpIndirect(this.linearInCode(ip));
  }

  /** The same, as a near call's return. */
  returnTo(ip: Value): void {
    this.ir.returnTo(this.linearInCode(ip));
  }

  private linearInCode(ip: Value): Value {
    const { ir, i64, mode } = this;
    if (mode.bits === 64 || mode.flat) return ip;
    return this.zeroExtended(4, i64.add(ir.get(SEGMENTS[Seg.cs]!.base), ip));
  }

  /** Can a relative branch of this operand size wrap around at 64 KiB? */
  private get wraps(): boolean {
    return this.size === 2 && this.mode.bits !== 64;
  }

  /** The offset that the relative operand leads to. */
  private relativeTarget(): Value {
    const ip = this.i64.add(this.nextIp(), this.i64.const(this.d.immediate));
    return this.zeroExtended(this.size === 2 ? 2 : 4, ip);
  }

  /** #GP unless code can be where the relative operand leads. 64-bit code goes no further than to a fetch's #GP by it. */
  checkRelative(taken?: Value): void {
    if (this.mode.bits !== 64) this.checkTarget(this.relativeTarget(), taken);
  }

  /** Go on at the relative operand, which was checked. */
  jumpRelative(): void {
    if (this.wraps) this.jumpTo(this.relativeTarget());
    else this.ir.jump(this.next + this.d.immediate);
  }

  /** The same if an i32 is not zero, else with the next instruction. */
  branchRelative(condition: Value): void {
    if (this.wraps) this.jumpTo(this.ir.select(condition, this.relativeTarget(), this.nextIp()));
    else this.ir.branch(condition, this.next + this.d.immediate, this.next);
  }

  /** The same if it is zero. */
  branchRelativeUnless(condition: Value): void {
    if (this.wraps) this.branchRelative(this.i32.eqz(condition));
    else this.ir.branch(condition, this.next, this.next + this.d.immediate);
  }

  /** #UD. */
  undefined(): void {
    this.callAndDispatch(Helper.undefined);
  }

  /** Raise an exception, with an error code of up to 15 bits or without. */
  raise(vector: number, errorCode?: number): void {
    this.callAndDispatch(Helper.raise, exception(vector, errorCode));
  }

  /** The same if an i32 is not zero. Before the instruction writes anything. */
  raiseIf(condition: Value, vector: number, errorCode?: number): void {
    this.ir.callIf(condition, Helper.raise, exception(vector, errorCode), this.i64.const(0));
  }

  /** #GP unless the memory operand is aligned. */
  requireAligned(index: number, bytes: number): void {
    const { i32 } = this;
    const low = i32.and(i32.wrap_i64(this.address(index, true)), i32.const(bytes - 1));
    this.raiseIf(low, Vector.GP, 0);
  }
}

/** Flat code of a 32-bit system: there is nothing above 4 GiB. */
const isPlain32 = ({ flat, bits, longMode }: CodeMode): boolean => flat && bits === 32 && !longMode;

/** The constant of the helper `raise`. */
function exception(vector: number, errorCode: number | undefined): number {
  return errorCode === undefined ? vector : vector | 0x100 | (errorCode << 9);
}

/** Declares the instructions of a CPUID feature. */
export const x86 = (feature: string) => x86InstructionsOf<X86Builder>(feature);
