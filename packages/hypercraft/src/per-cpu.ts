import type { GuestPhysAddr } from "./address.js";
import { HyperError } from "./error.js";
import type { VCpu } from "./vcpu.js";

/** The hypervisor's state of one host CPU: its virtualization hardware and the vCPUs bound to it. */
export interface PerCpu<V extends VCpu = VCpu> {
  readonly cpuId: number;
  /** Whether `hardwareEnable` has been called without `hardwareDisable` after it. */
  readonly enabled: boolean;
  /** Ids of the vCPUs created here, in order of creation. */
  readonly vcpuIds: readonly number[];
  /** Whether this CPU has virtualization hardware; asks in the architected way, without touching it. */
  hasHardwareSupport(): boolean;
  /** Switches it on (VMXON, HCR_EL2, hedeleg). Throws NotSupported without it, ResourceBusy when on. */
  hardwareEnable(): void;
  /** Switches it off. Throws Disabled when it is off. */
  hardwareDisable(): void;
  /**
   * A vCPU with its entry point, bound to this CPU. Throws Disabled before `hardwareEnable`, AlreadyExists for
   * an id in use here.
   */
  createVcpu(vcpuId: number, entry: GuestPhysAddr): V;
}

/** The checks that all architectures share; they add detection, switching and the vCPU itself. */
export abstract class BasePerCpu<V extends VCpu = VCpu> implements PerCpu<V> {
  readonly cpuId: number;
  readonly #vcpuIds: number[] = [];
  #enabled = false;

  constructor(cpuId: number) {
    this.cpuId = cpuId;
  }

  abstract hasHardwareSupport(): boolean;
  protected abstract onHardwareEnable(): void;
  protected abstract onHardwareDisable(): void;
  protected abstract onCreateVcpu(vcpuId: number, entry: GuestPhysAddr): V;

  get enabled(): boolean {
    return this.#enabled;
  }

  get vcpuIds(): readonly number[] {
    return this.#vcpuIds;
  }

  hardwareEnable(): void {
    if (this.#enabled)
      throw new HyperError("ResourceBusy", `CPU ${this.cpuId}: virtualization is on already`);
    if (!this.hasHardwareSupport())
      throw new HyperError("NotSupported", `CPU ${this.cpuId} has no virtualization hardware`);
    this.onHardwareEnable();
    this.#enabled = true;
  }

  hardwareDisable(): void {
    this.#requireEnabled();
    this.onHardwareDisable();
    this.#enabled = false;
  }

  createVcpu(vcpuId: number, entry: GuestPhysAddr): V {
    this.#requireEnabled();
    if (this.#vcpuIds.includes(vcpuId))
      throw new HyperError("AlreadyExists", `CPU ${this.cpuId} has a vCPU ${vcpuId} already`);
    const vcpu = this.onCreateVcpu(vcpuId, entry);
    this.#vcpuIds.push(vcpuId);
    return vcpu;
  }

  /**
   * For architectures where the CPU that runs the hypervisor is the one its guest runs on, so that it has one vCPU.
   * Throws ResourceBusy if there is one already. `cpu` is the architecture's word.
   */
  protected requireFree(cpu: string): void {
    const [other] = this.#vcpuIds;
    if (other !== undefined)
      throw new HyperError("ResourceBusy", `${cpu} ${this.cpuId} has vCPU ${other} already`);
  }

  #requireEnabled(): void {
    if (!this.#enabled) throw new HyperError("Disabled", `CPU ${this.cpuId}: virtualization is switched off`);
  }
}

/** All CPUs of one host, and which of them the code runs on: what hcHyper keeps in a static array. */
export class PerCpuArea<P extends PerCpu> {
  readonly #create: (cpuId: number) => P;
  #cpus: P[] = [];
  #current: P | undefined;

  constructor(create: (cpuId: number) => P) {
    this.#create = create;
  }

  /**
   * Makes the areas of CPUs 0 to `cpuCount - 1` and sets `bootCpuId` up. Throws BadState the second time,
   * InvalidParam for a count below 1, OutOfRange for a boot CPU outside it.
   */
  init(bootCpuId = 0, cpuCount = 1): void {
    if (this.#cpus.length > 0) throw new HyperError("BadState", "the per-CPU areas exist already");
    if (!Number.isInteger(cpuCount) || cpuCount < 1)
      throw new HyperError("InvalidParam", `${cpuCount} is not a number of CPUs`);
    if (!Number.isInteger(bootCpuId) || bootCpuId < 0 || bootCpuId >= cpuCount)
      throw new HyperError("OutOfRange", `boot CPU ${bootCpuId} of ${cpuCount}`);
    this.#cpus = Array.from({ length: cpuCount }, (_, cpuId) => this.#create(cpuId));
    this.setupThisCpu(bootCpuId);
  }

  /** From now on the code runs on `cpuId`: `thisCpu` gives its area. Throws NotFound. */
  setupThisCpu(cpuId: number): void {
    const cpu = this.#cpus[cpuId];
    if (cpu === undefined) throw new HyperError("NotFound", `there is no per-CPU area for CPU ${cpuId}`);
    this.#current = cpu;
  }

  /** The area of the CPU that the code runs on. Throws BadState before `init`. */
  thisCpu(): P {
    if (this.#current === undefined)
      throw new HyperError("BadState", "the per-CPU areas are not initialized");
    return this.#current;
  }

  /** All areas by CPU id. */
  get cpus(): readonly P[] {
    return this.#cpus;
  }
}
