import { isHyperError } from "@hypercraft/hypercraft";
import type { ComponentState, DeviceWidth, GuestMemory } from "../../contracts.js";
import { MachineError } from "../../errors.js";
import { type StateReader, u64Text } from "../../state-reader.js";
import { readValue } from "../../values.js";
import {
  F_EVENT_IDX,
  F_INDIRECT_DESC,
  F_VERSION_1,
  featureSet,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  STATUS_NEEDS_RESET,
} from "./constants.js";
import type { VirtioDevice, VirtioHost } from "./device.js";
import { VirtioFault, VirtQueue } from "./queue.js";

/** Bits of the interrupt status, the same in all transports. */
export const INTERRUPT_USED = 1;
export const INTERRUPT_CONFIG = 2;

export interface VirtioTransportOptions {
  readonly memory: GuestMemory;
  /** What is behind the transport; undefined is an empty slot. */
  readonly device?: VirtioDevice | undefined;
  /** Told why the device needs a reset: the guest's mistake in one line. */
  readonly onFault?: ((message: string) => void) | undefined;
}

/**
 * What driver and device agree on, whatever registers the driver does it by: features, status, queues and the causes of
 * interrupts (sections 2.1 to 2.5, 3.1). Transports add their registers and their way to interrupt.
 */
export abstract class VirtioTransport implements VirtioHost {
  readonly memory: GuestMemory;
  readonly queues: readonly VirtQueue[];
  readonly device: VirtioDevice | undefined;
  readonly #onFault: (message: string) => void;
  /** Feature bits that the driver may accept. */
  protected readonly offered: bigint;
  protected deviceFeaturesSel = 0;
  protected driverFeaturesSel = 0;
  protected queueSel = 0;
  protected interruptStatus = 0;
  protected generation = 0;
  #status = 0;
  #accepted = 0n;

