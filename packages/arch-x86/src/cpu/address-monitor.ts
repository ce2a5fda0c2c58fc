import { Status } from "@hypercraft/engine";
import { RFLAG } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { generalProtection, invalidOpcode } from "./fault.js";
import {
  Activity,
  activity,
  GPR,
  Gpr,
  interruptShadow,
  monitoredAddress,
  monitoredBytes,
  monitorState,
  RFLAGS,
} from "./state.js";
import { wide } from "./wide.js";

// MONITOR and MWAIT: SDM volume 3, 9.10.4.

/** Bytes of a line, as CPUID tells. */
export const MONITOR_LINE = 64;
/** Values of `monitorState`: a line is armed, MWAIT waits. */
const ARMED = 1;
const WAITING = 2;
const MWAIT_LENGTH = 3;

/**
 * A line of memory that a processor waits for stores to. Others store while it has no turn: what tells of a store is
 * that the line has other bytes than it had.
 */
export class AddressMonitor {
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** MONITOR of a linear address, which is read. Throws a `Fault`. */
  monitor(linear: bigint): void {
    const { core, memory } = this.cpu;
    this.check();
    const physical = memory.physical(linear);
    core.setBig(monitoredAddress, BigInt(physical - (physical % MONITOR_LINE)));
    core.setBig(monitoredBytes, this.digest());
    core.set(monitorState, ARMED, 0);
  }

  /** MWAIT: the processor waits, unless there was a store since MONITOR. Throws a `Fault`. */
  wait(): Status {
    const { cpu } = this;
    const { core } = cpu;
    this.check();
    cpu.skip(MWAIT_LENGTH);
    core.set(interruptShadow, 0, 0);
    if (core.lo(monitorState) !== ARMED || this.stored) {
      this.disarm();
      return Status.redispatch;
    }
    core.set(monitorState, WAITING, 0);
    return cpu.interrupts.wait((core.lo(RFLAGS) & RFLAG.TF) !== 0);
  }

  /** There are no extensions, which ECX would ask for. */
  private check(): void {
    const { core, cpl } = this.cpu;
    if (cpl !== 0) throw invalidOpcode();
    if (core.lo(GPR[Gpr.rcx]!) !== 0) throw generalProtection();
  }

  /** The processor waits by MWAIT, and somebody has stored to the line. */
  get wakes(): boolean {
    return this.waiting && this.stored;
  }

  get waiting(): boolean {
    return this.cpu.core.lo(monitorState) === WAITING;
  }

  get armed(): boolean {
    return this.cpu.core.lo(monitorState) === ARMED;
  }

  /** The wait is over, whatever ended it. */
  goOn(): void {
    if (!this.waiting) return;
    this.cpu.core.set(activity, Activity.active, 0);
    this.disarm();
  }

  disarm(): void {
    this.cpu.core.set(monitorState, 0, 0);
  }

  private get stored(): boolean {
    return this.digest() !== this.cpu.core.big(monitoredBytes);
  }

  /** Of the line's bytes, in 64 bits. */
  private digest(): bigint {
    const { core } = this.cpu;
    const offset = core.ramOffset(Number(core.big(monitoredAddress)));
    if (offset < 0) return 0n;
    let [low, high] = [0x811c_9dc5, 0x9e37_79b9];
    for (let i = 0; i < MONITOR_LINE / 4; i++) {
      const word = core.words[offset / 4 + i] as number;
      low = Math.imul(low ^ word, 0x0100_0193) ^ (low >>> 15);
      high = Math.imul(high + word, 0x85eb_ca6b) ^ (high >>> 13);
    }
    return wide(low, high);
  }
}
