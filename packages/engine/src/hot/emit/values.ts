import type { Node, Pending } from "../../ir/node.js";
import { Op } from "../../ir/ops.js";
import type { Field } from "../../state/layout.js";
import type { FloatContext, LocalType } from "../float.js";
import { EXTRACT_FLOAT, REPLACE_FLOAT } from "../float-lanes.js";
import type { FloatLocals } from "../float-locals.js";
import { type FunctionWriter, W } from "../function-writer.js";
import { type SignForm, signForm } from "../sign-forms.js";
import type { Emission } from "./emission.js";
import { NO_LOCAL } from "./last-uses.js";
import type { RegionLocals } from "./locals.js";
import { type OperationWriter, writeOperation } from "./operations.js";

/**
 * The values of the block being written: in a guest register's local, in a temporary (a node's slot), or computed
 * where they are needed.
 */
export class Values implements OperationWriter, FloatContext {
  readonly w: FunctionWriter;
  readonly mulHigh: number;
  private readonly locals: RegionLocals;
  private readonly floatNodes: ReadonlySet<Node>;
  /** Distance of the block's page from that of the entry: `pc` values are relative to it. */
  private delta = 0;
  private readonly free: Record<LocalType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  private inUse: { type: LocalType; local: number }[] = [];

  constructor({ w, plan, locals }: Emission, floats: FloatLocals) {
    this.w = w;
    this.mulHigh = plan.mulHigh;
    this.locals = locals;
    this.floatNodes = floats.nodes;
  }

  /** A block begins whose page lies `delta` bytes behind that of the entry. */
  begin(delta: number): void {
    this.delta = delta;
  }

  /** The block's values are no longer needed: others may have its temporaries. */
  release(): void {
    for (const { type, local } of this.inUse) this.free[type].push(local);
    this.inUse = [];
  }

  /** A local free for the rest of the block. */
  temporary(type: LocalType): number {
    const local = this.free[type].pop() ?? this.w.local(type);
    this.inUse.push({ type, local });
    return local;
  }

  /** Distance from the page of the region's entry of a `pc` value of the block. */
  pcOffset(n: Node): number {
    return n.lo + this.delta;
  }

  // --- On the stack --------------------------------------------------------------------------

  /** Push a value. */
  push(n: Node): void {
    if (n.slot < 0) this.compute(n);
    else this.pushBits(n.slot);
  }

  /** Push a value as a float or as its bit pattern. */
  pushAs(n: Node, type: LocalType): void {
    const { w } = this;
    if (type !== "f32" && type !== "f64") return this.push(n);
    const local = this.localOf(n);
    if (local !== NO_LOCAL) {
      w.get(local);
      return w.convert(w.typeOf(local), type);
    }
    const sign = signForm(n, (inner) => inner.slot === NO_LOCAL);
    if (sign !== undefined) return this.pushSignChange(sign, type);
    const lane = EXTRACT_FLOAT[n.op];
    if (lane !== undefined) {
      this.push(n.a as Node);
      return w.vector(lane.code, [n.lo]);
    }
    this.compute(n);
    w.convert(type === "f64" ? "i64" : "i32", type);
  }

  private pushSignChange(form: SignForm, type: "f32" | "f64"): void {
    this.pushAs(form.a, type);
    if (form.kind === "copysign") this.pushAs(form.b, type);
    this.w.op(SIGN_OPCODES[type][form.kind]);
  }

  private pushBits(local: number): void {
    const { w } = this;
    const type = w.typeOf(local);
    w.get(local);
    w.convert(type, type === "f64" ? "i64" : type === "f32" ? "i32" : type);
  }

  private compute(n: Node): void {
    const { w } = this;
    switch (n.op) {
      case Op.const:
        if (n.type === "i32") w.i32(n.lo);
        else w.i64(n.lo, n.hi);
        return;
      case Op.pc:
        w.get(this.locals.page);
        w.i64Number(this.pcOffset(n));
        w.op(W.i64Add);
        return;
      case Op.get:
        return this.pushBits(this.locals.register(n.field));
      default: {
        const lane = REPLACE_FLOAT[n.op];
        if (lane === undefined || !this.comesAsFloat(n.b as Node)) return writeOperation(this, n);
        this.push(n.a as Node);
        this.pushAs(n.b as Node, lane.type);
        w.vector(lane.code, [n.lo]);
      }
    }
  }

  /** The value is in a float's local, or is a lane, or one of these with its sign changed. */
  private comesAsFloat(n: Node): boolean {
    const local = this.localOf(n);
    if (local !== NO_LOCAL) return /^f/.test(this.w.typeOf(local));
    const sign = signForm(n, (inner) => inner.slot === NO_LOCAL);
    return sign === undefined ? EXTRACT_FLOAT[n.op] !== undefined : this.comesAsFloat(sign.a);
  }

  // --- In locals -----------------------------------------------------------------------------

  /** Write a guest register. */
  setRegister(field: Field, value: Node): void {
    const local = this.locals.register(field);
    this.pushAs(value, this.w.typeOf(local) as LocalType);
    this.w.set(local);
  }

  /** Write several at once: values may be made of what the registers held before. */
  setRegisters(writes: readonly Pending[]): void {
    const { w, locals } = this;
    for (const { field, value } of writes) this.pushAs(value, w.typeOf(locals.register(field)) as LocalType);
    for (const { field } of writes.toReversed()) w.set(locals.register(field));
  }

  /** Compute a value where it stands, into a temporary. */
  save(n: Node): void {
    if (n.op !== Op.get) {
      this.compute(n);
      return this.keep(n);
    }
    const { w } = this;
    const register = this.locals.register(n.field);
    const local = this.temporary(w.typeOf(register) as LocalType);
    w.get(register);
    w.set(local);
    n.slot = local;
  }

  /** What is on the stack is the value of a node: keep it in a temporary. */
  keep(n: Node): void {
    const local = this.temporary(this.resultType(n));
    this.w.set(local);
    n.slot = local;
  }

  resultType(n: Node): LocalType {
    if (n.type === "v128") return "v128";
    return this.floatNodes.has(n) ? "f64" : n.type === "i32" ? "i32" : "i64";
  }

  /** A local that holds the value in that type. */
  operand(n: Node, type: LocalType): number {
    const known = this.localOf(n);
    if (known !== NO_LOCAL && this.w.typeOf(known) === type) return known;
    const local = this.temporary(type);
    this.pushAs(n, type);
    this.w.set(local);
    return local;
  }

  /** The value is in an f64 local. */
  isFloat(n: Node): boolean {
    const local = this.localOf(n);
    return local !== NO_LOCAL && this.w.typeOf(local) === "f64";
  }

  /** A lane of 64 bits that no local holds: its vector and number. */
  lane64(n: Node): { readonly vector: Node; readonly number: number } | undefined {
    if (n.slot !== NO_LOCAL || EXTRACT_FLOAT[n.op]?.type !== "f64") return undefined;
    return { vector: n.a as Node, number: n.lo };
  }

  /** The local that holds a value now, if one does. */
  private localOf(n: Node): number {
    return n.slot === NO_LOCAL && n.op === Op.get ? this.locals.register(n.field) : n.slot;
  }
}

const SIGN_OPCODES = {
  f32: { abs: 0x8b, neg: 0x8c, copysign: 0x98 },
  f64: { abs: 0x99, neg: 0x9a, copysign: 0xa6 },
} as const;