  /** @param modern whether there is an interface of virtio 1.x. */
  constructor(options: VirtioTransportOptions, modern: boolean) {
    this.memory = options.memory;
    this.device = options.device;
    this.#onFault = options.onFault ?? (() => {});
    const own = this.device?.features ?? 0n;
    const offered = own | featureSet(F_INDIRECT_DESC, F_EVENT_IDX, F_VERSION_1);
    this.offered = modern ? offered : offered & 0xffff_ffffn;
    const sizes = this.device?.queueSizes ?? [];
    this.queues = sizes.map(
      (size, index) => new VirtQueue(index, size, this.memory, () => this.#raise(INTERRUPT_USED, index)),
    );
  }

  /** The driver uses the interface from before virtio 1.0. */
  protected abstract get legacy(): boolean;
  /** Whether the device may access memory. */
  protected get mayAccessMemory(): boolean {
    return true;
  }
  /** A cause was added to `interruptStatus`: that a queue has used buffers, or that the configuration changed. */
  protected abstract interrupt(queue: number | undefined): void;

  /** Device status as the driver sees it. */
  get status(): number {
    return this.#status;
  }

  reset(): void {
    this.#status = 0;
    this.#accepted = 0n;
    this.deviceFeaturesSel = 0;
    this.driverFeaturesSel = 0;
    this.queueSel = 0;
    this.interruptStatus = 0;
    this.#applyFeatures();
    for (const queue of this.queues) queue.reset();
    this.device?.reset();
  }

  // --- for the device -----------------------------------------------------------------------------

  hasFeature(bit: number): boolean {
    return ((this.#accepted >> BigInt(bit)) & 1n) === 1n;
  }

  configChanged(): void {
    this.generation = (this.generation + 1) >>> 0;
    if (this.#live) this.#raise(INTERRUPT_CONFIG);
  }

  run(work: () => void): void {
    if (!this.#live) return;
    try {
      work();
    } catch (error) {
      // A guest that takes its rings out of RAM meets the memory's own error.
      if (!(error instanceof VirtioFault) && !isHyperError(error, "OutOfRange")) throw error;
      this.#fault(error.message);
    }
  }

  // --- for the registers --------------------------------------------------------------------------

  protected get selected(): VirtQueue | undefined {
    return this.queues[this.queueSel];
  }

  protected get offeredWord(): number {
    return this.deviceFeaturesSel < 2 ? word(this.offered, this.deviceFeaturesSel) : 0;
  }

  protected get acceptedWord(): number {
    return this.driverFeaturesSel < 2 ? word(this.#accepted, this.driverFeaturesSel) : 0;
  }

  protected readDeviceConfig(offset: number, width: DeviceWidth): number {
    const config = this.device?.config;
    if (config === undefined || offset + width > config.length) return 0;
    return readValue(new DataView(config.buffer, config.byteOffset, config.length), offset, width);
  }

  protected writeDeviceConfig(offset: number, width: DeviceWidth, value: number): void {
    const { device } = this;
    if (device !== undefined && offset + width <= device.config.length)
      device.writeConfig?.(offset, width, value);
  }

  protected writeDriverFeatures(value: number): void {
    if ((this.#status & STATUS_FEATURES_OK) !== 0 || this.driverFeaturesSel > 1) return;
    const shift = BigInt(32 * this.driverFeaturesSel);
    this.#accepted = (this.#accepted & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
    if (this.legacy) {
      // Legacy has no FEATURES_OK: what was not offered is not accepted.
      this.#accepted &= this.offered;
      this.#applyFeatures();
    }
  }

  protected writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    let status = (value & 0xff) | (this.#status & STATUS_NEEDS_RESET);
    const wasReady = (this.#status & STATUS_DRIVER_OK) !== 0;
    if (!this.legacy && (status & ~this.#status & STATUS_FEATURES_OK) !== 0) {
      // Drivers that look at 32 feature bits only (xv6) never accept VERSION_1, and need not (section 6.2).
      const acceptable = (this.#accepted & ~this.offered) === 0n;
      // The driver reads the status back and sees that the features were refused.
      if (acceptable) this.#applyFeatures();
      else status &= ~STATUS_FEATURES_OK;
    }
    this.#status = status;
    if (!wasReady && (status & STATUS_DRIVER_OK) !== 0) this.notifyAll();
  }

  /** The driver may have made buffers available while nobody looked. */
  protected notifyAll(): void {
    for (const queue of this.queues) if (queue.ready) this.notify(queue.index);
  }

  protected notify(index: number): void {
    if (this.queues[index]?.ready !== true) return;
    this.run(() => this.device!.notify(index));
  }

  /** Legacy: one address places all three parts (section 2.7.2). */
  protected placeQueue(queue: VirtQueue, address: number, alignment: number): void {
    queue.descriptors = address;
    queue.available = queue.descriptors + 16 * queue.size;
    queue.used = Math.ceil((queue.available + 6 + 2 * queue.size) / alignment) * alignment;
    this.enable(queue);
  }

  protected enable(queue: VirtQueue): void {
    try {
      queue.enable();
    } catch (error) {
      if (!(error instanceof VirtioFault)) throw error;
      this.#fault(error.message);
    }
  }

  // --- states -------------------------------------------------------------------------------------

  /** What states of all transports have. */
  protected commonState(): Omit<ComponentState, "version"> {
    return {
      device: this.device?.name ?? "",
      status: this.#status,
      accepted: u64Text(this.#accepted),
      deviceFeaturesSel: this.deviceFeaturesSel,
      driverFeaturesSel: this.driverFeaturesSel,
      queueSel: this.queueSel,
      interruptStatus: this.interruptStatus,
      generation: this.generation,
      queues: this.queues.map((queue) => queue.state()),
      inner: this.device?.state() ?? { version: 0 },
    };
  }

  /** Throws MachineError `BadSnapshot` for a state of another device, before anything is changed. */
  protected checkState(reader: StateReader): void {
    const name = this.device?.name ?? "";
    if (reader.text("device") !== name) throw this.otherDevice(reader);
    const queues = reader.parts("queues");
    if (queues.length !== this.queues.length)
      throw new MachineError("BadSnapshot", `state of '${name}' has ${queues.length} queues`);
  }

  protected otherDevice(reader: StateReader): MachineError {
    const name = this.device?.name ?? "";
    return new MachineError(
      "BadSnapshot",
      `the snapshot has virtio device '${reader.text("device")}' where this machine has '${name}'`,
    );
  }

  /** After a reset. Guest RAM must have been restored before: the queues are checked against it. */
  protected restoreCommon(reader: StateReader): void {
    const queues = reader.parts("queues");
    this.#status = reader.u8("status");
    this.#accepted = reader.u64("accepted") & this.offered;
    this.deviceFeaturesSel = reader.u32("deviceFeaturesSel");
    this.driverFeaturesSel = reader.u32("driverFeaturesSel");
    this.queueSel = reader.u32("queueSel");
    this.interruptStatus = reader.u8("interruptStatus");
    this.generation = reader.u32("generation");
    this.#applyFeatures();
    try {
      for (const queue of this.queues) queue.restore(queues[queue.index]!);
      this.device?.restore(reader.part("inner"));
    } catch (error) {
      if (!(error instanceof VirtioFault)) throw error;
      throw new MachineError("BadSnapshot", `state of '${this.device?.name ?? ""}': ${error.message}`);
    }
  }

  // --- inside -------------------------------------------------------------------------------------

  /** Whether queues may be used. Legacy drivers use them before they say that they are ready. */
  get #live(): boolean {
    if ((this.#status & STATUS_NEEDS_RESET) !== 0 || !this.mayAccessMemory) return false;
    return this.legacy || (this.#status & STATUS_DRIVER_OK) !== 0;
  }

  #applyFeatures(): void {
    const features = {
      indirect: this.hasFeature(F_INDIRECT_DESC),
      eventIndex: this.hasFeature(F_EVENT_IDX),
    };
    for (const queue of this.queues) queue.features = features;
  }

  #fault(message: string): void {
    const ready = (this.#status & STATUS_DRIVER_OK) !== 0;
    this.#status |= STATUS_NEEDS_RESET;
    if (ready) this.#raise(INTERRUPT_CONFIG);
    this.#onFault(`${this.device?.name ?? "virtio"}: ${message}`);
  }

  #raise(bit: number, queue?: number): void {
    this.interruptStatus |= bit;
    this.interrupt(queue);
  }
}

function word(features: bigint, index: number): number {
  return Number((features >> BigInt(32 * index)) & 0xffff_ffffn);
}
