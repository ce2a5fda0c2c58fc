import { HyperError } from "./error.js";

/**
 * Hands out VMIDs (VPIDs), lowest first, from 1 on: 0 tags what belongs to no VM. One allocator per host, so
 * that no two of its VMs share tagged translations.
 */
export class VmidAllocator {
  readonly bits: number;
  readonly #used = new Set<number>();

  /** `bits` of VMID the hardware has: RISC-V up to 14, AArch64 8 or 16, VMX 16. Throws InvalidParam. */
  constructor(bits = 8) {
    if (!Number.isInteger(bits) || bits < 1 || bits > 16)
      throw new HyperError("InvalidParam", `a VMID has from 1 to 16 bits, not ${bits}`);
    this.bits = bits;
  }

  /** Throws ResourceBusy when all are in use. */
  allocate(): number {
    const count = 2 ** this.bits;
    for (let vmid = 1; vmid < count; vmid++) {
      if (this.#used.has(vmid)) continue;
      this.#used.add(vmid);
      return vmid;
    }
    throw new HyperError("ResourceBusy", `all ${count - 1} VMIDs are in use`);
  }

  /** Throws NotFound for a VMID that is not in use. */
  free(vmid: number): void {
    if (!this.#used.delete(vmid)) throw new HyperError("NotFound", `VMID ${vmid} is not in use`);
  }
}
