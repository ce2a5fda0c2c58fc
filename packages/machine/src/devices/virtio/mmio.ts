import { isHyperError } from "@hypercraft/hypercraft";
import type { ComponentState, DeviceWidth, GuestMemory, IrqLine } from "../../contracts.js";
import { MachineError } from "../../errors.js";
import type { FdtNode } from "../../fdt/node.js";
import { StateReader, u64Text } from "../../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "../device.js";
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

const STATE_VERSION = 1;

/** "virt" */
const MAGIC = 0x74726976;
/** "QEMU": drivers made for its machine (xv6) refuse any other. */
const VENDOR = 0x554d4551;

/** Registers (sections 4.2.2 and 4.2.4). */
const MAGIC_VALUE = 0x000;
const VERSION = 0x004;
const DEVICE_ID = 0x008;
const VENDOR_ID = 0x00c;
const DEVICE_FEATURES = 0x010;
const DEVICE_FEATURES_SEL = 0x014;
const DRIVER_FEATURES = 0x020;
const DRIVER_FEATURES_SEL = 0x024;
const GUEST_PAGE_SIZE = 0x028;
const QUEUE_SEL = 0x030;
const QUEUE_NUM_MAX = 0x034;
const QUEUE_NUM = 0x038;
const QUEUE_ALIGN = 0x03c;
const QUEUE_PFN = 0x040;
const QUEUE_READY = 0x044;
const QUEUE_NOTIFY = 0x050;
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;
const STATUS = 0x070;
const QUEUE_DESC_LOW = 0x080;
const QUEUE_DESC_HIGH = 0x084;
const QUEUE_DRIVER_LOW = 0x090;
const QUEUE_DRIVER_HIGH = 0x094;
const QUEUE_DEVICE_LOW = 0x0a0;
const QUEUE_DEVICE_HIGH = 0x0a4;
const SHM_LEN_LOW = 0x0b0;
const SHM_BASE_HIGH = 0x0bc;
const CONFIG_GENERATION = 0x0fc;
const CONFIG = 0x100;

const INTERRUPT_USED = 1;
const INTERRUPT_CONFIG = 2;

export interface VirtioMmioOptions {
  readonly irq: IrqLine;
  readonly memory: GuestMemory;
  /** What is behind the transport; undefined is an empty slot, which reads as device id 0. */
  readonly device?: VirtioDevice | undefined;
  /**
   * Register layout: 2 (default) is virtio 1.x; 1 is the legacy layout, for guests that know no other (old
   * rCore and NimbOS drivers; QEMU's default too). Linux knows both.
   */
  readonly version?: 1 | 2;
  /** Told why the device needs a reset: the guest's mistake in one line. */
  readonly onFault?: (message: string) => void;
}

/** Virtio over MMIO. */
export class VirtioMmio implements Device, VirtioHost {
  readonly version: 1 | 2;
  readonly memory: GuestMemory;
  readonly queues: readonly VirtQueue[];
  readonly device: VirtioDevice | undefined;
  readonly #irq: IrqLine;
  readonly #onFault: (message: string) => void;
  readonly #offered: bigint;

  #status = 0;
  #accepted = 0n;
  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  #queueSel = 0;
  #interruptStatus = 0;
  #generation = 0;
  /** Legacy only: bytes per page of QueuePFN, and the used ring's alignment. */
  #pageSize = 0;
  #alignments: number[];

