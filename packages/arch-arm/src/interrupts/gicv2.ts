import type { MmioDevice } from "@hypercraft/hypercraft";
import type { ListRegister, VirtualInterface } from "./cpu-interface.js";
import { Gic, type GicOptions, LIST_REGISTERS } from "./gic.js";
import { readCpuRegister, writeCpuRegister } from "./gicv2-cpu-registers.js";
import { PRIVATE_INTERRUPTS, SGIS } from "./interrupt-state.js";

// GIC architecture version 2, IHI 0048B, without Security Extensions: groups are there, and every access is one
// that may see both.

const GICD_CTLR = 0x000;
const GICD_TYPER = 0x004;
const GICD_IIDR = 0x008;
const GICD_ITARGETSR = 0x800;
const GICD_ICFGR = 0xc00;
const GICD_SGIR = 0xf00;
const GICD_CPENDSGIR = 0xf10;
const GICD_SPENDSGIR = 0xf20;
/** Implementer Arm. */
const GICD_IIDR_VALUE = 0x0000_043b;
/** Peripheral ID 4 to 7, 0 to 3 and component ID 0 to 3 of a GICv2. */
const IDENTIFICATION = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;
const FIRST_IDENTIFICATION = 0xfd0;

const GICH_HCR = 0x00;
const GICH_VTR = 0x04;
const GICH_VMCR = 0x08;
const GICH_MISR = 0x10;
const GICH_EISR0 = 0x20;
const GICH_ELRSR0 = 0x30;
const GICH_APR = 0xf0;
const GICH_LR = 0x100;
/** EOICount and the control bits. */
const GICH_HCR_BITS = 0xf800_00ff;
/** Five bits of preemption and of priority. */
const GICH_VTR_VALUE = 0x9000_0000 + LIST_REGISTERS - 1;

const PRIORITY_BITS = 8;
const MAX_CPUS = 8;

/** GICv2 for 1 to 8 CPUs: four blocks of registers, each a device for the bus. */
export class GicV2 extends Gic {
  /** GICD_ registers: 4 KiB. */
  readonly distributor: MmioDevice;
  /** GICC_ registers of the accessing CPU: 8 KiB. */
  readonly cpuInterface: MmioDevice;
  /** GICH_ registers of the accessing CPU, for its hypervisor: 4 KiB. */
  readonly hypervisorInterface: MmioDevice;
  /** GICV_ registers of the accessing CPU, for the hypervisor's guest: 8 KiB. */
  readonly virtualCpuInterface: MmioDevice;

  constructor(options: GicOptions) {
    super(options, { priorityBits: PRIORITY_BITS, maxCpus: MAX_CPUS, version: 2, hcrMask: GICH_HCR_BITS });
    this.targetOnlyCpu();
    this.distributor = {
      read: (offset, width) => {
        this.observe();
        return part(this.readDistributor(offset & ~3), offset, width);
      },
      write: (offset, width, value) => {
        this.observe();
        this.writeDistributor(offset, width, value);
      },
    };
    this.cpuInterface = this.words(
      (cpu, offset) => readCpuRegister(this.physical[cpu]!, offset),
      (cpu, offset, value) => writeCpuRegister(this.physical[cpu]!, offset, value, true),
    );
    this.hypervisorInterface = this.words(
      (cpu, offset) => readHypervisorRegister(this.virtual[cpu], offset),
      (cpu, offset, value) => writeHypervisorRegister(this.virtual[cpu], offset, value),
    );
    this.virtualCpuInterface = this.words(
      (cpu, offset) => {
        const virtual = this.virtual[cpu];
        return virtual === undefined ? 0 : readCpuRegister(virtual, offset);
      },
      (cpu, offset, value) => {
        const virtual = this.virtual[cpu];
        if (virtual !== undefined) writeCpuRegister(virtual, offset, value, false);
      },
    );
  }

  override reset(): void {
    super.reset();
    this.targetOnlyCpu();
    this.update();
  }

