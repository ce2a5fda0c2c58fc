import { beforeEach, describe, expect, it } from "vitest";
import {
  type Changes,
  GUEST_CODE,
  HOST_ENTRY,
  must,
  prepareGuest,
  putGuestCode,
  runGuest,
  VMCALL,
  validVmcs,
} from "../../testing/cpu/vmx-guest.js";
import { createVmxRig, VMCS_REGION, type VmxRig } from "../../testing/cpu/vmx-rig.js";
import {
  CR0,
  CR3,
  CR4,
  EFER,
  GPR,
  Gpr,
  interruptShadow,
  PDPTES,
  SEGMENTS,
  Seg,
  type SegmentFields,
} from "../state.js";
import { CONTROL_RULES } from "./control-rules.js";
import { Entry, Exit, Pin, Primary, Secondary } from "./controls.js";
import { EntryChecks } from "./entry-checks.js";
import { EntryView, type Rule } from "./entry-view.js";
import { VmcsField as F } from "./fields.js";
import { GUEST_RULES } from "./guest-rules.js";
import { HOST_RULES } from "./host-rules.js";
import { VMCS_SIZE, Vmcs } from "./vmcs.js";
import { VmError } from "./vmx.js";

/** Rules that a VMCS with these changes breaks. */
function broken(rules: readonly Rule[], changes: Changes): string[] {
  const vmcs = new Vmcs(new Uint8Array(VMCS_SIZE));
  for (const [field, value] of validVmcs()) vmcs.write(field, value);
  for (const [field, value] of Object.entries(changes)) vmcs.write(Number(field), BigInt(value));
  const view = new EntryView(vmcs, true);
  return rules.filter(([, holds]) => !holds(view)).map(([rule]) => rule);
}

const primary = (bits: number) => (must(0x48e) | Primary.secondaryControls | bits) >>> 0;
const pin = (bits: number) => must(0x48d) | bits;
const exit = (bits: number) => must(0x48f) | Exit.hostAddressSpaceSize | bits;
const entry = (bits: number) => must(0x490) | bits;
const IA32E = Entry.ia32eGuest | Entry.loadEfer;
const event = (vector: number, type: number, more = 0) => (0x8000_0000 | more | (type << 8) | vector) >>> 0;
const ERROR = 0x800;
const NOT_CANONICAL = 1n << 47n;
const WIDE = 1n << 40n;

const SHADOWED: Changes = { [F.PROCESSOR_CONTROLS]: primary(Primary.tprShadow) };
const POSTED: Changes = {
  ...SHADOWED,
  [F.SECONDARY_CONTROLS]: Secondary.virtualInterruptDelivery,
  [F.PIN_CONTROLS]: pin(Pin.postedInterrupts | Pin.externalInterruptExiting),
  [F.EXIT_CONTROLS]: exit(Exit.acknowledgeInterrupt),
};

