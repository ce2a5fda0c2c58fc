import { PHYSICAL_BITS } from "../cpu/paging-entry.js";
import { BASE } from "./local-apic-registers.js";

/** IA32_APIC_BASE: where a local APIC's registers are, and its mode. SDM volume 3, 11.4.4 and 11.12. */
export class ApicBase {
  value = 0n;

  /** After power-up, of the processor that starts first or of another. */
  powerUp(bootstrap: boolean): void {
    this.value = BigInt(BASE.address + BASE.enabled + (bootstrap ? BASE.bootstrap : 0));
  }

  /** Physical address of the registers' page. */
  get address(): number {
    return Number(this.value >> 12n) * 4096;
  }

  get enabled(): boolean {
    return (flagsOf(this.value) & BASE.enabled) !== 0;
  }

  /** x2APIC mode. */
  get extended(): boolean {
    return (flagsOf(this.value) & BASE.extended) !== 0;
  }

  /** May it be written? Only certain transitions lead from mode to mode (11.12.1, 11.12.5.1). */
  accepts(value: bigint): boolean {
    const flags = flagsOf(value);
    if ((flags & ~BASE.flags) !== 0 || value >> BigInt(PHYSICAL_BITS) !== 0n) return false;
    const enabled = (flags & BASE.enabled) !== 0;
    if ((flags & BASE.extended) !== 0) return enabled && this.enabled;
    return !(this.extended && enabled);
  }
}

const flagsOf = (value: bigint): number => Number(value & 0xfffn);
