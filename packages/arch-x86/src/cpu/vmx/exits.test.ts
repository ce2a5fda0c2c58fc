import { beforeEach, describe, expect, it } from "vitest";
import { putEpt } from "../../testing/cpu/ept-tables.js";
import {
  type Changes,
  GUEST_CODE,
  GUEST_STACK,
  must,
  prepareCode,
  prepareGuest,
  putGuestCode,
  runGuest,
  VMCALL,
} from "../../testing/cpu/vmx-guest.js";
import { createVmxRig, OPERAND, type VmxRig } from "../../testing/cpu/vmx-rig.js";
import { assemble } from "../../testing/user-program.js";
import { CR2, DR6, GPR, Gpr } from "../state.js";
import { Entry, Exit, Pin, Primary, Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";

const BITMAPS = 0x16_0000;
const EPT_TABLES = 0x17_0000;
const IDT = 0x18_0000;
const primary = (bits: number) => (must(0x48e) | Primary.secondaryControls | bits) >>> 0;
const secondary = (bits: number) => Secondary.rdtscp | Secondary.invpcid | bits;
const pin = (bits: number) => must(0x48d) | bits;
const exitControls = (bits: number) =>
  must(0x48f) | Exit.hostAddressSpaceSize | Exit.saveEfer | Exit.loadEfer | bits;
const on = (bits: number): Changes => ({ [F.PROCESSOR_CONTROLS]: primary(bits) });
const on2 = (bits: number): Changes => ({ [F.SECONDARY_CONTROLS]: secondary(bits) });
const onPin = (bits: number): Changes => ({ [F.PIN_CONTROLS]: pin(bits) });

let rig: VmxRig;
beforeEach(() => {
  rig = createVmxRig();
});

/** Run guest code until it leaves; VMCALL follows the code. */
function run(
  code: readonly number[],
  changes: Changes = {},
  values: Readonly<Record<number, bigint>> = {},
): number {
  prepareCode(rig, code, changes, values);
  return runGuest(rig);
}
const left = () => ({
  reason: Number(rig.vmread(F.EXIT_REASON)),
  qualification: rig.vmread(F.EXIT_QUALIFICATION),
  length: Number(rig.vmread(F.EXIT_INSTRUCTION_LENGTH)),
});

/** Instructions that leave by a control, and what they do without it. */
const CASES: readonly (readonly [string, number[], Changes, number, bigint])[] = [
  ["HLT", [0xf4], on(Primary.hltExiting), 12, 0n],
  ["INVLPG", [0x0f, 0x01, 0x3b], on(Primary.invlpgExiting), 14, 0x5678n],
  ["INVPCID", [0x66, 0x0f, 0x38, 0x82, 0x43, 8], on(Primary.invlpgExiting), 58, 8n],
  ["RDPMC", [0x0f, 0x33], on(Primary.rdpmcExiting), 15, 0n],
  ["RDTSC", [0x0f, 0x31], on(Primary.rdtscExiting), 16, 0n],
  ["RDTSCP", [0x0f, 0x01, 0xf9], on(Primary.rdtscExiting), 51, 0n],
  ["MOV to CR3", [0x0f, 0x22, 0xdb], on(Primary.cr3LoadExiting), 28, 0x303n],
  ["MOV from CR3", [0x0f, 0x20, 0xda], on(Primary.cr3StoreExiting), 28, 0x213n],
  ["MOV to CR8", [0x44, 0x0f, 0x22, 0xc3], on(Primary.cr8LoadExiting), 28, 0x308n],
  ["MOV from CR8", [0x44, 0x0f, 0x20, 0xc1], on(Primary.cr8StoreExiting), 28, 0x118n],
  ["MOV to DR6", [0x0f, 0x23, 0xf3], on(Primary.movDrExiting), 29, 0x306n],
  ["MOV from DR7", [0x0f, 0x21, 0xf9], on(Primary.movDrExiting), 29, 0x117n],
  ["MONITOR", [0x0f, 0x01, 0xc8], on(Primary.monitorExiting), 39, 0n],
  ["MWAIT", [0x0f, 0x01, 0xc9], on(Primary.mwaitExiting), 36, 0n],
  ["PAUSE", [0xf3, 0x90], on(Primary.pauseExiting), 40, 0n],
  ["OUT", [0xee], on(Primary.unconditionalIoExiting), 30, 0x99_0000n],
  ["IN of an immediate port", [0xe5, 0x42], on(Primary.unconditionalIoExiting), 30, 0x42_004bn],
  ["REP INSW", [0xf3, 0x66, 0x6d], on(Primary.unconditionalIoExiting), 30, 0x99_0039n],
  ["OUTSB", [0x6e], on(Primary.unconditionalIoExiting), 30, 0x99_0010n],
  ["WBINVD", [0x0f, 0x09], on2(Secondary.wbinvdExiting), 54, 0n],
  ["SGDT", [0x0f, 0x01, 0x43, 0x10], on2(Secondary.descriptorTableExiting), 46, 0x10n],
  ["LIDT", [0x0f, 0x01, 0x1b], on2(Secondary.descriptorTableExiting), 46, 0n],
  ["STR", [0x0f, 0x00, 0xc8], on2(Secondary.descriptorTableExiting), 47, 0n],
  ["LLDT", [0x0f, 0x00, 0xd3], on2(Secondary.descriptorTableExiting), 47, 0n],
  ["the preemption timer", [0x90], onPin(Pin.preemptionTimer), 52, 0n],
  ["the monitor trap flag", [0x90], on(Primary.monitorTrapFlag), 37, 0n],
  [
    "a window for interrupts",
    [0x90],
    { ...on(Primary.interruptWindowExiting), [F.GUEST_RFLAGS]: 0x202 },
    7,
    0n,
  ],
  [
    "a window for NMIs",
    [0x90],
    { ...on(Primary.nmiWindowExiting), ...onPin(Pin.nmiExiting | Pin.virtualNmis) },
    8,
    0n,
  ],
];
const BETWEEN = [7, 8, 37, 52];
const VALUES = {
  [Gpr.rbx]: 0x5678n,
  [Gpr.rdx]: 0x99n,
  [Gpr.rcx]: 0n,
  [Gpr.rdi]: 0x5000n,
  [Gpr.rsi]: 0x5000n,
};

describe("a guest leaves", () => {
  it.each(CASES)("by %s if a control says so", (_name, code, changes, reason, qualification) => {
    const rcx = code[0] === 0xf3 ? 3n : 0n;
    const values = { ...VALUES, [Gpr.rcx]: rcx };
    expect(run(code, changes, values)).toBe(reason);
    const length = BETWEEN.includes(reason) ? 0 : code.length;
    expect(left()).toEqual({ reason, qualification, length });
    const ip = reason === 37 ? GUEST_CODE + 1 : GUEST_CODE;
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(ip));
  });

  const HARMLESS = CASES.filter(([name]) => !/HLT|RDPMC|INVPCID|MOV to|LLDT|LIDT|REP|OUTSB|SGDT/.test(name));
  it.each(HARMLESS)("not by %s without it", (_name, code) => {
    expect(run(code, {}, VALUES)).toBe(18);
  });

  it.each<[string, number[], number]>([
    ["CPUID", [0x0f, 0xa2], 10],
    ["INVD", [0x0f, 0x08], 13],
    ["VMXOFF", [0x0f, 0x01, 0xc4], 26],
    ["VMLAUNCH", [0x0f, 0x01, 0xc2], 20],
    ["VMRESUME", [0x0f, 0x01, 0xc3], 24],
    ["RDMSR", [0x0f, 0x32], 31],
    ["WRMSR", [0x0f, 0x30], 32],
  ])("by %s always", (_name, code, reason) => {
    expect(run(code)).toBe(reason);
    expect(left()).toEqual({ reason, qualification: 0n, length: code.length });
  });

  it("by VMX instructions with operands, which the exit describes", () => {
    const code = assemble("vmread Eq, Gq", {
      rm: { base: Gpr.rbx, index: Gpr.rsi, scale: 2, displacement: 64 },
      reg: 9,
    });
    expect(run(code)).toBe(23);
    expect(left()).toEqual({ reason: 23, qualification: 64n, length: code.length });
    const information = rig.vmread(F.EXIT_INSTRUCTION_INFORMATION);
    expect(information).toBe(
      BigInt(2 | (2 << 7) | (3 << 15) | (Gpr.rsi << 18) | (Gpr.rbx << 23)) | (9n << 28n),
    );
  });
});

