import type { CpuInterface, ListRegister, PhysicalInterface, VirtualInterface } from "./cpu-interface.js";
import { FIRST_SPECIAL_ID, type InterruptRequest, SPURIOUS } from "./interrupt-state.js";
import type { Group } from "./priority-control.js";

// GICv3's CPU interface as system registers: IHI 0069 chapter 12. Registers are numbered
// op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2.

/** System registers of a GIC, as a processing element reaches them. */
export interface GicSystemRegisters {
  read(register: number): bigint;
  write(register: number, value: bigint): void;
  /** Whether there is such a register. It may be read-only or write-only. */
  implemented(register: number): boolean;
  /** Whether accesses at EL1 go to EL2, by ICH_HCR_EL2 or because a guest's SGIs are its hypervisor's to send. */
  trapsToEl2(register: number): boolean;
}

/** Whether physical FIQs and IRQs are routed to EL2 (HCR_EL2.FMO, IMO), so that EL1's registers are the virtual ones. */
export interface HcrRouting {
  readonly fiq: boolean;
  readonly irq: boolean;
}

export interface SystemRegistersOptions {
  readonly physical: PhysicalInterface;
  readonly virtual: VirtualInterface | undefined;
  readonly routing: (() => HcrRouting) | undefined;
  readonly sendSgi: (value: bigint, group: Group) => void;
  /** After everything that may change what is signalled. */
  readonly changed: () => void;
}

const icc = (crm: number, op2: number) => (3 << 14) | (12 << 7) | (crm << 3) | op2;
const ich = (crm: number, op2: number) => (3 << 14) | (4 << 11) | (12 << 7) | (crm << 3) | op2;

export const ICC_PMR = (3 << 14) | (4 << 7) | (6 << 3);
export const ICC_IAR = [icc(8, 0), icc(12, 0)] as const;
export const ICC_EOIR = [icc(8, 1), icc(12, 1)] as const;
const ICC_HPPIR = [icc(8, 2), icc(12, 2)] as const;
const ICC_BPR = [icc(8, 3), icc(12, 3)] as const;
const ICC_APR = [icc(8, 4), icc(9, 0)] as const;
export const ICC_IGRPEN = [icc(12, 6), icc(12, 7)] as const;
const ICC_DIR = icc(11, 1);
const ICC_RPR = icc(11, 3);
const ICC_SGI1R = icc(11, 5);
const ICC_ASGI1R = icc(11, 6);
const ICC_SGI0R = icc(11, 7);
const ICC_CTLR = icc(12, 4);
const ICC_SRE = icc(12, 5);
const ICC_SRE_EL2 = ich(9, 5);
const ICH_APR = [ich(8, 0), ich(9, 0)] as const;
export const ICH_HCR = ich(11, 0);
const ICH_VTR = ich(11, 1);
const ICH_MISR = ich(11, 2);
const ICH_EISR = ich(11, 3);
const ICH_ELRSR = ich(11, 5);
const ICH_VMCR = ich(11, 7);
export const ICH_LR0 = ich(12, 0);

/** Whether it is one of the registers that send SGIs. */
export function isSgiRegister(register: number): boolean {
  return register === ICC_SGI1R || register === ICC_ASGI1R || register === ICC_SGI0R;
}

const CTLR_COMMON = 1;
const CTLR_EOI_MODE = 2;
/** Five bits of priority, 16 of ID; Aff3 may be other than zero. */
const CTLR_FIXED = (4 << 8) | (1 << 15);
/** The system register interface is on, and interrupts cannot bypass it. */
const SRE_FIXED = 7n;
/** Besides, EL1 may use its ICC_SRE_EL1. */
const SRE_EL2_FIXED = 15n;
/** Five bits of preemption and of priority, 16 of ID; Aff3 may be other than zero; DIR can be trapped alone. */
const VTR_FIXED = 4 * 2 ** 29 + 4 * 2 ** 26 + 2 ** 21 + 2 ** 19;

const HCR_TC = 1 << 10;
/** TALL0 and TALL1. */
const HCR_TALL = [1 << 11, 1 << 12] as const;
const HCR_TDIR = 1 << 14;

type Family =
  | "iar"
  | "eoir"
  | "hppir"
  | "bpr"
  | "apr"
  | "igrpen"
  | "pmr"
  | "dir"
  | "rpr"
  | "ctlr"
  | "sre"
  | "sgi";

interface IccRegister {
  readonly family: Family;
  /** Undefined for those of both groups. */
  readonly group: Group | undefined;
}