/** Each rule, and changes that break it and, as a rule, no other. */
const CONTROL_CASES: readonly (readonly [string, Changes, ...string[]])[] = [
  ["pin-based controls", { [F.PIN_CONTROLS]: 0 }],
  ["pin-based controls", { [F.PIN_CONTROLS]: pin(0x100) }],
  ["primary processor-based controls", { [F.PROCESSOR_CONTROLS]: primary(1) }],
  ["secondary processor-based controls", { [F.SECONDARY_CONTROLS]: 1 << 30 }],
  ["CR3-target count", { [F.CR3_TARGET_COUNT]: 5 }],
  ["I/O-bitmap addresses", { [F.PROCESSOR_CONTROLS]: primary(Primary.ioBitmaps), [F.IO_BITMAP_B]: 1 }],
  ["I/O-bitmap addresses", { [F.PROCESSOR_CONTROLS]: primary(Primary.ioBitmaps), [F.IO_BITMAP_A]: WIDE }],
  ["MSR-bitmap address", { [F.PROCESSOR_CONTROLS]: primary(Primary.msrBitmaps), [F.MSR_BITMAP]: 8 }],
  ["virtual-APIC address", { ...SHADOWED, [F.VIRTUAL_APIC_ADDRESS]: 8 }],
  ["TPR threshold", { ...SHADOWED, [F.TPR_THRESHOLD]: 0x10 }],
  ["virtual APIC without TPR shadow", { [F.SECONDARY_CONTROLS]: Secondary.virtualizeX2apicMode }],
  ["virtual APIC without TPR shadow", { [F.SECONDARY_CONTROLS]: Secondary.apicRegisterVirtualization }],
  [
    "APIC-access address",
    { [F.SECONDARY_CONTROLS]: Secondary.virtualizeApicAccesses, [F.APIC_ACCESS_ADDRESS]: WIDE },
  ],
  [
    "virtual x2APIC mode beside APIC accesses",
    {
      ...SHADOWED,
      [F.SECONDARY_CONTROLS]: Secondary.virtualizeX2apicMode | Secondary.virtualizeApicAccesses,
    },
  ],
  [
    "virtual-interrupt delivery without external-interrupt exiting",
    { ...SHADOWED, [F.SECONDARY_CONTROLS]: Secondary.virtualInterruptDelivery },
  ],
  ["posted interrupts", { [F.PIN_CONTROLS]: pin(Pin.postedInterrupts) }],
  ["posted interrupts", { ...POSTED, [F.EXIT_CONTROLS]: exit(0) }],
  ["posted interrupts", { ...POSTED, [F.POSTED_INTERRUPT_VECTOR]: 0x100 }],
  ["posted interrupts", { ...POSTED, [F.POSTED_INTERRUPT_DESCRIPTOR]: 32 }],
  ["virtual NMIs without NMI exiting", { [F.PIN_CONTROLS]: pin(Pin.virtualNmis) }],
  ["NMI-window exiting without virtual NMIs", { [F.PROCESSOR_CONTROLS]: primary(Primary.nmiWindowExiting) }],
  ["VPID of 0", { [F.SECONDARY_CONTROLS]: Secondary.vpid }],
  ["EPT pointer", { [F.SECONDARY_CONTROLS]: Secondary.ept, [F.EPT_POINTER]: 0x1 }],
  ["EPT pointer", { [F.SECONDARY_CONTROLS]: Secondary.ept, [F.EPT_POINTER]: 0x20 | 6 }],
  ["unrestricted guest without EPT", { [F.SECONDARY_CONTROLS]: Secondary.unrestrictedGuest }],
  ["exit controls", { [F.EXIT_CONTROLS]: 0 }],
  ["saving a preemption timer that is off", { [F.EXIT_CONTROLS]: exit(Exit.savePreemptionTimer) }],
  ["exit MSR-store list", { [F.EXIT_MSR_STORE_COUNT]: 1, [F.EXIT_MSR_STORE_ADDRESS]: 8 }],
  ["exit MSR-load list", { [F.EXIT_MSR_LOAD_COUNT]: 2, [F.EXIT_MSR_LOAD_ADDRESS]: WIDE - 16n }],
  ["entry controls", { [F.ENTRY_CONTROLS]: entry(1 << 10) }],
  ["type of the event", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(0, 1) }],
  ["vector of the event", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(3, 2) }],
  ["vector of the event", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(32, 3) }],
  ["error code of the event", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(13, 3) }],
  ["error code of the event", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(6, 3, ERROR) }],
  ["reserved bits of the event", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(6, 3, 0x1000) }],
  [
    "reserved bits of the error code",
    { [F.ENTRY_INTERRUPTION_INFORMATION]: event(13, 3, ERROR), [F.ENTRY_EXCEPTION_ERROR_CODE]: 0x1_0000 },
  ],
  [
    "instruction length of the event",
    { [F.ENTRY_INTERRUPTION_INFORMATION]: event(0x80, 4), [F.ENTRY_INSTRUCTION_LENGTH]: 16 },
  ],
  ["page-modification log", { [F.SECONDARY_CONTROLS]: Secondary.pageModificationLog }],
  [
    "page-modification log",
    {
      [F.SECONDARY_CONTROLS]: Secondary.pageModificationLog | Secondary.ept,
      [F.EPT_POINTER]: 0x1e,
      [F.PML_ADDRESS]: 8,
    },
  ],
  ["mode-based execute control without EPT", { [F.SECONDARY_CONTROLS]: Secondary.modeBasedExecute }],
  [
    "VM functions",
    { [F.SECONDARY_CONTROLS]: Secondary.vmFunctions, [F.VM_FUNCTION_CONTROLS]: 2 },
    "EPTP switching",
  ],
  ["EPTP switching", { [F.SECONDARY_CONTROLS]: Secondary.vmFunctions, [F.VM_FUNCTION_CONTROLS]: 1 }],
  ["bitmaps of VMCS shadowing", { [F.SECONDARY_CONTROLS]: Secondary.vmcsShadowing, [F.VMWRITE_BITMAP]: 1 }],
  ["TSC multiplier", { [F.SECONDARY_CONTROLS]: Secondary.tscScaling }],
  ["entry MSR-load list", { [F.ENTRY_MSR_LOAD_COUNT]: 1, [F.ENTRY_MSR_LOAD_ADDRESS]: 1 }],
];