describe("control registers of a guest", () => {
  const READ_CR0 = [0x0f, 0x20, 0xc0];
  const WRITE_CR0 = [0x0f, 0x22, 0xc3];

  it("show the shadow where the mask is", () => {
    run(READ_CR0, { [F.CR0_MASK]: 0x28, [F.CR0_SHADOW]: 0x8 });
    expect(rig.core.big(GPR[Gpr.rax]!)).toBe(0x8000_0019n);
    rig = createVmxRig();
    run([0x0f, 0x01, 0xe0], { [F.CR0_MASK]: 0x28, [F.CR0_SHADOW]: 0x8 });
    expect(rig.core.lo(GPR[Gpr.rax]!) & 0xffff).toBe(0x19);
  });

  it("leave if what is masked would change", () => {
    const changes = { [F.CR0_MASK]: 0x8, [F.CR0_SHADOW]: 0x8 };
    expect(run(WRITE_CR0, changes, { [Gpr.rbx]: 0x8000_0031n })).toBe(28);
    expect(left().qualification).toBe(0x300n);
    rig = createVmxRig();
    expect(run(WRITE_CR0, changes, { [Gpr.rbx]: 0x8001_0039n })).toBe(18);
    // TS is the host's, WP is the guest's.
    expect(rig.vmread(F.GUEST_CR0)).toBe(0x8001_0031n);
  });

  it("cannot leave what VMX binds", () => {
    expect(run(WRITE_CR0, { [F.EXCEPTION_BITMAP]: 1 << 13 }, { [Gpr.rbx]: 0x8000_0011n })).toBe(0);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0b0dn);
  });

  it("leave by CLTS and LMSW", () => {
    const changes = { [F.CR0_MASK]: 0x8, [F.CR0_SHADOW]: 0x8, [F.GUEST_CR0]: 0x8000_0039 };
    expect(run([0x0f, 0x06], changes)).toBe(28);
    expect(left().qualification).toBe(0x20n);
    rig = createVmxRig();
    expect(run([0x0f, 0x01, 0xf3], changes, { [Gpr.rbx]: 0x1n })).toBe(28);
    expect(left().qualification).toBe(0x1_0030n);
  });

  it("know targets of CR3", () => {
    const changes = { ...on(Primary.cr3LoadExiting), [F.CR3_TARGET_COUNT]: 1, [F.CR3_TARGET0]: 0x1000 };
    expect(run([0x0f, 0x22, 0xdb], changes, { [Gpr.rbx]: 0x1000n })).toBe(18);
  });
});

