import type { Field } from "../state/layout.js";
import type { AccessSize, IrBlock, Node } from "./node.js";
import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  type IrType,
  Op,
  opCode,
  opInfo,
  RMW_NAMES,
  type RmwName,
} from "./ops.js";
import { type SoftName, softFunction } from "./soft.js";

/** A value in the IR. */
export type Value = Node;

/** Options of a memory access. */
export interface AccessOptions {
  /** The architecture faults on an address that is not a multiple of the size. */
  readonly aligned?: boolean;
}

type Binary = (a: Value, b: Value) => Value;
type Unary = (a: Value) => Value;
type Table<N extends readonly string[], F> = { readonly [K in N[number]]: F };

/** Builds one block. An architecture's lifter wraps it with names for its own registers. */
export class IrBuilder {
  readonly nodes: Node[] = [];
  readonly offsets: number[] = [];
  private insn = -1;
  /** True once an end was emitted: nothing may follow. */
  ended = false;

  readonly i64: Table<typeof I64_BINARY_NAMES, Binary> &
    Table<typeof COMPARE_NAMES, Binary> &
    Table<typeof I64_UNARY_NAMES, Unary> & {
      const(value: number | bigint): Value;
      /** Constant from two's complement halves. */
      pair(lo: number, hi: number): Value;
      eqz: Unary;
      extend_i32_s: Unary;
      extend_i32_u: Unary;
    };
  readonly i32: Table<typeof I32_BINARY_NAMES, Binary> &
    Table<typeof COMPARE_NAMES, Binary> &
    Table<typeof I32_UNARY_NAMES, Unary> & {
      const(value: number): Value;
      eqz: Unary;
      wrap_i64: Unary;
    };

  constructor() {
    const binary = (prefix: string, names: readonly string[]) =>
      this.named(prefix, names, (op) => (a: Value, b: Value) => this.emit(op, a, b));
    const unary = (prefix: string, names: readonly string[]) =>
      this.named(prefix, names, (op) => (a: Value) => this.emit(op, a));
    this.i64 = {
      ...binary("i64", I64_BINARY_NAMES),
      ...binary("i64", COMPARE_NAMES),
      ...unary("i64", I64_UNARY_NAMES),
      const: (value: number | bigint) => this.const64(value),
      pair: (lo: number, hi: number) => this.constant("i64", lo, hi),
      eqz: (a: Value) => this.emit(Op.eqz64, a),
      extend_i32_s: (a: Value) => this.emit(Op.extendS, a),
      extend_i32_u: (a: Value) => this.emit(Op.extendU, a),
    } as IrBuilder["i64"];
    this.i32 = {
      ...binary("i32", I32_BINARY_NAMES),
      ...binary("i32", COMPARE_NAMES),
      ...unary("i32", I32_UNARY_NAMES),
      const: (value: number) => this.constant("i32", value, value < 0 ? -1 : 0),
      eqz: (a: Value) => this.emit(Op.eqz32, a),
      wrap_i64: (a: Value) => this.emit(Op.wrap, a),
    } as IrBuilder["i32"];
  }

  private named<F>(prefix: string, names: readonly string[], make: (op: number) => F): Record<string, F> {
    return Object.fromEntries(names.map((name) => [name, make(opCode(`${prefix}.${name}`))]));
  }

  /** Start over for the next block; the builder is reused because making one is not free. */
  reset(): void {
    this.nodes.length = 0;
    this.offsets.length = 0;
    this.insn = -1;
    this.ended = false;
  }

  /** Begin a guest instruction whose first byte is at `offset` in the block's page. */
  instruction(offset: number): void {
    this.offsets.push(offset);
    this.insn++;
  }

  /** Index of the current guest instruction within the block. */
  get instructionIndex(): number {
    return this.insn;
  }

  finish(end: number): IrBlock {
    return { nodes: this.nodes, offsets: this.offsets, end };
  }

  // Values

  get(field: Field): Value {
    const n = this.emit(Op.get);
    n.type = field.type === "i32" ? "i32" : "i64";
    n.field = field;
    return n;
  }

  set(field: Field, value: Value): void {
    const n = this.emit(Op.set, value);
    n.field = field;
  }