const HOST_CASES: readonly (readonly [string, Changes, ...string[]])[] = [
  ["CR0", { [F.HOST_CR0]: 0x8000_0011 }],
  ["CR4", { [F.HOST_CR4]: 0x20 }],
  ["CR3", { [F.HOST_CR3]: WIDE }],
  ["IA32_SYSENTER_ESP and EIP", { [F.HOST_SYSENTER_EIP]: NOT_CANONICAL }],
  ["IA32_PAT", { [F.EXIT_CONTROLS]: exit(Exit.loadPat), [F.HOST_PAT]: 2 }],
  ["IA32_EFER", { [F.HOST_EFER]: 0x100 }],
  ["IA32_EFER", { [F.HOST_EFER]: 0x502 }],
  ["TI and RPL of selectors", { [F.HOST_GS_SELECTOR]: 4 }],
  ["CS selector", { [F.HOST_CS_SELECTOR]: 0 }],
  ["TR selector", { [F.HOST_TR_SELECTOR]: 0 }],
  ["SS selector", { [F.EXIT_CONTROLS]: must(0x48f), [F.HOST_SS_SELECTOR]: 0 }, "host address-space size"],
  ["bases", { [F.HOST_IDTR_BASE]: NOT_CANONICAL }],
  ["host address-space size", { [F.EXIT_CONTROLS]: must(0x48f) }],
  [
    "CR4.PCIDE of a 32-bit host",
    { [F.EXIT_CONTROLS]: must(0x48f), [F.HOST_CR4]: 0x2_2020 },
    "host address-space size",
  ],
  ["CR4.PAE of a 64-bit host", { [F.HOST_CR4]: 0x2000 }],
  ["RIP", { [F.HOST_RIP]: NOT_CANONICAL }],
];