describe("bitmaps", () => {
  it("say which ports leave", () => {
    const changes = { ...on(Primary.ioBitmaps), [F.IO_BITMAP_A]: BITMAPS, [F.IO_BITMAP_B]: BITMAPS + 0x1000 };
    rig.ram[BITMAPS + (0x99 >> 3)] = 1 << (0x99 & 7);
    expect(run([0xee], changes, { [Gpr.rdx]: 0x99n })).toBe(30);
    rig.vmwrite(F.GUEST_RIP, BigInt(GUEST_CODE));
    rig.core.setBig(GPR[Gpr.rdx]!, 0x9an);
    expect(runGuest(rig, false)).toBe(18);
  });

  it.each([
    ["OUTSB", 0x6e],
    ["INSB", 0x6c],
  ])("are asked before the memory of %s is", (_name, opcode) => {
    const changes = { ...on(Primary.unconditionalIoExiting), [F.EXCEPTION_BITMAP]: 1 << 14 };
    const nowhere = { [Gpr.rsi]: 0x7f00_0000_0000n, [Gpr.rdi]: 0x7f00_0000_0000n, [Gpr.rdx]: 0x99n };
    expect(run([opcode], changes, nowhere)).toBe(30);
    expect(rig.vmread(F.GUEST_LINEAR_ADDRESS)).toBe(0x7f00_0000_0000n);
    rig = createVmxRig();
    expect(run([opcode], { [F.EXCEPTION_BITMAP]: 1 << 14 }, nowhere)).toBe(0);
  });

  it("say which MSRs leave", () => {
    const changes = { ...on(Primary.msrBitmaps), [F.MSR_BITMAP]: BITMAPS };
    rig.ram[BITMAPS + 1024 + (0x82 >> 3)] = 1 << (0x82 & 7);
    expect(run([0x0f, 0x32], changes, { [Gpr.rcx]: 0xc000_0082n })).toBe(31);
    for (const [number, reason] of [
      [0xc000_0081n, 18],
      [0x4000_0000n, 31],
    ] as const) {
      rig.vmwrite(F.GUEST_RIP, BigInt(GUEST_CODE));
      // RDMSR's number is set where the guest begins.
      putGuestCode(rig, [
        0xb9,
        ...[0, 8, 16, 24].map((s) => Number((number >> BigInt(s)) & 0xffn)),
        0x0f,
        0x32,
        ...VMCALL,
      ]);
      expect(runGuest(rig, false)).toBe(reason);
    }
  });
});

