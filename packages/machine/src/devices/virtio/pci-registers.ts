import type { MmioDevice } from "../../contracts.js";
import { allOnes } from "../../values.js";
import { VirtioPciModern } from "./pci-modern.js";

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

/** Virtio's registers on PCI, of both interfaces: the one that the driver wrote to last is the one it uses. */
export class VirtioPciRegisters extends VirtioPciModern {
  readonly legacyPorts: MmioDevice = {
    read: (offset, width) => {
      const start = this.#legacyHeader;
      if (offset >= start) return this.readDeviceConfig(offset - start, width);
      return this.#readLegacy(offset) % (allOnes(width) + 1);
    },
    write: (offset, width, value) => {
      this.usesLegacy = true;
      const start = this.#legacyHeader;
      if (offset >= start) this.writeDeviceConfig(offset - start, width, value);
      else this.#writeLegacy(offset, value);
    },
  };

  get #legacyHeader(): number {
    return this.owner.msix?.enabled === true ? LEGACY_HEADER.withVectors : LEGACY_HEADER.plain;
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
        return this.takeInterruptStatus();
      case LEGACY_CONFIG_VECTOR:
        return this.configVector;
      case LEGACY_QUEUE_VECTOR:
        return this.queueVector;
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
        if ((value & 0xff) !== 0) this.owner.becomeMaster();
        this.writeStatus(value & 0xff);
        break;
      case LEGACY_CONFIG_VECTOR:
        this.configVector = this.checkedVector(value);
        break;
      case LEGACY_QUEUE_VECTOR:
        if (queue !== undefined) this.vectors[queue.index] = this.checkedVector(value);
        break;
      default:
        break;
    }
  }
}
