import type { Block } from "../code/block.js";
import type { CodeStore } from "../code/store.js";
import { MICRO_OP_BYTES, RESUME } from "../cold/micro-ops.js";
import type { Node } from "../ir/node.js";
import { Op, opInfo, RMW_NAMES } from "../ir/ops.js";
import { ENGINE_STATE as E, type Field } from "../state/layout.js";
import { JUMP_CACHE_ENTRIES, TLB_ENTRIES } from "../tlb/geometry.js";
import type { ValType } from "../wasm/opcodes.js";
import { type AccessPlan, type Group, MAX_SPAN, planAccesses, type Stream } from "./accesses.js";
import { type FloatEmitter, type LocalType, NO_FLOATS, type RegionFloats } from "./float.js";
import { chooseFloatLocals, type FloatLocals, NO_FLOAT_LOCALS } from "./float-locals.js";
import { FunctionWriter, W } from "./function-writer.js";
import { analyse } from "./graph.js";
import type { RegionNotes } from "./notes.js";
import { DIRECT, DIVISION, MULH_S, MULH_SU, MULH_U } from "./opcodes.js";
import type { Edge, Region, RegionBlock } from "./region.js";
import { type SignForm, signForm } from "./sign-forms.js";

/** Fixed addresses and indices that generated code refers to. */
export interface EmitPlan {
  /** Address of the state window. */
  readonly state: number;
  readonly jumpCache: number;
  readonly code: CodeStore;
  /** Address of the copy of the entry block, for when the region cannot run. */
  readonly entryCopy: number;
  /** Accesses of this block were often on two pages at once: check each of them. */
  readonly unmerged: (block: Block) => boolean;
  /** Type index of `() -> i32`. */
  readonly regionType: number;
  /** Function index of the unsigned high product. */
  readonly mulHigh: number;
  /** Filled in for those who want to read the code. */
  readonly notes?: RegionNotes | undefined;
}

const NO_LOCAL = -1;
/** A `get` that has to be read where it stands, since its field changes before the value is used. */
const READ_NOW = -2;
/** A stream's tag while it has no page: no address masked to a page, and to its alignment, is equal to it. */
const NO_PAGE = 2048;

/**
 * Writes a region as one WebAssembly function `() -> i32`: guest registers in locals, structured control
 * flow, one shared exit. The result says where the cold tier goes on: a block to enter, a micro-op to resume
 * at (RESUME set), or 0 after an indirect jump whose target is in `pc`.
 *
 * Whatever is rare leaves to the cold version of the same code, at the start of the instruction: a TLB miss,
 * a helper call, the end of the budget. So nothing here has to be finished twice.
 */
export class RegionEmitter {
  private readonly w = new FunctionWriter();
  private readonly region: Region;
  /** Its blocks in reverse postorder. */
  private readonly order: readonly RegionBlock[];
  private readonly plan: EmitPlan;
  private readonly float: FloatEmitter;
  private readonly hasFloats: boolean;
  private readonly floatLocals: FloatLocals;
  private floats: RegionFloats | undefined;

  private readonly registers = new Map<Field, number>();
  private readonly written = new Set<Field>();
  private readonly budget: number;
  private readonly tlb: number;
  private readonly entry: number;
  private readonly result: number;
  private readonly context: number;
  private readonly va: number;
  private readonly page: number;
  private readonly base: number;
  private exitLabel = 0;
  /** Branch here instead where a group's check failed. */
  private groupMissLabel = 0;
  private readonly accesses: ReadonlyMap<Node, AccessPlan>;
  private readonly streams: Stream[] = [];
  /** Index of the node that next sets each field, while a block is looked through backwards. */
  private readonly nextSet = new Map<Field, number>();
  private readonly freeTemporaries: Record<LocalType, number[]> = { i32: [], i64: [], f32: [], f64: [] };
  /** The block being written: `pc` values are relative to its page. */
  private current: RegionBlock | undefined;
  private blockTemporaries: { type: LocalType; local: number }[] = [];

  constructor(region: Region, plan: EmitPlan, float: FloatEmitter = NO_FLOATS) {
    this.region = region;
    this.plan = plan;
    this.float = float;
    this.order = analyse(region);
    this.accesses = planAccesses(this.order, plan.unmerged);
    this.hasFloats = this.order.some((block) => block.hasFloats);
    this.floatLocals = this.hasFloats
      ? chooseFloatLocals(
          this.order.map(({ ir }) => ir.nodes),
          (n) => float.form(n),
        )
      : NO_FLOAT_LOCALS;
    const { w } = this;
    this.budget = w.local("i32");
    this.tlb = w.local("i32");
    this.entry = w.local("i32");
    this.result = w.local("i32");
    this.context = w.local("i64");
    this.va = w.local("i64");
    this.page = w.local("i64");
    this.base = w.local("i64");
  }