  /** The virtual address `offset` bytes from the start of the block's page. */
  pc(offset: number): Value {
    const n = this.emit(Op.pc);
    n.lo = offset;
    return n;
  }

  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    const n = this.emit(Op.select, condition, ifTrue, ifFalse);
    n.type = ifTrue.type;
    return n;
  }

  // Memory. Results of loads are i64, extended from the size.

  load(size: AccessSize, signed: boolean, address: Value, options?: AccessOptions): Value {
    const n = this.access(Op.load, size, options, address);
    n.type = "i64";
    n.signed = signed;
    return n;
  }

  /** Stores the low `size` bytes of an i64. */
  store(size: AccessSize, address: Value, value: Value, options?: AccessOptions): void {
    this.access(Op.store, size, options, address, value);
  }

  /** Check that `size` bytes can be accessed, before an instruction that accesses several places commits anything. */
  probe(access: "read" | "write", size: AccessSize, address: Value): void {
    const n = this.access(Op.probe, size, undefined, address);
    n.signed = access === "write";
  }

  /** Atomic read-modify-write of 4 or 8 bytes, aligned; gives the old value, a 4-byte one sign-extended. */
  rmw(name: RmwName, size: 4 | 8, address: Value, value: Value): Value {
    const n = this.access(Op.rmw, size, { aligned: true }, address, value);
    n.type = "i64";
    n.signed = true;
    n.sub = RMW_NAMES.indexOf(name);
    return n;
  }

  /** Atomic compare and exchange of 4 or 8 bytes, aligned; gives the old value, a 4-byte one sign-extended. */
  cas(size: 4 | 8, address: Value, expected: Value, value: Value): Value {
    const n = this.access(Op.cas, size, { aligned: true }, address, expected, value);
    n.type = "i64";
    n.signed = true;
    return n;
  }

  /** Load and reserve 4 or 8 aligned bytes; a 4-byte value is sign-extended. */
  loadReserved(size: 4 | 8, address: Value): Value {
    const n = this.access(Op.loadReserved, size, { aligned: true }, address);
    n.type = "i64";
    n.signed = true;
    return n;
  }

  /** Store if the reservation still holds; gives i64 0 on success and 1 on failure, and ends the reservation. */
  storeConditional(size: 4 | 8, address: Value, value: Value): Value {
    return this.access(Op.storeConditional, size, { aligned: true }, address, value);
  }

  // Floating point: arguments and result are bit patterns (f32 in an i32, f64 in an i64). Flags accumulate
  // in the layout's `fpFlags`. `rounding`: 0 nearest-even, 1 zero, 2 down, 3 up, 4 nearest-away.

  fp(name: SoftName, rounding: number, ...args: readonly Value[]): Value {
    const fn = softFunction(name);
    const n = this.emit(Op.fp, args[0], args[1], args[2]);
    n.type = fn.result;
    n.sub = fn.index;
    n.lo = rounding;
    return n;
  }

  // Helpers and ends

  /**
   * Call a registered helper with up to two i64 values and a 24-bit constant. The helper sees the state as
   * the instruction's start left it plus everything this instruction has set so far; it may trap or exit.
   */
  call(helper: number, constant: number, a?: Value, b?: Value): Value {
    const n = this.emit(Op.call, a, b);
    n.type = "i64";
    n.sub = helper;
    n.lo = constant;
    return n;
  }

  /** Continue at `offset` bytes from the start of this block's page (any signed 32-bit distance). */
  jump(offset: number): void {
    this.end(this.emit(Op.jump), offset, 0);
  }

  /** Continue at `taken` if the i32 condition is not zero, else at `otherwise`; both are offsets like `jump`'s. */
  branch(condition: Value, taken: number, otherwise: number): void {
    this.end(this.emit(Op.branch, condition), taken, otherwise);
  }

  /** Continue at a virtual address. */
  jumpIndirect(address: Value): void {
    this.end(this.emit(Op.jumpIndirect, address), 0, 0);
  }

  /** Continue at `offset` by way of the dispatcher, which looks at interrupts, mode and mappings anew. */
  dispatch(offset: number): void {
    this.end(this.emit(Op.dispatch), offset, 0);
  }

  private end(n: Node, lo: number, hi: number): void {
    n.lo = lo;
    n.hi = hi;
    this.ended = true;
  }

  private access(
    op: number,
    size: AccessSize,
    options: AccessOptions | undefined,
    a: Value,
    b?: Value,
    c?: Value,
  ): Node {
    const n = this.emit(op, a, b, c);
    n.size = size;
    n.aligned = options?.aligned ?? false;
    return n;
  }

  private const64(value: number | bigint): Value {
    if (typeof value === "number" && Number.isInteger(value) && value >= -0x80000000 && value <= 0x7fffffff) {
      return this.constant("i64", value, value < 0 ? -1 : 0);
    }
    const v = BigInt(value);
    return this.constant("i64", Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, v >> 32n)));
  }

  private constant(type: IrType, lo: number, hi: number): Value {
    const n = this.emit(Op.const);
    n.type = type;
    n.lo = lo | 0;
    n.hi = hi | 0;
    return n;
  }

  private emit(op: number, a?: Value, b?: Value, c?: Value): Node {
    const result = opInfo(op).result;
    const n: Node = {
      op,
      type: result === "any" ? "i64" : result,
      a: a ?? null,
      b: b ?? null,
      c: c ?? null,
      lo: 0,
      hi: 0,
      field: null,
      size: 8,
      signed: false,
      aligned: false,
      sub: 0,
      insn: this.insn,
      pending: null,
      slot: -1,
      uses: 0,
      last: -1,
    };
    this.nodes.push(n);
    return n;
  }
}