describe("the time-stamp counter", () => {
  it("is offset", () => {
    run([0x0f, 0x31], { ...on(Primary.tscOffsetting), [F.TSC_OFFSET]: 0x1_0000_0000 });
    expect(rig.core.lo(GPR[Gpr.rdx]!)).toBe(1);
  });
});

describe("events", () => {
  it("leave by the exception bitmap", () => {
    expect(run([0x0f, 0x0b], { [F.EXCEPTION_BITMAP]: 1 << 6 })).toBe(0);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0306n);
    expect(rig.vmread(F.IDT_VECTORING_INFORMATION)).toBe(0n);
    rig = createVmxRig();
    expect(run([0xcc], { [F.EXCEPTION_BITMAP]: 1 << 3 })).toBe(0);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0603n);
    expect(left().length).toBe(1);
  });

  it("tell the address of a page fault, and CR2 nothing", () => {
    const load = [0x48, 0x8b, 0x03];
    expect(run(load, { [F.EXCEPTION_BITMAP]: 1 << 14 }, { [Gpr.rbx]: 0x7f00_0000_0000n })).toBe(0);
    expect(left().qualification).toBe(0x7f00_0000_0000n);
    expect(rig.vmread(F.EXIT_INTERRUPTION_ERROR_CODE)).toBe(0n);
    expect(rig.core.big(CR2)).toBe(0n);
    rig = createVmxRig();
    // Mask and match leave this error code out, so that it shuts down.
    const others = { [F.EXCEPTION_BITMAP]: 1 << 14, [F.PAGE_FAULT_MASK]: 1, [F.PAGE_FAULT_MATCH]: 1 };
    expect(run(load, others, { [Gpr.rbx]: 0x7f00_0000_0000n })).toBe(2);
  });

  it("tell of debug registers that protect themselves, and leave them alone", () => {
    const changes = {
      [F.EXCEPTION_BITMAP]: 1 << 1,
      [F.ENTRY_CONTROLS]: must(0x490) | Entry.ia32eGuest | Entry.loadEfer | Entry.loadDebugControls,
      [F.EXIT_CONTROLS]: exitControls(Exit.saveDebugControls),
      [F.GUEST_DR7]: 0x2400,
    };
    expect(run([0x0f, 0x21, 0xf9], changes)).toBe(0);
    expect(left().qualification).toBe(0x2000n);
    expect([rig.vmread(F.GUEST_DR7), rig.core.lo(DR6) & 0x2000]).toEqual([0x2400n, 0]);
    rig = createVmxRig();
    // Registers that there are not come before the control that asks for an exit.
    const strict = { ...on(Primary.movDrExiting), [F.GUEST_CR4]: 0x2028, [F.EXCEPTION_BITMAP]: 1 << 6 };
    expect(run([0x0f, 0x21, 0xe1], strict)).toBe(0);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0306n);
  });

  it("leave as a triple fault without handlers", () => {
    expect(run([0x0f, 0x0b])).toBe(2);
  });

  /** Gate of a vector to code at 0x11_0100 with the host's CS, which lies in a table at IDT + 0x1000. */
  function handler(vector: number, code: readonly number[]): Changes {
    const target = GUEST_CODE + 0x100;
    rig.write64(
      IDT + 16 * vector,
      (BigInt(target >> 16) << 48n) | 0x8e00_0008_0000n | BigInt(target & 0xffff),
    );
    rig.write64(IDT + 0x1008, 0x00af_9b00_0000_ffffn);
    putGuestCode(rig, code, target);
    return {
      [F.GUEST_IDTR_BASE]: IDT,
      [F.GUEST_IDTR_LIMIT]: 0xfff,
      [F.GUEST_GDTR_BASE]: IDT + 0x1000,
      [F.GUEST_GDTR_LIMIT]: 0xfff,
    };
  }
  const inject = (information: number): Changes => ({ [F.ENTRY_INTERRUPTION_INFORMATION]: information });

  it("are injected", () => {
    const changes = { ...handler(0x40, VMCALL), ...inject(0x8000_0040), [F.GUEST_RFLAGS]: 0x202 };
    expect(run([], changes)).toBe(18);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE + 0x100));
    expect(rig.read64(GUEST_STACK - 40)).toBe(BigInt(GUEST_CODE));
    expect(rig.vmread(F.ENTRY_INTERRUPTION_INFORMATION)).toBe(0x40n);
    rig = createVmxRig();
    const fault = { ...handler(13, VMCALL), ...inject(0x8000_0b0d), [F.ENTRY_EXCEPTION_ERROR_CODE]: 0x1234 };
    // Of an injected exception the bitmap is not asked.
    expect(run([], { ...fault, [F.EXCEPTION_BITMAP]: 1 << 13 })).toBe(18);
    expect(rig.read64(GUEST_STACK - 48)).toBe(0x1234n);
    rig = createVmxRig();
    const software = { ...handler(0x80, VMCALL), ...inject(0x8000_0480), [F.ENTRY_INSTRUCTION_LENGTH]: 2 };
    expect(run([], software)).toBe(18);
    expect(rig.read64(GUEST_STACK - 40)).toBe(BigInt(GUEST_CODE + 2));
  });

  it("are told of when their delivery leaves", () => {
    const changes = { ...inject(0x8000_0040), [F.GUEST_RFLAGS]: 0x202, [F.EXCEPTION_BITMAP]: 1 << 13 };
    expect(run([], changes)).toBe(0);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0b0dn);
    expect(rig.vmread(F.IDT_VECTORING_INFORMATION)).toBe(0x8000_0040n);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE));
    rig = createVmxRig();
    expect(run([0xcd, 0x80], { [F.EXCEPTION_BITMAP]: 1 << 13 })).toBe(0);
    expect(rig.vmread(F.IDT_VECTORING_INFORMATION)).toBe(0x8000_0480n);
    expect(left().length).toBe(2);
  });

  it("from outside leave, acknowledged or not", () => {
    let waiting = true;
    const source = {
      get pending() {
        return waiting;
      },
      acknowledge() {
        waiting = false;
        return 0x55;
      },
    };
    const external = () => {
      waiting = true;
      rig.cpu.interrupts.legacy = source;
      rig.cpu.interrupts.refresh();
    };
    external();
    expect(run([], onPin(Pin.externalInterruptExiting))).toBe(1);
    expect([waiting, rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)]).toEqual([true, 0n]);
    rig = createVmxRig();
    external();
    const acknowledging = {
      ...onPin(Pin.externalInterruptExiting),
      [F.EXIT_CONTROLS]: exitControls(Exit.acknowledgeInterrupt),
    };
    expect(run([], acknowledging)).toBe(1);
    expect([waiting, rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)]).toEqual([false, 0x8000_0055n]);
  });

  it.each<[string, number[], number, number]>([
    ["STI holds them back from one instruction", [0xfb], 0x2, 1],
    ["that they are no longer", [0xfb, 0x90], 0x2, 0],
    ["an end by CLI", [0xfb, 0xfa], 0x2, 0],
    // LIDT makes the processor look for interrupts again.
    ["an end that nobody looked at", [0xfb, 0xfa, 0x0f, 0x01, 0x1b], 0x2, 0],
    ["no second STI", [0xfb], 0x202, 0],
  ])("are held back: the exit tells %s", (_name, code, flags, interruptibility) => {
    run(code, { [F.GUEST_RFLAGS]: flags });
    expect(rig.vmread(F.GUEST_INTERRUPTIBILITY)).toBe(BigInt(interruptibility));
  });

  it.each([
    [[], 1],
    [[0x90], 0],
  ])("are held back as the entry says: %j", (code, interruptibility) => {
    run(code, { [F.GUEST_RFLAGS]: 0x202, [F.GUEST_INTERRUPTIBILITY]: 1 });
    expect(rig.vmread(F.GUEST_INTERRUPTIBILITY)).toBe(BigInt(interruptibility));
  });

  it("that cannot be masked leave", () => {
    prepareGuest(rig, onPin(Pin.nmiExiting));
    putGuestCode(rig, VMCALL);
    rig.core.set(rig.cpu.layout.fields.get("nmiState")!, 2, 0);
    rig.cpu.interrupts.raiseNmi();
    expect(runGuest(rig)).toBe(0);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0202n);
    expect(rig.cpu.interrupts.nmiBlocked).toBe(true);
  });
});