  emit(): FunctionWriter {
    const { w } = this;
    this.collectRegisters();
    this.collectStreams();
    this.place(undefined, -1);
    this.prologue();
    this.exitLabel = w.open(W.block);
    const hasGroups = [...this.accesses.values()].some(({ group }) => group !== null);
    if (hasGroups) this.groupMissLabel = w.open(W.block);
    this.tree(this.order[0] as RegionBlock);
    this.place(undefined, -1);
    if (hasGroups) this.groupMiss();
    w.close();
    this.epilogue();
    this.nameLocals();
    return w;
  }

  /** Note what the code written from here on is for: a block's instruction, its head (-1), or the frame. */
  private place(block: RegionBlock | undefined, insn: number): void {
    this.plan.notes?.place(this.w.out.length, block, insn);
  }

  private nameLocals(): void {
    const { notes } = this.plan;
    if (notes === undefined) return;
    const { budget, tlb, entry, result, context, va, page, base } = this;
    for (const [name, local] of Object.entries({ budget, tlb, entry, result, context, va, page, base }))
      notes.locals.set(local, name);
    for (const [{ name }, local] of this.registers) notes.locals.set(local, name);
    this.streams.forEach(({ tag, delta }, i) => {
      notes.locals.set(tag, `tag${i}`).set(delta, `delta${i}`);
    });
  }

  // --- Frame ---------------------------------------------------------------------------------

  private collectRegisters(): void {
    for (const { ir, stop } of this.order) {
      for (const n of ir.nodes) {
        if (stop >= 0 && n.insn >= stop) break;
        for (const { field } of n.pending ?? []) this.register(field, true);
        if ((n.op === Op.get || n.op === Op.set) && n.field !== null) this.register(n.field, n.op === Op.set);
      }
    }
  }

  private register(field: Field, written: boolean): void {
    if (!this.registers.has(field)) {
      const type = this.floatLocals.fields.has(field) ? "f64" : field.type === "i32" ? "i32" : "i64";
      this.registers.set(field, this.w.local(type));
    }
    if (written) this.written.add(field);
  }

  private collectStreams(): void {
    for (const { stream } of this.accesses.values()) {
      if (stream === null || stream.tag >= 0) continue;
      stream.tag = this.w.local("i64");
      stream.delta = this.w.local("i32");
      this.streams.push(stream);
    }
  }

  private prologue(): void {
    const { w, plan } = this;
    w.i32(0);
    w.memory(W.i32Load, plan.state + E.budget);
    w.tee(this.budget);
    w.i32(this.region.instructions);
    w.op(W.i32LtS);
    w.hint("unlikely");
    w.open(W.if);
    w.i32(plan.entryCopy);
    w.op(W.return);
    w.close();
    for (const [local, offset, code] of [
      [this.tlb, E.tlb, W.i32Load],
      [this.context, E.dataContext, W.i64Load],
      [this.page, E.pcBase, W.i64Load],
    ] as const) {
      w.i32(0);
      w.memory(code, plan.state + offset);
      w.set(local);
    }
    w.get(this.page);
    w.set(this.base);
    for (const [field, local] of this.registers) {
      w.i32(0);
      w.memory(loadOf(w.typeOf(local)), plan.state + field.offset);
      w.set(local);
    }
    this.forgetPages();
    if (this.hasFloats) this.floats = this.float.enter(w);
  }

  /** Streams start anew: at the entry, and where the translations change. */
  private forgetPages(): void {
    for (const { tag } of this.streams) {
      this.w.i64(NO_PAGE, 0);
      this.w.set(tag);
    }
  }

  private epilogue(): void {
    const { w, plan } = this;
    for (const field of this.written) {
      const local = this.registers.get(field) as number;
      w.i32(0);
      w.get(local);
      w.memory(storeOf(w.typeOf(local)), plan.state + field.offset);
    }
    w.i32(0);
    w.get(this.entry);
    w.memory(W.i32Store, plan.state + E.block);
    w.i32(0);
    w.get(this.base);
    w.memory(W.i64Store, plan.state + E.pcBase);
    w.i32(0);
    w.get(this.budget);
    w.memory(W.i32Store, plan.state + E.budget);
    // A block to enter may be the entry of another region: go there without the interpreter.
    w.get(this.result);
    w.i32(RESUME);
    w.op(W.i32And);
    w.get(this.result);
    w.op(W.i32Eqz);
    w.op(W.i32Or);
    w.op(W.i32Eqz);
    w.open(W.if);
    w.get(this.result);
    w.i32(12);
    w.op(W.i32Sub);
    w.memory(W.i32Load, 0);
    w.tee(this.entry);
    w.open(W.if);
    w.get(this.entry);
    w.op(W.returnCallIndirect);
    w.out.u32(plan.regionType);
    w.out.u32(0);
    w.close();
    w.close();
    w.get(this.result);
  }

  // --- Control flow --------------------------------------------------------------------------

  /** The block and all it dominates. */
  private tree(block: RegionBlock): void {
    const { w } = this;
    this.place(block, -1);
    if (!block.loop) return this.within(block, 0);
    block.label = w.open(W.loop);
    this.checkBudget(block);
    this.within(block, 0);
    this.place(block, -1);
    w.close();
  }

