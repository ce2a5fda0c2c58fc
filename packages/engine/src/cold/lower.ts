import { type AtomicSize, type IrBlock, isReturn, type Node, OVERWRITTEN } from "../ir/node.js";
import { IS_PURE, Op, opInfo } from "../ir/ops.js";
import {
  ENGINE_STATE as E,
  FIRST_ARCH_OFFSET,
  type Field,
  TEMPORARY_COUNT,
  VECTOR_TEMPORARY_COUNT,
} from "../state/layout.js";
import { fuse, isSilent, SIGN_EXTENDED } from "./fuse.js";
import { CALL_BITS, HAS_RECIPE, joinedOf, microOp, NOTED_TARGETS, vectorMicroOp } from "./micro-ops.js";
import {
  ATOMIC,
  BINARY,
  type BinaryCodes,
  BRANCH,
  COMMUTES,
  FP,
  LANES,
  type Lane,
  loadOp,
  RMW,
  STORES,
  UNARY,
  VECTORS,
} from "./selection.js";
import { SlowAccess } from "./slow-access.js";

/** A delayed state write: what a field holds when the block is left at some point, or where the state has that. */
export interface RecipeEntry {
  readonly offset: number;
  readonly lo: number;
  readonly hi: number;
  /** Offset of the place that it is copied from; -1 for a constant. */
  readonly from: number;
}

/** A copy that is made by exits only, as the field is overwritten before anybody else reads it. */
interface Copy {
  readonly field: Field;
  readonly from: number;
}

/** Block ends whose targets are not known yet: which word of the code gets the target's address. */
export interface LinkRequest {
  /** Word index, relative to the first micro-op. */
  readonly word: number;
  /** Target as an offset from the block's page. */
  readonly target: number;
}

/** A block as micro-ops, position-independent but for links. */
export interface LoweredBlock {
  readonly words: Int32Array;
  /** Words used. */
  readonly length: number;
  readonly links: readonly LinkRequest[];
  /** Word index at which each guest instruction begins, and its page offset. */
  readonly starts: readonly number[];
  readonly offsets: readonly number[];
  /** At the start of each instruction, the state is what those before it made it. */
  readonly exact: boolean;
  /** Exit recipes that have delayed writes, by word index of their micro-op. */
  readonly recipes: ReadonlyMap<number, readonly RecipeEntry[]> | null;
}

const NO_SLOT = -1;
const NOTHING = -1;
const WITHIN_STATE = new Set<number>([Op.get, Op.set, Op.discard]);
/** How many nodes behind a computation the write of its value is looked for. */
const LOOK_AHEAD = 6;
/** A write that was carried out as its value was computed. */
const WRITTEN = -2;
const PAGE_SHIFT_INDEX = 16;

const VECTOR = microOp("vector");
const VECTOR_IMMEDIATE = microOp("vector_immediate");
const MOVE_VECTOR = vectorMicroOp("mov");
const CONST_VECTOR = vectorMicroOp("const");
const SHUFFLE = vectorMicroOp("shuffle");
const SELECT_VECTOR = vectorMicroOp("select");
const CONST = microOp("const");
const MOV = microOp("mov");
const EXTEND_U = microOp("extend_u");
const AND_IMMEDIATE = microOp("i64.and.imm");
const ADD_IMMEDIATE = microOp("i64.add.imm");
const PROBE_READ = microOp("probe_read");
const PROBE_WRITE = microOp("probe_write");
const SELECT = microOp("select");
const FLAGS_OUT = microOp("flags_out");
const FLAGS_IN = microOp("flags_in");
const CALL = microOp("call");
const CALL_IF = microOp("call_if");
const CALL_IF_ANY = microOp("call_if_any");
const SHORTCUT = microOp("shortcut");
const SELECT_CONTEXT = microOp("select_context");
const SELECT_CODE = microOp("select_code");
const POLL = microOp("poll");
const JUMP = microOp("jump");
const JUMP_INDIRECT = microOp("jump_indirect");
const JUMP_NOTED = microOp("jump_noted");
const DISPATCH = microOp("dispatch");
const LEAVE_AT = microOp("leave_at");
const LEAVE_INDIRECT = microOp("leave_indirect");
const BRANCH_NZ = microOp("branch_nz");
const CHECK_ALIGN = microOp("check_align");
/** Where a value was moved from a field, whole vector or not, to a temporary. */
interface Moved {
  readonly from: number;
  readonly wide: boolean;
  readonly to: number;
}

