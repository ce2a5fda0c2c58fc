import { readMxcsr, writeMxcsr } from "../mxcsr.js";
import { X87 } from "../state.js";
import { ZERO } from "./number.js";
import { REAL_MODE_IMAGE, X87Image } from "./operations.js";
import type { RegisterStack } from "./stack.js";

// Images of the unit's state in memory: SDM volume 1, figures 8-9 to 8-12, and volume 2, FXSAVE. The lifter moves them
// eight bytes at a time.

const { environment16, environment32, state16, state32, extended64 } = X87Image;

const WORDS = 128;
/** Masks for exceptions, after FSTENV. */
const ALL_MASKED = 0x3f;
/** Bits of MXCSR that can be set. */
const MXCSR_MASK = 0xffff;
const MXCSR_OFFSET = 24;
const REGISTERS_OFFSET = 32;
const INITIAL_CONTROL = 0x37f;

/** Bits of linear addresses that real mode's images have. */
const REAL_MASK = { 16: 0xf_ffff, 32: 0xffff_ffff } as const;

export class X87Images {
  private readonly stack: RegisterStack;
  private readonly bytes = new DataView(new ArrayBuffer(WORDS * 8));

  constructor(stack: RegisterStack) {
    this.stack = stack;
  }

  /** Take the image of the state as it is now. */
  take(image: number): void {
    this.write(image);
  }

  /** Half of eight bytes of the image. */
  half(index: number, high: 0 | 1): number {
    return this.bytes.getInt32(8 * index + 4 * high, true);
  }

  /** Eight bytes of an image that is to be restored. */
  put(index: number, low: number, high: number): void {
    this.bytes.setInt32(8 * index, low, true);
    this.bytes.setInt32(8 * index + 4, high, true);
  }

  /** Would MXCSR, in the words put so far, be accepted? */
  get mxcsrValid(): boolean {
    return (this.bytes.getUint32(MXCSR_OFFSET, true) & ~MXCSR_MASK) === 0;
  }

  /** FNINIT. */
  initialize(): void {
    const { stack } = this;
    const { core } = stack;
    core.set(X87.control, INITIAL_CONTROL, 0);
    stack.status = 0;
    stack.used = 0;
    for (const field of [X87.opcode, X87.instruction, X87.data, X87.instructionSegment, X87.dataSegment])
      core.set(field, 0, 0);
  }

  /** As XRSTOR initializes: the registers are zero, too. */
  initializeAll(): void {
    this.initialize();
    for (let i = 0; i < 8; i++) this.stack.setPhysical(i, ZERO);
  }

  /** FSTENV and FSAVE change the state when it is stored. */
  saved(image: number): void {
    const kind = image & ~REAL_MODE_IMAGE;
    if (kind === state16 || kind === state32) return this.initialize();
    if (kind !== environment16 && kind !== environment32) return;
    const { stack } = this;
    stack.core.set(X87.control, stack.control | ALL_MASKED, 0);
    stack.summarize();
  }

  private write(image: number): void {
    const kind = image & ~REAL_MODE_IMAGE;
    if (kind >= X87Image.extended) return this.writeExtended(kind === extended64, this.bytes, 0);
    const wide = kind === environment32 || kind === state32;
    this.writeEnvironment(wide, (image & REAL_MODE_IMAGE) !== 0);
    if (kind === state32 || kind === state16) {
      for (let i = 0; i < 8; i++) this.writeRegister(i, this.bytes, (wide ? 28 : 14) + 10 * i);
    }
  }

  private writeRegister(index: number, bytes: DataView, offset: number): void {
    const { stack } = this;
    const { core } = stack;
    const number = stack.physical(index);
    const significand = X87.significand[number]!;
    bytes.setInt32(offset, core.lo(significand), true);
    bytes.setInt32(offset + 4, core.hi(significand), true);
    bytes.setUint16(offset + 8, core.lo(X87.exponent[number]!), true);
  }

  private readRegister(index: number, bytes: DataView, offset: number): void {
    const { stack } = this;
    const { core } = stack;
    const number = stack.physical(index);
    core.set(X87.significand[number]!, bytes.getInt32(offset, true), bytes.getInt32(offset + 4, true));
    core.set(X87.exponent[number]!, bytes.getUint16(offset + 8, true), 0);
  }

  private writeEnvironment(wide: boolean, real: boolean): void {
    const { stack, bytes } = this;
    const { core } = stack;
    let tags = 0;
    for (let i = 7; i >= 0; i--) tags = (tags << 2) | stack.tag(i);
    const opcode = core.lo(X87.opcode) & 0x7ff;
    const cs = core.lo(X87.instructionSegment) & 0xffff;
    const ds = core.lo(X87.dataSegment) & 0xffff;
    const [ip, data] = [core.lo(X87.instruction) >>> 0, core.lo(X87.data) >>> 0];
    const words: number[] = [stack.control, stack.status, tags];
    if (real) {
      const mask = REAL_MASK[wide ? 32 : 16];
      const linear = (ip + 16 * cs) & mask;
      const linearData = (data + 16 * ds) & mask;
      words.push(
        linear & 0xffff,
        ((linear >>> 16) << 12) | opcode,
        linearData & 0xffff,
        (linearData >>> 16) << 12,
      );
    } else words.push(ip, wide ? cs | (opcode << 16) : cs, data, ds);
    for (const [i, value] of words.entries()) {
      if (!wide) bytes.setUint16(2 * i, value & 0xffff, true);
      else bytes.setUint32(4 * i, isHalf(i, real) ? (value & 0xffff) | 0xffff_0000 : value, true);
    }
  }