  /** Each merge point gets a block around what branches to it, the last in order outermost. */
  private within(block: RegionBlock, from: number): void {
    const outer = block.merges[from];
    if (outer === undefined) return this.block(block);
    outer.label = this.w.open(W.block);
    this.within(block, from + 1);
    this.place(outer, -1);
    this.w.close();
    this.tree(outer);
  }

  /** A loop has to end when there may be too little budget left for one more round. */
  private checkBudget(block: RegionBlock): void {
    const { w } = this;
    w.get(this.budget);
    w.i32(this.region.instructions);
    w.op(W.i32LtS);
    w.hint("unlikely");
    w.open(W.if);
    const address = block === this.order[0] ? this.plan.entryCopy : block.block.address;
    this.leave(block, () => w.i32(address));
    w.close();
  }

  private branchTo(from: RegionBlock, to: RegionBlock): void {
    if (to.position <= from.position || to.merge) this.w.br(to.label);
    else {
      this.tree(to);
      this.place(from, from.block.instructions - 1);
    }
  }

  /** Set the result and go to the shared exit. */
  private leave(block: RegionBlock, result: () => void, label = this.exitLabel): void {
    const { w } = this;
    result();
    w.set(this.result);
    this.setBase(block);
    w.br(label);
  }

  /**
   * Count how often a group was close enough to the end of a page to be on two, so that its region can be compiled
   * anew without it.
   */
  private groupMiss(): void {
    const { w, plan } = this;
    w.close();
    w.get(this.va);
    w.op(W.wrap);
    w.i32(4095);
    w.op(W.i32And);
    w.i32(4096 - MAX_SPAN);
    w.op(W.i32GtU);
    w.open(W.if);
    w.i32(0);
    w.get(this.entry);
    w.memory(W.i32Store, plan.state + E.twoPagesAt);
    w.i32(0);
    w.i32(0);
    w.memory(W.i32Load, plan.state + E.twoPages);
    w.i32(1);
    w.op(W.i32Add);
    w.memory(W.i32Store, plan.state + E.twoPages);
    w.close();
  }

  private setBase(block: RegionBlock): void {
    if (block.delta === 0) return;
    this.pageOf(block);
    this.w.set(this.base);
  }

  /** Push the virtual address of a block's page. */
  private pageOf(block: RegionBlock): void {
    const { w } = this;
    w.get(this.page);
    if (block.delta === 0) return;
    this.i64Number(block.delta);
    w.op(W.i64Add);
  }

  /** Push a number that may have more than 32 bits. */
  private i64Number(value: number): void {
    this.w.i64(value | 0, Math.floor(value / 0x1_0000_0000));
  }

  private resumeAt(block: RegionBlock, insn: number, label = this.exitLabel): void {
    this.resume(block, this.plan.code.instructionAddress(block.block, insn), label);
  }

  /** Go on in the cold tier at a micro-op of the block. */
  private resume(block: RegionBlock, address: number, label = this.exitLabel): void {
    // The entry's first micro-op was replaced by the call of this region.
    const moved = block === this.order[0] ? this.plan.entryCopy - block.block.address : 0;
    // The shared exit tells the interpreter which block it is.
    this.w.i32(block.block.address + moved);
    this.w.set(this.entry);
    this.leave(block, () => this.w.i32((address + moved) | RESUME), label);
  }

  /** To the cold tier's `poll`, the last micro-op but one, if it would go to the dispatcher. */
  private poll(block: RegionBlock, field: Field): void {
    const { w, plan } = this;
    this.loadWord(plan.state + field.offset);
    this.loadWord(plan.state + E.attention);
    w.op(W.i32Or);
    w.hint("unlikely");
    w.open(W.if);
    this.resume(block, block.block.address + block.block.length * 4 - 2 * MICRO_OP_BYTES);
    w.close();
  }

  private callIf(block: RegionBlock, n: Node): void {
    const { w } = this;
    this.push(n.a as Node);
    w.hint("unlikely");
    w.open(W.if);
    this.writePending(n);
    this.resumeAt(block, n.insn);
    w.close();
  }

  private selectContext(which: Node): void {
    const { w, plan } = this;
    this.push(which);
    w.i32(4);
    w.op(W.i32Shl);
    w.tee(this.entry);
    w.memory(W.i64Load, plan.state + E.contexts);
    w.set(this.context);
    w.get(this.entry);
    w.memory(W.i32Load, plan.state + E.contexts + 8);
    w.set(this.tlb);
    w.i32(0);
    w.get(this.context);
    w.memory(W.i64Store, plan.state + E.dataContext);
    w.i32(0);
    w.get(this.tlb);
    w.memory(W.i32Store, plan.state + E.tlb);
  }

  private edge(from: RegionBlock, edge: Edge): void {
    const { w } = this;
    if (edge.kind === "outside") return this.leave(from, () => this.loadWord(edge.word));
    if (edge.stub === 0) return this.branchTo(from, edge.target);
    this.linkHolds(from, edge.stub, edge.target);
    w.hint("likely");
    w.open(W.if);
    this.branchTo(from, edge.target);
    w.else();
    this.leave(from, () => this.loadWord(edge.word));
    w.close();
  }

