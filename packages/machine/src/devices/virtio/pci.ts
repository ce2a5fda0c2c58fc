import type { ComponentState, DeviceWidth, GuestMemory, MmioDevice } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { COMMAND, COMMAND_MASTER } from "../pci/constants.js";
import { PciFunction, type PciIdentity } from "../pci/function.js";
import {
  VIRTIO_ID_BLOCK,
  VIRTIO_ID_CONSOLE,
  VIRTIO_ID_ENTROPY,
  VIRTIO_ID_GPU,
  VIRTIO_ID_INPUT,
} from "./constants.js";
import type { VirtioDevice } from "./device.js";
import { LEGACY_HEADER, VirtioPciRegisters } from "./pci-registers.js";

const STATE_VERSION = 1;
/** Who makes virtio devices: Red Hat, Qumranet. */
const VENDOR = 0x1af4;
const MODERN = { first: 0x1040, revision: 1, subsystem: 0x1100 } as const;
/** Numbers of devices that drivers of the legacy interface know (section 4.1.2.1). */
const TRANSITIONAL: Readonly<Record<number, number>> = {
  [VIRTIO_ID_BLOCK]: 0x1001,
  [VIRTIO_ID_CONSOLE]: 0x1003,
  [VIRTIO_ID_ENTROPY]: 0x1005,
};
const CLASSES: Readonly<Record<number, number>> = {
  [VIRTIO_ID_BLOCK]: 0x01_0000,
  [VIRTIO_ID_CONSOLE]: 0x07_8000,
  [VIRTIO_ID_GPU]: 0x03_8000,
  [VIRTIO_ID_INPUT]: 0x09_8000,
};
const OTHER_CLASS = 0x00_ff00;

/** BARs, as QEMU's devices have them. */
const LEGACY_BAR = 0;
const MSIX_BAR = 1;
const MODERN_BAR = 4;

/** Of the modern BAR: what is in which of its pages, by `cfg_type` (section 4.1.4). */
const PAGE = 0x1000;
const REGIONS = [
  { type: 1, page: 0, size: 16 },
  { type: 3, page: 1, size: 16 },
  { type: 4, page: 2, size: 16 },
  { type: 2, page: 3, size: 20 },
] as const;
const NOTIFY = 2;
const NOTIFY_MULTIPLIER = 4;
/** The capability that accesses BARs from configuration space (section 4.1.4.9), and its fields. */
const ACCESS = { type: 5, size: 20, bar: 4, offset: 8, length: 12, data: 16 } as const;
const VENDOR_SPECIFIC = 0x09;

export interface VirtioPciOptions {
  readonly memory: GuestMemory;
  readonly device: VirtioDevice;
  /** The bus takes messages: the device has MSI-X. */
  readonly messages: boolean;
  /** Told why the device needs a reset: the guest's mistake in one line. */
  readonly onFault?: (message: string) => void;
}

/**
 * Virtio over PCI (section 4.1): a transitional device where there is a legacy interface for its kind, or else one of
 * virtio 1.x alone.
 */
export class VirtioPci extends PciFunction {
  readonly registers: VirtioPciRegisters;
  /** Offset of the capability that accesses BARs. */
  readonly #access: number;
  #wasMaster = false;

  constructor(options: VirtioPciOptions) {
    const { device, messages } = options;
    super(identity(device));
    const owner = this;
    this.registers = new VirtioPciRegisters(options, {
      get msix() {
        return owner.msix;
      },
      get isMaster() {
        return owner.isMaster;
      },
      setInterrupt: (level) => this.setInterrupt(level),
      becomeMaster: () => this.writeConfig(COMMAND, 1, this.config.bytes[COMMAND]! | COMMAND_MASTER),
    });
    if (device.deviceId in TRANSITIONAL) this.#addLegacy(device);
    this.#addModern();
    this.#access = this.#addAccess();
    if (messages) this.addMsiX(MSIX_BAR, device.queueSizes.length + 1);
  }

  override reset(): void {
    this.registers.reset();
    super.reset();
  }

