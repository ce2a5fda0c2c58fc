import type { DeviceWidth, MmioDevice } from "../../contracts.js";
import { allOnes } from "../../values.js";
import { VirtioPciTransport } from "./pci-transport.js";
import type { QueuePart, VirtQueue } from "./queue.js";

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
/** The parts of a queue by the lower halves of their addresses; the upper ones follow, 4 bytes further. */
const QUEUE_PARTS: Readonly<Record<number, QueuePart>> = {
  32: "descriptors",
  40: "available",
  48: "used",
};
const HIGH = 4;

/** The registers of virtio 1.x on PCI, behind its capabilities (section 4.1.4). */
export abstract class VirtioPciModern extends VirtioPciTransport {
  readonly common: MmioDevice = {
    read: (offset, width) => {
      const word = this.#commonWord(offset - (offset % 4));
      return Math.floor(word / 2 ** (8 * (offset % 4))) % (allOnes(width) + 1);
    },
    write: (offset, width, value) => {
      this.usesLegacy = false;
      this.#writeCommon(offset, width, value);
    },
  };

  readonly isr: MmioDevice = {
    read: (offset) => (offset === 0 ? this.takeInterruptStatus() : 0),
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
        return this.configVector + this.queues.length * 0x1_0000;
      case DEVICE_STATUS:
        return this.status + (this.generation & 0xff) * 0x100 + (this.queueSel & 0xffff) * 0x1_0000;
      case QUEUE_SIZE:
        return (queue?.size ?? 0) + this.queueVector * 0x1_0000;
      case QUEUE_ENABLE:
        // The queue's notification register is that of its number.
        return Number(queue?.ready ?? false) + (this.queueSel & 0xffff) * 0x1_0000;
      default:
        return queue === undefined ? 0 : addressWord(queue, offset);
    }
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
        this.configVector = this.checkedVector(value);
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
      this.vectors[queue.index] = this.checkedVector(value);
      return;
    }
    // A queue in use keeps its place, until a reset.
    if (queue.ready) return;
    if (offset === QUEUE_ENABLE) {
      if ((value & 0xffff) === 1) this.enable(queue);
    } else if (offset === QUEUE_SIZE) queue.size = value & 0xffff;
    else if (width === 4) {
      const part = QUEUE_PARTS[offset & ~HIGH];
      if (part !== undefined) queue.placeHalf(part, (offset & HIGH) !== 0, value);
    }
  }
}

function addressWord(queue: VirtQueue, offset: number): number {
  const part = QUEUE_PARTS[offset & ~HIGH];
  if (part === undefined) return 0;
  return (offset & HIGH) === 0 ? queue[part] % 2 ** 32 : Math.floor(queue[part] / 2 ** 32);
}
