import { Access, type CoreApi, type Translation } from "@hypercraft/engine";
import { Register } from "../../../interrupts/local-apic-registers.js";
import type { X86Cpu } from "../../cpu.js";
import { Secondary } from "../controls.js";
import { currentInstruction } from "../current-instruction.js";
import { VmcsField as F } from "../fields.js";
import { ExitReason, VmExit } from "../vm-exit.js";
import type { Vmcs } from "../vmcs.js";
import { apicPageWritten } from "../vmx-state.js";
import { apicWrite, type VirtualApic } from "./virtual-apic.js";

// Accesses to the APIC-access page: SDM volume 3, 30.4.

const PAGE = 4096;
/** No page. */
const NONE = -1;

/** Types of accesses in a qualification, where the low 12 bits are the offset (table 28-6). */
export const ApicAccess = {
  read: 0,
  write: 1,
  fetch: 2,
  delivery: 3,
  physicalDelivery: 10,
  physical: 15,
} as const;
const TYPE_SHIFT = 12n;

/** The exit of an access. */
const apicAccess = (offset: number, type: number, length = 0): VmExit =>
  new VmExit(ExitReason.apicAccess, { qualification: BigInt(offset | (type << 12)), length });

/** The same, where it comes as an event is delivered. */
export function inDelivery(qualification: bigint): bigint {
  const physical = qualification >> TYPE_SHIFT === BigInt(ApicAccess.physical);
  const type = physical ? ApicAccess.physicalDelivery : ApicAccess.delivery;
  return (qualification & 0xfffn) | (BigInt(type) << TYPE_SHIFT);
}

/** Registers that APIC-register virtualization lets the guest write. */
const WRITABLE: ReadonlySet<number> = new Set([
  Register.id,
  Register.taskPriority,
  Register.endOfInterrupt,
  Register.logicalDestination,
  Register.destinationFormat,
  Register.spuriousVector,
  Register.errorStatus,
  Register.interruptCommand,
  Register.interruptCommandHigh,
  ...[0, 1, 2, 3, 4, 5].map((entry) => Register.localVectorTable + entry),
  Register.initialCount,
  Register.divide,
]);
const SETS = { first: Register.inService, last: Register.errorStatus - 1 } as const;
/** Those that virtual-interrupt delivery lets it write by itself. */
const DELIVERY_WRITABLE: ReadonlySet<number> = new Set([
  Register.taskPriority,
  Register.endOfInterrupt,
  Register.interruptCommand,
]);

const isReadable = (register: number): boolean =>
  WRITABLE.has(register) ||
  register === Register.version ||
  (register >= SETS.first && register <= SETS.last);

/** What becomes of a guest's accesses to the APIC-access page. */
export class ApicAccessPage {
  private readonly cpu: X86Cpu;
  private readonly core: CoreApi;
  private readonly apic: VirtualApic;
  /** Number of the page; -1: there is none. */
  page = NONE;
  private registers = false;
  /** Instructions executed when one came to be executed alone. */
  private alone = -1;

  constructor(cpu: X86Cpu, apic: VirtualApic) {
    this.cpu = cpu;
    this.core = cpu.core;
    this.apic = apic;
  }

  /** The controls of another VMCS apply, or none. */
  select(vmcs: Vmcs | undefined): void {
    const { vmx } = this.cpu;
    this.page = NONE;
    this.alone = -1;
    if (vmcs === undefined || !vmx.hasSecondary(Secondary.virtualizeApicAccesses)) return;
    this.page = Math.floor(vmcs.address(F.APIC_ACCESS_ADDRESS) / PAGE);
    this.registers = vmx.hasSecondary(Secondary.apicRegisterVirtualization);
  }

  /** A physical address is in it. */
  has(physical: number): boolean {
    return this.page >= 0 && Math.floor(physical / PAGE) === this.page;
  }

  /** Refuse an access that the processor makes by itself, or a fetch. */
  refuse(physical: number, type: number): never {
    throw apicAccess(physical % PAGE, type);
  }

  /**
   * A load or store that translated into the page is of the virtual-APIC page instead, or leaves (throws). False: the
   * instruction has to be executed alone first, so that what a write brings about comes right behind it.
   */
  access(access: Access, size: number, out: Translation): boolean {
    const offset = out.physical % PAGE;
    const reads = access !== Access.write;
    const writes = access !== Access.read;
    if (reads && !this.isRead(offset, size)) this.leave(offset, ApicAccess.read);
    if (writes && !this.isWritten(offset, size)) this.leave(offset, ApicAccess.write);
    out.physical = (this.apic.page?.address ?? 0) + offset;
    out.cacheable = false;
    if (!writes || this.core.probing) return true;
    const now = this.core.instructions();
    if (this.alone !== now) {
      this.alone = now;
      return false;
    }
    this.core.set(apicPageWritten, offset + 1, 0);
    this.core.requestDispatch();
    return true;
  }

  private leave(offset: number, type: number): never {
    throw apicAccess(offset, type, currentInstruction(this.cpu).length);
  }

  /** Within the register at the beginning of its 16 bytes. */
  private fits(offset: number, size: number): boolean {
    return (
      this.apic.page !== undefined && size <= 4 && (offset & 12) === 0 && ((offset + size - 1) & 12) === 0
    );
  }

  /** No other register was written by the present instruction. */
  private isOnlyWrite(offset: number): boolean {
    const written = this.core.lo(apicPageWritten);
    return written === 0 || written === offset + 1;
  }

  private isRead(offset: number, size: number): boolean {
    if (!this.fits(offset, size)) return false;
    return this.registers ? isReadable(offset >> 4) : offset === Register.taskPriority << 4;
  }

  private isWritten(offset: number, size: number): boolean {
    if (!this.fits(offset, size) || !this.isOnlyWrite(offset)) return false;
    if (this.registers) return WRITABLE.has(offset >> 4);
    if ((offset & 15) !== 0) return false;
    return this.apic.delivers ? DELIVERY_WRITABLE.has(offset >> 4) : offset === Register.taskPriority << 4;
  }

  /** After an instruction: what follows from its write (30.4.3.2). Gives the exit, if that is one. */
  emulateWrite(): VmExit | undefined {
    const offset = this.core.lo(apicPageWritten) - 1;
    if (offset < 0) return undefined;
    this.core.set(apicPageWritten, 0, 0);
    const { apic } = this;
    const { page, delivers } = apic;
    switch (offset >> 4) {
      case Register.taskPriority:
        return apic.writeTaskPriority(page?.get(Register.taskPriority) ?? 0);
      case Register.endOfInterrupt:
        if (!delivers) return apicWrite(offset);
        page?.set(Register.endOfInterrupt, 0);
        return apic.endInterrupt();
      case Register.interruptCommand:
        return delivers ? apic.sendCommand() : apicWrite(offset);
      case Register.interruptCommandHigh:
        page?.set(Register.interruptCommandHigh, page.get(Register.interruptCommandHigh) & 0xff00_0000);
        return undefined;
      default:
        return apicWrite(offset);
    }
  }
}