const rights = (segment: keyof typeof Seg): number => F.GUEST_ES_RIGHTS + 2 * Seg[segment];
const GUEST_CASES: readonly (readonly [string, Changes, ...string[]])[] = [
  ["CR0", { [F.GUEST_CR0]: 0x8000_0011 }],
  ["CR4", { [F.GUEST_CR4]: 0x20 }],
  ["IA32_DEBUGCTL", { [F.ENTRY_CONTROLS]: entry(IA32E | Entry.loadDebugControls), [F.GUEST_DEBUGCTL]: 4 }],
  ["DR7", { [F.ENTRY_CONTROLS]: entry(IA32E | Entry.loadDebugControls), [F.GUEST_DR7]: 1n << 32n }],
  ["paging of an IA-32e mode guest", { [F.GUEST_CR4]: 0x2000 }],
  [
    "CR4.PCIDE outside IA-32e mode",
    { [F.ENTRY_CONTROLS]: entry(0), [F.GUEST_CR4]: 0x2_2020, [F.GUEST_RIP]: 0 },
  ],
  ["CR3", { [F.GUEST_CR3]: WIDE }],
  ["IA32_SYSENTER_ESP and EIP", { [F.GUEST_SYSENTER_ESP]: NOT_CANONICAL }],
  ["IA32_PAT", { [F.ENTRY_CONTROLS]: entry(IA32E | Entry.loadPat), [F.GUEST_PAT]: 8 }],
  ["IA32_EFER", { [F.GUEST_EFER]: 0x100 }],
  ["IA32_EFER", { [F.GUEST_EFER]: 0x400 }],
  ["TR selector", { [F.GUEST_TR_SELECTOR]: 4 }],
  ["LDTR selector", { [F.GUEST_LDTR_RIGHTS]: 0x82, [F.GUEST_LDTR_SELECTOR]: 4 }],
  ["RPL of SS", { [F.GUEST_SS_SELECTOR]: 17 }, "DPL of SS"],
  [
    "virtual-8086 segments",
    { [F.GUEST_RFLAGS]: 0x2_0002, [F.ENTRY_CONTROLS]: entry(0), [F.GUEST_CS_RIGHTS]: 0xf3 },
  ],
  ["bases of TR, FS and GS", { [F.GUEST_FS_BASE]: NOT_CANONICAL }],
  ["base of LDTR", { [F.GUEST_LDTR_RIGHTS]: 0x82, [F.GUEST_LDTR_BASE]: NOT_CANONICAL }],
  ["bases of CS, SS, DS and ES", { [F.GUEST_ES_BASE]: 1n << 32n }],
  ["type of CS", { [rights("cs")]: 0xa093 }, "DPL of SS"],
  ["type of SS", { [rights("ss")]: 0xc091 }],
  ["type of DS, ES, FS and GS", { [rights("ds")]: 0xc099 }],
  ["S of segments", { [rights("es")]: 0xc083 }],
  ["DPL of CS", { [rights("cs")]: 0xa0bb }],
  ["DPL of SS", { [rights("ss")]: 0xc0b3 }, "DPL of CS"],
  ["DPL of DS, ES, FS and GS", { [F.GUEST_DS_SELECTOR]: 19 }],
  ["P of segments", { [rights("gs")]: 0xc013 }],
  ["reserved access rights", { [rights("ds")]: 0xc193 }],
  ["D/B of CS", { [rights("cs")]: 0xe09b }],
  ["G of segments", { [rights("ds")]: 0x4093 }],
  ["G of segments", { [F.GUEST_DS_LIMIT]: 0xffff_fffe }],
  ["type of TR", { [F.GUEST_TR_RIGHTS]: 0x83 }],
  ["access rights of TR", { [F.GUEST_TR_RIGHTS]: 0x1_008b }],
  ["G of TR and LDTR", { [F.GUEST_TR_LIMIT]: 0x10_0000 }],
  ["access rights of LDTR", { [F.GUEST_LDTR_RIGHTS]: 0x83 }],
  ["bases of GDTR and IDTR", { [F.GUEST_GDTR_BASE]: NOT_CANONICAL }],
  ["limits of GDTR and IDTR", { [F.GUEST_IDTR_LIMIT]: 0x1_0000 }],
  ["RIP", { [F.GUEST_RIP]: NOT_CANONICAL }],
  ["RFLAGS", { [F.GUEST_RFLAGS]: 0 }],
  ["RFLAGS", { [F.GUEST_RFLAGS]: 0xa }],
  ["RFLAGS.VM", { [F.GUEST_RFLAGS]: 0x2_0002 }, "virtual-8086 segments"],
  ["RFLAGS.IF for an external interrupt", { [F.ENTRY_INTERRUPTION_INFORMATION]: event(0x40, 0) }],
  ["activity state", { [F.GUEST_ACTIVITY]: 4 }],
  ["HLT with SS.DPL", { [F.GUEST_ACTIVITY]: 1, [rights("ss")]: 0xc0b3 }, "DPL of CS", "DPL of SS"],
  ["activity state while interrupts are blocked", { [F.GUEST_ACTIVITY]: 1, [F.GUEST_INTERRUPTIBILITY]: 2 }],
  [
    "event for the activity state",
    { [F.GUEST_ACTIVITY]: 1, [F.ENTRY_INTERRUPTION_INFORMATION]: event(6, 3) },
  ],
  [
    "event for the activity state",
    { [F.GUEST_ACTIVITY]: 3, [F.ENTRY_INTERRUPTION_INFORMATION]: event(2, 2) },
  ],
  ["interruptibility state", { [F.GUEST_INTERRUPTIBILITY]: 3, [F.GUEST_RFLAGS]: 0x202 }],
  ["interruptibility state", { [F.GUEST_INTERRUPTIBILITY]: 16 }],
  ["blocking by STI without RFLAGS.IF", { [F.GUEST_INTERRUPTIBILITY]: 1 }],
  [
    "external interrupt while blocked",
    {
      [F.GUEST_INTERRUPTIBILITY]: 2,
      [F.GUEST_RFLAGS]: 0x202,
      [F.ENTRY_INTERRUPTION_INFORMATION]: event(0x40, 0),
    },
  ],
  [
    "NMI while blocked by MOV SS",
    { [F.GUEST_INTERRUPTIBILITY]: 2, [F.ENTRY_INTERRUPTION_INFORMATION]: event(2, 2) },
  ],
  [
    "NMI while NMIs are blocked",
    {
      [F.PIN_CONTROLS]: pin(Pin.nmiExiting | Pin.virtualNmis),
      [F.GUEST_INTERRUPTIBILITY]: 8,
      [F.ENTRY_INTERRUPTION_INFORMATION]: event(2, 2),
    },
  ],
  ["pending debug exceptions", { [F.GUEST_PENDING_DEBUG]: 0x10 }],
  ["pending single step", { [F.GUEST_INTERRUPTIBILITY]: 2, [F.GUEST_RFLAGS]: 0x102 }],
  ["VMCS link pointer", { [F.VMCS_LINK_POINTER]: 8 }],
];