/** A value that needs no computation, but a place to be read from. */
function isConstant(n: Node): boolean {
  return n.op === Op.const || n.op === Op.pc;
}

function isTemporary(slot: number): boolean {
  return slot >= E.temporaries && slot < E.temporaries + TEMPORARY_COUNT * 8;
}

function isVectorTemporary(slot: number): boolean {
  return slot >= E.vectorTemporaries && slot < E.vectorTemporaries + VECTOR_TEMPORARY_COUNT * 16;
}

/** Turns IR into micro-ops. One instance is reused for all blocks. */
export class Lowering {
  private words = new Int32Array(4096);
  private used = 0;
  private links: LinkRequest[] = [];
  private starts: number[] = [];
  /** Word index of the micro-op that what comes next may be made part of. */
  private open = NOTHING;
  private single = false;
  private recipes: Map<number, RecipeEntry[]> | null = null;
  /** For each temporary, index of the last node that uses it. */
  private readonly busyUntil = new Int32Array(TEMPORARY_COUNT);
  /** The same for those of vectors. */
  private readonly busyVectors = new Int32Array(VECTOR_TEMPORARY_COUNT);
  /** Nodes whose value lies in a state field that a later `set` may overwrite. */
  private readonly aliases: Node[] = [];
  private readonly copies: Copy[] = [];
  /** Were there any in this block? */
  private copied = false;
  private delayed: readonly Field[] = [];
  private offsets: readonly number[] = [];

  /** `single`: the block is one instruction that has to come back to JavaScript. */
  lower(block: IrBlock, single = false): LoweredBlock {
    this.single = single;
    this.used = 0;
    this.links = [];
    this.recipes = null;
    this.busyUntil.fill(-1);
    this.busyVectors.fill(-1);
    this.aliases.length = 0;
    this.copies.length = 0;
    this.copied = false;
    this.delayed = block.delayed ?? [];
    this.offsets = block.offsets;
    this.starts = [];
    this.open = NOTHING;
    fuse(block);
    const { nodes } = block;
    let insn = -1;
    for (let i = 0; i < nodes.length; i++) {
      const n = nodes[i] as Node;
      if (isSilent(n)) continue;
      // Instructions that emit nothing begin where the next one does.
      for (; insn < n.insn; insn++) this.starts.push(this.used);
      i = this.node(nodes, i);
    }
    return {
      words: this.words,
      length: this.used,
      links: this.links,
      starts: this.starts,
      offsets: block.offsets,
      exact: block.delayed === undefined && !this.copied,
      recipes: this.recipes,
    };
  }

  /** Lower node `i`; gives the index of the last node consumed (a `set` right behind is taken along). */
  private node(nodes: readonly Node[], i: number): number {
    const n = nodes[i] as Node;
    switch (n.op) {
      case Op.get:
        if (n.field?.offset === E.fpFlags) this.emit(FLAGS_OUT, 0, 0, 0, 0, 0);
        this.alias(n, n.field?.offset as number);
        return i;
      case Op.wrap:
        this.wrap(n, i);
        return i;
      case Op.set:
        this.set(n, i);
        this.afterSet(n.field?.offset as number);
        return i;
      case Op.jump:
        this.link(n.lo, this.emit(JUMP, 0, 0, 0, 0, 0) + 3);
        return i;
      case Op.branch:
        this.branch(n, i);
        return i;
      case Op.jumpIndirect:
        this.jumpIndirect(n, i);
        return i;
      case Op.dispatch:
        this.emit(this.single ? LEAVE_AT : DISPATCH, 0, 0, 0, n.lo, 0);
        return i;
      case Op.poll:
        // In front of the jump, so that the hot tier can leave between them.
        if (this.single) {
          this.emit(LEAVE_AT, 0, 0, 0, n.lo, 0);
        } else {
          this.emit(POLL, 0, n.field?.offset as number, 0, n.lo, 0);
          this.link(n.lo, this.emit(JUMP, 0, 0, 0, 0, 0) + 3);
        }
        return i;
      case Op.store:
      case Op.probe:
        this.store(n, i);
        return i;
      case Op.callIf:
        this.callIf(n, i);
        return i;
      case Op.shortcut:
        this.shortcut(n, i);
        return i;
      case Op.discard:
        this.forgetCopies(n.field?.offset as number);
        return i;
      case Op.selectContext:
        this.emit(SELECT_CONTEXT, 0, this.operand(n.a as Node, i), 0, 0, 0);
        return i;
      case Op.selectCode:
        this.emit(SELECT_CODE, 0, this.operand(n.a as Node, i), 0, 0, 0);
        return i;
      default: {
        const lane = LANES[n.op];
        if (lane?.extracts !== true || lane.bytes < 4) return this.compute(nodes, i);
        this.extract(n, i, lane.bytes);
        return i;
      }
    }
  }