  /** Push whether something made under a generation holds under the current mappings. */
  private isCurrent(push: () => void): void {
    const { w, plan } = this;
    for (const offset of [E.generation, E.globalGeneration]) {
      push();
      w.i32(0);
      w.memory(W.i32Load, plan.state + offset);
      w.op(W.i32Eq);
    }
    w.op(W.i32Or);
  }

  private loadWord(address: number): void {
    this.w.i32(0);
    this.w.memory(W.i32Load, address);
  }

  /** The conditions under which the cold tier follows a link to another page. */
  private linkHolds(from: RegionBlock, stub: number, target: RegionBlock): void {
    const { w } = this;
    this.isCurrent(() => this.loadWord(stub + 16));
    w.i32(0);
    w.memory(W.i64Load, stub + 24);
    this.pageOf(from);
    w.op(W.i64Eq);
    w.op(W.i32And);
    this.loadWord(stub + 4);
    w.i32(target.block.address);
    w.op(W.i32Eq);
    w.op(W.i32And);
  }

  // --- A block's code ------------------------------------------------------------------------

  private block(block: RegionBlock): void {
    const { w } = this;
    const { nodes } = block.ir;
    w.get(this.budget);
    w.i32(block.block.instructions);
    w.op(W.i32Sub);
    w.set(this.budget);
    this.current = block;
    const count = this.findUses(block);
    for (let i = 0; i < count; i++) {
      this.place(block, (nodes[i] as Node).insn);
      i = this.node(block, nodes, i);
    }
    if (block.stop < 0) return this.end(block, nodes.at(-1) as Node);
    this.place(block, block.stop);
    this.resumeAt(block, block.stop);
    this.release();
  }

  /**
   * Find for every value where it is needed last: a value used once is computed where it is used, and so are
   * the values in it. Gives the number of nodes to write.
   */
  private findUses({ ir: { nodes }, stop }: RegionBlock): number {
    let count = nodes.length;
    while (stop >= 0 && count > 0 && (nodes[count - 1] as Node).insn >= stop) count--;
    for (let i = 0; i < count; i++) {
      const n = nodes[i] as Node;
      n.slot = NO_LOCAL;
      n.last = -1;
    }
    const { nextSet } = this;
    nextSet.clear();
    for (let i = count - 1; i >= 0; i--) {
      const n = nodes[i] as Node;
      let at = i;
      if (n.op === Op.get) {
        if ((nextSet.get(n.field as Field) ?? count) < n.last) n.slot = READ_NOW;
        continue;
      }
      if (n.op === Op.set) nextSet.set(n.field as Field, i);
      else if (opInfo(n.op).effect === "pure") {
        if (n.last < 0) continue;
        if (n.uses === 1) at = n.last;
      }
      if (n.a !== null && n.a.last < at) n.a.last = at;
      if (n.b !== null && n.b.last < at) n.b.last = at;
      if (n.c !== null && n.c.last < at) n.c.last = at;
    }
    return count;
  }

  /** The block's values are no longer needed: others may have its temporaries. */
  private release(): void {
    for (const { type, local } of this.blockTemporaries) this.freeTemporaries[type].push(local);
    this.blockTemporaries = [];
  }

  private end(block: RegionBlock, n: Node): void {
    const { w } = this;
    switch (n.op) {
      case Op.poll:
        this.poll(block, n.field as Field);
        this.release();
        this.edge(block, block.edges[0] as Edge);
        return;
      case Op.jump:
        this.release();
        this.edge(block, block.edges[0] as Edge);
        return;
      case Op.branch:
        this.push(n.a as Node);
        this.release();
        w.open(W.if);
        this.edge(block, block.edges[0] as Edge);
        w.else();
        this.edge(block, block.edges[1] as Edge);
        w.close();
        return;
      case Op.jumpIndirect:
        this.push(n.a as Node);
        w.set(this.va);
        this.release();
        this.indirect(block);
        return;
      default:
        throw new Error(`a region's block cannot end with ${opInfo(n.op).name}`);
    }
  }