const names = (rules: readonly Rule[]) => rules.map(([rule]) => rule);

describe("the rules of entries", () => {
  it("hold for a VMCS that is right", () => {
    for (const rules of [CONTROL_RULES, HOST_RULES, GUEST_RULES]) expect(broken(rules, {})).toEqual([]);
  });

  it.each(CONTROL_CASES)("of controls: %s", (rule, changes, ...others) => {
    expect(broken(CONTROL_RULES, changes as Changes).toSorted()).toEqual([rule, ...others].toSorted());
  });
  it.each(HOST_CASES)("of the host: %s", (rule, changes, ...others) => {
    expect(broken(HOST_RULES, changes as Changes).toSorted()).toEqual([rule, ...others].toSorted());
  });
  it.each(GUEST_CASES)("of the guest: %s", (rule, changes) => {
    // Segments depend on each other.
    expect(broken(GUEST_RULES, changes as Changes)).toContain(rule);
  });

  it("are all broken by some case", () => {
    const cases = [CONTROL_CASES, HOST_CASES, GUEST_CASES].flat().map(([rule]) => rule);
    const all = [CONTROL_RULES, HOST_RULES, GUEST_RULES].flatMap(names);
    expect(all.filter((rule) => !cases.includes(rule))).toEqual(["IA-32e mode guest of a 32-bit host"]);
  });
});

describe("checks that remember what was right", () => {
  /** A region with these changes. */
  function region(changes: Changes): Vmcs {
    const vmcs = new Vmcs(new Uint8Array(VMCS_SIZE));
    for (const [field, value] of validVmcs()) vmcs.write(field, value);
    for (const [field, value] of Object.entries(changes)) vmcs.write(Number(field), BigInt(value));
    return vmcs;
  }
  const ALL_CASES = [
    ...CONTROL_CASES.map(([rule, changes]) => ["controls", rule, changes] as const),
    ...HOST_CASES.map(([rule, changes]) => ["host", rule, changes] as const),
    ...GUEST_CASES.map(([rule, changes]) => ["guest", rule, changes] as const),
  ];

  it("find each broken rule after a right VMCS, and the right one again after it", () => {
    const checks = new EntryChecks();
    const right = region({});
    for (const [about, , changes] of ALL_CASES) {
      expect(checks.broken(right, true)).toBeUndefined();
      const wrong = region(changes as Changes);
      const found = checks.broken(wrong, true);
      // As if there had been nothing before.
      expect(found).toEqual(new EntryChecks().broken(wrong, true));
      const order = ["controls", "host", "guest"];
      expect(order.indexOf(found?.about ?? "")).toBeLessThanOrEqual(order.indexOf(about));
      // What is broken stays so.
      expect(checks.broken(wrong, true)).toEqual(found);
    }
  });

  it("ask what mode the processor is in", () => {
    const checks = new EntryChecks();
    expect(checks.broken(region({}), true)).toBeUndefined();
    expect(checks.broken(region({}), false)).toEqual({ about: "host", rule: "host address-space size" });
  });
});

