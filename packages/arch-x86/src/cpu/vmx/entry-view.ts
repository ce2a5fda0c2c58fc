import { isCanonical } from "../canonical.js";
import { CR0 as CR0_BIT, CR4 as CR4_BIT, RFLAG } from "../control-bits.js";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { type Allowed, Entry, type Exit, type Pin, Primary, Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { EVENT_VALID } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";

/** What the checks of a VM entry look at: a VMCS by its controls, and the processor that it is on. */
export class EntryView {
  readonly vmcs: Vmcs;
  /** EFER.LMA of the processor that enters. */
  readonly longMode: boolean;

  constructor(vmcs: Vmcs, longMode: boolean) {
    this.vmcs = vmcs;
    this.longMode = longMode;
  }

  get pin(): number {
    return this.get(F.PIN_CONTROLS);
  }
  get primary(): number {
    return this.get(F.PROCESSOR_CONTROLS);
  }
  /** 0 while they are not activated. */
  get secondary(): number {
    return (this.primary & Primary.secondaryControls) !== 0 ? this.get(F.SECONDARY_CONTROLS) : 0;
  }
  get exit(): number {
    return this.get(F.EXIT_CONTROLS);
  }
  get entry(): number {
    return this.get(F.ENTRY_CONTROLS);
  }

  get(field: number): number {
    return this.vmcs.get(field);
  }
  big(field: number): bigint {
    return this.vmcs.read(field);
  }

  hasPin(bit: (typeof Pin)[keyof typeof Pin]): boolean {
    return (this.pin & bit) !== 0;
  }
  hasPrimary(bit: (typeof Primary)[keyof typeof Primary]): boolean {
    return (this.primary & bit) !== 0;
  }
  hasSecondary(bit: (typeof Secondary)[keyof typeof Secondary]): boolean {
    return (this.secondary & bit) !== 0;
  }
  hasExit(bit: (typeof Exit)[keyof typeof Exit]): boolean {
    return (this.exit & bit) !== 0;
  }
  hasEntry(bit: (typeof Entry)[keyof typeof Entry]): boolean {
    return (this.entry & bit) !== 0;
  }

  get unrestricted(): boolean {
    return this.hasSecondary(Secondary.unrestrictedGuest);
  }
  get ia32e(): boolean {
    return this.hasEntry(Entry.ia32eGuest);
  }
  get guestProtected(): boolean {
    return (this.get(F.GUEST_CR0) & CR0_BIT.PE) !== 0;
  }
  get guestPaging(): boolean {
    return (this.get(F.GUEST_CR0) & CR0_BIT.PG) !== 0;
  }
  /** PAE paging: four entries are loaded with CR3. */
  get guestPae(): boolean {
    return this.guestPaging && !this.ia32e && (this.get(F.GUEST_CR4) & CR4_BIT.PAE) !== 0;
  }
  get guestVirtual8086(): boolean {
    return (this.get(F.GUEST_RFLAGS) & RFLAG.VM) !== 0;
  }

  /** The event to be injected: interruption information, 0 without one. */
  get event(): number {
    const information = this.get(F.ENTRY_INTERRUPTION_INFORMATION);
    return (information & EVENT_VALID) !== 0 ? information : 0;
  }
  /** Its type, -1 without one. */
  get eventType(): number {
    return this.event === 0 ? -1 : (this.event >> 8) & 7;
  }
  get eventVector(): number {
    return this.event & 0xff;
  }
}

/** One rule of the manual, and whether a VMCS keeps it. */
export type Rule = readonly [rule: string, holds: (view: EntryView) => boolean];

/** The first rule that is broken. */
export function brokenRule(rules: readonly Rule[], view: EntryView): string | undefined {
  return rules.find(([, holds]) => !holds(view))?.[0];
}

/** The bits that have to be set are, and no others than may be. */
export const fits = (value: number, { must, may }: Allowed): boolean =>
  (value & must) === (must | 0) && (value & ~may) === 0;

/** A physical address, aligned to a power of two. */
export const isPhysical = (address: bigint, alignment: bigint): boolean =>
  address % alignment === 0n && address >> BigInt(PHYSICAL_BITS) === 0n;

/** A list of MSRs: 16 bytes each, aligned, all of it within physical addresses. */
export function isMsrList(view: EntryView, count: number, address: number): boolean {
  const entries = view.get(count);
  if (entries === 0) return true;
  const first = view.big(address);
  return isPhysical(first, 16n) && (first + BigInt(16 * entries) - 1n) >> BigInt(PHYSICAL_BITS) === 0n;
}

/** Fields hold canonical addresses. */
export const canonical =
  (...fields: readonly number[]) =>
  (view: EntryView): boolean =>
    fields.every((field) => isCanonical(view.big(field)));

/** Page attributes: eight memory types. */
export function isPat(value: bigint): boolean {
  for (let i = 0n; i < 64n; i += 8n) {
    const type = (value >> i) & 0xffn;
    if (type > 7n || type === 2n || type === 3n) return false;
  }
  return true;
}
