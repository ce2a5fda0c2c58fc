import { IrBuilder, type ParcelSource } from "@hypercraft/engine";
import { type EvalMachine, EvalMemory, EvalState, evaluate } from "@hypercraft/engine/testing/ir-eval";
import {
  DATA_BYTES,
  DATA_OFFSET,
  type PlacedCase,
  type UserExecutor,
} from "@hypercraft/engine/testing/user-program";
import { Helper } from "../cpu/helper-ids.js";
import { packMode } from "../cpu/mode.js";
import { F, frm, riscvLayout, X } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { type UserCase, type UserState, userPrograms } from "./user-program.js";

// User-level cases by evaluating the IR that the lifter emits, one instruction at a time.

const MASK = 0xffffffffffffffffn;
const FFLAGS = 0x001;
const FRM = 0x002;
const FCSR = 0x003;
const MAX_STEPS = 10_000;

/** A machine in user mode with the floating-point CSRs. */
class UserMachine implements EvalMachine {
  readonly state = new EvalState();
  readonly memory = new EvalMemory();
  readonly fpFlags = riscvLayout.fpFlags;
  readonly softFloat = { nan: "canonical", tininess: "after" } as const;
  pcBase = 0n;
  pc = 0n;
  reservation: EvalMachine["reservation"] = null;

  get fcsr(): number {
    return Number(this.state.get(riscvLayout.fpFlags)) | (Number(this.state.get(frm)) << 5);
  }

  set fcsr(value: number) {
    this.state.set(riscvLayout.fpFlags, BigInt(value & 0x1f));
    this.state.set(frm, BigInt((value >> 5) & 7));
  }

  call(helper: number, constant: number, a: bigint, b: bigint): bigint {
    if (helper === Helper.csrRead) return this.readCsr(constant);
    if (helper === Helper.csrWrite) return this.writeCsr(constant, a);
    if (helper === Helper.fenceI) return 0n;
    if (helper !== Helper.csrExchange)
      throw new Error(`helper ${helper} (${constant}, ${a}, ${b}) was called`);
    const csr = constant & 0xfff;
    const old = this.readCsr(csr);
    const changed = [a, a, old | a, old & ~a][constant >> 12] as bigint;
    this.writeCsr(csr, changed & MASK);
    return old;
  }

  /** Execute the instruction at the pc. */
  step(): void {
    this.pcBase = this.pc & ~0xfffn;
    const offset = Number(this.pc & 0xfffn);
    const source: ParcelSource = { u16: (at) => Number(this.memory.read(this.pcBase + BigInt(at), 2)) };
    const builder = new IrBuilder();
    builder.instruction(offset);
    const mode = packMode({
      privilege: 0,
      virtual: false,
      fpOn: true,
      fpDirty: true,
      frm: this.fcsr >> 5,
      cboZero: false,
    });
    const length = liftInstruction(builder, source, offset, mode);
    const end = evaluate(builder.finish(offset + length), this);
    this.pc = end.kind === "none" ? this.pc + BigInt(length) : end.address;
  }

  private readCsr(csr: number): bigint {
    if (csr === FFLAGS) return BigInt(this.fcsr & 0x1f);
    if (csr === FRM) return BigInt(this.fcsr >> 5);
    if (csr === FCSR) return BigInt(this.fcsr);
    throw new Error(`CSR ${csr} was accessed`);
  }

  private writeCsr(csr: number, value: bigint): bigint {
    const bits = Number(value & 0xffn);
    if (csr === FFLAGS) this.fcsr = (this.fcsr & 0xe0) | (bits & 0x1f);
    else if (csr === FRM) this.fcsr = (this.fcsr & 0x1f) | ((bits & 7) << 5);
    else if (csr === FCSR) this.fcsr = bits;
    else throw new Error(`CSR ${csr} was accessed`);
    return 0n;
  }
}

function runCase({ start, code }: UserCase, { record, begin, end }: PlacedCase): UserState {
  const machine = new UserMachine();
  const { state, memory } = machine;
  const data = BigInt(record + DATA_OFFSET);
  for (let i = 1; i < 31; i++) state.set(X[i]!, start.x[i] as bigint);
  for (let i = 0; i < 32; i++) state.set(F[i]!, start.f[i] as bigint);
  state.set(X[31]!, BigInt(record));
  machine.fcsr = start.fcsr;
  memory.load(BigInt(begin), code);
  memory.load(data, start.data);
  machine.pc = BigInt(begin);
  for (let steps = 0; machine.pc !== BigInt(end); steps++) {
    if (steps === MAX_STEPS) throw new Error("the sequence does not end");
    machine.step();
  }
  return {
    x: X.map((field) => state.get(field)),
    f: F.map((field) => state.get(field)),
    fcsr: machine.fcsr,
    data: memory.slice(data, DATA_BYTES),
  };
}

/** Runs cases where `buildUserProgram` places them, on the IR evaluator. */
export const runOnIr: UserExecutor<UserState> = (cases) => {
  const program = userPrograms.build(cases);
  return cases.map((one, i) => runCase(one, program.cases[i] as PlacedCase));
};
