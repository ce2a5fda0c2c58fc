import { beforeEach, describe, expect, it } from "vitest";
import {
  createVmxRig,
  OPERAND,
  setPrivilege,
  VMCS_REGION,
  VMXON_REGION,
  type VmxRig,
} from "../../testing/cpu/vmx-rig.js";
import { CR0, CR4, GPR, Gpr, SEGMENTS, Seg, type SegmentFields } from "../state.js";
import { CAPABILITIES } from "./capabilities.js";
import { VmcsField } from "./fields.js";
import { VMCS_REVISION } from "./vmcs.js";
import { VmError } from "./vmx.js";

const UD = { fault: 6 };
const GP = { fault: 13 };

let rig: VmxRig;
const vmxon = () => rig.pointing("vmxon Mq", BigInt(VMXON_REGION));
const load = () => rig.pointing("vmptrld Mq", BigInt(VMCS_REGION));
/** VMfailValid with that number. */
const expectError = (outcome: unknown, error: number) => {
  expect(outcome).toBe("failValid");
  expect(rig.vmread(VmcsField.INSTRUCTION_ERROR)).toBe(BigInt(error));
};

beforeEach(() => {
  rig = createVmxRig();
});

describe("what VMX needs", () => {
  it("is in the capability MSRs, and nowhere without VMX", () => {
    const { msrs, cpuid } = rig.cpu;
    expect(cpuid.leaf(1, 0)[2] & 0x20).toBe(0x20);
    expect(msrs.read(0x480)).toBe(0x00d8_1000_4843_0001n);
    for (const [number, value] of CAPABILITIES) expect(msrs.read(number)).toBe(value);
    expect(() => msrs.write(0x480, 0n)).toThrow();
    expect(() => msrs.read(0x492)).toThrow();
    cpuid.vmx = false;
    expect(cpuid.leaf(1, 0)[2] & 0x20).toBe(0);
    expect(() => msrs.read(0x480)).toThrow();
    expect(() => msrs.read(0x3a)).toThrow();
  });

  it("is locked in IA32_FEATURE_CONTROL", () => {
    expect(rig.cpu.msrs.read(0x3a)).toBe(5n);
    expect(() => rig.cpu.msrs.write(0x3a, 5n)).toThrow();
  });
});

describe("VMXON", () => {
  it("begins VMX operation", () => {
    expect(rig.step("vmcall")).toEqual(UD);
    expect(vmxon()).toBe("succeed");
    expect(rig.step("vmcall")).toBe("failInvalid");
    expect(vmxon()).toBe("failInvalid");
    expect(rig.step("vmxoff")).toBe("succeed");
    expect(rig.step("vmxoff")).toEqual(UD);
  });

  it.each<[string, () => void, unknown]>([
    ["without CR4.VMXE", () => rig.core.set(CR4, 0x20, 0), UD],
    ["without CR0.NE", () => rig.core.set(CR0, 0x8000_0011 | 0, 0), GP],
    ["without the firmware's leave", () => rig.core.setBig(field("IA32_FEATURE_CONTROL"), 1n), GP],
    ["unlocked", () => rig.core.setBig(field("IA32_FEATURE_CONTROL"), 4n), GP],
    ["with another revision", () => rig.write64(VMXON_REGION, 7n), "failInvalid"],
    ["as a shadow", () => rig.write64(VMXON_REGION, BigInt(VMCS_REVISION) | 0x8000_0000n), "failInvalid"],
    ["in ring 3", () => setPrivilege(rig.cpu, 3), GP],
    ["in compatibility mode", () => compatibility(), UD],
  ])("does not %s", (_name, prepare, outcome) => {
    prepare();
    rig.cpu.reload();
    expect(vmxon()).toEqual(outcome);
    expect(rig.cpu.vmx.active).toBe(false);
  });

  it.each([0x20_0001n, 1n << 40n, 1n << 39n])("fails for the address %s", (address) => {
    expect(rig.pointing("vmxon Mq", address)).toBe("failInvalid");
  });
});

