import { beforeEach, describe, expect, it } from "vitest";
import {
  type Changes,
  GUEST_CODE,
  must,
  prepareCode,
  prepareGuest,
  runGuest,
  VMCALL,
} from "../../../testing/cpu/vmx-guest.js";
import { createVmxRig, type VmxRig } from "../../../testing/cpu/vmx-rig.js";
import { GPR, Gpr } from "../../state.js";
import { Exit, Pin, Primary, Secondary } from "../controls.js";
import { VmcsField as F } from "../fields.js";
import { ExitReason } from "../vm-exit.js";
import { VmError } from "../vmx.js";

/** The APIC-access page, the virtual-APIC page, and a descriptor of posted interrupts. */
const ACCESS = 0x15_0000;
const VIRTUAL = 0x15_1000;
const POSTED = 0x15_2000;
const MSR_BITMAP = 0x16_0000;
const IDT = 0x18_0000;
const HANDLER = 0x19_0000;
const NOTIFICATION = 0xf2;
const STI_NOP = [0xfb, 0x90];
const { virtualizeApicAccesses, virtualizeX2apicMode } = Secondary;
const { apicRegisterVirtualization, virtualInterruptDelivery } = Secondary;

let rig: VmxRig;
beforeEach(() => {
  rig = createVmxRig();
});

const word = (at: number) => Number(rig.read64(at) & 0xffff_ffffn);
const virtual = (offset: number) => word(VIRTUAL + offset);
const setVirtual = (offset: number, value: number) =>
  rig.ram.set([value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24], VIRTUAL + offset);
const status = () => Number(rig.cpu.vmx.vmcs?.get(F.GUEST_INTERRUPT_STATUS));
const controls = (secondary: number, primary = 0, pin = 0, exit = 0): Changes => ({
  [F.PROCESSOR_CONTROLS]: (must(0x48e) | Primary.secondaryControls | Primary.tprShadow | primary) >>> 0,
  [F.SECONDARY_CONTROLS]: Secondary.rdtscp | secondary,
  [F.PIN_CONTROLS]: must(0x48d) | Pin.externalInterruptExiting | pin,
  [F.EXIT_CONTROLS]: must(0x48f) | Exit.hostAddressSpaceSize | Exit.saveEfer | Exit.loadEfer | exit,
  [F.VIRTUAL_APIC_ADDRESS]: VIRTUAL,
  [F.APIC_ACCESS_ADDRESS]: ACCESS,
  [F.MSR_BITMAP]: MSR_BITMAP,
  [F.POSTED_INTERRUPT_DESCRIPTOR]: POSTED,
  [F.POSTED_INTERRUPT_VECTOR]: NOTIFICATION,
});

/** Run guest code until it leaves; VMCALL follows the code. */
function run(
  code: readonly number[],
  changes: Changes,
  values: Readonly<Record<number, bigint>> = {},
  before: () => void = () => undefined,
): number {
  prepareCode(rig, code, changes, values);
  before();
  return runGuest(rig);
}
const qualification = () => rig.vmread(F.EXIT_QUALIFICATION);
const ip = () => Number(rig.vmread(F.GUEST_RIP)) - GUEST_CODE;

describe("the shadow of TPR", () => {
  const WRITE_CR8 = [0x44, 0x0f, 0x22, 0xc0];
  const READ_CR8 = [0x44, 0x0f, 0x20, 0xc2];

  it("is CR8 for the guest", () => {
    const changes = controls(0);
    expect(run([...WRITE_CR8, ...READ_CR8], changes, { [Gpr.rax]: 9n })).toBe(ExitReason.vmcall);
    expect(virtual(0x80)).toBe(0x90);
    expect(rig.core.big(GPR[Gpr.rdx]!)).toBe(9n);
  });

  it("tells the hypervisor once it is below the threshold, after the instruction", () => {
    const changes = { ...controls(0), [F.TPR_THRESHOLD]: 3 };
    setVirtual(0x80, 0x70);
    expect(run([...WRITE_CR8, ...WRITE_CR8], changes, { [Gpr.rax]: 3n })).toBe(ExitReason.vmcall);
    expect(run(WRITE_CR8, changes, { [Gpr.rax]: 2n })).toBe(ExitReason.tprBelowThreshold);
    expect(ip()).toBe(WRITE_CR8.length);
    expect(rig.vmread(F.EXIT_INSTRUCTION_LENGTH)).toBe(0n);
  });

  it("lets no entry in that is below it already, but for one that leaves at once", () => {
    const changes = { ...controls(0), [F.TPR_THRESHOLD]: 3 };
    prepareGuest(rig, changes);
    expect(rig.step("vmlaunch")).toBe("failValid");
    expect(rig.vmread(F.INSTRUCTION_ERROR)).toBe(BigInt(VmError.entryControls));
    const accessed = { ...controls(virtualizeApicAccesses), [F.TPR_THRESHOLD]: 3 };
    expect(run([], accessed)).toBe(ExitReason.tprBelowThreshold);
    expect(ip()).toBe(0);
    // A guest that waits leaves, too.
    expect(run([], { ...accessed, [F.GUEST_ACTIVITY]: 1 })).toBe(ExitReason.tprBelowThreshold);
    setVirtual(0x80, 0x30);
    expect(run([], { ...accessed, [F.GUEST_ACTIVITY]: 0 })).toBe(ExitReason.vmcall);
  });
});