/** The registers that have a physical and a virtual side, or that EL1 may be kept from. */
const ICC_REGISTERS: ReadonlyMap<number, IccRegister> = new Map<number, IccRegister>([
  ...([0, 1] as const).flatMap((group): [number, IccRegister][] => [
    [ICC_IAR[group], { family: "iar", group }],
    [ICC_EOIR[group], { family: "eoir", group }],
    [ICC_HPPIR[group], { family: "hppir", group }],
    [ICC_BPR[group], { family: "bpr", group }],
    [ICC_APR[group], { family: "apr", group }],
    [ICC_IGRPEN[group], { family: "igrpen", group }],
  ]),
  [ICC_PMR, { family: "pmr", group: undefined }],
  [ICC_DIR, { family: "dir", group: undefined }],
  [ICC_RPR, { family: "rpr", group: undefined }],
  [ICC_CTLR, { family: "ctlr", group: undefined }],
  [ICC_SRE, { family: "sre", group: undefined }],
  [ICC_SGI1R, { family: "sgi", group: 1 }],
  [ICC_ASGI1R, { family: "sgi", group: 1 }],
  [ICC_SGI0R, { family: "sgi", group: 0 }],
]);

const ICH_REGISTERS: ReadonlySet<number> = new Set([
  ...ICH_APR,
  ICH_HCR,
  ICH_VTR,
  ICH_MISR,
  ICH_EISR,
  ICH_ELRSR,
  ICH_VMCR,
]);

export class SystemRegisters implements GicSystemRegisters {
  private readonly physical: PhysicalInterface;
  private readonly virtual: VirtualInterface | undefined;
  private readonly routing: (() => HcrRouting) | undefined;
  private readonly sendSgi: (value: bigint, group: Group) => void;
  private readonly changed: () => void;

  constructor(options: SystemRegistersOptions) {
    this.physical = options.physical;
    this.virtual = options.virtual;
    this.routing = options.routing;
    this.sendSgi = options.sendSgi;
    this.changed = options.changed;
  }

  implemented(register: number): boolean {
    if (ICC_REGISTERS.has(register) || register === ICC_SRE_EL2) return true;
    return this.virtual !== undefined && (ICH_REGISTERS.has(register) || this.list(register) !== undefined);
  }

  trapsToEl2(register: number): boolean {
    const item = ICC_REGISTERS.get(register);
    if (item === undefined || this.virtual === undefined) return false;
    const { family, group } = item;
    if (family === "sre") return false;
    const { hcr } = this.virtual;
    if (family === "sgi") return this.isVirtual(undefined) || (hcr & HCR_TC) !== 0;
    if (group !== undefined) return (hcr & HCR_TALL[group]) !== 0;
    return (hcr & HCR_TC) !== 0 || (family === "dir" && (hcr & HCR_TDIR) !== 0);
  }

  /** Throws nothing: registers that are not there, and write-only ones, read as zero. */
  read(register: number): bigint {
    if (register === ICC_SRE_EL2) return SRE_EL2_FIXED;
    const item = ICC_REGISTERS.get(register);
    if (item === undefined) return BigInt(this.readHypervisor(register));
    if (item.family === "sre") return SRE_FIXED;
    const value = readInterface(this.side(item.group), item);
    if (item.family === "iar") this.changed();
    return BigInt(value >>> 0);
  }

  write(register: number, value: bigint): void {
    const item = ICC_REGISTERS.get(register);
    const low = Number(value & 0xffff_ffffn);
    if (item === undefined) this.writeHypervisor(register, value, low);
    else if (item.family === "sgi") {
      // ICC_ASGI1R_EL1 is for the other Security state, which is not there.
      if (register !== ICC_ASGI1R) this.sendSgi(value, item.group as Group);
    } else writeInterface(this.side(item.group), item, low);
    this.changed();
  }

  /** Whether the registers of a group, or of both, are the virtual ones now. */
  private isVirtual(group: Group | undefined): boolean {
    const routing = this.routing?.();
    if (routing === undefined) return false;
    if (group === undefined) return routing.fiq || routing.irq;
    return group === 0 ? routing.fiq : routing.irq;
  }

  private side(group: Group | undefined): CpuInterface {
    return this.virtual !== undefined && this.isVirtual(group) ? this.virtual : this.physical;
  }

  // --- ICH_ --------------------------------------------------------------------------------------

  private list(register: number): ListRegister | undefined {
    return register >= ICH_LR0 ? this.virtual?.lists[register - ICH_LR0] : undefined;
  }