  /** To `va`: behind a call of this region, or through the jump cache. */
  private indirect(block: RegionBlock): void {
    const { w, plan } = this;
    const sites = block.edges.flatMap((edge) => (edge.kind === "inside" ? [edge.target] : []));
    // The entry's page is mapped as it was when the region was grown; of another one only the jump cache knows.
    const isNear = ({ delta, block: { secondPage } }: RegionBlock): boolean => delta === 0 && secondPage < 0;
    for (const site of sites.filter(isNear)) {
      this.jumpsTo(site);
      w.open(W.if);
      this.branchTo(block, site);
      w.close();
    }
    w.get(this.va);
    w.i64(1, 0);
    w.op(W.i64ShrU);
    w.op(W.wrap);
    w.get(this.va);
    w.i64(12, 0);
    w.op(W.i64ShrU);
    w.op(W.wrap);
    w.op(W.i32Xor);
    w.i32(JUMP_CACHE_ENTRIES - 1);
    w.op(W.i32And);
    w.i32(4);
    w.op(W.i32Shl);
    w.tee(this.entry);
    w.memory(W.i64Load, plan.jumpCache);
    w.get(this.va);
    w.op(W.i64Eq);
    this.isCurrent(() => {
      w.get(this.entry);
      w.memory(W.i32Load, plan.jumpCache + 8);
    });
    w.op(W.i32And);
    w.open(W.if);
    for (const site of sites.filter((target) => !isNear(target))) {
      this.jumpsTo(site);
      w.get(this.entry);
      w.memory(W.i32Load, plan.jumpCache + 12);
      w.i32(site.block.address);
      w.op(W.i32Eq);
      w.op(W.i32And);
      w.open(W.if);
      this.branchTo(block, site);
      w.close();
    }
    w.get(this.va);
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.set(this.base);
    w.get(this.entry);
    w.memory(W.i32Load, plan.jumpCache + 12);
    w.set(this.result);
    w.br(this.exitLabel);
    w.close();
    w.i32(0);
    w.get(this.va);
    w.memory(W.i64Store, plan.state + E.pc);
    w.i32(0);
    w.set(this.result);
    w.br(this.exitLabel);
  }

  /** Push whether `va` is the block's virtual address, seen from the region's entry. */
  private jumpsTo(target: RegionBlock): void {
    const { w } = this;
    w.get(this.va);
    this.pageOf(target);
    w.i64(target.block.start, 0);
    w.op(W.i64Add);
    w.op(W.i64Eq);
  }

  /** Write node `i`; gives the index of the last one written (a `set` of a load's value is taken along). */
  private node(block: RegionBlock, nodes: readonly Node[], i: number): number {
    const n = nodes[i] as Node;
    switch (opInfo(n.op).effect) {
      case "end":
        return i;
      case "pure":
        if (n.uses !== 1 && n.last >= 0 && n.op !== Op.const && n.op !== Op.pc) this.save(n);
        return i;
      case "exit":
        if (n.op === Op.load) return this.load(block, nodes, i);
        this.access(block, n);
        return i;
      default:
        this.state(n);
        return i;
    }
  }

  /** A node that reads or writes state. */
  private state(n: Node): void {
    const { w } = this;
    if (n.op === Op.get) {
      if (n.slot === READ_NOW) this.save(n);
    } else if (n.op === Op.set) {
      const local = this.registers.get(n.field as Field) as number;
      this.pushAs(n.a as Node, w.typeOf(local) as LocalType);
      w.set(local);
    } else if (n.op === Op.selectContext) {
      this.selectContext(n.a as Node);
      this.forgetPages();
    } else {
      // Floating point: its flags are an effect, so it is computed where it stands.
      n.slot = (this.floats as RegionFloats).emit(this.floatContext, n);
    }
  }

  private readonly floatContext = {
    w: this.w,
    operand: (n: Node, type: LocalType): number => {
      const known = this.localOf(n);
      if (known !== NO_LOCAL && this.w.typeOf(known) === type) return known;
      const local = this.temporary(type);
      this.pushAs(n, type);
      this.w.set(local);
      return local;
    },
    temporary: (type: LocalType): number => this.temporary(type),
  };

  /** The local that holds a value now, if one does. */
  private localOf(n: Node): number {
    return n.slot === NO_LOCAL && n.op === Op.get ? (this.registers.get(n.field as Field) as number) : n.slot;
  }

  /** Push a value as a float or as its bit pattern. */
  private pushAs(n: Node, type: LocalType): void {
    const { w } = this;
    if (type === "i32" || type === "i64") return this.push(n);
    const local = this.localOf(n);
    if (local !== NO_LOCAL) {
      w.get(local);
      return w.convert(w.typeOf(local), type);
    }
    const sign = signForm(n, (inner) => inner.slot === NO_LOCAL);
    if (sign !== undefined) return this.signChange(sign, type);
    this.operation(n);
    w.convert(type === "f64" ? "i64" : "i32", type);
  }

  private signChange(form: SignForm, type: "f32" | "f64"): void {
    this.pushAs(form.a, type);
    if (form.kind === "copysign") this.pushAs(form.b, type);
    this.w.op(SIGN_OPCODES[type][form.kind]);
  }

  /** Compute a value where it stands, into a temporary. */
  private save(n: Node): void {
    if (n.op !== Op.get) {
      this.operation(n);
      return this.keep(n);
    }
    const { w } = this;
    const register = this.registers.get(n.field as Field) as number;
    const local = this.temporary(w.typeOf(register) as LocalType);
    w.get(register);
    w.set(local);
    n.slot = local;
  }

  /** What is on the stack is the value of a node: keep it in a temporary. */
  private keep(n: Node): void {
    const local = this.temporary(this.resultType(n));
    this.w.set(local);
    n.slot = local;
  }