  /** A node with a result: computed straight into the field when a `set` of it follows. */
  private compute(nodes: readonly Node[], i: number): number {
    const n = nodes[i] as Node;
    let next = i + 1;
    while (next < nodes.length && isSilent(nodes[next] as Node)) next++;
    const follower = nodes[next];
    if (follower !== undefined && follower.op === Op.set && follower.a === n) {
      const field = follower.field as Field;
      const { offset } = field;
      this.protect(field, i, next);
      this.value(n, i, offset);
      this.afterSet(offset);
      if (n.last > next) this.alias(n, offset);
      return next;
    }
    const write = this.laterWrite(nodes, i, next);
    if (write !== null) {
      const field = write.field as Field;
      this.protect(field, i, i);
      this.value(n, i, field.offset);
      this.alias(n, field.offset);
      write.slot = WRITTEN;
      return i;
    }
    const slot = this.inPlace(n, i) ?? this.room(n, i, Math.max(n.last, i));
    this.value(n, i, slot);
    n.slot = slot;
    return i;
  }

  /**
   * The write of the value that node `i` computes, from node `from` on, if it may as well come at once: within the
   * instruction, where nothing can leave it or asks for the field, and the old value is not needed any more.
   */
  private laterWrite(nodes: readonly Node[], i: number, from: number): Node | null {
    const n = nodes[i] as Node;
    if (n.type === "v128") return null;
    const end = Math.min(from + LOOK_AHEAD, nodes.length);
    let write: Node | null = null;
    let at = from;
    for (; at < end && write === null; at++) {
      const other = nodes[at] as Node;
      if (other.insn !== n.insn || !(IS_PURE[other.op] || WITHIN_STATE.has(other.op))) return null;
      if (other.op === Op.set && other.a === n) write = other;
    }
    if (write === null) return null;
    const { offset } = write.field as Field;
    if (offset === E.fpFlags || this.aliases.some(({ slot, last }) => slot === offset && last > i))
      return null;
    for (let k = i + 1; k < at - 1; k++) if ((nodes[k] as Node).field?.offset === offset) return null;
    return write;
  }

  /** A lane is replaced in a temporary that nothing needs afterwards, lanes of it included: the slot of that one. */
  private inPlace(n: Node, i: number): number | undefined {
    const { a } = n;
    if (a === null || LANES[n.op]?.extracts !== false || !isVectorTemporary(a.slot)) return undefined;
    const t = (a.slot - E.vectorTemporaries) >> 4;
    if ((this.busyVectors[t] as number) > i) return undefined;
    this.keep(a.slot, Math.max(n.last, i));
    return a.slot;
  }

