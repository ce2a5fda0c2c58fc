import { foldBinary, foldUnary } from "../passes/fold.js";
import { KnownFields } from "../passes/forward.js";
import type { Field } from "../state/layout.js";
import { type AccessSize, type AtomicSize, blankNode, type IrBlock, type Node } from "./node.js";
import { type Operations32, type Operations64, operations32, operations64 } from "./operations.js";
import { type IrType, IS_EXIT, Op, RESULT_TYPES, RMW_NAMES, type RmwName } from "./ops.js";
import { type SoftName, softFunction } from "./soft.js";
import { type VectorOperations, vectorOperations } from "./vectors.js";

/** A value in the IR. */
export type Value = Node;

/** Options of a memory access. */
export interface AccessOptions {
  /** The architecture faults on an address that is not a multiple of the size. */
  readonly aligned?: boolean;
}

/** Options of an atomic access. */
export interface AtomicOptions {
  /** A result of less than 8 bytes is sign-extended (default), or zero-extended. */
  readonly signed?: boolean;
}

export interface IrBuilderOptions {
  /** Fold constants and forward what is known of state fields while building (default); or emit every node as asked. */
  readonly simplify?: boolean;
}

/**
 * Builds one block. An architecture's lifter wraps it with names for its own registers.
 *
 * One builder is reused for all blocks, and so are its nodes: a finished block is valid until the next
 * `reset`, or until `recycle` if it was kept.
 */
export class IrBuilder {
  nodes: Node[] = [];
  offsets: number[] = [];
  private readonly simplify: boolean;
  private readonly known = new KnownFields();
  /** Nodes for reuse: the first `kept` of them are in blocks that were kept, others before number `used` in the present one. */
  private readonly pool: Node[] = [];
  private kept = 0;
  private used = 0;
  private insn = -1;
  /** True once an end was emitted: nothing may follow. */
  ended = false;

  readonly i64: Operations64;
  readonly i32: Operations32;
  readonly v128: VectorOperations["v128"];
  readonly i8x16: VectorOperations["i8x16"];
  readonly i16x8: VectorOperations["i16x8"];
  readonly i32x4: VectorOperations["i32x4"];
  readonly i64x2: VectorOperations["i64x2"];

  constructor({ simplify = true }: IrBuilderOptions = {}) {
    this.simplify = simplify;
    this.i64 = operations64(this);
    this.i32 = operations32(this);
    const { v128, i8x16, i16x8, i32x4, i64x2 } = vectorOperations(this);
    this.v128 = v128;
    this.i8x16 = i8x16;
    this.i16x8 = i16x8;
    this.i32x4 = i32x4;
    this.i64x2 = i64x2;
  }

  /** Start over for the next block. */
  reset(): void {
    this.nodes = [];
    this.offsets = [];
    this.used = this.kept;
    this.insn = -1;
    this.ended = false;
    this.known.clear();
  }

  /** The present block is to stay valid after `reset`, until `recycle`. */
  keep(): void {
    this.kept = this.used;
  }

  /** Blocks that were kept are not needed any more. */
  recycle(): void {
    this.kept = 0;
  }

  /** Take back the current instruction, whose first node would be number `first` of the block: the block ends before it. */
  takeBack(first: number): void {
    for (let i = first; i < this.nodes.length; i++) {
      const { a, b, c } = this.nodes[i] as Node;
      if (a !== null) a.uses--;
      if (b !== null) b.uses--;
      if (c !== null) c.uses--;
    }
    this.nodes.length = first;
    this.offsets.pop();
    this.insn--;
    this.ended = false;
    this.known.clear();
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

  /**
   * Whether a value of an earlier instruction of this block may be used now: where the block can be left in between,
   * code that resumes there has not computed it, unless it is what a field still holds.
   */
  isReusable(value: Value): boolean {
    if (value.insn === this.insn || value.op === Op.const || value.op === Op.pc) return true;
    if (value.op === Op.wrap) return this.isReusable(value.a as Value);
    if (value.op === Op.get && this.known.get(value.field as Field) === value) return true;
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const { op, insn } = this.nodes[i] as Node;
      if (insn === value.insn) return true;
      if (IS_EXIT[op] || op === Op.call || op === Op.callIf) return false;
    }
    return true;
  }

  finish(end: number): IrBlock {
    return { nodes: this.nodes, offsets: this.offsets, end };
  }

  // Values

  get(field: Field): Value {
    if (this.simplify) {
      const value = this.known.get(field);
      if (value !== null) return value;
    }
    const n = this.emit(Op.get, null, null, null);
    n.type = field.type;
    n.field = field;
    this.known.read(field, n);
    return n;
  }

  set(field: Field, value: Value): void {
    const n = this.emit(Op.set, value, null, null);
    n.field = field;
    this.known.set(field, value);
  }