describe("an entry", () => {
  let rig: VmxRig;
  beforeEach(() => {
    rig = createVmxRig();
    putGuestCode(rig, VMCALL);
  });

  const expectError = (outcome: unknown, error: number) => {
    expect(outcome).toBe("failValid");
    expect(rig.vmread(F.INSTRUCTION_ERROR)).toBe(BigInt(error));
  };

  it("fails with its numbers", () => {
    prepareGuest(rig);
    expectError(rig.step("vmresume"), VmError.vmresumeNotLaunched);
    rig.vmwrite(F.HOST_CR3, WIDE);
    expectError(rig.step("vmlaunch"), VmError.entryHostState);
    rig.vmwrite(F.PIN_CONTROLS, 0n);
    expectError(rig.step("vmlaunch"), VmError.entryControls);
    rig.core.set(interruptShadow, 2, 0);
    expectError(rig.step("vmlaunch"), VmError.entryBlockedByMovSs);
    rig.pointing("vmclear Mq", BigInt(VMCS_REGION));
    expect(rig.step("vmlaunch")).toBe("failInvalid");
  });

  it("leads to the guest, and VMCALL out of it", () => {
    prepareGuest(rig);
    expect(runGuest(rig)).toBe(18);
    expect(rig.cpu.ip).toBe(BigInt(HOST_ENTRY));
    expect(rig.core.big(GPR[Gpr.rsp]!)).toBe(0x14_0000n);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE));
    expect(rig.vmread(F.EXIT_INSTRUCTION_LENGTH)).toBe(3n);
    expectError(rig.step("vmlaunch"), VmError.vmlaunchNotClear);
    rig.vmwrite(F.GUEST_RIP, BigInt(GUEST_CODE + 0x10));
    putGuestCode(rig, [0x90, ...VMCALL], GUEST_CODE + 0x10);
    expect(runGuest(rig, false)).toBe(18);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE + 0x11));
  });

  it("keeps both states apart", () => {
    const changes: Changes = {
      [F.GUEST_CR4]: 0x20_2020,
      [F.GUEST_EFER]: 0xd01,
      [F.GUEST_RFLAGS]: 0x8d7,
      [F.GUEST_GS_BASE]: 0x5555,
      [F.HOST_GS_BASE]: 0x7777,
      [F.HOST_FS_BASE]: 0x8888,
    };
    prepareGuest(rig, changes);
    for (const [number, field] of GPR.entries())
      if (number !== Gpr.rsp) rig.core.setBig(field, BigInt(number));
    expect(runGuest(rig)).toBe(18);
    const { core } = rig;
    expect([core.lo(CR0) >>> 0, core.lo(CR3), core.lo(CR4), core.lo(EFER)]).toEqual([
      0x8000_0031, 0x1000, 0x2020, 0x500,
    ]);
    const base = (number: number) => core.lo((SEGMENTS[number] as SegmentFields).base);
    expect([base(Seg.fs), base(Seg.gs)]).toEqual([0x8888, 0x7777]);
    expect(rig.core.lo(GPR[Gpr.rdi]!)).toBe(Gpr.rdi);
    for (const [field, value] of Object.entries(changes))
      expect([field, rig.vmread(Number(field))]).toEqual([field, BigInt(value)]);
  });

  it("fails in the guest's state with an exit", () => {
    prepareGuest(rig, { [F.GUEST_RFLAGS]: 0 });
    expect(runGuest(rig)).toBe(0x8000_0021);
    expect(rig.vmread(F.EXIT_QUALIFICATION)).toBe(0n);
    rig.vmwrite(F.GUEST_RFLAGS, 2n);
    rig.vmwrite(F.VMCS_LINK_POINTER, 0n);
    expect(runGuest(rig)).toBe(0x8000_0021);
    expect(rig.vmread(F.EXIT_QUALIFICATION)).toBe(4n);
  });

  it("loads and stores lists of MSRs", () => {
    const [entries, stores, loads] = [0x15_0000, 0x15_1000, 0x15_2000];
    rig.write64(entries, 0xc000_0082n);
    rig.write64(entries + 8, 0x1111n);
    rig.write64(stores, 0xc000_0082n);
    rig.write64(loads, 0xc000_0082n);
    rig.write64(loads + 8, 0x2222n);
    prepareGuest(rig, {
      [F.ENTRY_MSR_LOAD_ADDRESS]: entries,
      [F.ENTRY_MSR_LOAD_COUNT]: 1,
      [F.EXIT_MSR_STORE_ADDRESS]: stores,
      [F.EXIT_MSR_STORE_COUNT]: 1,
      [F.EXIT_MSR_LOAD_ADDRESS]: loads,
      [F.EXIT_MSR_LOAD_COUNT]: 1,
    });
    expect(runGuest(rig)).toBe(18);
    expect(rig.read64(stores + 8)).toBe(0x1111n);
    expect(rig.cpu.msrs.read(0xc000_0082)).toBe(0x2222n);
    rig.write64(entries + 8, 1n << 47n);
    expect(runGuest(rig, false)).toBe(0x8000_0022);
    expect(rig.vmread(F.EXIT_QUALIFICATION)).toBe(1n);
  });
});