const field = (name: string) => {
  const found = rig.cpu.layout.fields.get(name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
};

function compatibility(): void {
  const { rights } = SEGMENTS[Seg.cs] as SegmentFields;
  rig.core.set(rights, (rig.core.lo(rights) & ~0x2000) | 0x4000, 0);
}

describe("the current VMCS", () => {
  beforeEach(() => {
    vmxon();
  });

  it("is none at first", () => {
    rig.write64(OPERAND + 8, 0n);
    expect(rig.step("vmptrst Mq", { rm: { base: Gpr.rbx, displacement: 8 } })).toBe("succeed");
    expect(rig.read64(OPERAND + 8)).toBe(0xffff_ffff_ffff_ffffn);
    expect(rig.vmwrite(VmcsField.GUEST_RIP, 1n)).toBe("failInvalid");
  });

  it("is loaded, stored and cleared", () => {
    expect(load()).toBe("succeed");
    expect(rig.pointing("vmptrst Mq", 0n)).toBe("succeed");
    expect(rig.read64(OPERAND)).toBe(BigInt(VMCS_REGION));
    expect(rig.pointing("vmclear Mq", BigInt(VMCS_REGION))).toBe("succeed");
    expect(rig.step("vmcall")).toBe("failInvalid");
  });

  it("survives a snapshot", () => {
    load();
    rig.vmwrite(VmcsField.GUEST_RIP, 0x1234n);
    rig.cpu.reload();
    expect(rig.vmread(VmcsField.GUEST_RIP)).toBe(0x1234n);
  });

  it("has to be one", () => {
    load();
    expectError(rig.pointing("vmptrld Mq", 0x20_1001n), VmError.vmptrldAddress);
    expectError(rig.pointing("vmptrld Mq", 1n << 40n), VmError.vmptrldAddress);
    expectError(rig.pointing("vmptrld Mq", BigInt(VMXON_REGION)), VmError.vmptrldVmxonPointer);
    expectError(rig.pointing("vmptrld Mq", 0x20_2000n), VmError.vmptrldRevision);
    expectError(rig.pointing("vmclear Mq", 0x20_1001n), VmError.vmclearAddress);
    expectError(rig.pointing("vmclear Mq", BigInt(VMXON_REGION)), VmError.vmclearVmxonPointer);
    expectError(vmxon(), VmError.vmxonInRoot);
    expectError(rig.step("vmcall"), VmError.vmcallInRoot);
  });
});

describe("VMREAD and VMWRITE", () => {
  beforeEach(() => {
    vmxon();
    load();
  });

  const ALL = (1n << 64n) - 1n;
  it.each([
    ["16 bits", VmcsField.GUEST_CS_SELECTOR, 0xffffn],
    ["32 bits", VmcsField.PIN_CONTROLS, 0xffff_ffffn],
    ["64 bits", VmcsField.TSC_OFFSET, ALL],
    ["natural", VmcsField.GUEST_RSP, ALL],
  ])("have fields of %s", (_name, encoding, kept) => {
    expect(rig.vmwrite(encoding, ALL)).toBe("succeed");
    expect(rig.vmread(encoding)).toBe(kept);
  });

  it("have upper halves of 64-bit fields", () => {
    rig.vmwrite(VmcsField.TSC_OFFSET, 0x1122_3344_5566_7788n);
    expect(rig.vmread(VmcsField.TSC_OFFSET + 1)).toBe(0x1122_3344n);
    rig.vmwrite(VmcsField.TSC_OFFSET + 1, 0xff_ffff_ffff_ffn);
    expect(rig.vmread(VmcsField.TSC_OFFSET)).toBe(0xffff_ffff_5566_7788n);
  });

  it("keep every field apart", () => {
    const writable = Object.values(VmcsField).filter((encoding) => (encoding & 0xc00) !== 0x400);
    writable.forEach((encoding, i) => expect(rig.vmwrite(encoding, BigInt(i + 1))).toBe("succeed"));
    expect(writable.map((encoding) => rig.vmread(encoding))).toEqual(writable.map((_, i) => BigInt(i + 1)));
  });

  it("take operands in memory", () => {
    rig.write64(OPERAND, 0xabcdn);
    const values = { [Gpr.rbx]: BigInt(OPERAND), [Gpr.rcx]: BigInt(VmcsField.GUEST_RIP) };
    expect(rig.step("vmwrite Gq, Eq", { rm: { base: Gpr.rbx }, reg: Gpr.rcx }, values)).toBe("succeed");
    const choices = { rm: { base: Gpr.rbx, displacement: 16 }, reg: Gpr.rcx };
    expect(rig.step("vmread Eq, Gq", choices, values)).toBe("succeed");
    expect(rig.read64(OPERAND + 16)).toBe(0xabcdn);
  });

  it("know no others", () => {
    for (const encoding of [0x0006, 0x0801, 0x4001, 0x1000, 0x8000, 0x6c18])
      expectError(rig.vmwrite(encoding, 0n), VmError.unsupportedField);
    const wide = { [Gpr.rcx]: 0x1_0000_0000n | BigInt(VmcsField.GUEST_RIP), [Gpr.rdx]: 5n };
    expectError(rig.step("vmread Eq, Gq", { rm: Gpr.rdx, reg: Gpr.rcx }, wide), VmError.unsupportedField);
    rig.step("vmread Eq, Gq", { rm: Gpr.rdx, reg: Gpr.rcx }, wide);
    expect(rig.core.big(GPR[Gpr.rdx]!)).toBe(5n);
  });

  it("write what tells of exits, too", () => {
    expect(rig.vmwrite(VmcsField.EXIT_REASON, 30n)).toBe("succeed");
    expect(rig.vmread(VmcsField.EXIT_REASON)).toBe(30n);
  });
});

describe("INVEPT and INVVPID", () => {
  beforeEach(() => {
    vmxon();
    load();
  });

  const run = (name: string, type: bigint, low: bigint, high: bigint) => {
    rig.write64(OPERAND, low);
    rig.write64(OPERAND + 8, high);
    const values = { [Gpr.rbx]: BigInt(OPERAND), [Gpr.rcx]: type };
    return rig.step(name, { rm: { base: Gpr.rbx }, reg: Gpr.rcx }, values);
  };

  it("take what their types ask for", () => {
    const invept = (type: bigint, eptp: bigint) => run("invept Gq, Mdq", type, eptp, 0n);
    expect(invept(1n, 0x1_001en)).toBe("succeed");
    expect(invept(2n, 0x1_0000n)).toBe("succeed");
    for (const [type, eptp] of [
      [0n, 0x1_001en],
      [3n, 0x1_001en],
      [1n, 0x1_0000n],
      [1n, 0x1_801fn],
    ] as const)
      expectError(invept(type, eptp), VmError.invalidationOperand);
    const invvpid = (type: bigint, low: bigint, address = 0n) => run("invvpid Gq, Mdq", type, low, address);
    expect([invvpid(0n, 1n), invvpid(1n, 1n), invvpid(2n, 0n), invvpid(3n, 1n)]).toEqual(
      Array(4).fill("succeed"),
    );
    for (const [type, low, address] of [
      [4n, 1n, 0n],
      [1n, 0n, 0n],
      [1n, 0x1_0001n, 0n],
      [0n, 1n, 1n << 47n],
    ] as const)
      expectError(invvpid(type, low, address), VmError.invalidationOperand);
  });
});