const READ_32 = [0x8b, 0x03];
const WRITE_32 = [0x89, 0x03];
const READ_64 = [0x48, 0x8b, 0x03];
const OR_32 = [0x09, 0x03];
const REGISTERS = virtualizeApicAccesses | apicRegisterVirtualization;
const DELIVERY = virtualizeApicAccesses | virtualInterruptDelivery;
/** Type of the access in an APIC-access exit; or that the access is virtualized, with an exit after it or without. */
type Result = 0 | 1 | "virtual" | "told";

/** Secondary controls, code, offset, what becomes of it. */
const ACCESSES: readonly (readonly [string, number, number[], number, Result])[] = [
  ["TPR, read", virtualizeApicAccesses, READ_32, 0x80, "virtual"],
  ["TPR, written", virtualizeApicAccesses, WRITE_32, 0x80, "virtual"],
  ["TPR, written without the shadow's control", 0, WRITE_32, 0x80, 1],
  ["a byte of TPR", virtualizeApicAccesses, [0x8a, 0x03], 0x80, "virtual"],
  ["the second byte of TPR", virtualizeApicAccesses, [0x8a, 0x03], 0x81, 0],
  ["the second byte of TPR with all registers", REGISTERS, [0x8a, 0x03], 0x81, "virtual"],
  ["TPR, 64 bits", virtualizeApicAccesses, READ_64, 0x80, 0],
  ["behind TPR", REGISTERS, READ_32, 0x84, 0],
  ["across the end of TPR", REGISTERS, READ_32, 0x82, 0],
  ["PPR", REGISTERS, READ_32, 0xa0, 0],
  ["ID, read", virtualizeApicAccesses, READ_32, 0x20, 0],
  ["ID, read with all registers", REGISTERS, READ_32, 0x20, "virtual"],
  ["ID, written with all registers", REGISTERS, WRITE_32, 0x20, "told"],
  ["ID, read and written with all registers", REGISTERS, OR_32, 0x20, "told"],
  ["version, written", REGISTERS, WRITE_32, 0x30, 1],
  ["IRR, read", REGISTERS, READ_32, 0x230, "virtual"],
  ["IRR, written", REGISTERS, WRITE_32, 0x230, 1],
  ["ICR high, written", REGISTERS, WRITE_32, 0x310, "virtual"],
  ["current count", REGISTERS, READ_32, 0x390, 0],
  ["EOI, written without delivery", virtualizeApicAccesses, WRITE_32, 0xb0, 1],
  ["EOI, written with all registers", REGISTERS, WRITE_32, 0xb0, "told"],
  ["EOI, written with delivery", DELIVERY, WRITE_32, 0xb0, "virtual"],
  ["EOI, read and written with delivery", DELIVERY, OR_32, 0xb0, 0],
  ["ICR, written with delivery, to others", DELIVERY, WRITE_32, 0x300, "told"],
  ["LDR, written with delivery", DELIVERY, WRITE_32, 0xd0, 1],
];

