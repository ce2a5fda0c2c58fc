import { HyperError } from "./error.js";
import type { VCpu } from "./vcpu.js";

/** The vCPUs of one VM: slots numbered by vCPU id, each filled at most once. */
export class VmCpus<V extends VCpu = VCpu> implements Iterable<V> {
  readonly maxCount: number;
  readonly #slots: (V | undefined)[];

  /** `maxCount` slots, 1..4096. Throws InvalidParam. */
  constructor(maxCount = 8) {
    if (!Number.isInteger(maxCount) || maxCount < 1 || maxCount > 4096)
      throw new HyperError("InvalidParam", `a VM has from 1 to 4096 vCPU slots, not ${maxCount}`);
    this.maxCount = maxCount;
    this.#slots = new Array<V | undefined>(maxCount).fill(undefined);
  }

  /** Vcpus in their slots. */
  get count(): number {
    return this.#slots.reduce((sum, vcpu) => sum + (vcpu === undefined ? 0 : 1), 0);
  }

  /** Throws OutOfRange for an id without a slot, AlreadyExists when the slot is filled. */
  addVcpu(vcpu: V): void {
    const id = vcpu.vcpuId;
    if (id >= this.maxCount)
      throw new HyperError("OutOfRange", `vCPU id ${id}: this VM has slots 0 to ${this.maxCount - 1}`);
    if (this.#slots[id] !== undefined) throw new HyperError("AlreadyExists", `vCPU ${id} is there already`);
    this.#slots[id] = vcpu;
  }

  /** Throws NotFound for an id without a vCPU. */
  getVcpu(vcpuId: number): V {
    const vcpu = this.find(vcpuId);
    if (vcpu === undefined) throw new HyperError("NotFound", `this VM has no vCPU ${vcpuId}`);
    return vcpu;
  }

  /** As `getVcpu`, undefined for an id without a vCPU. */
  find(vcpuId: number): V | undefined {
    return this.#slots[vcpuId];
  }

  /** By ascending id. */
  *[Symbol.iterator](): IterableIterator<V> {
    for (const vcpu of this.#slots) if (vcpu !== undefined) yield vcpu;
  }
}
