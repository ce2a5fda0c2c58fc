import type { DeviceWidth, MmioDevice } from "../../contracts.js";
import type { StateReader } from "../../state-reader.js";
import { allOnes } from "../pci/config-space.js";
import type { MsiX } from "../pci/msix.js";
import type { VirtQueue } from "./queue.js";
import { VirtioTransport, type VirtioTransportOptions, withHigh, withLow } from "./transport.js";

/** Of an interrupt that has no vector. */
const NO_VECTOR = 0xffff;

/** Common configuration (section 4.1.4.3). */
const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const DRIVER_FEATURE_SELECT = 0x08;
const DRIVER_FEATURE = 0x0c;
const CONFIG_VECTOR = 0x10;
const DEVICE_STATUS = 0x14;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_VECTOR = 0x1a;
const QUEUE_ENABLE = 0x1c;
const QUEUE_DESC = 0x20;
const QUEUE_DRIVER = 0x28;
const QUEUE_DEVICE = 0x30;

/** The legacy interface (section 4.1.4.10). */
const LEGACY_DEVICE_FEATURES = 0;
const LEGACY_DRIVER_FEATURES = 4;
const LEGACY_QUEUE_ADDRESS = 8;
const LEGACY_QUEUE_SIZE = 12;
const LEGACY_QUEUE_SELECT = 14;
const LEGACY_NOTIFY = 16;
const LEGACY_STATUS = 18;
const LEGACY_ISR = 19;
const LEGACY_CONFIG_VECTOR = 20;
const LEGACY_QUEUE_VECTOR = 22;
/** Bytes before the device's configuration: with MSI-X on, there are vectors. */
export const LEGACY_HEADER = { plain: 20, withVectors: 24 } as const;
const LEGACY_PAGE = 4096;

/** The function that the registers belong to. */
export interface VirtioPciOwner {
  readonly msix: MsiX | undefined;
  /** It may access memory. */
  readonly isMaster: boolean;
  setInterrupt(level: boolean): void;
  /** A legacy driver, which may never have heard of it, begins: turn on what lets the device access memory. */
  becomeMaster(): void;
}

/** Virtio's registers on PCI, of both interfaces: the one that the driver wrote to last is the one it uses. */
export class VirtioPciRegisters extends VirtioTransport {
  readonly #owner: VirtioPciOwner;
  #legacy = false;
  #configVector = NO_VECTOR;
  readonly #vectors: number[];

  constructor(options: VirtioTransportOptions, owner: VirtioPciOwner) {
    super(options, true);
    this.#owner = owner;
    this.#vectors = this.queues.map(() => NO_VECTOR);
    this.device?.attach(this);
  }

  override reset(): void {
    this.#configVector = NO_VECTOR;
    this.#vectors.fill(NO_VECTOR);
    super.reset();
    this.updatePin();
  }

  protected override get legacy(): boolean {
    return this.#legacy;
  }

  protected override get mayAccessMemory(): boolean {
    return this.#owner.isMaster;
  }

