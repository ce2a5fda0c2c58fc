import type { GuestMemoryInterface } from "@hypercraft/guest-page-table";
import { HyperError } from "./error.js";
import type { HyperCraftHal } from "./hal.js";
import type { VmRunResult } from "./run-result.js";
import { type RunOptions, runTogether } from "./scheduler.js";
import type { VCpu } from "./vcpu.js";
import { Vm, type VmOptions } from "./vm.js";
import { VmidAllocator } from "./vmid.js";

/** What a host is made of. */
export interface HostOptions {
  /** The one allocator of frames, the clock and the exit hook of all its VMs. */
  readonly hal: HyperCraftHal;
  /** Default: 8 bits. */
  readonly vmids?: VmidAllocator;
}

/** A VM to create: the host adds the VMID, and its Hal's clock and exit hook where there is none of its own. */
export type HostVmOptions<V extends VCpu, G extends GuestMemoryInterface> = Omit<
  VmOptions<V, G>,
  "vmid" | "clock" | "guestPageTable"
> & {
  /** The second stage, or what makes it once the VMID is known: tables carry it in their token. */
  readonly guestPageTable: G | ((vmid: number) => G);
  /** Default: the Hal's. The vCPUs must be made for the same clock. */
  readonly clock?: VmOptions<V, G>["clock"];
};

/** Several VMs on one allocator, run interleaved. Two hosts in one process share nothing. */
export class Host {
  readonly hal: HyperCraftHal;
  readonly vmids: VmidAllocator;
  // The map keeps the order of creation, which VMIDs lose once one of them is used again.
  readonly #vms = new Map<number, AnyVm>();

  constructor(options: HostOptions) {
    this.hal = options.hal;
    this.vmids = options.vmids ?? new VmidAllocator();
  }

  /** The VMs in order of creation. */
  get vms(): readonly AnyVm[] {
    return [...this.#vms.values()];
  }

  /** Throws ResourceBusy when all VMIDs are in use, and what `Vm` throws. */
  createVm<V extends VCpu, G extends GuestMemoryInterface>(options: HostVmOptions<V, G>): Vm<V, G> {
    const vmid = this.vmids.allocate();
    const { hal } = this;
    try {
      const onVmExit: VmOptions<V, G>["onVmExit"] =
        hal.onVmExit === undefined ? undefined : (vcpu, exit) => hal.onVmExit?.(vcpu, exit);
      const hook = onVmExit === undefined ? {} : { onVmExit };
      const given = options.guestPageTable;
      const guestPageTable = typeof given === "function" ? given(vmid) : given;
      const vm = new Vm<V, G>({ clock: hal.clock, ...hook, ...options, vmid, guestPageTable });
      this.#vms.set(vmid, vm);
      return vm;
    } catch (error) {
      this.vmids.free(vmid);
      throw error;
    }
  }

  /** Throws NotFound. */
  getVm(vmid: number): AnyVm {
    const vm = this.#vms.get(vmid);
    if (vm === undefined) throw new HyperError("NotFound", `this host has no VM with VMID ${vmid}`);
    return vm;
  }

  /**
   * Forgets a VM and frees its VMID; its frames belong to whoever allocated them. Throws NotFound, and BadState
   * while it is being run.
   */
  destroyVm(vmid: number): void {
    const vm = this.getVm(vmid);
    if (vm.onWake !== undefined) throw new HyperError("BadState", `${vm.name} is being run`);
    this.#vms.delete(vmid);
    this.vmids.free(vmid);
  }

  /**
   * Runs every VM that has not ended for good, interleaved by turns, until each has ended; results by VMID.
   * Rejects with BadState as `Vm.run` does.
   */
  async run(options: RunOptions = {}): Promise<Map<number, VmRunResult>> {
    const members = this.vms.filter(({ result }) => result === undefined);
    for (const vm of members) vm.requireRunnable();
    const results = await runTogether(members, options);
    return new Map([...results].map(([vm, result]) => [vm.vmid, result]));
  }
}

/** A VM whose kind of vCPU and of page table does not matter. */
export type AnyVm = Pick<
  Vm,
  | "name"
  | "vmid"
  | "clock"
  | "timers"
  | "mmio"
  | "ports"
  | "console"
  | "memory"
  | "stats"
  | "result"
  | "onWake"
  | "requireRunnable"
  | "run"
  | "stop"
  | "turn"
  | "turnsInPass"
  | "state"
  | "restore"
>;
