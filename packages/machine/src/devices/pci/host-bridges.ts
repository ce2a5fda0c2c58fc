import { PciFunction } from "./function.js";

/** What QEMU's devices have that are not virtio's. */
const SUBSYSTEM = { subsystemVendor: 0x1af4, subsystem: 0x1100 } as const;
const HOST_BRIDGE = 0x06_0000;

const PCIEXBAR = 0x60;
const PCIEXBAR_ENABLE = 1;
const PAM = 0x90;
const PAM_COUNT = 7;
const PAM_BITS = 0x33;
const SMRAM = 0x9d;

/**
 * The memory controller hub of Intel's G33 and Q35 (317607, chapter 5) as device 0, as far as firmware looks at it. ECAM
 * is where the board has it and on. The attributes of the ROM areas (PAM) are storage: there is RAM, always writable.
 */
export class MemoryControllerHub extends PciFunction {
  /** @param ecam the address of ECAM for 256 buses, a multiple of 256 MiB below 4 GiB. */
  constructor(ecam: number) {
    super({ vendor: 0x8086, device: 0x29c0, classCode: HOST_BRIDGE, ...SUBSYSTEM });
    this.config.define({ offset: PCIEXBAR, width: 4, value: ecam + PCIEXBAR_ENABLE });
    for (let i = 0; i < PAM_COUNT; i++)
      this.config.define({ offset: PAM + i, width: 1, writable: i === 0 ? 0x30 : PAM_BITS });
    // System-management RAM: closed and compatible, with nothing behind it.
    this.config.define({ offset: SMRAM, width: 2, value: 0x3802 });
  }
}

/** The host bridge of machines that have no chip set to imitate: QEMU's generic one. */
export class GenericHostBridge extends PciFunction {
  constructor() {
    super({ vendor: 0x1b36, device: 0x0008, classCode: HOST_BRIDGE, ...SUBSYSTEM });
  }
}
