import type { X86Cpu } from "../cpu.js";
import { Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import type { Vmcs } from "./vmcs.js";

/** PAUSE-loop exiting: a guest's kernel that waits in a loop leaves. SDM volume 3, 26.1.3. */
export class PauseLoop {
  private readonly cpu: X86Cpu;
  /** The time-stamp counter at the loop's first PAUSE, and at the last one. */
  private first = 0n;
  private last = 0n;
  /** There was none since the guest was entered. */
  private fresh = true;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** A guest was entered. */
  begin(): void {
    this.fresh = true;
  }

  /** PAUSE was executed, which leaves the guest by no other control. True if it does by this one. */
  exits(vmcs: Vmcs): boolean {
    const { cpu } = this;
    if (cpu.cpl !== 0 || !cpu.vmx.hasSecondary(Secondary.pauseLoopExiting)) return false;
    const now = cpu.msrs.timestamp;
    if (this.fresh || now - this.last > BigInt(vmcs.get(F.PLE_GAP))) this.first = now;
    this.fresh = false;
    this.last = now;
    return now - this.first > BigInt(vmcs.get(F.PLE_WINDOW));
  }
}