  private resultType(n: Node): LocalType {
    return this.floatLocals.nodes.has(n) ? "f64" : n.type === "i32" ? "i32" : "i64";
  }

  /** A local free for the rest of the block. */
  private temporary(type: LocalType): number {
    const local = this.freeTemporaries[type].pop() ?? this.w.local(type);
    this.blockTemporaries.push({ type, local });
    return local;
  }

  /** Push a value. */
  private push(n: Node): void {
    if (n.slot < 0) this.operation(n);
    else this.getBits(n.slot);
  }

  private getBits(local: number): void {
    const { w } = this;
    const type = w.typeOf(local);
    w.get(local);
    w.convert(type, type === "f64" ? "i64" : type === "f32" ? "i32" : type);
  }

  private operation(n: Node): void {
    const { w } = this;
    switch (n.op) {
      case Op.const:
        if (n.type === "i32") w.i32(n.lo);
        else w.i64(n.lo, n.hi);
        return;
      case Op.pc:
        w.get(this.page);
        this.i64Number(n.lo + (this.current?.delta ?? 0));
        w.op(W.i64Add);
        return;
      case Op.get:
        this.getBits(this.registers.get(n.field as Field) as number);
        return;
      case Op.select:
        this.push(n.b as Node);
        this.push(n.c as Node);
        this.push(n.a as Node);
        w.op(W.select);
        return;
      case MULH_U:
      case MULH_S:
      case MULH_SU:
        this.mulHigh(n);
        return;
      default: {
        const division = DIVISION[n.op];
        if (division !== undefined) return this.divide(n);
        const code = DIRECT[n.op];
        if (code === undefined) throw new Error(`the hot tier cannot emit ${opInfo(n.op).name}`);
        this.push(n.a as Node);
        if (n.b !== null) this.push(n.b);
        w.op(code);
      }
    }
  }

  private mulHigh(n: Node): void {
    const { w } = this;
    const [a, b] = [this.temporary("i64"), this.temporary("i64")];
    this.push(n.a as Node);
    w.tee(a);
    this.push(n.b as Node);
    w.tee(b);
    w.op(W.call);
    w.out.u32(this.plan.mulHigh);
    // A signed product is the unsigned one less each operand where the other is negative.
    const correct = (sign: number, other: number): void => {
      w.get(sign);
      w.i64(63, 0);
      w.op(W.i64ShrS);
      w.get(other);
      w.op(W.i64And);
      w.op(W.i64Sub);
    };
    if (n.op !== MULH_U) correct(a, b);
    if (n.op === MULH_S) correct(b, a);
  }

  /** Total division: by zero the quotient is 0 and the remainder the dividend; MIN / -1 is MIN. */
  private divide(n: Node): void {
    const { w } = this;
    const { opcode, wide, signed, quotient } = DIVISION[n.op] as NonNullable<(typeof DIVISION)[number]>;
    const type = wide ? "i64" : "i32";
    const [a, b] = [this.temporary(type), this.temporary(type)];
    const constant = (value: number): void => (wide ? w.i64(value, value >> 31) : w.i32(value));
    this.push(n.a as Node);
    w.set(a);
    this.push(n.b as Node);
    w.tee(b);
    w.op(wide ? W.i64Eqz : W.i32Eqz);
    w.open(W.if, type);
    if (quotient) constant(0);
    else w.get(a);
    w.else();
    const guarded = signed && quotient;
    if (guarded) {
      w.get(b);
      constant(-1);
      w.op(wide ? W.i64Eq : W.i32Eq);
      w.open(W.if, type);
      constant(0);
      w.get(a);
      w.op(wide ? W.i64Sub : W.i32Sub);
      w.else();
    }
    w.get(a);
    w.get(b);
    w.op(opcode);
    if (guarded) w.close();
    w.close();
  }

  // --- Memory --------------------------------------------------------------------------------

  private access(block: RegionBlock, n: Node): void {
    switch (n.op) {
      case Op.store:
        return this.store(block, n);
      case Op.callIf:
        return this.callIf(block, n);
      case Op.probe:
        return this.translate(block, n, n.signed ? 8 : 0);
      default:
        return this.atomic(block, n);
    }
  }

  /** Compute the address into `va` and find its TLB entry, or leave to the cold tier. */
  private translate(block: RegionBlock, n: Node, tagOffset: number): void {
    this.push(n.a as Node);
    this.w.set(this.va);
    this.probe(block, n, tagOffset, n.size);
  }

  /** Find the TLB entry for `size` bytes at `va`, or leave to the cold tier before the instruction of `n`. */
  private probe(block: RegionBlock, n: Node, tagOffset: number, size: number): void {
    const { w } = this;
    w.get(this.va);
    w.i64(7, 0);
    w.op(W.i64ShrU);
    w.op(W.wrap);
    w.i32((TLB_ENTRIES - 1) << 5);
    w.op(W.i32And);
    w.get(this.tlb);
    w.op(W.i32Add);
    w.tee(this.entry);
    w.memory(W.i64Load, tagOffset);
    w.get(this.va);
    if (size > 1) {
      w.i64(size - 1, 0);
      w.op(W.i64Add);
    }
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.get(this.context);
    w.op(W.i64Or);
    w.op(W.i64Ne);
    if (n.aligned && n.size > 1) {
      w.get(this.va);
      w.op(W.wrap);
      w.i32(n.size - 1);
      w.op(W.i32And);
      w.op(W.i32Or);
    }
    w.hint("unlikely");
    w.open(W.if);
    this.writePending(n);
    this.resumeAt(block, n.insn, size > n.size ? this.groupMissLabel : this.exitLabel);
    w.close();
  }