  override readConfig(offset: number, width: DeviceWidth): number {
    const data = this.#access + ACCESS.data;
    if (offset >= data && offset < data + 4)
      this.#throughAccess((target, at, length) => {
        const value = target.read(at, length);
        for (let i = 0; i < length; i++) this.config.bytes[data + i] = value >>> (8 * i);
      });
    return super.readConfig(offset, width);
  }

  override writeConfig(offset: number, width: DeviceWidth, value: number): void {
    super.writeConfig(offset, width, value);
    const data = this.#access + ACCESS.data;
    if (offset >= data && offset < data + 4)
      this.#throughAccess((target, at, length) => target.write(at, length, this.config.read(data, length)));
  }

  override state(): ComponentState {
    return {
      version: STATE_VERSION,
      function: super.state(),
      virtio: { version: STATE_VERSION, ...this.registers.state() },
    };
  }

  override restore(state: ComponentState): void {
    const reader = new StateReader("virtio-pci", state, STATE_VERSION);
    super.restore(reader.part("function"));
    this.#wasMaster = this.isMaster;
    this.registers.restore(new StateReader("virtio-pci", reader.part("virtio"), STATE_VERSION));
  }

  protected override configWritten(): void {
    super.configWritten();
    this.registers.updatePin();
    const { isMaster } = this;
    const begins = isMaster && !this.#wasMaster;
    this.#wasMaster = isMaster;
    if (begins) this.registers.catchUp();
  }

  #addLegacy({ config }: VirtioDevice): void {
    const size = 2 ** Math.ceil(Math.log2(LEGACY_HEADER.withVectors + config.length));
    this.addBar(LEGACY_BAR, { kind: "ports", size, device: this.registers.legacyPorts });
  }

  #addModern(): void {
    const { common, isr, deviceConfig } = this.registers;
    const pages = [common, isr, deviceConfig, this.registers.notifications(NOTIFY_MULTIPLIER)];
    const device: MmioDevice = {
      read: (offset, width) => pages[Math.floor(offset / PAGE)]!.read(offset % PAGE, width),
      write: (offset, width, value) => pages[Math.floor(offset / PAGE)]!.write(offset % PAGE, width, value),
    };
    this.addBar(MODERN_BAR, { kind: "memory64", prefetchable: true, size: PAGE * pages.length, device });
    for (const { type, page, size } of REGIONS) {
      const at = this.#addVirtioCapability(type, size);
      this.config.define({ offset: at + 4, width: 1, value: MODERN_BAR });
      this.config.define({ offset: at + 8, width: 4, value: page * PAGE });
      this.config.define({ offset: at + 12, width: 4, value: PAGE });
      if (type === NOTIFY) this.config.define({ offset: at + 16, width: 4, value: NOTIFY_MULTIPLIER });
    }
  }

  #addAccess(): number {
    const at = this.#addVirtioCapability(ACCESS.type, ACCESS.size);
    this.config.define({ offset: at + ACCESS.bar, width: 1, writable: 0xff });
    for (const field of [ACCESS.offset, ACCESS.length, ACCESS.data])
      this.config.define({ offset: at + field, width: 4, writable: 0xffff_ffff });
    return at;
  }

  #addVirtioCapability(type: number, size: number): number {
    const at = this.addCapability(VENDOR_SPECIFIC, size);
    this.config.define({ offset: at + 2, width: 2, value: size | (type << 8) });
    return at;
  }

  /** The access that the capability's fields describe, if it is one. */
  #throughAccess(access: (target: MmioDevice, offset: number, length: DeviceWidth) => void): void {
    const at = this.#access;
    const offset = this.config.read(at + ACCESS.offset, 4);
    const length = this.config.read(at + ACCESS.length, 4);
    const bar = this.bars.find(({ index }) => index === this.config.bytes[at + ACCESS.bar]);
    if (bar === undefined || (length !== 1 && length !== 2 && length !== 4)) return;
    if (offset % length === 0 && offset + length <= bar.spec.size) access(bar.spec.device, offset, length);
  }
}

function identity({ deviceId }: VirtioDevice): PciIdentity {
  const transitional = TRANSITIONAL[deviceId];
  const common = {
    vendor: VENDOR,
    subsystemVendor: VENDOR,
    classCode: CLASSES[deviceId] ?? OTHER_CLASS,
    interruptPin: 1,
  };
  if (transitional !== undefined) return { ...common, device: transitional, subsystem: deviceId };
  const { first, revision, subsystem } = MODERN;
  return { ...common, device: first + deviceId, revision, subsystem };
}