  private value(n: Node, i: number, d: number): void {
    const binary = BINARY[n.op];
    if (binary !== undefined) return this.binary(n, i, d, binary);
    const unary = UNARY[n.op];
    if (unary !== undefined) {
      this.emit(n.hi === SIGN_EXTENDED ? unary.sx : unary.plain, d, this.operand(n.a as Node, i), 0, 0, 0);
      return;
    }
    switch (n.op) {
      case Op.select: {
        if (n.type === "v128") return this.vector(n, i, d, SELECT_VECTOR);
        const a = this.operand(n.a as Node, i);
        const b = this.operand(n.b as Node, i);
        this.emit(SELECT, d, a, b, this.operand(n.c as Node, i), 0);
        return;
      }
      case Op.load:
        if (n.aligned && n.size > 1) this.checkAlign(n, i, SlowAccess.aligned);
        this.exit(n, this.emit(loadOp(n), d, this.operand(n.a as Node, i), 0, n.lo, this.meta(n)));
        return;
      case Op.rmw:
        this.exit(
          n,
          this.emit(
            RMW[n.sub]?.[n.size as AtomicSize] as number,
            d,
            this.operand(n.a as Node, i),
            this.operand(n.b as Node, i),
            n.sub,
            this.meta(n),
          ),
        );
        this.zeroExtend(n, d);
        return;
      case Op.cas:
      case Op.loadReserved:
      case Op.storeConditional: {
        const a = this.operand(n.a as Node, i);
        const b = this.optional(n.b, i);
        const c = this.optional(n.c, i);
        this.exit(n, this.emit(ATOMIC[n.op]?.[n.size] as number, d, a, b, c, this.meta(n)));
        if (n.op !== Op.storeConditional) this.zeroExtend(n, d);
        return;
      }
      case Op.fp: {
        const a = this.operand(n.a as Node, i);
        const b = this.optional(n.b, i);
        const c = this.optional(n.c, i);
        this.emit(FP[n.sub] as number, d, a, b, c | (n.lo << 16), 0);
        return;
      }
      case Op.call: {
        const a = this.optional(n.a, i);
        const b = this.optional(n.b, i);
        this.exit(n, this.emit(CALL, d, a, b, (n.sub << 24) | (n.lo & 0xffffff), this.meta(n)));
        this.forgetConstants();
        return;
      }
      default: {
        const vector = VECTORS[n.op];
        if (vector !== undefined) this.vector(n, i, d, vector);
        else this.otherVector(n, i, d);
      }
    }
  }

  private vector(n: Node, i: number, d: number, vectorOp: number): void {
    const a = this.operand(n.a as Node, i);
    const b = this.optional(n.b, i);
    this.emit(VECTOR, d, a, b, this.optional(n.c, i), vectorOp);
  }

  /** Vector operations with an immediate. */
  private otherVector(n: Node, i: number, d: number): void {
    if (n.op === Op.constVector || n.op === Op.shuffle) {
      const [a, b] = [this.optional(n.a, i), this.optional(n.b, i)];
      this.emit(VECTOR_IMMEDIATE, d, a, b, 0, n.op === Op.shuffle ? SHUFFLE : CONST_VECTOR);
      this.append(n.bytes as Int32Array);
      return;
    }
    const lane = LANES[n.op];
    if (lane === undefined) throw new Error(`cold tier cannot lower ${opInfo(n.op).name}`);
    const { bytes, extracts, vectorOp } = lane;
    if (extracts) this.emit(VECTOR, d, this.operand(n.a as Node, i) + n.lo * bytes, 0, 0, vectorOp);
    else if (n.a === null) this.loneLane(d, bytes, this.operand(n.b as Node, i));
    else this.replaceLane(n, i, d, lane);
  }

  /** The lowest lane, in zeros. */
  private loneLane(d: number, bytes: number, value: number): void {
    this.emit(bytes === 8 ? MOV : EXTEND_U, d, value, 0, 0, 0);
    this.emit(CONST, d + 8, 0, 0, 0, 0);
  }

  private replaceLane(n: Node, i: number, d: number, { bytes, vectorOp }: Lane): void {
    const a = this.operand(n.a as Node, i);
    const b = this.operand(n.b as Node, i);
    // The new lane may come from the vector that is written.
    const overlap = a !== d && b >= d && b < d + 16;
    const target = overlap ? this.vectorTemporary(i, i) : d;
    const at = target + n.lo * bytes;
    if (a !== target) this.emit(VECTOR, target, a, 0, 0, MOVE_VECTOR);
    if (bytes === 8) this.emit(MOV, at, b, 0, 0, 0);
    else this.emit(VECTOR, at, 0, b, 0, vectorOp);
    if (overlap) this.emit(VECTOR, d, target, 0, 0, MOVE_VECTOR);
  }

  /** A lane of 4 or 8 bytes is read where it lies, in the vector. */
  private extract(n: Node, i: number, bytes: number): void {
    const vector = this.operand(n.a as Node, i);
    const at = vector + n.lo * bytes;
    if (!isVectorTemporary(vector)) return this.alias(n, at);
    n.slot = at;
    this.keep(at, n.last);
  }

