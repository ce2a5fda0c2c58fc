import { type Core, type CoreState, newTranslation } from "@hypercraft/engine";
import {
  EmulatedVCpu,
  type EmulatedVCpuState,
  type GuestPhysAddr,
  HyperError,
  type RegisterValue,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import type { FatalExit } from "../cpu/exit.js";
import type { RiscvHart } from "../cpu/hart.js";
import { registerReport } from "../cpu/report.js";
import { X } from "../cpu/state.js";
import { disassemble } from "../isa/lift.js";
import { X_NAMES } from "../isa/registers.js";
import type { RiscvExitCause } from "./exit-cause.js";

const RAW = (reason: string): RiscvExitCause => ({
  arch: "riscv64",
  reason,
  scause: 0n,
  sepc: 0n,
  stval: 0n,
  htval: 0n,
  htinst: 0n,
  spvp: 0,
});

/** A hart's state as plain data. */
export type HartVCpuState = EmulatedVCpuState<CoreState>;

/**
 * A hart as a vCPU of the contracts: registers, and the exits that any hart has. What a trap into the hypervisor
 * means is the subclass's.
 */
export abstract class HartVCpu extends EmulatedVCpu<RiscvExitCause, FatalExit, CoreState> {
  readonly gprNames: readonly string[] = X_NAMES;
  readonly core: Core;
  readonly hart: RiscvHart;

  constructor(vcpuId: number, entry: GuestPhysAddr, core: Core, hart: RiscvHart) {
    super(vcpuId, entry, core, hart, RAW, "WFI");
    this.core = core;
    this.hart = hart;
  }

  /** The hart cannot go on. */
  protected override fatal({ cause, interrupt, reason, pc, value }: FatalExit): VmExitInfo<RiscvExitCause> {
    const scause = (interrupt ? 1n << 63n : 0n) | BigInt(cause);
    return {
      kind: "failEntry",
      code: cause,
      message: reason,
      raw: { ...RAW(reason), scause, sepc: pc, stval: value },
    };
  }

  override getGprLo(index: number): number {
    return this.core.lo(this.gpr(index)) >>> 0;
  }
  override getGprHi(index: number): number {
    return this.core.hi(this.gpr(index)) >>> 0;
  }
  override setGprPair(index: number, lo: number, hi: number): void {
    const field = this.gpr(index);
    if (index !== 0) this.core.set(field, lo | 0, hi | 0);
  }
  private gpr(index: number) {
    const field = X[index];
    if (field === undefined) throw new HyperError("OutOfRange", `there is no register x${index}`);
    return field;
  }

  override getPc(): bigint {
    return this.core.big(this.hart.layout.pc);
  }
  override setPc(pc: bigint): void {
    this.core.setBig(this.hart.layout.pc, pc);
  }

  override registers(): RegisterValue[] {
    return registerReport(this.core);
  }

  override disassemble(): string {
    const { core, hart } = this;
    const pc = this.getPc();
    const bits = hart.instructionBits();
    // Zero is also what an unreadable instruction reads as.
    if (bits === 0 && !hart.probeFetch(core.pcLo(), core.pcHi(), newTranslation())) {
      return `0x${pc.toString(16)}: the instruction cannot be fetched`;
    }
    const digits = (bits & 3) === 3 ? 8 : 4;
    return `0x${pc.toString(16)}: ${(bits >>> 0).toString(16).padStart(digits, "0")}  ${disassemble(bits, pc)}`;
  }
}
