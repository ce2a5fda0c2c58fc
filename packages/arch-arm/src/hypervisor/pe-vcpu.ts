import type { Core, CoreState, Field } from "@hypercraft/engine";
import {
  type CallStatus,
  EmulatedVCpu,
  type EmulatedVCpuState,
  type GuestPhysAddr,
  HyperError,
  type RegisterValue,
  type VCpuContext,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import type { FatalExit } from "../cpu/exit.js";
import type { ArmPe } from "../cpu/pe.js";
import { registerReport } from "../cpu/report.js";
import { X } from "../cpu/state.js";
import { disassemble } from "../isa/lift.js";
import { xName } from "../isa/registers.js";
import { type ArmExitCause, plainCause } from "./exit-cause.js";
import { psciCall } from "./psci/call.js";
import { PsciError, psciName } from "./psci/constants.js";
import type { PsciHost } from "./psci/host.js";
import { VmPsciHost } from "./psci/vcpu-host.js";

/** Register 31 of loads and stores, among the general-purpose registers: reads as zero, ignores writes. */
const XZR = 31;
const NAMES = Array.from({ length: 32 }, (_, index) => xName(index));

const PSCI_STATUS: Readonly<Record<CallStatus, PsciError>> = {
  success: PsciError.success,
  failed: PsciError.internalFailure,
  notSupported: PsciError.notSupported,
  invalidParam: PsciError.invalidParameters,
  invalidAddress: PsciError.invalidAddress,
  denied: PsciError.denied,
  alreadyOn: PsciError.alreadyOn,
};

/** A PE's state as plain data. */
export type PeVCpuState = EmulatedVCpuState<CoreState>;

/**
 * A PE as a vCPU of the contracts: registers, and the exits that any PE has. What an exception to the level above
 * means is the subclass's.
 */
export abstract class PeVCpu extends EmulatedVCpu<ArmExitCause, FatalExit, CoreState> {
  readonly gprNames: readonly string[] = NAMES;
  readonly core: Core;
  readonly pe: ArmPe;

  constructor(vcpuId: number, entry: GuestPhysAddr, core: Core, pe: ArmPe) {
    super(vcpuId, entry, core, pe, plainCause, "WFI");
    this.core = core;
    this.pe = pe;
  }

  /** Aff0 to Aff3 as the guest's MPIDR_EL1 has them, every other bit 0. */
  abstract get affinity(): bigint;

  // --- Firmware ------------------------------------------------------------------------------

  private psci: PsciHost | undefined;

  protected override onSetup(context: VCpuContext): void {
    this.psci = new VmPsciHost(context);
  }

  /**
   * A call by the SMC Calling Convention, the pc being behind it: PSCI and the convention's own functions are carried
   * out; "unknown": the function belongs to nobody here.
   */
  protected firmwareCall(raw: ArmExitCause): VmExitInfo<ArmExitCause> | "done" | "unknown" {
    if (this.psci === undefined) throw new HyperError("BadState", `vCPU ${this.vcpuId} is in no VM yet`);
    const id = this.getGprLo(0);
    const outcome = psciCall(this.psci, id, [this.getGpr(1), this.getGpr(2), this.getGpr(3)]);
    if (outcome.kind === "unknown") return "unknown";
    // Those that end in an exit are counted by the VM, under that exit's kind.
    if (outcome.kind !== "return") return this.power(outcome, raw);
    this.setGpr(0, outcome.value);
    this.context.stats.count("hypercall", psciName(id));
    return "done";
  }

  /** No such function, or none that answers. */
  protected callUnsupported(): void {
    this.setGpr(0, BigInt(PsciError.notSupported));
  }

  /** The result of a call that the VM carried out. */
  protected callStatus(status: CallStatus): void {
    this.setGpr(0, BigInt(PSCI_STATUS[status]));
  }

  /** Goes on at `entry` as a suspend that lost the PE's state does. */
  protected abstract resumeAt(entry: number): void;

  protected override suspending(resume: { entry: number; arg: bigint } | undefined): void {
    if (resume !== undefined) this.resumeAt(resume.entry);
    this.setGpr(0, resume?.arg ?? BigInt(PsciError.success));
  }

  // --- Registers and exits -------------------------------------------------------------------

  /** The PE cannot go on. */
  protected override fatal({ reason }: FatalExit): VmExitInfo<ArmExitCause> {
    return { kind: "failEntry", code: 0, message: reason, raw: plainCause(reason) };
  }

  override getGprLo(index: number): number {
    const field = this.gpr(index);
    return field === undefined ? 0 : this.core.lo(field) >>> 0;
  }
  override getGprHi(index: number): number {
    const field = this.gpr(index);
    return field === undefined ? 0 : this.core.hi(field) >>> 0;
  }
  override setGprPair(index: number, lo: number, hi: number): void {
    const field = this.gpr(index);
    if (field !== undefined) this.core.set(field, lo | 0, hi | 0);
  }
  /** Undefined for the zero register. */
  private gpr(index: number): Field | undefined {
    const field = X[index];
    if (field === undefined && index !== XZR)
      throw new HyperError("OutOfRange", `there is no register x${index}`);
    return field;
  }

  override getPc(): bigint {
    return this.core.big(this.pe.layout.pc);
  }
  override setPc(pc: bigint): void {
    this.core.setBig(this.pe.layout.pc, pc);
  }

  /** Eight bytes as loads of the guest's present level would read them; undefined where one would fault. */
  readVirtual(address: bigint): bigint | undefined {
    let value = 0n;
    for (let i = 0n; i < 8n; i++) {
      const at = address + i;
      const byte = this.pe.peek(Number(BigInt.asIntN(32, at)), Number(BigInt.asIntN(32, at >> 32n)));
      if (byte < 0) return undefined;
      value |= BigInt(byte) << (8n * i);
    }
    return value;
  }

  override registers(): RegisterValue[] {
    return registerReport(this.core);
  }

  override disassemble(): string {
    const pc = this.getPc();
    const bits = this.pe.fetchedBits();
    if (bits === undefined) return `0x${pc.toString(16)}: the instruction cannot be fetched`;
    return `0x${pc.toString(16)}: ${(bits >>> 0).toString(16).padStart(8, "0")}  ${disassemble(bits, pc)}`;
  }
}