  /** Delayed writes of an exit's recipe: the shared exit stores them with the rest. */
  private writePending(n: Node): void {
    for (const { field, value } of n.pending ?? []) {
      const local = this.registers.get(field) as number;
      this.pushAs(value, this.w.typeOf(local) as LocalType);
      this.w.set(local);
    }
  }

  /** Push the host address of `va`, of which `entry` is the TLB entry. */
  private host(): void {
    const { w } = this;
    w.get(this.va);
    w.op(W.wrap);
    w.get(this.entry);
    w.memory(W.i32Load, 16);
    w.op(W.i32Add);
  }

  /** Push the host address for a load or store, less the constant that is returned. */
  private locate(block: RegionBlock, n: Node, tagOffset: number): number {
    const plan = this.accesses.get(n);
    if (plan === undefined) {
      this.translate(block, n, tagOffset);
      this.host();
      return 0;
    }
    const { group, stream } = plan;
    if (group === null) {
      this.push(n.a as Node);
      this.follow(block, n, tagOffset, stream as Stream);
      return 0;
    }
    if (group.first === n) this.locateGroup(block, n, tagOffset, group, stream);
    this.w.get(group.host);
    return this.displacement(n, group) - group.low;
  }

  private displacement(n: Node, { base }: Group): number {
    const address = n.a as Node;
    if (base === null) return address.lo + (this.current?.delta ?? 0);
    return address.op === Op.get ? 0 : (address.b as Node).lo;
  }

  /** Check all bytes of a group and keep the host address of the lowest one. */
  private locateGroup(
    block: RegionBlock,
    n: Node,
    tagOffset: number,
    group: Group,
    stream: Stream | null,
  ): void {
    const { w } = this;
    if (group.base === null) w.get(this.page);
    else this.push(group.base);
    if (group.low !== 0) {
      this.i64Number(group.low);
      w.op(W.i64Add);
    }
    const size = group.high - group.low;
    if (stream === null) {
      w.set(this.va);
      this.probe(block, n, tagOffset, size);
      this.host();
    } else {
      this.followGroup(block, n, tagOffset, size, stream);
    }
    group.host = this.temporary("i32");
    w.set(group.host);
  }

  /** Push the host address of what is on the stack, if it lies on the page that the stream knows or that the TLB knows. */
  private follow(block: RegionBlock, n: Node, tagOffset: number, stream: Stream): void {
    const { w } = this;
    w.tee(this.va);
    // One that is not aligned may reach into the next page, so it takes the long way.
    w.i64(-4096 | (n.size - 1), -1);
    w.op(W.i64And);
    w.get(stream.tag);
    w.op(W.i64Ne);
    this.refill(block, n, tagOffset, n.size, stream);
  }

  /** The same for a group: its first and its last byte have to be on the page. */
  private followGroup(block: RegionBlock, n: Node, tagOffset: number, size: number, stream: Stream): void {
    const { w } = this;
    w.tee(this.va);
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.get(stream.tag);
    w.op(W.i64Ne);
    w.get(this.va);
    w.op(W.wrap);
    w.i32(4095);
    w.op(W.i32And);
    w.i32(4096 - size);
    w.op(W.i32GtU);
    w.op(W.i32Or);
    this.refill(block, n, tagOffset, size, stream);
  }

  /** If the condition on the stack holds take the page from the TLB; then push the host address of `va`. */
  private refill(block: RegionBlock, n: Node, tagOffset: number, size: number, stream: Stream): void {
    const { w } = this;
    w.hint("unlikely");
    w.open(W.if);
    this.probe(block, n, tagOffset, size);
    w.get(this.va);
    w.i64(-4096, -1);
    w.op(W.i64And);
    w.set(stream.tag);
    w.get(this.entry);
    w.memory(W.i32Load, 16);
    w.set(stream.delta);
    w.close();
    w.get(this.va);
    w.op(W.wrap);
    w.get(stream.delta);
    w.op(W.i32Add);
  }

  /** Write a load, and the `set` of a register behind it that is all its value is for. */
  private load(block: RegionBlock, nodes: readonly Node[], i: number): number {
    const { w } = this;
    const n = nodes[i] as Node;
    const type = this.resultType(n);
    const offset = this.locate(block, n, 0);
    w.memory(type === "f64" ? W.f64Load : loadCode(n), offset);
    const next = nodes[i + 1];
    if (n.uses === 1 && next?.op === Op.set && next.a === n && next.insn === n.insn) {
      const register = this.registers.get(next.field as Field) as number;
      w.convert(type, w.typeOf(register));
      w.set(register);
      return i + 1;
    }
    this.keep(n);
    return i;
  }

