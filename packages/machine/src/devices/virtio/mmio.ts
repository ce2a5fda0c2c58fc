import type { ComponentState, DeviceWidth, IrqLine } from "../../contracts.js";
import type { FdtNode } from "../../fdt/node.js";
import { StateReader } from "../../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "../device.js";
import type { QueuePart, VirtQueue } from "./queue.js";
import { VirtioTransport, type VirtioTransportOptions } from "./transport.js";

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
/** The parts of a queue by the lower halves of their addresses; the upper ones follow, 4 bytes further. */
const QUEUE_PARTS: Readonly<Record<number, QueuePart>> = {
  128: "descriptors",
  144: "available",
  160: "used",
};
const HIGH = 4;
const SHM_LEN_LOW = 0x0b0;
const SHM_BASE_HIGH = 0x0bc;
const CONFIG_GENERATION = 0x0fc;
const CONFIG = 0x100;

/** An empty slot reads as device id 0. */
export interface VirtioMmioOptions extends VirtioTransportOptions {
  readonly irq: IrqLine;
  /**
   * Register layout: 2 (default) is virtio 1.x; 1 is the legacy layout, for guests that know no other (old
   * rCore and NimbOS drivers; QEMU's default too). Linux knows both.
   */
  readonly version?: 1 | 2;
}

/** Virtio over MMIO. */
export class VirtioMmio extends VirtioTransport implements Device {
  readonly version: 1 | 2;
  readonly #irq: IrqLine;
  /** Legacy only: bytes per page of QueuePFN, and the used ring's alignment. */
  #pageSize = 0;
  #alignments: number[];

  constructor(options: VirtioMmioOptions) {
    const version = options.version ?? 2;
    super(options, version === 2);
    this.version = version;
    this.#irq = options.irq;
    this.#alignments = this.queues.map(() => 4096);
    this.device?.attach(this);
  }

  override reset(): void {
    this.#pageSize = 0;
    this.#alignments = this.#alignments.map(() => 4096);
    super.reset();
    this.interrupt();
  }

  protected override get legacy(): boolean {
    return this.version === 1;
  }

  protected override interrupt(): void {
    this.#irq.set(this.interruptStatus !== 0);
  }

  read(offset: number, width: DeviceWidth): number {
    if (offset >= CONFIG) return this.readDeviceConfig(offset - CONFIG, width);
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
        return this.offeredWord;
      case QUEUE_NUM_MAX:
        return this.selected?.maxSize ?? 0;
      case QUEUE_PFN:
        return this.version === 1 ? this.#readPageNumber() : 0;
      case QUEUE_READY:
        return this.version === 2 ? Number(this.selected?.ready ?? false) : 0;
      case INTERRUPT_STATUS:
        return this.interruptStatus;
      case STATUS:
        return this.status;
      case CONFIG_GENERATION:
        return this.version === 2 ? this.generation : 0;
      default:
        // Shared memory regions: there is none, which reads as a length of all ones.
        return this.version === 2 && offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH ? 0xffff_ffff : 0;
    }
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (this.device === undefined) return;
    if (offset >= CONFIG) {
      this.writeDeviceConfig(offset - CONFIG, width, value);
      return;
    }
    if (width !== 4) return;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.deviceFeaturesSel = value;
        break;
      case DRIVER_FEATURES_SEL:
        this.driverFeaturesSel = value;
        break;
      case DRIVER_FEATURES:
        this.writeDriverFeatures(value);
        break;
      case QUEUE_SEL:
        this.queueSel = value;
        break;
      case QUEUE_NOTIFY:
        this.notify(value);
        break;
      case INTERRUPT_ACK:
        this.interruptStatus &= ~value;
        this.interrupt();
        break;
      case STATUS:
        this.writeStatus(value);
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
      ...this.commonState(),
      pageSize: this.#pageSize,
      alignments: [...this.#alignments],
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-mmio", state, STATE_VERSION);
    if (reader.integer("layout") !== this.version) throw this.otherDevice(reader);
    this.checkState(reader);
    this.reset();
    this.#pageSize = reader.u32("pageSize");
    this.#alignments = reader.integers("alignments", this.queues.length, 0xffff_ffff);
    this.restoreCommon(reader);
    this.interrupt();
  }

  #writeQueue(offset: number, value: number): void {
    const queue = this.selected;
    if (queue === undefined) return;
    if (offset === QUEUE_READY) {
      if ((value & 1) === 0) queue.ready = false;
      else if (!queue.ready) this.enable(queue);
      return;
    }
    // A queue in use keeps its place.
    if (queue.ready) return;
    const part = QUEUE_PARTS[offset & ~HIGH];
    if (offset === QUEUE_NUM) queue.size = value;
    else if (part !== undefined) queue.placeHalf(part, (offset & HIGH) !== 0, value);
  }

  #writeLegacyQueue(offset: number, value: number): void {
    if (offset === GUEST_PAGE_SIZE) {
      this.#pageSize = value;
      return;
    }
    const queue = this.selected;
    if (queue === undefined) return;
    if (offset === QUEUE_NUM) queue.size = value;
    else if (offset === QUEUE_ALIGN) this.#alignments[queue.index] = value;
    else if (offset === QUEUE_PFN) this.#writePageNumber(queue, value);
  }

  #writePageNumber(queue: VirtQueue, pageNumber: number): void {
    if (pageNumber === 0) queue.reset();
    else this.placeQueue(queue, pageNumber * this.#pageSize, Math.max(1, this.#alignments[queue.index]!));
  }

  #readPageNumber(): number {
    const queue = this.selected;
    if (queue === undefined || !queue.ready || this.#pageSize === 0) return 0;
    return Math.floor(queue.descriptors / this.#pageSize) >>> 0;
  }
}