  /** With one CPU all interrupts are for that one (4.3.12). */
  private targetOnlyCpu(): void {
    if (this.physical.length > 1) return;
    for (let id = PRIVATE_INTERRUPTS; id < this.interrupts.count; id++)
      this.interrupts.setTarget(0, id, true);
  }

  /** Registers of 32 bits, of the accessing CPU. */
  private words(
    read: (cpu: number, offset: number) => number,
    write: (cpu: number, offset: number, value: number) => void,
  ): MmioDevice {
    return {
      read: (offset, width) => {
        if (width !== 4 || (offset & 3) !== 0) return 0;
        const value = read(this.accessor(), offset);
        // A read may acknowledge.
        this.update();
        return value >>> 0;
      },
      write: (offset, width, value) => {
        if (width !== 4 || (offset & 3) !== 0) return;
        write(this.accessor(), offset, value >>> 0);
        this.update();
      },
    };
  }

  private readDistributor(offset: number): number {
    const cpu = this.accessor();
    switch (offset) {
      case GICD_CTLR:
        return this.groups;
      case GICD_TYPER:
        return (this.interrupts.count / 32 - 1) | ((this.physical.length - 1) << 5);
      case GICD_IIDR:
        return GICD_IIDR_VALUE;
      default:
        break;
    }
    if (offset >= GICD_ITARGETSR && offset < GICD_ICFGR) {
      return this.bytes(offset, (at) => this.targets(cpu, at - GICD_ITARGETSR));
    }
    if (offset >= GICD_CPENDSGIR && offset < GICD_CPENDSGIR + 0x20) {
      return this.bytes(offset, (at) => this.interrupts.sgiSources(cpu, at & 15));
    }
    if (offset >= FIRST_IDENTIFICATION) return IDENTIFICATION[(offset - FIRST_IDENTIFICATION) >> 2] ?? 0;
    return this.interrupts.readWord(cpu, offset);
  }

  private writeDistributor(offset: number, width: 1 | 2 | 4, value: number): void {
    const cpu = this.accessor();
    const byByte = this.byteRegister(offset);
    if (byByte !== undefined) {
      for (let i = 0; i < width; i++) byByte(cpu, offset + i, (value >>> (8 * i)) & 0xff);
    } else if (width === 4 && (offset & 3) === 0) {
      if (offset === GICD_CTLR) this.groups = value & 3;
      else if (offset === GICD_SGIR) this.sendSgi(cpu, value);
      else this.interrupts.writeWord(cpu, offset, value >>> 0);
    }
    this.update();
  }

  /** How to write a byte of a register that allows it, undefined for all others. */
  private byteRegister(offset: number): ((cpu: number, offset: number, value: number) => void) | undefined {
    if (offset >= 0x400 && offset < GICD_ITARGETSR) {
      return (cpu, at, value) => this.interrupts.writePriority(cpu, at - 0x400, value);
    }
    if (offset >= GICD_ITARGETSR && offset < GICD_ICFGR) {
      return (_, at, value) => this.setTargets(at - GICD_ITARGETSR, value);
    }
    if (offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR) {
      return (cpu, at, value) => this.interrupts.setSgiSources(cpu, at & 15, 0, value);
    }
    if (offset >= GICD_SPENDSGIR && offset < GICD_SPENDSGIR + 0x10) {
      return (cpu, at, value) => this.interrupts.setSgiSources(cpu, at & 15, value, 0);
    }
    return undefined;
  }

  private bytes(offset: number, at: (offset: number) => number): number {
    return (at(offset) | (at(offset + 1) << 8) | (at(offset + 2) << 16) | (at(offset + 3) << 24)) >>> 0;
  }