/** The first 4 MiB by 32-bit paging, and by PAE. */
const LEGACY_MODES = [
  ["32-bit paging", 0x2010, 0x18_0000],
  ["PAE paging", 0x2030, 0x19_0000],
] as const;

/** Put a processor in 32-bit protected mode, and give the changes for a host and a guest that are so, too. */
function enterLegacy(rig: VmxRig, cr4: number, cr3: number): Changes {
  const { core, cpu } = rig;
  rig.write64(0x18_0000, 0x83n);
  rig.write64(0x19_0000, 0x19_1001n);
  rig.write64(0x19_1000, 0x83n);
  rig.write64(0x19_1008, 0x20_0083n);
  core.set(EFER, 0, 0);
  core.set(CR4, cr4, 0);
  core.set(CR3, cr3, 0);
  core.set(PDPTES[0]!, 0x19_1001, 0);
  core.set((SEGMENTS[Seg.cs] as SegmentFields).rights, 0xc09b, 0);
  cpu.reload();
  return {
    [F.EXIT_CONTROLS]: must(0x48f),
    [F.ENTRY_CONTROLS]: must(0x490),
    [F.HOST_CR3]: cr3,
    [F.GUEST_CR3]: cr3,
    [F.HOST_CR4]: cr4,
    [F.GUEST_CR4]: cr4,
    [F.GUEST_CS_RIGHTS]: 0xc09b,
  };
}

describe("a hypervisor of 32 bits", () => {
  it.each(LEGACY_MODES)("enters its guest and is left to, with %s", (_name, cr4, cr3) => {
    const rig = createVmxRig();
    const { core, cpu } = rig;
    prepareGuest(rig, enterLegacy(rig, cr4, cr3));
    // mov eax, 0x12345678; vmcall
    putGuestCode(rig, [0xb8, 0x78, 0x56, 0x34, 0x12, ...VMCALL]);
    expect(runGuest(rig)).toBe(18);
    expect([cpu.codeSize, cpu.ip, core.big(GPR[Gpr.rax]!)]).toEqual([32, BigInt(HOST_ENTRY), 0x1234_5678n]);
    expect(cpu.vmx.vmcs?.read(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE + 5));
  });

  it("shuts down if the PDPTEs of its CR3 cannot be loaded", () => {
    const rig = createVmxRig();
    prepareGuest(rig, { ...enterLegacy(rig, 0x2030, 0x19_0000), [F.HOST_CR3]: 0x1a_0000 });
    rig.write64(0x1a_0000, 0x1e7n);
    putGuestCode(rig, VMCALL);
    rig.step("vmlaunch");
    rig.core.exit = null;
    rig.core.run(2);
    expect(rig.core.exit).toMatchObject({ kind: "fatal", reason: "VMX abort 2" });
  });
});