  constructor(options: VirtioMmioOptions) {
    this.version = options.version ?? 2;
    this.memory = options.memory;
    this.device = options.device;
    this.#irq = options.irq;
    this.#onFault = options.onFault ?? (() => {});
    const rings = featureSet(F_INDIRECT_DESC, F_EVENT_IDX);
    this.#offered =
      (this.device?.features ?? 0n) | rings | (this.version === 2 ? featureSet(F_VERSION_1) : 0n);
    if (this.version === 1) this.#offered &= 0xffff_ffffn;
    const sizes = this.device?.queueSizes ?? [];
    this.queues = sizes.map(
      (size, index) => new VirtQueue(index, size, this.memory, () => this.#raise(INTERRUPT_USED)),
    );
    this.#alignments = sizes.map(() => 4096);
    this.device?.attach(this);
  }

  /** Device status as the driver sees it. */
  get status(): number {
    return this.#status;
  }

  reset(): void {
    this.#status = 0;
    this.#accepted = 0n;
    this.#deviceFeaturesSel = 0;
    this.#driverFeaturesSel = 0;
    this.#queueSel = 0;
    this.#interruptStatus = 0;
    this.#pageSize = 0;
    this.#alignments = this.#alignments.map(() => 4096);
    this.#applyFeatures();
    for (const queue of this.queues) queue.reset();
    this.device?.reset();
    this.#update();
  }

  // --- for the device -----------------------------------------------------------------------------

  hasFeature(bit: number): boolean {
    return ((this.#accepted >> BigInt(bit)) & 1n) === 1n;
  }

  configChanged(): void {
    this.#generation = (this.#generation + 1) >>> 0;
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

  // --- registers ----------------------------------------------------------------------------------

  read(offset: number, width: DeviceWidth): number {
    if (offset >= CONFIG) return this.#readConfig(offset - CONFIG, width);
    if (width !== 4) return 0;
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION:
        return this.version;
      case DEVICE_ID:
        return this.device?.deviceId ?? 0;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES:
        return this.#deviceFeaturesSel < 2 ? word(this.#offered, this.#deviceFeaturesSel) : 0;
      case QUEUE_NUM_MAX:
        return this.#selected?.maxSize ?? 0;
      case QUEUE_PFN:
        return this.version === 1 ? this.#readPageNumber() : 0;
      case QUEUE_READY:
        return this.version === 2 ? Number(this.#selected?.ready ?? false) : 0;
      case INTERRUPT_STATUS:
        return this.#interruptStatus;
      case STATUS:
        return this.#status;
      case CONFIG_GENERATION:
        return this.version === 2 ? this.#generation : 0;
      default:
        // Shared memory regions: there is none, which reads as a length of all ones.
        return this.version === 2 && offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH ? 0xffff_ffff : 0;
    }
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (this.device === undefined) return;
    if (offset >= CONFIG) {
      if (offset - CONFIG + width <= this.device.config.length) {
        this.device.writeConfig?.(offset - CONFIG, width, value);
      }
      return;
    }
    if (width !== 4) return;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.#deviceFeaturesSel = value;
        break;
      case DRIVER_FEATURES_SEL:
        this.#driverFeaturesSel = value;
        break;
      case DRIVER_FEATURES:
        this.#writeDriverFeatures(value);
        break;
      case QUEUE_SEL:
        this.#queueSel = value;
        break;
      case QUEUE_NOTIFY:
        this.#notify(value);
        break;
      case INTERRUPT_ACK:
        this.#interruptStatus &= ~value;
        this.#update();
        break;
      case STATUS:
        this.#writeStatus(value);
        break;
      default:
        if (this.version === 2) this.#writeQueue(offset, value);
        else this.#writeLegacyQueue(offset, value);
    }
  }

  fdt(context: FdtContext): FdtNode {
    return mmioNode("virtio_mmio", ["virtio,mmio"], context);
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      layout: this.version,
      device: this.device?.name ?? "",
      status: this.#status,
      accepted: u64Text(this.#accepted),
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      queueSel: this.#queueSel,
      interruptStatus: this.#interruptStatus,
      generation: this.#generation,
      pageSize: this.#pageSize,
      alignments: [...this.#alignments],
      queues: this.queues.map((queue) => queue.state()),
      inner: this.device?.state() ?? { version: 0 },
    };
  }

  /** Guest RAM must have been restored before: the queues are checked against it. */
  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-mmio", state, STATE_VERSION);
    const name = this.device?.name ?? "";
    const queues = reader.parts("queues");
    if (reader.text("device") !== name || reader.integer("layout") !== this.version) {
      throw new MachineError(
        "BadSnapshot",
        `the snapshot has virtio device '${reader.text("device")}' where this machine has '${name}'`,
      );
    }
    if (queues.length !== this.queues.length) {
      throw new MachineError("BadSnapshot", `state of '${name}' has ${queues.length} queues`);
    }
    this.reset();
    this.#status = reader.u8("status");
    this.#accepted = reader.u64("accepted") & this.#offered;
    this.#deviceFeaturesSel = reader.u32("deviceFeaturesSel");
    this.#driverFeaturesSel = reader.u32("driverFeaturesSel");
    this.#queueSel = reader.u32("queueSel");
    this.#interruptStatus = reader.u8("interruptStatus");
    this.#generation = reader.u32("generation");
    this.#pageSize = reader.u32("pageSize");
    this.#alignments = reader.integers("alignments", this.queues.length, 0xffff_ffff);
    this.#applyFeatures();
    try {
      for (const queue of this.queues) queue.restore(queues[queue.index]!);
      this.device?.restore(reader.part("inner"));
    } catch (error) {
      if (!(error instanceof VirtioFault)) throw error;
      throw new MachineError("BadSnapshot", `state of '${name}': ${error.message}`);
    }
    this.#update();
  }

  // --- inside -------------------------------------------------------------------------------------

  /** Whether queues may be used. Legacy drivers use them before they say that they are ready. */
  get #live(): boolean {
    if ((this.#status & STATUS_NEEDS_RESET) !== 0) return false;
    return this.version === 1 || (this.#status & STATUS_DRIVER_OK) !== 0;
  }

  get #selected(): VirtQueue | undefined {
    return this.queues[this.#queueSel];
  }

  #readConfig(offset: number, width: DeviceWidth): number {
    const config = this.device?.config;
    if (config === undefined || offset + width > config.length) return 0;
    const view = new DataView(config.buffer, config.byteOffset, config.length);
    if (width === 1) return view.getUint8(offset);
    return width === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
  }

  #writeDriverFeatures(value: number): void {
    if ((this.#status & STATUS_FEATURES_OK) !== 0 || this.#driverFeaturesSel > 1) return;
    const shift = BigInt(32 * this.#driverFeaturesSel);
    this.#accepted = (this.#accepted & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
    if (this.version === 1) {
      // Legacy has no FEATURES_OK: what was not offered is not accepted.
      this.#accepted &= this.#offered;
      this.#applyFeatures();
    }
  }

  #applyFeatures(): void {
    const features = {
      indirect: this.hasFeature(F_INDIRECT_DESC),
      eventIndex: this.hasFeature(F_EVENT_IDX),
    };
    for (const queue of this.queues) queue.features = features;
  }

  #writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    let status = (value & 0xff) | (this.#status & STATUS_NEEDS_RESET);
    const wasReady = (this.#status & STATUS_DRIVER_OK) !== 0;
    if (this.version === 2 && (status & ~this.#status & STATUS_FEATURES_OK) !== 0) {
      // Drivers that look at 32 feature bits only (xv6) never accept VERSION_1, and need not (section 6.2).
      const acceptable = (this.#accepted & ~this.#offered) === 0n;
      // The driver reads the status back and sees that the features were refused.
      if (acceptable) this.#applyFeatures();
      else status &= ~STATUS_FEATURES_OK;
    }
    this.#status = status;
    if (wasReady || (status & STATUS_DRIVER_OK) === 0) return;
    for (const queue of this.queues) if (queue.ready) this.#notify(queue.index);
  }

  #notify(index: number): void {
    if (this.queues[index]?.ready !== true) return;
    this.run(() => this.device!.notify(index));
  }

  #writeQueue(offset: number, value: number): void {
    const queue = this.#selected;
    if (queue === undefined) return;
    if (offset === QUEUE_READY) {
      if ((value & 1) === 0) queue.ready = false;
      else if (!queue.ready) this.#enable(queue);
      return;
    }
    // A queue in use keeps its place.
    if (queue.ready) return;
    switch (offset) {
      case QUEUE_NUM:
        queue.size = value;
        break;
      case QUEUE_DESC_LOW:
        queue.descriptors = withLow(queue.descriptors, value);
        break;
      case QUEUE_DESC_HIGH:
        queue.descriptors = withHigh(queue.descriptors, value);
        break;
      case QUEUE_DRIVER_LOW:
        queue.available = withLow(queue.available, value);
        break;
      case QUEUE_DRIVER_HIGH:
        queue.available = withHigh(queue.available, value);
        break;
      case QUEUE_DEVICE_LOW:
        queue.used = withLow(queue.used, value);
        break;
      case QUEUE_DEVICE_HIGH:
        queue.used = withHigh(queue.used, value);
        break;
      default:
        break;
    }
  }

  #writeLegacyQueue(offset: number, value: number): void {
    if (offset === GUEST_PAGE_SIZE) {
      this.#pageSize = value;
      return;
    }
    const queue = this.#selected;
    if (queue === undefined) return;
    if (offset === QUEUE_NUM) queue.size = value;
    else if (offset === QUEUE_ALIGN) this.#alignments[queue.index] = value;
    else if (offset === QUEUE_PFN) this.#writePageNumber(queue, value);
  }

  /** Legacy: one page number places all three parts (section 2.7.2). */
  #writePageNumber(queue: VirtQueue, pageNumber: number): void {
    if (pageNumber === 0) {
      queue.reset();
      return;
    }
    const alignment = Math.max(1, this.#alignments[queue.index]!);
    queue.descriptors = pageNumber * this.#pageSize;
    queue.available = queue.descriptors + 16 * queue.size;
    queue.used = Math.ceil((queue.available + 6 + 2 * queue.size) / alignment) * alignment;
    this.#enable(queue);
  }

  #readPageNumber(): number {
    const queue = this.#selected;
    if (queue === undefined || !queue.ready || this.#pageSize === 0) return 0;
    return Math.floor(queue.descriptors / this.#pageSize) >>> 0;
  }

  #enable(queue: VirtQueue): void {
    try {
      queue.enable();
    } catch (error) {
      if (!(error instanceof VirtioFault)) throw error;
      this.#fault(error.message);
    }
  }

  #fault(message: string): void {
    const ready = (this.#status & STATUS_DRIVER_OK) !== 0;
    this.#status |= STATUS_NEEDS_RESET;
    if (ready) this.#raise(INTERRUPT_CONFIG);
    this.#onFault(`${this.device?.name ?? "virtio"}: ${message}`);
  }

  #raise(bit: number): void {
    this.#interruptStatus |= bit;
    this.#update();
  }

  #update(): void {
    this.#irq.set(this.#interruptStatus !== 0);
  }
}

function word(features: bigint, index: number): number {
  return Number((features >> BigInt(32 * index)) & 0xffff_ffffn);
}

/** Addresses beyond 2^53 lose low bits here; no RAM is there, so the queue is refused all the same. */
function withLow(address: number, low: number): number {
  return Math.floor(address / 2 ** 32) * 2 ** 32 + low;
}

function withHigh(address: number, high: number): number {
  return high * 2 ** 32 + (address % 2 ** 32);
}