  /** Atomic accesses extend the sign of what they give. */
  private zeroExtend(n: Node, d: number): void {
    if (n.signed || n.size >= 8) return;
    if (n.size === 4) this.emit(EXTEND_U, d, d, 0, 0, 0);
    else this.emit(AND_IMMEDIATE, d, d, 0, n.size === 1 ? 0xff : 0xffff, 0);
  }

  private callIf(n: Node, i: number): void {
    const a = this.operand(n.a as Node, i);
    const b = this.operand(n.b as Node, i);
    const [op, what] = n.hi === 0 ? [CALL_IF, n.lo & 0xffffff] : [CALL_IF_ANY, n.lo | (n.hi << CALL_BITS)];
    this.exit(n, this.emit(op, E.accessValue, a, b, (n.sub << 24) | what, this.meta(n)));
    this.forgetConstants();
  }

  private shortcut(n: Node, i: number): void {
    const a = this.optional(n.a, i);
    const b = this.optional(n.b, i);
    this.exit(n, this.emit(SHORTCUT, n.hi, a, b, (n.sub << 24) | (n.lo & 0xffffff), this.meta(n)));
    this.forgetConstants();
  }

  private binary(n: Node, i: number, d: number, codes: BinaryCodes): void {
    let x = n.a as Node;
    let y = n.b as Node;
    if (x.op === Op.const && y.op !== Op.const && COMMUTES[n.op]) {
      x = y;
      y = n.a as Node;
    }
    const sx = n.hi === SIGN_EXTENDED;
    if (y.op === Op.const) {
      this.emit(sx ? codes.riSx : codes.ri, d, this.operand(x, i), 0, y.lo, y.hi);
      return;
    }
    const a = this.operand(x, i);
    this.emit(sx ? codes.rrSx : codes.rr, d, a, this.operand(y, i), 0, 0);
  }

  private store(n: Node, i: number): void {
    const a = this.operand(n.a as Node, i);
    if (n.op === Op.probe) {
      const op = n.signed ? PROBE_WRITE : PROBE_READ;
      this.exit(n, this.emit(op, 0, a, 0, n.lo, this.meta(n)));
      if (n.size > 1) this.exit(n, this.emit(op, 0, a, 0, n.lo + n.size - 1, this.meta(n)));
      return;
    }
    const b = this.operand(n.b as Node, i);
    if (n.aligned && n.size > 1) this.checkAlign(n, i, SlowAccess.aligned | SlowAccess.write);
    this.exit(n, this.emit(STORES[n.size], 0, a, b, n.lo, this.meta(n)));
  }

  private checkAlign(n: Node, i: number, kind: number): void {
    const a = this.operand(n.a as Node, i);
    this.exit(n, this.emit(CHECK_ALIGN, n.size | kind, a, 0, n.lo, this.meta(n)));
  }

  private set(n: Node, i: number): void {
    if (n.slot === WRITTEN) return;
    const field = n.field as Field;
    const { offset } = field;
    const value = n.a as Node;
    this.protect(field, i, i);
    if (isConstant(value)) {
      if (value.op === Op.const) this.emit(CONST, offset, 0, 0, value.lo, value.hi);
      else this.emit(ADD_IMMEDIATE, offset, E.pcBase, 0, value.lo, value.lo >> 31);
      // The flags' field changes without a `set`.
      if (value.slot === NO_SLOT && value.last > i && offset !== E.fpFlags) this.alias(value, offset);
    } else if (value.slot !== offset) {
      if (n.sub === OVERWRITTEN && this.leaveCopy(field, value.slot)) return;
      this.move(value, offset, value.slot);
    }
  }

  /** Leave a write to the exits that come before the next one: they copy the field that has the value. */
  private leaveCopy(field: Field, from: number): boolean {
    if (from < FIRST_ARCH_OFFSET || field.type === "v128" || field.offset === E.fpFlags) return false;
    // What exits write is not what they can read: the field has an older value, or a newer one.
    if (this.delayed.some(({ offset }) => offset === from)) return false;
    this.copies.push({ field, from });
    this.copied = true;
    return true;
  }

  /** Nobody will ask for what a field has now. */
  private forgetCopies(offset: number): void {
    const { copies } = this;
    for (let k = copies.length - 1; k >= 0; k--) if (copies[k]?.field.offset === offset) copies.splice(k, 1);
  }

