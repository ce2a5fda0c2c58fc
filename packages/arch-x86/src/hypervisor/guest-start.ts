import {
  CR0 as CR0_BIT,
  CR4 as CR4_BIT,
  EFER as EFER_BIT,
  RFLAGS_FIXED,
  RIGHTS,
  SystemType,
} from "../cpu/control-bits.js";
import type { EntryState, LongEntry, ProtectedEntry, RealEntry } from "../cpu/entry.js";
import { Activity, Seg } from "../cpu/state.js";
import { Entry } from "../cpu/vmx/controls.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";
import type { RootVmcs } from "../cpu/vmx/root-vmcs.js";
import { writeCr0Shadow } from "./exits/control-register.js";
import { CR0_MASK } from "./vmcs-setup.js";

// Where guests begin: fields of the guest-state area. SDM volume 3, table 9-1, and the boot protocols.

const DATA = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed;
const FLAT = DATA | RIGHTS.granularity;
const SEGMENTS = [Seg.es, Seg.cs, Seg.ss, Seg.ds, Seg.fs, Seg.gs] as const;
const LDTR = 6;
const TR = 7;
const LIMIT = 0xffff;
/** Values after a reset. */
const CR0_RESET = CR0_BIT.ET | CR0_BIT.CD | CR0_BIT.NW;
const DR7_RESET = 0x400n;
const PAT_RESET = 0x0007_0406_0007_0406n;
const RESET_CS = { selector: 0xf000, base: 0xffff_0000, ip: 0xfff0n };

function setSegment(
  root: RootVmcs,
  number: number,
  selector: number,
  base: number,
  limit: number,
  rights: number,
): void {
  root.write(F.GUEST_ES_SELECTOR + 2 * number, BigInt(selector));
  root.write(F.GUEST_ES_BASE + 2 * number, BigInt(base));
  root.write(F.GUEST_ES_LIMIT + 2 * number, BigInt(limit >>> 0));
  root.write(F.GUEST_ES_RIGHTS + 2 * number, BigInt(rights));
}

/** CR0 as the guest means it: what is the host's bits goes to the shadow. */
function setCr0(root: RootVmcs, value: number): void {
  writeCr0Shadow(root, BigInt(value >>> 0));
  root.write(F.GUEST_CR0, BigInt(((value & ~CR0_MASK) | CR0_BIT.NE) >>> 0));
}

function setEfer(root: RootVmcs, value: number): void {
  root.write(F.GUEST_EFER, BigInt(value));
  const controls = root.read(F.ENTRY_CONTROLS) & ~BigInt(Entry.ia32eGuest);
  const long = (value & EFER_BIT.LMA) !== 0 ? Entry.ia32eGuest : 0;
  root.write(F.ENTRY_CONTROLS, controls | BigInt(long));
}

/** The state after power-up, and after INIT but for what that leaves alone (general registers are the caller's). */
export function resetGuest(root: RootVmcs): void {
  setCr0(root, CR0_RESET);
  root.write(F.GUEST_CR3, 0n);
  root.write(F.CR4_SHADOW, 0n);
  root.write(F.GUEST_CR4, BigInt(CR4_BIT.VMXE));
  setEfer(root, 0);
  for (const number of SEGMENTS) setSegment(root, number, 0, 0, LIMIT, DATA);
  setSegment(root, Seg.cs, RESET_CS.selector, RESET_CS.base, LIMIT, DATA);
  setSegment(root, LDTR, 0, 0, LIMIT, RIGHTS.present | SystemType.ldt);
  setSegment(root, TR, 0, 0, LIMIT, RIGHTS.present | SystemType.busyTss);
  for (const field of [F.GUEST_GDTR_BASE, F.GUEST_IDTR_BASE]) root.write(field, 0n);
  for (const field of [F.GUEST_GDTR_LIMIT, F.GUEST_IDTR_LIMIT]) root.write(field, BigInt(LIMIT));
  root.write(F.GUEST_DR7, DR7_RESET);
  for (const field of [F.GUEST_SYSENTER_CS, F.GUEST_SYSENTER_ESP, F.GUEST_SYSENTER_EIP])
    root.write(field, 0n);
  root.write(F.GUEST_RSP, 0n);
  root.write(F.GUEST_RIP, RESET_CS.ip);
  root.write(F.GUEST_RFLAGS, BigInt(RFLAGS_FIXED));
  root.write(F.GUEST_PENDING_DEBUG, 0n);
  root.write(F.GUEST_INTERRUPTIBILITY, 0n);
  root.write(F.GUEST_ACTIVITY, 0n);
}

/** Page attributes after power-up, which INIT leaves alone. */
export function resetPageAttributes(root: RootVmcs): void {
  root.write(F.GUEST_PAT, PAT_RESET);
}

/** A start-up IPI: real mode at `vector` times 4 KiB. */
export function startGuestAt(root: RootVmcs, vector: number): void {
  setSegment(root, Seg.cs, vector << 8, vector << 12, LIMIT, DATA);
  root.write(F.GUEST_RIP, 0n);
  root.write(F.GUEST_ACTIVITY, 0n);
}

/** After `resetGuest`: where a boot protocol enters what it loaded. General registers but RSP are the caller's. */
export function placeGuest(root: RootVmcs, state: EntryState): void {
  switch (state.kind) {
    case "reset":
      return;
    case "waiting":
      return root.write(F.GUEST_ACTIVITY, BigInt(Activity.waitForSipi));
    case "real":
      return placeReal(root, state);
    default:
      return placeFlat(root, state);
  }
}

function placeReal(root: RootVmcs, { cs, ip, data, registers }: RealEntry): void {
  for (const number of SEGMENTS) setSegment(root, number, data, 16 * data, LIMIT, DATA);
  setSegment(root, Seg.cs, cs, 16 * cs, LIMIT, DATA);
  root.write(F.GUEST_RIP, BigInt(ip));
  root.write(F.GUEST_RSP, BigInt(registers?.rsp ?? 0));
}

function placeFlat(root: RootVmcs, state: ProtectedEntry | LongEntry): void {
  const { code, data, gdt, pc, registers } = state;
  const long = state.kind === "long";
  setCr0(root, CR0_BIT.PE | CR0_BIT.ET | (long ? CR0_BIT.PG : 0));
  if (long) {
    root.write(F.GUEST_CR3, BigInt(state.pageTable));
    root.write(F.GUEST_CR4, BigInt(CR4_BIT.PAE | CR4_BIT.VMXE));
    setEfer(root, EFER_BIT.LME | EFER_BIT.LMA);
  }
  if (gdt !== undefined) {
    root.write(F.GUEST_GDTR_BASE, BigInt(gdt.base));
    root.write(F.GUEST_GDTR_LIMIT, BigInt(gdt.limit));
  }
  for (const number of SEGMENTS) setSegment(root, number, data, 0, -1, FLAT | RIGHTS.big);
  setSegment(root, Seg.cs, code, 0, -1, FLAT | RIGHTS.code | (long ? RIGHTS.long : RIGHTS.big));
  root.write(F.GUEST_RIP, BigInt(pc));
  root.write(F.GUEST_RSP, BigInt(registers?.rsp ?? 0));
}