  /** Nobody will read the field before it is set again, whether the block is left or not: what it holds may be anything. */
  discard(field: Field): void {
    this.emit(Op.discard, null, null, null).field = field;
  }

  /** The virtual address `offset` bytes from the start of the block's page. */
  pc(offset: number): Value {
    const n = this.emit(Op.pc, null, null, null);
    n.lo = offset;
    return n;
  }

  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    const n = this.emit(Op.select, condition, ifTrue, ifFalse);
    n.type = ifTrue.type;
    return n;
  }

  // Memory. Results of loads are i64, extended from the size; those of 16 bytes are v128.

  load(size: AccessSize, signed: boolean, address: Value, options?: AccessOptions): Value {
    const n = this.access(Op.load, size, options, address, null, null);
    n.type = size === 16 ? "v128" : "i64";
    n.signed = signed;
    return n;
  }

  /** Stores the low `size` bytes of an i64, or a v128. */
  store(size: AccessSize, address: Value, value: Value, options?: AccessOptions): void {
    this.access(Op.store, size, options, address, value, null);
  }

  /** Check that `size` bytes can be accessed, before an instruction that accesses several places commits anything. */
  probe(access: "read" | "write", size: AccessSize, address: Value): void {
    const n = this.access(Op.probe, size, undefined, address, null, null);
    n.signed = access === "write";
  }

  /** Atomic read-modify-write of aligned memory; gives the old value. Operands are cut to the size, min and max compare at it. */
  rmw(name: RmwName, size: AtomicSize, address: Value, value: Value, options?: AtomicOptions): Value {
    const n = this.atomic(Op.rmw, size, options, address, value, null);
    n.sub = RMW_NAMES.indexOf(name);
    return n;
  }

  /** Atomic compare and exchange of aligned memory; gives the old value. Of 16 bytes, all three values are v128. */
  cas(size: AtomicSize | 16, address: Value, expected: Value, value: Value, options?: AtomicOptions): Value {
    return this.atomic(Op.cas, size, options, address, expected, value);
  }

  /** Load and reserve aligned memory, of 16 bytes as a v128. */
  loadReserved(size: AtomicSize | 16, address: Value, options?: AtomicOptions): Value {
    return this.atomic(Op.loadReserved, size, options, address, null, null);
  }

  /** Store if the reservation still holds; gives i64 0 on success and 1 on failure, and ends the reservation. */
  storeConditional(size: AtomicSize | 16, address: Value, value: Value): Value {
    return this.access(Op.storeConditional, size, ALIGNED, address, value, null);
  }

  // Floating point: arguments and result are bit patterns (f32 in an i32, f64 in an i64). Flags accumulate
  // in the layout's `fpFlags`. `environment`: a rounding mode (`ROUNDING`), or a `floatEnvironment` of one and the
  // modes in force (`FLOAT_MODES`).

  fp(name: SoftName, environment: number, ...args: readonly Value[]): Value {
    const fn = softFunction(name);
    const n = this.emit(Op.fp, args[0] ?? null, args[1] ?? null, args[2] ?? null);
    this.known.raiseFlags();
    n.type = fn.result;
    n.sub = fn.index;
    n.lo = environment;
    return n;
  }

  // Helpers and ends

  /**
   * Call a registered helper with up to two i64 values and a 24-bit constant. The helper sees the state as
   * the instruction's start left it plus everything this instruction has set so far; it may trap or exit.
   */
  call(helper: number, constant: number, a?: Value, b?: Value): Value {
    const n = this.emit(Op.call, a ?? null, b ?? null, null);
    // Helpers may write any field.
    this.known.clear();
    n.type = "i64";
    n.sub = helper;
    n.lo = constant;
    return n;
  }

  /**
   * Call a helper if an i32 condition is not zero, with one i64 value. Nothing may have been set by this
   * instruction yet; a helper that completes the instruction answers with `Status.redispatch`.
   */
  callIf(condition: Value, helper: number, constant: number, value: Value): void {
    const n = this.emit(Op.callIf, condition, value, null);
    this.known.clear();
    n.sub = helper;
    n.lo = constant;
  }

  /**
   * Have a shortcut (`EngineOptions.shortcuts`) do what a helper does, or the helper if it cannot, with up to two i64
   * values and a 24-bit constant. There is no result: it is in a state field. What a `get` gave before is not to be used
   * behind it. Where it is compiled and gives up, the instruction is done again from its start in the cold tier: what it
   * has set or stored by then has to come out the same, and must change nothing about what it does.
   */
  shortcut(shortcut: number, helper: number, constant: number, a?: Value, b?: Value): void {
    const n = this.emit(Op.shortcut, a ?? null, b ?? null, null);
    this.known.clear();
    n.sub = helper;
    n.lo = constant;
    n.hi = shortcut;
  }

  /** Loads and stores from here on use the data context of the core with that i32 index, 0..3 (`CoreApi.setDataContexts`). */
  selectContext(which: Value): void {
    this.emit(Op.selectContext, which, null, null);
  }

  /** `jumpIndirect`, which has to follow, leads to the core's code context with that i32 index, 0 or 1 (`CoreApi.setCodeContexts`). */
  selectCode(which: Value): void {
    this.emit(Op.selectCode, which, null, null);
  }

  /** Continue at `offset` bytes from the start of this block's page (any signed 32-bit distance). */
  jump(offset: number): void {
    this.end(this.emit(Op.jump, null, null, null), offset, 0);
  }

  /** Continue at `taken` if the i32 condition is not zero, else at `otherwise`; both are offsets like `jump`'s. */
  branch(condition: Value, taken: number, otherwise: number): void {
    this.end(this.emit(Op.branch, condition, null, null), taken, otherwise);
  }

  /** Continue at a virtual address. */
  jumpIndirect(address: Value): void {
    this.end(this.emit(Op.jumpIndirect, address, null, null), 0, 0);
  }

  /** The same, behind a call: wherever it was made, and no sooner known than that. */
  returnTo(address: Value): void {
    this.end(this.emit(Op.jumpIndirect, address, null, null), RETURN, 0);
  }

  /** Continue at `offset` by way of the dispatcher, which looks at interrupts, mode and mappings anew. */
  dispatch(offset: number): void {
    this.end(this.emit(Op.dispatch, null, null, null), offset, 0);
  }

  /**
   * Continue at `offset` like `jump`, but by way of the dispatcher when it has something to look at or when the
   * i32 `field` is not zero: for instructions that may make interrupts deliverable but change neither mode
   * nor mappings. Only the CPU model may write the field, never guest code.
   */
  poll(offset: number, field: Field): void {
    const n = this.emit(Op.poll, null, null, null);
    n.field = field;
    this.end(n, offset, 0);
  }

  private end(n: Node, lo: number, hi: number): void {
    n.lo = lo;
    n.hi = hi;
    this.ended = true;
  }

  private atomic(
    op: number,
    size: AtomicSize | 16,
    options: AtomicOptions | undefined,
    a: Value,
    b: Value | null,
    c: Value | null,
  ): Node {
    const n = this.access(op, size, ALIGNED, a, b, c);
    n.type = size === 16 ? "v128" : "i64";
    n.signed = options?.signed !== false;
    return n;
  }

  private access(
    op: number,
    size: AccessSize,
    options: AccessOptions | undefined,
    a: Value,
    b: Value | null,
    c: Value | null,
  ): Node {
    const n = this.emit(op, a, b, c);
    n.size = size;
    n.aligned = options !== undefined && options.aligned === true;
    return n;
  }

  /** A constant from halves; `hi` of an i32 does not matter. */
  constant(type: IrType, lo: number, hi: number): Value {
    const n = this.emit(Op.const, null, null, null);
    n.type = type;
    n.lo = lo | 0;
    n.hi = hi | 0;
    return n;
  }

  /** A pure operation by its number. */
  binary(op: number, a: Value, b: Value): Value {
    return (this.simplify ? foldBinary(this, op, a, b) : null) ?? this.emit(op, a, b, null);
  }

  unary(op: number, a: Value): Value {
    return (this.simplify ? foldUnary(this, op, a) : null) ?? this.emit(op, a, null, null);
  }

  /** A pure operation on vectors by its number. */
  vector(
    op: number,
    a: Value | null,
    b: Value | null,
    c: Value | null,
    lane: number,
    bytes: Int32Array | null,
  ) {
    const n = this.emit(op, a, b, c);
    n.lo = lane;
    n.bytes = bytes;
    return n;
  }

  private emit(op: number, a: Value | null, b: Value | null, c: Value | null): Node {
    const { pool } = this;
    const at = this.used++;
    if (at === pool.length) pool.push(blankNode());
    const n = pool[at] as Node;
    n.op = op;
    n.type = RESULT_TYPES[op] as IrType;
    n.a = a;
    n.b = b;
    n.c = c;
    n.lo = 0;
    n.hi = 0;
    n.field = null;
    n.bytes = null;
    n.size = 8;
    n.signed = false;
    n.aligned = false;
    n.sub = 0;
    n.insn = this.insn;
    n.pending = null;
    n.slot = -1;
    n.uses = 0;
    n.last = -1;
    if (a !== null) a.uses++;
    if (b !== null) b.uses++;
    if (c !== null) c.uses++;
    this.nodes.push(n);
    return n;
  }
}

const ALIGNED: AccessOptions = { aligned: true };
/** `lo` of an indirect jump that returns from a call. */
const RETURN = 1;
