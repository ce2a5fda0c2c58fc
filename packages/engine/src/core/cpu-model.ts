import type { CoreApi } from "./api.js";
import { DeviceAccess, type DeviceBus } from "./device-access.js";
import { Access, type GuestCpu, newTranslation } from "./guest-cpu.js";

/** What a CPU model is made of that its architecture does not decide. */
export interface CpuModelOptions {
  /** Nanoseconds since the machine started; `pending` instructions were executed since `run` was entered. */
  readonly clock: { now(pending?: number): number };
  /** The physical bus, for what is not RAM. */
  readonly bus: DeviceBus;
  /** Lifts the instructions: a CPU model has none of its own. */
  readonly lift: GuestCpu["lift"];
  /** For listings of compiled code. */
  readonly disassemble?: NonNullable<GuestCpu["disassemble"]>;
}

/** What CPU models of all architectures have in common: instructions from outside, devices, and time. Each is a `GuestCpu`. */
export abstract class CpuModel {
  readonly core: CoreApi;
  readonly clock: CpuModelOptions["clock"];
  readonly lift: GuestCpu["lift"];
  readonly disassemble: NonNullable<GuestCpu["disassemble"]>;
  readonly devices: DeviceAccess;
  /**
   * `core.instructions()` when the present slice began, -1 outside of slices. The clock learns of a slice's
   * instructions when it ends, and a slice may be several runs of the core.
   */
  sliceStart = -1;
  /** For translations that the engine did not ask for. */
  protected readonly probed = newTranslation();

  constructor(core: CoreApi, { clock, bus, lift, disassemble = () => "" }: CpuModelOptions) {
    this.core = core;
    this.clock = clock;
    this.lift = lift;
    this.disassemble = disassemble;
    this.devices = new DeviceAccess(bus);
  }

  /** Instructions that the clock has not been told of. */
  get pendingInstructions(): number {
    const { core, sliceStart } = this;
    return sliceStart < 0 ? core.pendingInstructions() : core.instructions() - sliceStart;
  }

  /** The loads and stores that devices take; they take neither atomics nor fetches. False is an access fault. */
  protected accessDevice(access: Access, physical: number, size: number, lo: number, hi: number): boolean {
    const { devices, core } = this;
    if (access === Access.write) return devices.write(physical, size, lo, hi);
    if (access !== Access.read || !devices.read(physical, size)) return false;
    core.setAnswer(devices.lo, devices.hi);
    return true;
  }
}
