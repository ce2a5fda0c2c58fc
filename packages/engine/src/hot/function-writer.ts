import { ByteWriter } from "../wasm/bytes.js";
import { VALTYPE_BYTE, type ValType, VECTOR_PREFIX } from "../wasm/opcodes.js";
import {
  V128_LOAD,
  V128_LOAD32_ZERO,
  V128_LOAD64_ZERO,
  V128_STORE,
  V128_STORE32_LANE,
  V128_STORE64_LANE,
} from "../wasm/vectors.js";

/** Opcodes the region emitter writes by name. */
export const W = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  return: 0x0f,
  call: 0x10,
  returnCallIndirect: 0x13,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Load: 0x28,
  i64Load: 0x29,
  f64Load: 0x2b,
  i64Load8S: 0x30,
  i64Load8U: 0x31,
  i64Load16S: 0x32,
  i64Load16U: 0x33,
  i64Load32S: 0x34,
  i64Load32U: 0x35,
  i32Store: 0x36,
  i64Store: 0x37,
  f64Store: 0x39,
  i64Store8: 0x3c,
  i64Store16: 0x3d,
  i64Store32: 0x3e,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32LtS: 0x48,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  i32GtU: 0x4b,
  i32GeU: 0x4f,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64LtU: 0x54,
  i64GtS: 0x55,
  i64GtU: 0x56,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  wrap: 0xa7,
  extendU: 0xad,
  extend8S: 0xc2,
  extend16S: 0xc3,
  extend32S: 0xc4,
  i32FromF32: 0xbc,
  i64FromF64: 0xbd,
  f32FromI32: 0xbe,
  f64FromI64: 0xbf,
  // Behind the prefix of vectors.
  v128Load: (VECTOR_PREFIX << 8) | V128_LOAD,
  v128Store: (VECTOR_PREFIX << 8) | V128_STORE,
  v128Load32Zero: (VECTOR_PREFIX << 8) | V128_LOAD32_ZERO,
  v128Load64Zero: (VECTOR_PREFIX << 8) | V128_LOAD64_ZERO,
  v128Store32Lane: (VECTOR_PREFIX << 8) | V128_STORE32_LANE,
  v128Store64Lane: (VECTOR_PREFIX << 8) | V128_STORE64_LANE,
} as const;

/** Room for the code of most regions. */
const CODE_BYTES = 8192;

/** A WebAssembly function written while a guest runs: bytes, locals as they are needed, labels by depth. */
export class FunctionWriter {
  readonly out = new ByteWriter(CODE_BYTES);
  /** It uses the floating-point functions and flags. */
  usesFloats = false;
  /** It calls shortcuts. */
  usesShortcuts = false;
  /** Offsets of hinted branches in `out`, ascending, each with 1 if it is likely taken, else 0. */
  private readonly hints: { readonly at: number; readonly taken: 0 | 1 }[] = [];
  private readonly types: ValType[] = [];
  private depth = 0;

  local(type: ValType): number {
    return this.types.push(type) - 1;
  }
  typeOf(local: number): ValType {
    return this.types[local] as ValType;
  }

  op(code: number): void {
    this.out.u8(code);
  }
  get(local: number): void {
    this.out.u8(W.localGet);
    this.out.u32(local);
  }
  set(local: number): void {
    this.out.u8(W.localSet);
    this.out.u32(local);
  }
  tee(local: number): void {
    this.out.u8(W.localTee);
    this.out.u32(local);
  }
  i32(value: number): void {
    this.out.u8(W.i32Const);
    this.out.s32(value);
  }
  i64(lo: number, hi: number): void {
    this.out.u8(W.i64Const);
    this.out.s64(lo, hi);
  }
  /** An i64 constant that is a safe integer. */
  i64Number(value: number): void {
    this.i64(value | 0, Math.floor(value / 0x1_0000_0000));
  }
  /** A small constant, not negative. */
  constant(type: "i32" | "i64", value: number): void {
    if (type === "i32") this.i32(value);
    else this.i64(value, 0);
  }
  /** The bit pattern on the stack as a value of another type of the same width. */
  convert(from: ValType, to: ValType): void {
    if (from === to) return;
    if (to === "f64") this.op(W.f64FromI64);
    else if (to === "f32") this.op(W.f32FromI32);
    else this.op(from === "f64" ? W.i64FromF64 : W.i32FromF32);
  }
  /** A vector instruction, with its immediate. */
  vector(code: number, immediate: ArrayLike<number> = []): void {
    this.out.u8(VECTOR_PREFIX);
    this.out.u32(code);
    for (let i = 0; i < immediate.length; i++) this.out.u8(immediate[i] as number);
  }
  /** Load or store with a constant offset; alignment is never promised. */
  memory(code: number, offset: number): void {
    if (code > 0xff) this.out.u8(VECTOR_PREFIX);
    this.out.u8(code & 0xff);
    this.out.u8(0);
    this.out.u32(offset);
  }
  /** Load from a fixed address. */
  load(code: number, address: number): void {
    this.i32(0);
    this.memory(code, address);
  }
  /** Store a local at a fixed address. */
  store(code: number, address: number, local: number): void {
    this.i32(0);
    this.get(local);
    this.memory(code, address);
  }

  /** Open a construct; gives its label for `br`. `type` is the block's result. */
  open(code: number, type?: ValType): number {
    this.out.u8(code);
    this.out.u8(type === undefined ? 0x40 : VALTYPE_BYTE[type]);
    return ++this.depth;
  }
  else(): void {
    this.out.u8(W.else);
  }
  close(): void {
    this.out.u8(W.end);
    this.depth--;
  }
  br(label: number): void {
    this.out.u8(W.br);
    this.out.u32(this.depth - label);
  }
  brIf(label: number): void {
    this.out.u8(W.brIf);
    this.out.u32(this.depth - label);
  }
  brUnlikely(label: number): void {
    this.hint("unlikely");
    this.brIf(label);
  }

  /**
   * The `if` or `br_if` written next is seldom taken (or mostly). V8 moves what is unlikely out of the way and
   * keeps registers for the rest: a call there costs nothing until it is made.
   */
  hint(taken: "unlikely" | "likely"): void {
    this.hints.push({ at: this.out.length, taken: taken === "likely" ? 1 : 0 });
  }

  /** Append the function's entry of the branch hint section (of the function with that index). */
  encodeHints(target: ByteWriter, index: number): void {
    const start = this.head().length;
    target.u32(index);
    target.u32(this.hints.length);
    for (const { at, taken } of this.hints) {
      target.u32(start + at);
      target.u8(1);
      target.u8(taken);
    }
  }

  /** Append the function as an entry of a code section. */
  encode(target: ByteWriter): void {
    const head = this.head();
    target.u32(head.length + this.out.length + 1);
    target.append(head.view());
    target.append(this.out.view());
    target.u8(W.end);
  }

  /** Declarations of locals. */
  private head(): ByteWriter {
    const head = new ByteWriter(16);
    const groups: [ValType, number][] = [];
    for (const type of this.types) {
      const last = groups.at(-1);
      if (last?.[0] === type) last[1]++;
      else groups.push([type, 1]);
    }
    head.u32(groups.length);
    for (const [type, count] of groups) {
      head.u32(count);
      head.u8(VALTYPE_BYTE[type]);
    }
    return head;
  }
}
