import type { SoftFloat } from "../../softfloat/index.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import {
  br,
  type Expr,
  i32,
  i64,
  type Label,
  type Local,
  ret,
  seq,
  type Val,
  v128,
} from "../../wasm/index.js";

/** Where the interpreter finds things in host memory: byte addresses fixed when it is generated. */
export interface InterpreterPlan {
  /** The state window: the running vCPU's state lies here. */
  readonly state: number;
  /** The lookup tables (`LOOKUP_TABLES`). */
  readonly lookup: number;
  /** `HostPages`. */
  readonly hostPages: number;
  /** Size of the imported memory in 64 KiB pages. */
  readonly memoryPages: number;
  readonly sharedMemory: boolean;
}

/** Writes a micro-op. */
export type Handler = (m: Machine) => Expr;
/** Handlers by the name of their micro-op. */
export type Handlers = Map<string, Handler>;

/** What handlers are written with: locals, operands, the engine's part of the state, and where to go on. */
export class Machine {
  readonly pc: Local;
  readonly budget: Local;
  readonly context: Local;
  readonly tlb: Local;
  readonly va: Local;
  readonly entry: Local;
  readonly value: Local;
  readonly kind: Local;
  readonly target: Local;
  /** Link stub that is to be made anew, 0 if none. */
  readonly stub: Local;
  readonly status: Local;
  /** The block being executed. */
  readonly block: Local;
  next!: Label;
  /** Branch here with `pc` at a block to be entered. */
  entering!: Label;
  /** Branch here with the virtual address to go on at in `va`. */
  going!: Label;
  slowLoad!: Label;
  slowStore!: Label;
  readonly plan: InterpreterPlan;
  readonly soft: SoftFloat | undefined;

  constructor(
    plan: InterpreterPlan,
    soft: SoftFloat | undefined,
    local: (type: "i32" | "i64") => Local,
    pc: Local,
  ) {
    this.plan = plan;
    this.soft = soft;
    this.pc = pc;
    this.budget = local("i32");
    this.context = local("i64");
    this.tlb = local("i32");
    this.va = local("i64");
    this.entry = local("i32");
    this.value = local("i64");
    this.kind = local("i32");
    this.target = local("i32");
    this.stub = local("i32");
    this.status = local("i32");
    this.block = local("i32");
  }

  // --- Operands ------------------------------------------------------------------------------

  private slot(at: number): Expr {
    return i32.load16_u(this.pc, at);
  }
  get a(): Expr {
    return i64.load(this.slot(4), this.plan.state);
  }
  get b(): Expr {
    return i64.load(this.slot(6), this.plan.state);
  }
  /** The third operand as a vector. */
  get cVector(): Expr {
    return v128.load(this.slot(8), this.plan.state);
  }
  /** The second operand as a vector, and its upper half. */
  get bVector(): Expr {
    return v128.load(this.slot(6), this.plan.state);
  }
  get bHigh(): Expr {
    return i64.load(this.slot(6), this.plan.state + 8);
  }
  /** Third operand, in the low half of x. */
  get c(): Expr {
    return i64.load(this.slot(8), this.plan.state);
  }
  get a32(): Expr {
    return i32.load(this.slot(4), this.plan.state);
  }
  get b32(): Expr {
    return i32.load(this.slot(6), this.plan.state);
  }
  get c32(): Expr {
    return i32.load(this.slot(8), this.plan.state);
  }
  get imm(): Expr {
    return i64.load(this.pc, 8);
  }
  get imm32(): Expr {
    return i32.load(this.pc, 8);
  }
  setD(value: Val): Expr {
    return i64.store(this.slot(2), value, this.plan.state);
  }
  setVector(value: Expr): Expr {
    return v128.store(this.slot(2), value, this.plan.state);
  }
  /** The upper half of a vector. */
  setDHigh(value: Val): Expr {
    return i64.store(this.slot(2), value, this.plan.state + 8);
  }
  setD32(value: Expr): Expr {
    return this.setD(i64.extend_i32_u(value));
  }
  setD32s(value: Expr): Expr {
    return this.setD(i64.extend_i32_s(value));
  }

  // --- The engine's part of the state --------------------------------------------------------

  engine32(offset: number): Expr {
    return i32.load(0, this.plan.state + offset);
  }
  engine64(offset: number): Expr {
    return i64.load(0, this.plan.state + offset);
  }
  setEngine32(offset: number, value: Val): Expr {
    return i32.store(0, value, this.plan.state + offset);
  }
  setEngine64(offset: number, value: Val): Expr {
    return i64.store(0, value, this.plan.state + offset);
  }

  /** Was something made under this generation under the current mappings? */
  isCurrent(generation: Expr): Expr {
    return i32.or(
      i32.eq(generation, this.engine32(E.generation)),
      i32.eq(generation, this.engine32(E.globalGeneration)),
    );
  }

  /** What lives in locals goes back to the state before JavaScript may look at it. */
  spill(): Expr {
    return seq(
      this.setEngine32(E.microOp, this.pc),
      this.setEngine32(E.block, this.block),
      this.setEngine32(E.budget, this.budget),
      ...(this.soft ? [this.setEngine32(E.fpFlags, this.soft.flags)] : []),
    );
  }
  reload(): Expr {
    return seq(
      this.budget.set(this.engine32(E.budget)),
      this.context.set(this.engine64(E.dataContext)),
      this.tlb.set(this.engine32(E.tlb)),
      ...(this.soft ? [this.soft.flags.set(this.engine32(E.fpFlags))] : []),
    );
  }

  // --- Where to go on ------------------------------------------------------------------------

  advance(): Expr {
    return seq(this.pc.set(i32.add(this.pc, 16)), br(this.next));
  }
  done(...body: Expr[]): Expr {
    return seq(...body, this.advance());
  }
  leave(why: number): Expr {
    return seq(this.spill(), ret(i32.const(why)));
  }
  /** Enter the block at `target`: charge its instructions, or leave before it. */
  enter(target: Expr): Expr {
    return seq(this.pc.set(target), br(this.entering));
  }
  /** Go on at the virtual address `va`. */
  go(va: Expr): Expr {
    return seq(this.va.set(va), br(this.going));
  }
}