  /** ITARGETSR of an interrupt: of private ones the reader itself. With one CPU it reads as zero. */
  private targets(cpu: number, id: number): number {
    if (this.physical.length === 1 || id >= this.interrupts.count) return 0;
    if (id < PRIVATE_INTERRUPTS) return 1 << cpu;
    return this.physical.reduce(
      (mask, _, i) => (this.interrupts.isTarget(i, id) ? mask | (1 << i) : mask),
      0,
    );
  }

  private setTargets(id: number, mask: number): void {
    if (this.physical.length === 1 || id < PRIVATE_INTERRUPTS || id >= this.interrupts.count) return;
    this.physical.forEach((_, cpu) => {
      this.interrupts.setTarget(cpu, id, ((mask >> cpu) & 1) !== 0);
    });
  }

  /** GICD_SGIR: to a list of CPUs, to all but the sender, or to the sender. */
  private sendSgi(sender: number, value: number): void {
    const filter = (value >>> 24) & 3;
    const own = 1 << sender;
    const targets = [(value >>> 16) & 0xff, 0xff & ~own, own, 0][filter] as number;
    this.physical.forEach((_, cpu) => {
      if (((targets >> cpu) & 1) !== 0) this.interrupts.sendSgi(cpu, value & (SGIS - 1), sender);
    });
  }
}

function part(word: number, offset: number, width: 1 | 2 | 4): number {
  if (width === 4) return word;
  return (word >>> ((offset & 3) * 8)) & (width === 1 ? 0xff : 0xffff);
}

// --- GICH ----------------------------------------------------------------------------------------

function readHypervisorRegister(virtual: VirtualInterface | undefined, offset: number): number {
  if (virtual === undefined) return 0;
  if (offset >= GICH_LR) {
    const list = virtual.lists[(offset - GICH_LR) >> 2];
    return list === undefined ? 0 : packListV2(list);
  }
  switch (offset) {
    case GICH_HCR:
      return virtual.hcr;
    case GICH_VTR:
      return GICH_VTR_VALUE;
    case GICH_VMCR:
      return virtual.vmcr;
    case GICH_MISR:
      return virtual.maintenance;
    case GICH_EISR0:
      return virtual.ended;
    case GICH_ELRSR0:
      return virtual.free;
    case GICH_APR:
      return virtual.control.getActive(0, 0) | virtual.control.getActive(1, 0);
    default:
      return 0;
  }
}

function writeHypervisorRegister(virtual: VirtualInterface | undefined, offset: number, value: number): void {
  if (virtual === undefined) return;
  if (offset >= GICH_LR) {
    const list = virtual.lists[(offset - GICH_LR) >> 2];
    if (list !== undefined) unpackListV2(list, value);
    return;
  }
  switch (offset) {
    case GICH_HCR:
      virtual.hcr = value;
      break;
    case GICH_VMCR:
      virtual.writeVmcr(value, false);
      break;
    case GICH_APR:
      // One register for both groups: which of them a priority was of does not matter to its end.
      virtual.control.setActive(0, 0, value);
      virtual.control.setActive(1, 0, 0);
      break;
    default:
      break;
  }
}

/** GICH_LRn. */
export function packListV2(list: ListRegister): number {
  const physical = list.hardware ? list.physicalId : list.source | (list.eoi ? 0x200 : 0);
  return (
    (list.virtualId |
      (physical << 10) |
      ((list.priority >> 3) << 23) |
      (list.state << 28) |
      (list.group << 30) |
      (list.hardware ? 0x8000_0000 : 0)) >>>
    0
  );
}

export function unpackListV2(list: ListRegister, value: number): void {
  const physical = (value >>> 10) & 0x3ff;
  list.virtualId = value & 0x3ff;
  list.hardware = value >>> 31 === 1;
  list.physicalId = list.hardware ? physical : 0;
  list.source = list.hardware ? 0 : physical & 7;
  list.eoi = !list.hardware && (physical & 0x200) !== 0;
  list.priority = ((value >>> 23) & 0x1f) << 3;
  list.state = (value >>> 28) & 3;
  list.group = (value >>> 30) & 1 ? 1 : 0;
}