  private readEnvironment(wide: boolean, real: boolean): void {
    const { stack, bytes } = this;
    const { core } = stack;
    const at = (i: number) => (wide ? bytes.getUint32(4 * i, true) : bytes.getUint16(2 * i, true));
    core.set(X87.control, (at(0) & 0x1f3f) | 0x40, 0);
    stack.status = at(1) & 0x7fff;
    const tags = at(2);
    let used = 0;
    for (let i = 0; i < 8; i++) if (((tags >> (2 * i)) & 3) !== 3) used |= 1 << i;
    stack.used = used;
    const linear = (low: number, high: number) => (low & 0xffff) | ((high >>> 12) << 16);
    if (real) {
      const mask = wide ? 0x0fff_f000 : 0xf000;
      core.set(X87.instruction, linear(at(3), at(4) & mask), 0);
      core.set(X87.data, linear(at(5), at(6) & mask), 0);
      core.set(X87.opcode, at(4) & 0x7ff, 0);
      core.set(X87.instructionSegment, 0, 0);
      core.set(X87.dataSegment, 0, 0);
    } else {
      core.set(X87.instruction, at(3) | 0, 0);
      core.set(X87.data, at(5) | 0, 0);
      core.set(X87.instructionSegment, at(4) & 0xffff, 0);
      core.set(X87.dataSegment, at(6) & 0xffff, 0);
      if (wide) core.set(X87.opcode, (at(4) >>> 16) & 0x7ff, 0);
    }
    stack.summarize();
  }

  /** FLDENV, FRSTOR, FXRSTOR. */
  restore(image: number): void {
    const kind = image & ~REAL_MODE_IMAGE;
    if (kind >= X87Image.extended) return this.readExtended(kind === extended64, this.bytes, 0);
    const wide = kind === environment32 || kind === state32;
    this.readEnvironment(wide, (image & REAL_MODE_IMAGE) !== 0);
    if (kind === state32 || kind === state16) {
      for (let i = 0; i < 8; i++) this.readRegister(i, this.bytes, (wide ? 28 : 14) + 10 * i);
    }
  }

  /** The part of FXSAVE's image that is the unit's, and MXCSR. */
  writeExtended(long: boolean, bytes: DataView, at: number): void {
    const { stack } = this;
    const { core } = stack;
    const { status } = stack;
    bytes.setInt32(at, (stack.control & 0xffff) | (status << 16), true);
    bytes.setInt32(at + 4, stack.used | ((core.lo(X87.opcode) & 0x7ff) << 16), true);
    bytes.setInt32(at + 8, core.lo(X87.instruction), true);
    const code = long ? core.hi(X87.instruction) : core.lo(X87.instructionSegment) & 0xffff;
    bytes.setInt32(at + 12, code, true);
    bytes.setInt32(at + 16, core.lo(X87.data), true);
    bytes.setInt32(at + 20, long ? core.hi(X87.data) : core.lo(X87.dataSegment) & 0xffff, true);
    bytes.setUint32(at + MXCSR_OFFSET, readMxcsr(core), true);
    bytes.setUint32(at + MXCSR_OFFSET + 4, MXCSR_MASK, true);
    for (let i = 0; i < 8; i++) {
      const register = at + REGISTERS_OFFSET + 16 * i;
      // Behind the ten bytes of a register are zeros.
      bytes.setInt32(register + 8, 0, true);
      bytes.setInt32(register + 12, 0, true);
      this.writeRegister(i, bytes, register);
    }
  }

  /** Take the unit's part of FXSAVE's image, without MXCSR. */
  readExtended(long: boolean, bytes: DataView, at: number): void {
    const { stack } = this;
    const { core } = stack;
    core.set(X87.control, (bytes.getUint16(at, true) & 0x1f3f) | 0x40, 0);
    stack.status = bytes.getUint16(at + 2, true) & 0x7fff;
    stack.used = bytes.getUint8(at + 4);
    core.set(X87.opcode, bytes.getUint16(at + 6, true) & 0x7ff, 0);
    const [code, data] = [bytes.getInt32(at + 12, true), bytes.getInt32(at + 20, true)];
    core.set(X87.instruction, bytes.getInt32(at + 8, true), long ? code : 0);
    core.set(X87.data, bytes.getInt32(at + 16, true), long ? data : 0);
    if (!long) {
      core.set(X87.instructionSegment, code & 0xffff, 0);
      core.set(X87.dataSegment, data & 0xffff, 0);
    }
    for (let i = 0; i < 8; i++) this.readRegister(i, bytes, at + REGISTERS_OFFSET + 16 * i);
    stack.summarize();
  }

  /** Take over MXCSR of the image. */
  restoreMxcsr(): void {
    writeMxcsr(this.stack.core, this.bytes.getUint32(MXCSR_OFFSET, true));
  }
}

/** Of the seven words of a 32-bit image: those whose upper half is reserved. */
const isHalf = (index: number, real: boolean): boolean =>
  index < 3 || (real ? index === 3 || index === 5 : index === 6);
