import type { Core, CoreState, Field } from "@hypercraft/engine";
import {
  EmulatedVCpu,
  type EmulatedVCpuState,
  type GuestPhysAddr,
  HyperError,
  type RegisterValue,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import type { FatalExit } from "../cpu/exit.js";
import { registerReport } from "../cpu/report.js";
import { GPR, GPR_NAMES } from "../cpu/state.js";
import { disassemble } from "../isa/lift.js";
import { plainCause, type X86ExitCause } from "./exit-cause.js";

/** A processor's state as plain data. */
export type X86VCpuState = EmulatedVCpuState<CoreState>;

const LONGEST_INSTRUCTION = 15n;

/**
 * A logical processor as a vCPU of the contracts: registers, and the exits that any has. What leaves its guest for the
 * level above is the subclass's.
 */
export abstract class X86VCpu extends EmulatedVCpu<X86ExitCause, FatalExit, CoreState> {
  readonly gprNames: readonly string[] = GPR_NAMES;
  readonly core: Core;
  readonly cpu: X86Cpu;

  constructor(vcpuId: number, entry: GuestPhysAddr, core: Core, cpu: X86Cpu) {
    super(vcpuId, entry, core, cpu, plainCause, "HLT");
    this.core = core;
    this.cpu = cpu;
  }

  /** The processor cannot go on: it shut down. */
  protected override fatal({ reason, vector }: FatalExit): VmExitInfo<X86ExitCause> {
    const message = `${reason}, which exception ${vector} began`;
    return { kind: "failEntry", code: vector, message, raw: plainCause(reason) };
  }

  protected override suspending(): void {
    throw new HyperError("Internal", "x86 has no firmware calls that suspend");
  }

  /** Something outside changed what the processor waits for: its local APIC, INIT, a start-up IPI. */
  woken(): void {
    this.signalWake();
  }

  override getGprLo(index: number): number {
    return this.core.lo(gpr(index)) >>> 0;
  }
  override getGprHi(index: number): number {
    return this.core.hi(gpr(index)) >>> 0;
  }
  override setGprPair(index: number, lo: number, hi: number): void {
    this.core.set(gpr(index), lo | 0, hi | 0);
  }

  /** The linear address of the next instruction: CS.base + RIP. */
  override getPc(): bigint {
    return this.core.big(this.cpu.layout.pc);
  }
  override setPc(pc: bigint): void {
    this.core.setBig(this.cpu.layout.pc, pc);
  }

  override registers(): RegisterValue[] {
    return registerReport(this.core);
  }

  override disassemble(): string {
    const { cpu } = this;
    const pc = this.getPc();
    const bytes: number[] = [];
    for (let i = 0n; i < LONGEST_INSTRUCTION; i++) {
      const byte = cpu.translation.peekCode(pc + i);
      if (byte < 0) break;
      bytes.push(byte);
    }
    if (bytes.length === 0) return `0x${pc.toString(16)}: the instruction cannot be fetched`;
    const { text, length } = disassemble((at) => bytes[at] ?? -1, cpu.ip, cpu.decodeMode);
    const shown = bytes.slice(0, length).map((byte) => byte.toString(16).padStart(2, "0"));
    return `0x${pc.toString(16)}: ${shown.join(" ")}  ${text}`;
  }
}

/** Throws OutOfRange. */
function gpr(index: number): Field {
  const field = GPR[index];
  if (field === undefined)
    throw new HyperError("OutOfRange", `there is no general-purpose register ${index}`);
  return field;
}