  /** Fields are about to be overwritten: copies to them are not needed any more, and copies of them are made. */
  private settleCopies(offset: number, end: number): void {
    const { copies } = this;
    const within = (at: number): boolean => at >= offset && at < end;
    for (let k = copies.length - 1; k >= 0; k--) {
      const { field, from } = copies[k] as Copy;
      if (!within(field.offset) && !within(from)) continue;
      copies.splice(k, 1);
      if (!within(field.offset)) this.emit(MOV, field.offset, from, 0, 0, 0);
    }
  }

  /** Copy a value of the type of `n` from slot to slot. */
  private move(n: Node, to: number, from: number): void {
    if (n.type === "v128") this.emit(VECTOR, to, from, 0, 0, MOVE_VECTOR);
    else this.emit(MOV, to, from, 0, 0, 0);
  }

  private afterSet(offset: number): void {
    if (offset === E.fpFlags) this.emit(FLAGS_IN, 0, 0, 0, 0, 0);
  }

  private branch(n: Node, i: number): void {
    const a = this.operand(n.a as Node, i);
    const at = this.emit(BRANCH[n.sub] ?? BRANCH_NZ, 0, a, this.optional(n.b, i), 0, 0);
    this.link(n.lo, at + 2);
    this.link(n.hi, at + 3);
  }

  /** Returns are many, and where they lead is known from the calls. */
  private jumpIndirect(n: Node, i: number): void {
    const target = this.operand(n.a as Node, i);
    if (this.single) this.emit(LEAVE_INDIRECT, 0, target, 0, 0, 0);
    else if (isReturn(n)) this.emit(JUMP_INDIRECT, 0, target, 0, 0, 0);
    else {
      this.emit(JUMP_NOTED, 0, target, 0, 0, 0);
      for (let words = 0; words < NOTED_TARGETS; words += 4) this.put(0, 0, 0, 0);
    }
  }

  /** i32.wrap: the low half of the same slot. */
  private wrap(n: Node, i: number): void {
    const from = n.a as Node;
    if (isConstant(from) && from.slot === NO_SLOT) {
      n.slot = this.operand(from, i);
      this.keep(n.slot, n.last);
    } else if (isTemporary(from.slot) || isVectorTemporary(from.slot)) {
      n.slot = from.slot;
      this.keep(n.slot, n.last);
    } else {
      this.alias(n, from.slot);
    }
  }

  private alias(n: Node, offset: number): void {
    n.slot = offset;
    this.aliases.push(n);
  }

  /** A field is about to be overwritten while node `i` is lowered: values needed after node `after` move to temporaries. */
  private protect({ offset, type }: Field, i: number, after: number): void {
    const end = offset + (type === "v128" ? 16 : 8);
    if (this.copies.length > 0) this.settleCopies(offset, end);
    // Mostly there is nothing to move.
    let moved: Moved[] | undefined;
    for (let k = this.aliases.length - 1; k >= 0; k--) {
      const n = this.aliases[k] as Node;
      const from = n.slot;
      if (from < offset || from >= end) continue;
      this.unalias(k);
      if (n.last <= after) continue;
      if (isConstant(n)) {
        n.slot = NO_SLOT;
        continue;
      }
      const wide = n.type === "v128";
      const known = moved?.find((m) => m.from === from && m.wide === wide);
      n.slot = known?.to ?? this.room(n, i, n.last);
      if (known !== undefined) this.keep(known.to, n.last);
      else {
        this.move(n, n.slot, from);
        moved ??= [];
        moved.push({ from, wide, to: n.slot });
      }
    }
  }

  /** Alias number `k` is none any more; the order does not matter. */
  private unalias(k: number): void {
    const last = this.aliases.pop() as Node;
    if (k < this.aliases.length) this.aliases[k] = last;
  }

  /** A helper may write any field: constants are no longer known to be in one. */
  private forgetConstants(): void {
    for (let k = this.aliases.length - 1; k >= 0; k--) {
      const n = this.aliases[k] as Node;
      if (!isConstant(n)) continue;
      n.slot = NO_SLOT;
      this.unalias(k);
    }
  }