  protected override interrupt(queue: number | undefined): void {
    const { msix } = this.#owner;
    if (msix?.enabled !== true) {
      this.updatePin();
      return;
    }
    // Vectors say what it is about.
    this.interruptStatus = 0;
    msix.signal(queue === undefined ? this.#configVector : this.#vectors[queue]!);
  }

  updatePin(): void {
    this.#owner.setInterrupt(this.interruptStatus !== 0 && this.#owner.msix?.enabled !== true);
  }

  /** Memory can be accessed from now on. */
  catchUp(): void {
    this.notifyAll();
  }

  // --- The modern interface -----------------------------------------------------------------------

  readonly common: MmioDevice = {
    read: (offset, width) => {
      const word = this.#commonWord(offset - (offset % 4));
      return Math.floor(word / 2 ** (8 * (offset % 4))) % (allOnes(width) + 1);
    },
    write: (offset, width, value) => {
      this.#legacy = false;
      this.#writeCommon(offset, width, value);
    },
  };

  readonly isr: MmioDevice = {
    read: (offset) => (offset === 0 ? this.#takeInterruptStatus() : 0),
    write() {},
  };

  readonly deviceConfig: MmioDevice = {
    read: (offset, width) => this.readDeviceConfig(offset, width),
    write: (offset, width, value) => this.writeDeviceConfig(offset, width, value),
  };

  /** @param multiplier bytes from one queue's register to the next one's. */
  notifications(multiplier: number): MmioDevice {
    return { read: () => 0, write: (offset) => this.notify(Math.floor(offset / multiplier)) };
  }

  #commonWord(offset: number): number {
    const queue = this.selected;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return this.deviceFeaturesSel;
      case DEVICE_FEATURE:
        return this.offeredWord;
      case DRIVER_FEATURE_SELECT:
        return this.driverFeaturesSel;
      case DRIVER_FEATURE:
        return this.acceptedWord;
      case CONFIG_VECTOR:
        return this.#configVector + this.queues.length * 0x1_0000;
      case DEVICE_STATUS:
        return this.status + (this.generation & 0xff) * 0x100 + (this.queueSel & 0xffff) * 0x1_0000;
      case QUEUE_SIZE:
        return (queue?.size ?? 0) + this.#queueVector * 0x1_0000;
      case QUEUE_ENABLE:
        // The queue's notification register is that of its number.
        return Number(queue?.ready ?? false) + (this.queueSel & 0xffff) * 0x1_0000;
      default:
        return queue === undefined ? 0 : this.#addressWord(queue, offset);
    }
  }