describe("the APIC-access page", () => {
  it.each(ACCESSES)("%s", (_name, secondary, code, offset, result) => {
    const shadowed = secondary !== 0;
    const changes = shadowed
      ? controls(secondary)
      : {
          ...controls(virtualizeApicAccesses),
          [F.PROCESSOR_CONTROLS]: (must(0x48e) | Primary.secondaryControls) >>> 0,
        };
    setVirtual(offset & ~15, 0x1234_5678);
    rig.write64(ACCESS + (offset & ~15), 0x0bad_0badn);
    const values = { [Gpr.rbx]: BigInt(ACCESS + offset), [Gpr.rax]: 0xc00f_00e0n };
    const reason = run(code, changes, values);
    // The page itself is never accessed.
    expect(word(ACCESS + (offset & ~15))).toBe(0x0bad_0bad);
    if (typeof result === "number") {
      expect(reason).toBe(ExitReason.apicAccess);
      expect(qualification()).toBe(BigInt(offset | (result << 12)));
      expect(ip()).toBe(0);
      expect(rig.vmread(F.EXIT_INSTRUCTION_LENGTH)).toBe(BigInt(code.length));
      return;
    }
    expect(reason).toBe(result === "told" ? ExitReason.apicWrite : ExitReason.vmcall);
    expect(ip()).toBe(code.length);
    if (result === "told") expect(qualification()).toBe(BigInt(offset));
    const written = code === WRITE_32 || code === OR_32;
    if (!written) {
      const expected = 0x1234_5678 >>> (8 * (offset & 3));
      const mask = code === READ_32 ? 0xffff_ffffn : 0xffn;
      expect(rig.core.big(GPR[Gpr.rax]!) & mask).toBe(BigInt(expected) & mask);
    }
    const kept = result === "virtual" ? { 128: 0xe0, 176: 0, 784: 0xc000_0000 }[offset] : undefined;
    if (code === WRITE_32) expect(virtual(offset)).toBe(kept ?? 0xc00f_00e0);
    if (code === OR_32) expect(virtual(offset)).toBe((0xc00f_00e0 | 0x1234_5678) >>> 0);
  });

  it("is no code", () => {
    expect(run([0xff, 0xe3], controls(REGISTERS), { [Gpr.rbx]: BigInt(ACCESS + 0x80) })).toBe(
      ExitReason.apicAccess,
    );
    expect(qualification()).toBe(0x2080n);
  });

  it("tells of an access as an event is delivered", () => {
    putIdt();
    // INT 0x20 pushes onto it.
    const changes = { ...controls(REGISTERS), [F.GUEST_RSP]: ACCESS + 0x90, ...handled };
    expect(run([0xcd, 0x20], changes)).toBe(ExitReason.apicAccess);
    expect(qualification()).toBe(0x3088n);
    expect(rig.vmread(F.IDT_VECTORING_INFORMATION)).toBe(0x8000_0420n);
  });

  it("is a page as any other without the control", () => {
    const { [F.SECONDARY_CONTROLS]: _, ...changes } = controls(0);
    rig.write64(ACCESS + 0x80, 0x77n);
    expect(run(READ_32, changes, { [Gpr.rbx]: BigInt(ACCESS + 0x80) })).toBe(ExitReason.vmcall);
    expect(rig.core.big(GPR[Gpr.rax]!)).toBe(0x77n);
  });
});

const withIdt: Changes = { [F.GUEST_IDTR_BASE]: IDT, [F.GUEST_IDTR_LIMIT]: 0xfff };

/** Every vector leads to VMCALL. */
function putIdt(): void {
  for (let vector = 0; vector < 256; vector++) {
    const at = IDT + 16 * vector;
    const target = HANDLER + 16 * vector;
    rig.write64(
      at,
      BigInt(target & 0xffff) | (8n << 16n) | (0x8e00n << 32n) | (BigInt(target >>> 16) << 48n),
    );
    rig.write64(at + 8, 0n);
    rig.ram.set(VMCALL, target);
  }
  // The descriptor of the handlers' code.
  rig.write64(0x1a_0008, 0x00af_9b00_0000_ffffn);
}
const handled: Changes = { ...withIdt, [F.GUEST_GDTR_BASE]: 0x1a_0000, [F.GUEST_GDTR_LIMIT]: 0xff };
/** The vector whose handler the guest left in; -1: in none. */
const vector = () => {
  const at = Number(rig.vmread(F.GUEST_RIP)) - HANDLER;
  return at < 0 ? -1 : at >> 4;
};