  private store(block: RegionBlock, n: Node): void {
    const offset = this.locate(block, n, 8);
    if (n.size === 8 && this.isFloat(n.b as Node)) {
      this.pushAs(n.b as Node, "f64");
      this.w.memory(W.f64Store, offset);
      return;
    }
    this.push(n.b as Node);
    this.w.memory(
      n.size === 1 ? W.i64Store8 : n.size === 2 ? W.i64Store16 : n.size === 4 ? W.i64Store32 : W.i64Store,
      offset,
    );
  }

  /** The value is in an f64 local. */
  private isFloat(n: Node): boolean {
    const local = this.localOf(n);
    return local !== NO_LOCAL && this.w.typeOf(local) === "f64";
  }

  private atomic(block: RegionBlock, n: Node): void {
    const { w, plan } = this;
    this.translate(block, n, n.op === Op.loadReserved ? 0 : 8);
    const host = this.temporary("i32");
    const old = this.temporary("i64");
    this.host();
    w.tee(host);
    w.memory(n.size === 4 ? W.i64Load32S : W.i64Load, 0);
    w.set(old);
    const storeCode = n.size === 4 ? W.i64Store32 : W.i64Store;
    const narrow = (value: Node): void => {
      this.push(value);
      if (n.size === 4) w.op(W.extend32S);
    };
    switch (n.op) {
      case Op.rmw: {
        const operand = this.temporary("i64");
        narrow(n.b as Node);
        w.set(operand);
        w.get(host);
        this.combine(RMW_NAMES[n.sub] as string, old, operand);
        w.memory(storeCode, 0);
        break;
      }
      case Op.cas:
        w.get(old);
        narrow(n.b as Node);
        w.op(W.i64Eq);
        w.open(W.if);
        w.get(host);
        this.push(n.c as Node);
        w.memory(storeCode, 0);
        w.close();
        break;
      case Op.loadReserved:
        w.i32(0);
        w.get(host);
        w.op(W.extendU);
        w.memory(W.i64Store, plan.state + E.reservation);
        w.i32(0);
        w.get(old);
        w.memory(W.i64Store, plan.state + E.reservedValue);
        break;
      default:
        this.storeConditional(n, host, old, storeCode);
    }
    n.slot = old;
  }

  private storeConditional(n: Node, host: number, old: number, storeCode: number): void {
    const { w, plan } = this;
    w.i32(0);
    w.memory(W.i64Load, plan.state + E.reservation);
    w.get(host);
    w.op(W.extendU);
    w.op(W.i64Eq);
    w.i32(0);
    w.memory(W.i64Load, plan.state + E.reservedValue);
    w.get(old);
    w.op(W.i64Eq);
    w.op(W.i32And);
    w.open(W.if);
    w.get(host);
    this.push(n.b as Node);
    w.memory(storeCode, 0);
    w.i64(0, 0);
    w.set(old);
    w.else();
    w.i64(1, 0);
    w.set(old);
    w.close();
    w.i32(0);
    w.i64(-1, -1);
    w.memory(W.i64Store, plan.state + E.reservation);
  }

  private combine(name: string, old: number, operand: number): void {
    const { w } = this;
    const two = (code: number): void => {
      w.get(old);
      w.get(operand);
      w.op(code);
    };
    const pick = (code: number): void => {
      w.get(old);
      w.get(operand);
      two(code);
      w.op(W.select);
    };
    switch (name) {
      case "xchg":
        w.get(operand);
        return;
      case "add":
        two(W.i64Add);
        return;
      case "sub":
        two(W.i64Sub);
        return;
      case "and":
        two(W.i64And);
        return;
      case "or":
        two(W.i64Or);
        return;
      case "xor":
        two(W.i64Xor);
        return;
      case "min_s":
        pick(W.i64LtS);
        return;
      case "max_s":
        pick(W.i64GtS);
        return;
      case "min_u":
        pick(W.i64LtU);
        return;
      default:
        pick(W.i64GtU);
    }
  }
}

const SIGN_OPCODES = {
  f32: { abs: 0x8b, neg: 0x8c, copysign: 0x98 },
  f64: { abs: 0x99, neg: 0x9a, copysign: 0xa6 },
} as const;

const loadOf = (type: ValType): number =>
  type === "i32" ? W.i32Load : type === "f64" ? W.f64Load : W.i64Load;
const storeOf = (type: ValType): number =>
  type === "i32" ? W.i32Store : type === "f64" ? W.f64Store : W.i64Store;

function loadCode(n: Node): number {
  switch (n.size) {
    case 1:
      return n.signed ? W.i64Load8S : W.i64Load8U;
    case 2:
      return n.signed ? W.i64Load16S : W.i64Load16U;
    case 4:
      return n.signed ? W.i64Load32S : W.i64Load32U;
    default:
      return W.i64Load;
  }
}