  #addressWord(queue: VirtQueue, offset: number): number {
    const part = offset - (offset % 8);
    const address = {
      [QUEUE_DESC]: queue.descriptors,
      [QUEUE_DRIVER]: queue.available,
      [QUEUE_DEVICE]: queue.used,
    }[part];
    if (address === undefined) return 0;
    return offset === part ? address % 2 ** 32 : Math.floor(address / 2 ** 32);
  }

  #writeCommon(offset: number, width: DeviceWidth, value: number): void {
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        this.deviceFeaturesSel = value;
        break;
      case DRIVER_FEATURE_SELECT:
        this.driverFeaturesSel = value;
        break;
      case DRIVER_FEATURE:
        this.writeDriverFeatures(value);
        break;
      case CONFIG_VECTOR:
        this.#configVector = this.#checkedVector(value);
        break;
      case DEVICE_STATUS:
        this.writeStatus(value & 0xff);
        break;
      case QUEUE_SELECT:
        this.queueSel = value & 0xffff;
        break;
      default:
        this.#writeQueue(offset, width, value);
    }
  }

  #writeQueue(offset: number, width: DeviceWidth, value: number): void {
    const queue = this.selected;
    if (queue === undefined) return;
    if (offset === QUEUE_VECTOR) {
      this.#vectors[queue.index] = this.#checkedVector(value);
      return;
    }
    // A queue in use keeps its place, until a reset.
    if (queue.ready) return;
    if (offset === QUEUE_ENABLE) {
      if ((value & 0xffff) === 1) this.enable(queue);
    } else if (offset === QUEUE_SIZE) queue.size = value & 0xffff;
    else if (width === 4) placePart(queue, offset, value);
  }

  // --- The legacy interface -----------------------------------------------------------------------

  readonly legacyPorts: MmioDevice = {
    read: (offset, width) => {
      const start = this.#legacyHeader;
      if (offset >= start) return this.readDeviceConfig(offset - start, width);
      return this.#readLegacy(offset) % (allOnes(width) + 1);
    },
    write: (offset, width, value) => {
      this.#legacy = true;
      const start = this.#legacyHeader;
      if (offset >= start) this.writeDeviceConfig(offset - start, width, value);
      else this.#writeLegacy(offset, value);
    },
  };

  get #legacyHeader(): number {
    return this.#owner.msix?.enabled === true ? LEGACY_HEADER.withVectors : LEGACY_HEADER.plain;
  }

  #readLegacy(offset: number): number {
    const queue = this.selected;
    switch (offset) {
      case LEGACY_DEVICE_FEATURES:
        return Number(this.offered & 0xffff_ffffn);
      case LEGACY_DRIVER_FEATURES:
        this.driverFeaturesSel = 0;
        return this.acceptedWord;
      case LEGACY_QUEUE_ADDRESS:
        return queue?.ready === true ? Math.floor(queue.descriptors / LEGACY_PAGE) >>> 0 : 0;
      case LEGACY_QUEUE_SIZE:
        return queue?.maxSize ?? 0;
      case LEGACY_QUEUE_SELECT:
        return this.queueSel;
      case LEGACY_STATUS:
        return this.status;
      case LEGACY_ISR:
        return this.#takeInterruptStatus();
      case LEGACY_CONFIG_VECTOR:
        return this.#configVector;
      case LEGACY_QUEUE_VECTOR:
        return this.#queueVector;
      default:
        return 0;
    }
  }

  #writeLegacy(offset: number, value: number): void {
    const queue = this.selected;
    switch (offset) {
      case LEGACY_DRIVER_FEATURES:
        this.driverFeaturesSel = 0;
        this.writeDriverFeatures(value);
        break;
      case LEGACY_QUEUE_ADDRESS:
        if (queue === undefined) break;
        queue.reset();
        if (value !== 0) this.placeQueue(queue, value * LEGACY_PAGE, LEGACY_PAGE);
        break;
      case LEGACY_QUEUE_SELECT:
        this.queueSel = value & 0xffff;
        break;
      case LEGACY_NOTIFY:
        this.notify(value & 0xffff);
        break;
      case LEGACY_STATUS:
        if ((value & 0xff) !== 0) this.#owner.becomeMaster();
        this.writeStatus(value & 0xff);
        break;
      case LEGACY_CONFIG_VECTOR:
        this.#configVector = this.#checkedVector(value);
        break;
      case LEGACY_QUEUE_VECTOR:
        if (queue !== undefined) this.#vectors[queue.index] = this.#checkedVector(value);
        break;
      default:
        break;
    }
  }

  // --- Of both --------------------------------------------------------------------------------------

  get #queueVector(): number {
    return this.#vectors[this.queueSel] ?? NO_VECTOR;
  }

  /** A vector that there is not reads back as none: that is how the driver learns of it. */
  #checkedVector(value: number): number {
    const vector = value & 0xffff;
    return vector < (this.#owner.msix?.vectors ?? 0) ? vector : NO_VECTOR;
  }

  /** Reading acknowledges. */
  #takeInterruptStatus(): number {
    const status = this.interruptStatus;
    this.interruptStatus = 0;
    this.updatePin();
    return status;
  }

  state() {
    return {
      ...this.commonState(),
      legacy: this.#legacy,
      configVector: this.#configVector,
      vectors: [...this.#vectors],
    };
  }

  restore(reader: StateReader): void {
    this.checkState(reader);
    this.reset();
    this.#legacy = reader.flag("legacy");
    this.#configVector = reader.u16("configVector");
    const vectors = reader.integers("vectors", this.queues.length, NO_VECTOR);
    for (const { index } of this.queues) this.#vectors[index] = vectors[index] ?? NO_VECTOR;
    this.restoreCommon(reader);
    this.updatePin();
  }
}

function placePart(queue: VirtQueue, offset: number, value: number): void {
  switch (offset) {
    case QUEUE_DESC:
      queue.descriptors = withLow(queue.descriptors, value);
      break;
    case QUEUE_DESC + 4:
      queue.descriptors = withHigh(queue.descriptors, value);
      break;
    case QUEUE_DRIVER:
      queue.available = withLow(queue.available, value);
      break;
    case QUEUE_DRIVER + 4:
      queue.available = withHigh(queue.available, value);
      break;
    case QUEUE_DEVICE:
      queue.used = withLow(queue.used, value);
      break;
    case QUEUE_DEVICE + 4:
      queue.used = withHigh(queue.used, value);
      break;
    default:
      break;
  }
}