  /** The slot an operand is read from, materialising constants that are in no field. */
  private operand(n: Node, i: number): number {
    if (n.slot !== NO_SLOT) return n.slot;
    if (n.op === Op.const) {
      if (n.lo === 0 && n.hi === 0) return E.zero;
      const slot = this.temporary(i, i);
      this.emit(CONST, slot, 0, 0, n.lo, n.hi);
      return slot;
    }
    if (n.op === Op.pc) {
      if (n.lo === 0) return E.pcBase;
      const slot = this.temporary(i, i);
      this.emit(ADD_IMMEDIATE, slot, E.pcBase, 0, n.lo, n.lo >> 31);
      return slot;
    }
    throw new Error("a value is used before it was computed");
  }

  private optional(n: Node | null, i: number): number {
    return n === null ? E.zero : this.operand(n, i);
  }

  /** A temporary for a value of the type of `n`. */
  private room(n: Node, from: number, until: number): number {
    return n.type === "v128" ? this.vectorTemporary(from, until) : this.temporary(from, until);
  }

  private vectorTemporary(from: number, until: number): number {
    const t = this.busyVectors.findIndex((last) => last < from);
    if (t < 0) throw new Error("a block needs more temporaries for vectors than the state has");
    this.busyVectors[t] = until;
    return E.vectorTemporaries + t * 16;
  }

  private temporary(from: number, until: number): number {
    for (let t = 0; t < TEMPORARY_COUNT; t++) {
      // Free when its last use lies before this node: operands of the node itself are still read.
      if ((this.busyUntil[t] as number) < from) {
        this.busyUntil[t] = until;
        return E.temporaries + t * 8;
      }
    }
    throw new Error("a block needs more temporaries than the state has");
  }

  private keep(slot: number, until: number): void {
    if (isVectorTemporary(slot)) {
      const v = (slot - E.vectorTemporaries) >> 4;
      this.busyVectors[v] = Math.max(this.busyVectors[v] as number, until);
    }
    if (!isTemporary(slot)) return;
    const t = (slot - E.temporaries) >> 3;
    if ((this.busyUntil[t] as number) < until) this.busyUntil[t] = until;
  }

  private meta(n: Node): number {
    return ((this.offsets[n.insn] as number) & 0xfff) | (n.insn << PAGE_SHIFT_INDEX);
  }

  /** Note the delayed writes of an exit recipe. */
  private exit(n: Node, word: number): void {
    const { copies } = this;
    if (n.pending === null && copies.length === 0) return;
    const entries: RecipeEntry[] = (n.pending ?? []).map(({ field, value }) => ({
      offset: field.offset,
      lo: value.lo,
      hi: value.hi,
      from: -1,
    }));
    for (const { field, from } of copies) {
      // A later write that is left to exits, too, counts.
      if (!entries.some(({ offset }) => offset === field.offset))
        entries.push({ offset: field.offset, lo: 0, hi: 0, from });
    }
    this.recipes ??= new Map();
    this.recipes.set(word, entries);
    this.words[word + 3] = (this.words[word + 3] as number) | HAS_RECIPE;
  }

  private link(target: number, word: number): void {
    this.links.push({ word, target });
  }

  /** Append the immediate of the micro-op before. */
  private append([op, ab, x, y]: Int32Array): void {
    this.put(op as number, ab as number, x as number, y as number);
    this.open = NOTHING;
  }

  /** Append a micro-op; gives the index of its first word. */
  private emit(op: number, d: number, a: number, b: number, x: number, y: number): number {
    const at = this.put(op | (d << 16), a | (b << 16), x, y);
    const { open, words } = this;
    const before = open === NOTHING ? 0 : (words[open] as number);
    const both = open === NOTHING ? -1 : joinedOf(before & 0xffff, op);
    if (both < 0) this.open = at;
    else words[open] = (before & ~0xffff) | both;
    return at;
  }

  private put(op: number, ab: number, x: number, y: number): number {
    if (this.used + 4 > this.words.length) {
      const next = new Int32Array(this.words.length * 2);
      next.set(this.words);
      this.words = next;
    }
    const at = this.used;
    this.words[at] = op;
    this.words[at + 1] = ab;
    this.words[at + 2] = x;
    this.words[at + 3] = y;
    this.used = at + 4;
    return at;
  }
}