  private readHypervisor(register: number): number | bigint {
    const { virtual } = this;
    if (virtual === undefined) return 0;
    switch (register) {
      case ICH_HCR:
        return virtual.hcr;
      case ICH_VTR:
        return VTR_FIXED + virtual.lists.length - 1;
      case ICH_MISR:
        return virtual.maintenance;
      case ICH_EISR:
        return virtual.ended;
      case ICH_ELRSR:
        return virtual.free;
      case ICH_VMCR:
        return virtual.vmcr;
      case ICH_APR[0]:
        return virtual.control.getActive(0, 0);
      case ICH_APR[1]:
        return virtual.control.getActive(1, 0);
      default: {
        const list = this.list(register);
        return list === undefined ? 0 : packListV3(list);
      }
    }
  }

  private writeHypervisor(register: number, value: bigint, low: number): void {
    const { virtual } = this;
    if (virtual === undefined) return;
    switch (register) {
      case ICH_HCR:
        virtual.hcr = low;
        break;
      case ICH_VMCR:
        virtual.writeVmcr(low, true);
        break;
      case ICH_APR[0]:
        virtual.control.setActive(0, 0, low);
        break;
      case ICH_APR[1]:
        virtual.control.setActive(1, 0, low);
        break;
      default: {
        const list = this.list(register);
        if (list !== undefined) unpackListV3(list, value);
      }
    }
  }
}

// --- ICC_ and ICV_ ---------------------------------------------------------------------------------

function readInterface(cpu: CpuInterface, { family, group = 0 }: IccRegister): number {
  const { control } = cpu;
  switch (family) {
    case "iar":
      return acknowledge(cpu, ofGroup(cpu.signalled(), group));
    case "hppir":
      return ofGroup(cpu.pending(), group)?.id ?? SPURIOUS;
    case "bpr":
      // With one binary point for both groups BPR1 shows it as if it were its own.
      return group === 1 && control.common
        ? Math.min(7, control.getBinaryPoint(0) + 1)
        : control.getBinaryPoint(group);
    case "apr":
      return control.getActive(group, 0);
    case "igrpen":
      return (control.groups >> group) & 1;
    case "pmr":
      return control.mask;
    case "rpr":
      return control.running();
    case "ctlr":
      return CTLR_FIXED | (control.common ? CTLR_COMMON : 0) | (cpu.eoiSplit ? CTLR_EOI_MODE : 0);
    default:
      return 0;
  }
}

function writeInterface(cpu: CpuInterface, { family, group = 0 }: IccRegister, value: number): void {
  const { control } = cpu;
  const id = value & 0xff_ffff;
  switch (family) {
    case "eoir":
      if (!isSpecial(id)) cpu.end(id, 0, group);
      break;
    case "bpr":
      if (group === 0 || !control.common) control.setBinaryPoint(group, value);
      break;
    case "apr":
      control.setActive(group, 0, value);
      break;
    case "igrpen":
      control.groups = (control.groups & ~(1 << group)) | ((value & 1) << group);
      break;
    case "pmr":
      control.mask = value;
      break;
    case "dir":
      if (!isSpecial(id) && cpu.eoiSplit) cpu.deactivate(id, 0);
      break;
    case "ctlr":
      control.common = (value & CTLR_COMMON) !== 0;
      cpu.eoiSplit = (value & CTLR_EOI_MODE) !== 0;
      break;
    default:
      break;
  }
}

function isSpecial(id: number): boolean {
  return id >= FIRST_SPECIAL_ID && id <= SPURIOUS;
}

function ofGroup(request: InterruptRequest | undefined, group: Group): InterruptRequest | undefined {
  return request?.group === group ? request : undefined;
}

function acknowledge(cpu: CpuInterface, request: InterruptRequest | undefined): number {
  if (request === undefined) return SPURIOUS;
  cpu.acknowledge(request);
  return request.id;
}

/** ICH_LR<n>_EL2. Priority has the upper five of its eight bits. */
export function packListV3(list: ListRegister): bigint {
  const physical = list.hardware ? list.physicalId : list.eoi ? 0x200 : 0;
  const high =
    physical |
    (list.priority << 16) |
    (list.group << 28) |
    (list.hardware ? 1 << 29 : 0) |
    (list.state << 30);
  return (BigInt(high >>> 0) << 32n) | BigInt(list.virtualId);
}

export function unpackListV3(list: ListRegister, value: bigint): void {
  const high = Number((value >> 32n) & 0xffff_ffffn);
  list.virtualId = Number(value & 0xffffn);
  list.hardware = ((high >>> 29) & 1) !== 0;
  list.physicalId = list.hardware ? high & 0x1fff : 0;
  list.source = 0;
  list.eoi = !list.hardware && (high & 0x200) !== 0;
  list.priority = (high >>> 16) & 0xf8;
  list.state = high >>> 30;
  list.group = ((high >>> 28) & 1) as Group;
}