describe("virtual interrupts", () => {
  const delivering = { ...controls(DELIVERY), ...handled };
  beforeEach(putIdt);

  it("are delivered once the guest takes interrupts", () => {
    setVirtual(0x210, 1 << 4);
    setVirtual(0x220, 1);
    const changes = { ...delivering, [F.GUEST_INTERRUPT_STATUS]: 0x40 };
    expect(run([0x90, ...STI_NOP], changes)).toBe(ExitReason.vmcall);
    expect(vector()).toBe(0x40);
    expect(status()).toBe(0x4024);
    expect(virtual(0x220)).toBe(0);
    expect(virtual(0x120)).toBe(1);
    expect(virtual(0xa0)).toBe(0x40);
    expect(rig.vmread(F.GUEST_RFLAGS) & 0x200n).toBe(0n);
  });

  it.each([
    ["TPR", 0x40, 0x50, 0],
    ["what is in service", 0x5040, 0, 0],
    ["a hypervisor that waits for a window, which opens", 0x40, 0, Primary.interruptWindowExiting],
  ])("are held back by %s", (_name, guestStatus, taskPriority, primary) => {
    setVirtual(0x220, 1);
    setVirtual(0x80, taskPriority);
    const changes = {
      ...delivering,
      ...controls(DELIVERY, primary),
      [F.GUEST_INTERRUPT_STATUS]: guestStatus,
    };
    const reason = run(STI_NOP, changes);
    expect(reason).toBe(primary === 0 ? ExitReason.vmcall : ExitReason.interruptWindow);
    expect(vector()).toBe(-1);
    expect(status()).toBe(guestStatus);
  });

  it("come as TPR falls", () => {
    setVirtual(0x80, 0x50);
    const changes = { ...delivering, [F.GUEST_INTERRUPT_STATUS]: 0x40, [F.GUEST_RFLAGS]: 0x202 };
    const code = [0x90, 0x44, 0x0f, 0x22, 0xc0];
    expect(run(code, changes, { [Gpr.rax]: 3n })).toBe(ExitReason.vmcall);
    expect(vector()).toBe(0x40);
  });

  it("end a guest's waiting", () => {
    const changes = { ...delivering, [F.GUEST_INTERRUPT_STATUS]: 0x40, [F.GUEST_RFLAGS]: 0x202 };
    expect(run([], { ...changes, [F.GUEST_ACTIVITY]: 1 })).toBe(ExitReason.vmcall);
    expect(vector()).toBe(0x40);
  });

  it("end by a write of EOI, which lets the next one in", () => {
    setVirtual(0x120, 1);
    setVirtual(0x110, 1 << 4);
    const values = { [Gpr.rbx]: BigInt(ACCESS + 0xb0) };
    const changes = { ...delivering, [F.GUEST_INTERRUPT_STATUS]: 0x4036, [F.GUEST_RFLAGS]: 0x202 };
    expect(run(WRITE_32, changes, values)).toBe(ExitReason.vmcall);
    expect(vector()).toBe(0x36);
    expect(status()).toBe(0x3600);
    expect(virtual(0x110)).toBe((1 << 4) | (1 << 0x16));
    expect(virtual(0x120)).toBe(0);
  });

  it("end with an exit if their vector's end is to be told", () => {
    setVirtual(0x120, 1);
    const values = { [Gpr.rbx]: BigInt(ACCESS + 0xb0) };
    const changes = { ...delivering, [F.GUEST_INTERRUPT_STATUS]: 0x4000, [F.EOI_EXIT_BITMAP1]: 1 };
    expect(run(WRITE_32, changes, values)).toBe(ExitReason.endOfInterrupt);
    expect(qualification()).toBe(0x40n);
    expect(ip()).toBe(WRITE_32.length);
    expect(status()).toBe(0);
  });

  it.each([
    ["to the guest itself", 0x4_0045n, 0x45],
    ["to the guest itself, of a vector that there is none of", 0x4_0005n, ExitReason.apicWrite],
    ["to the guest itself, level-triggered", 0x4_8045n, ExitReason.apicWrite],
    ["to all", 0x8_0045n, ExitReason.apicWrite],
  ])("are sent %s", (_name, command, result) => {
    const values = { [Gpr.rbx]: BigInt(ACCESS + 0x300), [Gpr.rax]: command };
    const reason = run(WRITE_32, { ...delivering, [F.GUEST_RFLAGS]: 0x202 }, values);
    if (result === ExitReason.apicWrite) expect(reason).toBe(result);
    else expect(vector()).toBe(result);
    expect(virtual(0x300)).toBe(Number(command));
  });
});