describe("EPT", () => {
  const RWX = 7n;
  const WRITE_BACK = 6n << 3n;
  let page: (address: number) => number;
  function map(): Changes {
    const tables = putEpt(rig, EPT_TABLES);
    page = tables.page;
    return { ...on2(Secondary.ept | Secondary.vpid), [F.VPID]: 1, [F.EPT_POINTER]: tables.pointer };
  }
  const LOAD = [0x48, 0x8b, 0x03];
  const STORE = [0x48, 0x89, 0x03];
  const DATA = 0x13_5000;

  it("maps guest-physical memory", () => {
    const changes = map();
    rig.write64(page(DATA), BigInt(0x13_6000) | RWX | WRITE_BACK);
    rig.write64(0x13_6008, 0xabcdn);
    expect(run(LOAD, changes, { [Gpr.rbx]: BigInt(DATA + 8) })).toBe(18);
    expect(rig.core.big(GPR[Gpr.rax]!)).toBe(0xabcdn);
  });

  it.each<[string, number[], bigint, number]>([
    ["a load from no page", LOAD, 0n, 0x181],
    ["a store to a page for reading", STORE, 1n | WRITE_BACK, 0x18a],
    ["a load from a page for execution", LOAD, 4n | WRITE_BACK, 0x1a1],
  ])("leaves at %s", (_name, code, entry, qualification) => {
    const changes = map();
    rig.write64(page(DATA), entry === 0n ? 0n : BigInt(DATA) | entry);
    expect(run(code, changes, { [Gpr.rbx]: BigInt(DATA + 8) })).toBe(48);
    expect(left().qualification).toBe(BigInt(qualification));
    expect(rig.vmread(F.GUEST_PHYSICAL_ADDRESS)).toBe(BigInt(DATA + 8));
    expect(rig.vmread(F.GUEST_LINEAR_ADDRESS)).toBe(BigInt(DATA + 8));
  });

  it("has no linear address for the entries that PAE paging loads with CR3", () => {
    const changes = { ...protectedGuest(), [F.GUEST_CR4]: 0x2020, [F.GUEST_CR0]: 0x8000_0031 };
    rig.write64(0x1000, 0x2001n);
    rig.write64(page(DATA), 0n);
    // The first entry names the directory of the host's tables, whose pages of 2 MiB are the same.
    const entries = { [F.GUEST_PDPTE0]: 0x2001, [F.GUEST_CR3]: 0x1000 };
    expect(run([0x0f, 0x22, 0xdb], { ...changes, ...entries }, { [Gpr.rbx]: BigInt(DATA) })).toBe(48);
    expect(left().qualification).toBe(1n);
    expect(rig.vmread(F.GUEST_PHYSICAL_ADDRESS)).toBe(BigInt(DATA));
  });

  it("tells of an event that was being delivered", () => {
    const changes = { ...map(), [F.GUEST_IDTR_BASE]: IDT, [F.GUEST_IDTR_LIMIT]: 0xfff };
    rig.write64(page(IDT), 0n);
    expect(run([0xcd, 0x40], changes)).toBe(48);
    expect(rig.vmread(F.IDT_VECTORING_INFORMATION)).toBe(0x8000_0440n);
    expect(left()).toMatchObject({ qualification: 0x181n, length: 2 });
    expect(rig.vmread(F.GUEST_PHYSICAL_ADDRESS)).toBe(BigInt(IDT + 0x400));
  });

  it("has RF set where the guest is to go on with the access, and clear with instructions that leave", () => {
    const changes = map();
    rig.write64(page(DATA), 0n);
    expect(run(LOAD, changes, { [Gpr.rbx]: BigInt(DATA) })).toBe(48);
    expect(rig.vmread(F.GUEST_RFLAGS)).toBe(0x1_0002n);
    rig = createVmxRig();
    expect(run([], { [F.GUEST_RFLAGS]: 0x1_0002 })).toBe(18);
    expect(rig.vmread(F.GUEST_RFLAGS)).toBe(2n);
    rig = createVmxRig();
    expect(run([0x0f, 0x0b], { [F.EXCEPTION_BITMAP]: 1 << 6 })).toBe(0);
    expect(rig.vmread(F.GUEST_RFLAGS)).toBe(0x1_0002n);
    rig = createVmxRig();
    expect(run([0xcc], { [F.EXCEPTION_BITMAP]: 1 << 3 })).toBe(0);
    expect(rig.vmread(F.GUEST_RFLAGS)).toBe(2n);
  });

  it("leaves at the guest's tables", () => {
    const changes = map();
    rig.write64(page(0x1000), 0n);
    expect(run(LOAD, changes)).toBe(48);
    expect(left().qualification).toBe(0x81n);
    expect(rig.vmread(F.GUEST_PHYSICAL_ADDRESS)).toBe(0x1000n);
  });

  it.each([
    ["writing without reading", 2n | WRITE_BACK],
    ["a memory type that there is not", RWX | (2n << 3n)],
    ["an address too wide", RWX | WRITE_BACK | (1n << 40n)],
  ])("leaves at misconfiguration: %s", (_name, entry) => {
    const changes = map();
    rig.write64(page(DATA), BigInt(DATA) | entry);
    expect(run(LOAD, changes, { [Gpr.rbx]: BigInt(DATA) })).toBe(49);
    expect(rig.vmread(F.GUEST_PHYSICAL_ADDRESS)).toBe(BigInt(DATA));
  });

  it("marks what was accessed and written", () => {
    const changes = { ...map(), [F.EPT_POINTER]: BigInt(EPT_TABLES) | 0x5en };
    run(LOAD, changes, { [Gpr.rbx]: BigInt(DATA) });
    const flags = () => rig.read64(page(DATA)) & 0x300n;
    expect([flags(), rig.read64(page(0x1000)) & 0x300n]).toEqual([0x100n, 0x300n]);
    putGuestCode(rig, [...STORE, ...VMCALL]);
    rig.vmwrite(F.GUEST_RIP, BigInt(GUEST_CODE));
    rig.core.setBig(GPR[Gpr.rbx]!, BigInt(DATA));
    expect(runGuest(rig, false)).toBe(18);
    expect(flags()).toBe(0x300n);
  });

  it("marks a page at its first write, though it was read before without leaving the guest", () => {
    const changes = { ...map(), [F.EPT_POINTER]: BigInt(EPT_TABLES) | 0x5en };
    run([...LOAD, ...STORE], changes, { [Gpr.rbx]: BigInt(DATA) });
    expect(rig.read64(page(DATA)) & 0x300n).toBe(0x300n);
  });

  it.each([
    ["with", 1],
    ["without", 0],
  ])("changes where the host has changed it, %s VPID, once INVEPT says so", (_name, vpid) => {
    const changes = vpid === 0 ? { ...map(), ...on2(Secondary.ept) } : map();
    run(LOAD, changes, { [Gpr.rbx]: BigInt(DATA) });
    rig.write64(page(DATA), BigInt(0x13_6000) | RWX | WRITE_BACK);
    rig.write64(0x13_6000, 0x77n);
    rig.write64(OPERAND, BigInt(EPT_TABLES) | 0x1en);
    const operands = { [Gpr.rbx]: BigInt(OPERAND), [Gpr.rcx]: 1n };
    expect(rig.step("invept Gq, Mdq", { rm: { base: Gpr.rbx }, reg: Gpr.rcx }, operands)).toBe("succeed");
    putGuestCode(rig, [...LOAD, ...VMCALL]);
    rig.vmwrite(F.GUEST_RIP, BigInt(GUEST_CODE));
    rig.core.setBig(GPR[Gpr.rbx]!, BigInt(DATA));
    expect(runGuest(rig, false)).toBe(18);
    expect(rig.core.big(GPR[Gpr.rax]!)).toBe(0x77n);
  });

  /** A guest in flat protected mode without paging, with a task-state segment and a gate to it. */
  function protectedGuest(): Changes {
    rig.write64(IDT + 0x1018, 0x0000_8918_0000_0067n);
    rig.write64(IDT + 8 * 0x40, 0x0000_8500_0018_0000n);
    const segments = Array.from({ length: 6 }, (_, i) => [
      [F.GUEST_ES_RIGHTS + 2 * i, i === 1 ? 0xc09b : 0xc093] as const,
    ]).flat();
    return {
      ...map(),
      ...on2(Secondary.ept | Secondary.vpid | Secondary.unrestrictedGuest),
      ...Object.fromEntries(segments),
      [F.ENTRY_CONTROLS]: must(0x490) | Entry.loadEfer,
      [F.GUEST_EFER]: 0,
      [F.GUEST_CR0]: 0x31,
      [F.GUEST_CR4]: 0x2000,
      [F.GUEST_GDTR_BASE]: IDT + 0x1000,
      [F.GUEST_GDTR_LIMIT]: 0x1f,
      [F.GUEST_IDTR_BASE]: IDT,
      [F.GUEST_IDTR_LIMIT]: 0x7ff,
    };
  }

  it.each<[string, number[], number, number]>([
    ["JMP", [0xea, 0, 0, 0, 0, 0x18, 0], 0x8000_0018, 0],
    ["CALL", [0x9a, 0, 0, 0, 0, 0x18, 0], 0x0000_0018, 0],
    ["a gate in the IDT", [0xcd, 0x40], 0xc000_0018, 0x8000_0440],
  ])("lets no guest switch tasks, by %s", (_name, code, qualification, vectoring) => {
    expect(run(code, protectedGuest())).toBe(9);
    expect(left()).toEqual({ reason: 9, qualification: BigInt(qualification), length: code.length });
    expect(rig.vmread(F.IDT_VECTORING_INFORMATION)).toBe(BigInt(vectoring));
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE));
  });

  it("lets an unrestricted guest be in real mode", () => {
    const real = Object.fromEntries(
      Array.from({ length: 6 }, (_, i) => [
        [F.GUEST_ES_SELECTOR + 2 * i, 0],
        [F.GUEST_ES_LIMIT + 2 * i, 0xffff],
        [F.GUEST_ES_RIGHTS + 2 * i, i === 1 ? 0x9b : 0x93],
      ]).flat(),
    ) as Record<number, number>;
    const changes = {
      ...map(),
      ...real,
      ...on2(Secondary.ept | Secondary.vpid | Secondary.unrestrictedGuest),
      [F.ENTRY_CONTROLS]: must(0x490) | Entry.loadEfer,
      [F.GUEST_EFER]: 0,
      [F.GUEST_CR0]: 0x30,
      [F.GUEST_CR4]: 0x2000,
      [F.GUEST_RIP]: 0x8000,
      [F.GUEST_RSP]: 0x7000,
    };
    // mov ax, 0x1234; push ax; pop bx; vmcall
    putGuestCode(rig, [0xb8, 0x34, 0x12, 0x50, 0x5b, ...VMCALL], 0x8000);
    expect(run([], changes)).toBe(18);
    expect(rig.core.lo(GPR[Gpr.rbx]!) & 0xffff).toBe(0x1234);
    expect(rig.vmread(F.GUEST_RIP)).toBe(0x8005n);
  });
});
