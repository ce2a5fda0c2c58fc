import { type Core, Status } from "@hypercraft/engine";
import {
  type ExitAnswer,
  type GuestPhysAddr,
  HyperError,
  type VCpuContext,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import { TRAP_EXITS } from "../cpu/exit.js";
import type { ArmPe } from "../cpu/pe.js";
import { resumeAfterPowerDown } from "../cpu/reset.js";
import { type ArmExitCause, plainCause } from "./exit-cause.js";
import { PeVCpu } from "./pe-vcpu.js";

const AFFINITY = 0xff_ffff;
const SMC = plainCause("SMC");

/** Interrupt inputs of a PE, by the numbers that `interrupt` and `setInput` take. */
export const PeInput = { irq: 0, fiq: 1 } as const;

/**
 * A PE that guest code owns from EL2 up: exceptions go to the guest's own vectors and devices are on its physical
 * bus. What leaves it is waiting, deadlines, and SMC: there is no EL3, so that the machine plays the firmware there
 * (PSCI and the SMC Calling Convention; any other function is NOT_SUPPORTED).
 */
export class BarePe extends PeVCpu {
  constructor(vcpuId: number, entry: GuestPhysAddr, core: Core, pe: ArmPe) {
    super(vcpuId, entry, core, pe);
    pe.firmware = (immediate) => this.secureMonitorCall(immediate);
  }

  override get affinity(): bigint {
    return BigInt(this.pe.mpidr & AFFINITY);
  }

  protected override onSetup(context: VCpuContext): void {
    super.onSetup(context);
    this.pe.reset(BigInt(this.entry));
  }

  protected override onPowerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.pe.reset(BigInt(entry));
    this.setGpr(0, arg);
  }

  protected override resumeAt(entry: number): void {
    resumeAfterPowerDown(this.pe, BigInt(entry));
  }

  /** In the middle of a run: leave it behind the SMC, whose immediate the convention has as 0. */
  private secureMonitorCall(immediate: number): Status {
    const { core } = this;
    const next = (core.pcLo() + 4) | 0;
    core.setPc(next, (core.pcHi() + (next === 0 ? 1 : 0)) | 0);
    if (immediate !== 0) {
      this.callUnsupported();
      return Status.redispatch;
    }
    core.exit = TRAP_EXITS.sync;
    return Status.exit;
  }

  protected override trapped(): VmExitInfo<ArmExitCause> | undefined {
    const exit = this.firmwareCall(SMC);
    if (exit === "unknown") this.callUnsupported();
    return typeof exit === "string" ? undefined : exit;
  }

  protected override finishExit(_exit: VmExitInfo<ArmExitCause>, answer: ExitAnswer): void {
    if (answer.kind !== "status")
      throw new HyperError("Internal", "a bare PE's exits are answered by a status");
    this.callStatus(answer.status);
  }

  /** Raise an interrupt input, one of `PeInput`. Throws OutOfRange for another number. */
  override interrupt(vector: number): void {
    this.setInput(vector, true);
  }

  /** Drive an interrupt input, one of `PeInput`. Throws OutOfRange. */
  setInput(input: number, level: boolean): void {
    if (input === PeInput.irq) this.pe.setIrq(level);
    else if (input === PeInput.fiq) this.pe.setFiq(level);
    else throw new HyperError("OutOfRange", `a PE has no interrupt input ${input}`);
    if (level) this.signalWake();
  }
}