describe("posted interrupts", () => {
  const posting = (exit: number) => ({
    ...controls(virtualInterruptDelivery, 0, Pin.postedInterrupts, exit | Exit.acknowledgeInterrupt),
    ...handled,
  });
  beforeEach(putIdt);

  /** A local APIC with one interrupt. */
  function interrupt(number: number): { ended: number } {
    const record = { ended: 0 };
    let pending = true;
    rig.cpu.interrupts.apic = {
      get pending() {
        return pending;
      },
      acknowledge: () => {
        pending = false;
        return number;
      },
      endInterrupt: () => {
        record.ended++;
      },
    };
    rig.cpu.interrupts.refresh();
    return record;
  }

  it.each([0, 1])("are the guest's without an exit, in activity state %i", (state) => {
    rig.write64(POSTED + 8, 1n << 3n);
    rig.write64(POSTED + 16, 1n << 1n);
    rig.write64(POSTED + 32, 3n);
    const changes = { ...posting(0), [F.GUEST_RFLAGS]: 0x202, [F.GUEST_ACTIVITY]: state };
    let record = { ended: 0 };
    const reason = run([0x90, 0x90], changes, {}, () => {
      record = interrupt(NOTIFICATION);
    });
    expect(reason).toBe(ExitReason.vmcall);
    expect(vector()).toBe(0x81);
    expect(status()).toBe(0x8143);
    expect(record.ended).toBe(1);
    expect(rig.read64(POSTED + 8)).toBe(0n);
    expect(rig.read64(POSTED + 32)).toBe(2n);
  });

  it("are told of by one vector, others leave", () => {
    const reason = run([0x90], posting(0), {}, () => interrupt(0x55));
    expect(reason).toBe(ExitReason.externalInterrupt);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0055n);
  });
});

describe("virtual x2APIC mode", () => {
  const RDMSR = [0x0f, 0x32];
  const WRMSR = [0x0f, 0x30];
  const ALL = virtualizeX2apicMode | apicRegisterVirtualization | virtualInterruptDelivery;
  const extended = (secondary: number): Changes => ({
    ...controls(secondary, Primary.msrBitmaps),
    [F.EXCEPTION_BITMAP]: 1 << 13,
  });

  it.each([
    ["TPR", 0x808n, virtualizeX2apicMode, true],
    ["another register", 0x80dn, virtualizeX2apicMode, false],
    ["another register with all of them virtual", 0x80dn, ALL, true],
    ["what is no register with all of them virtual", 0x8ffn, ALL, true],
  ])("has %s to read", (_name, msr, secondary, there) => {
    rig.write64(VIRTUAL + Number(msr & 0xffn) * 16, 0x1234_0000_5678n);
    const reason = run(RDMSR, extended(secondary), { [Gpr.rcx]: msr });
    expect(reason).toBe(there ? ExitReason.vmcall : ExitReason.exceptionOrNmi);
    if (!there) return;
    expect(rig.core.big(GPR[Gpr.rax]!)).toBe(0x5678n);
    expect(rig.core.big(GPR[Gpr.rdx]!)).toBe(0x1234n);
  });

  it.each([
    ["TPR", 0x808n, 0x50n, virtualizeX2apicMode, ExitReason.vmcall],
    ["too much into TPR", 0x808n, 0x150n, virtualizeX2apicMode, ExitReason.exceptionOrNmi],
    ["EOI", 0x80bn, 0n, ALL, ExitReason.vmcall],
    ["not 0 into EOI", 0x80bn, 1n, ALL, ExitReason.exceptionOrNmi],
    ["EOI without delivery", 0x80bn, 0n, virtualizeX2apicMode, ExitReason.exceptionOrNmi],
    ["the self-IPI register", 0x83fn, 0x45n, ALL, ExitReason.vmcall],
    ["a vector that there is none of into it", 0x83fn, 5n, ALL, ExitReason.apicWrite],
  ])("takes %s", (_name, msr, value, secondary, result) => {
    const values = { [Gpr.rcx]: msr, [Gpr.rax]: value, [Gpr.rdx]: 0n };
    expect(run(WRMSR, extended(secondary), values)).toBe(result);
    if (result === ExitReason.exceptionOrNmi) return;
    expect(BigInt(virtual(Number(msr & 0xffn) * 16))).toBe(value);
    if (value === 0x45n) expect(status()).toBe(0x45);
  });

  it("leaves first where the bitmap says so", () => {
    rig.ram[MSR_BITMAP + 0x808 / 8] = 1;
    expect(run(RDMSR, extended(ALL), { [Gpr.rcx]: 0x808n })).toBe(ExitReason.rdmsr);
  });
});
