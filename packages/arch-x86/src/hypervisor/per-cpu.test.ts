import { describe, expect, test } from "vitest";
import { CR0, CR4 } from "../cpu/state.js";
import { Pin } from "../cpu/vmx/controls.js";
import { CODE, createCpu, createRig, createRigVm } from "../testing/vm/rig.js";
import { adjustControls } from "./controls.js";
import { checkVmxBasic } from "./detect.js";

const VMXE = 0x2000;
const IA32_FEATURE_CONTROL = 0x3a;

/** A host CPU, and the processor that it is. */
function processor() {
  const cpu = createCpu(createRig(), 3);
  return { cpu, hardware: cpu.cpu };
}

/** IA32_VMX_BASIC of this processor, or the same with some bits changed. */
const basic = (change = 0n) => processor().hardware.msrs.read(0x480) ^ change;

describe("VMX on a processor", () => {
  test("is switched on and off, and its region goes back", () => {
    const { cpu, hardware } = processor();
    expect([cpu.hasHardwareSupport(), hardware.vmx.active]).toEqual([true, false]);
    cpu.hardwareEnable();
    expect([hardware.vmx.active, hardware.core.lo(CR4) & VMXE]).toEqual([true, VMXE]);
    expect(() => cpu.hardwareEnable()).toThrow("virtualization is on already");
    cpu.hardwareDisable();
    expect([hardware.vmx.active, hardware.core.lo(CR4) & VMXE]).toEqual([false, 0]);
    cpu.hardwareEnable();
  });

  test("is not there", () => {
    const { cpu, hardware } = processor();
    hardware.cpuid.vmx = false;
    expect(() => cpu.hardwareEnable()).toThrow("CPU 3 has no virtualization hardware");
  });

  test("is somebody else's", () => {
    const { cpu, hardware } = processor();
    hardware.core.set(CR4, hardware.core.lo(CR4) | VMXE, 0);
    expect(() => cpu.hardwareEnable()).toThrow("VMX is in use");
  });

  test("is forbidden by firmware", () => {
    const { cpu, hardware } = processor();
    hardware.msrs.write(IA32_FEATURE_CONTROL, 1n);
    expect(() => cpu.hardwareEnable()).toThrow("firmware has switched VMX off and locked that");
    expect(hardware.core.lo(CR4) & VMXE).toBe(0);
  });

  test("binds CR0 and CR4", () => {
    const { cpu, hardware } = processor();
    hardware.core.set(CR0, hardware.core.lo(CR0) & ~0x20, 0);
    expect(() => cpu.hardwareEnable()).toThrow("VMX operation needs CR0 to have 0x20 set");
    expect(hardware.core.lo(CR4) & VMXE).toBe(0);
    const other = processor();
    other.hardware.core.set(CR4, other.hardware.core.lo(CR4) | (1 << 30), 0);
    expect(() => other.cpu.hardwareEnable()).toThrow("VMX operation needs CR4 to have 0x40000000 clear");
  });

  test("has one vCPU, once it is on", () => {
    const { cpu } = processor();
    expect(() => cpu.createVcpu(0, CODE)).toThrow("switched off");
    cpu.hardwareEnable();
    cpu.createVcpu(0, CODE);
    expect(() => cpu.createVcpu(1, CODE)).toThrow("processor 3 has vCPU 0 already");
  });

  test("that was switched off cannot enter a guest", () => {
    const rig = createRig();
    const vm = createRigVm(rig, [CODE]);
    const vcpu = vm.vcpus.getVcpu(0);
    expect(vcpu.run(1).kind).toBe("budgetSpent");
    vcpu.cpu.vmx.setOperation(0);
    expect(vcpu.run(1)).toMatchObject({
      kind: "failEntry",
      message: expect.stringContaining("VMX operation is off"),
    });
  });
});

describe("IA32_VMX_BASIC", () => {
  test("tells the revision and the size of regions", () => {
    expect(checkVmxBasic(basic())).toEqual({ revision: 0x4843_0001, regionSize: 4096 });
  });

  test.each([
    [1n << 33n, "regions have 4098 bytes instead of 4096"],
    [1n << 48n, "below 4 GiB"],
    [1n << 50n, "memory type 7, not write-back"],
    [1n << 54n, "no instruction information"],
    [1n << 55n, "no flexible controls"],
  ])("with 0x%s changed is refused", (change, message) => {
    expect(() => checkVmxBasic(basic(change))).toThrow(message);
  });
});

test("controls are fitted to what the capability MSR allows; those that there are not are named", () => {
  const wanted = { name: "pin-based VM-execution", all: Pin, on: ["nmiExiting", "virtualNmis"] };
  expect(adjustControls((0x7fn << 32n) | 0x16n, wanted)).toBe(0x16 | Pin.nmiExiting | Pin.virtualNmis);
  expect(() => adjustControls((0x1en << 32n) | 0x16n, wanted)).toThrow(
    "the processor has no pin-based VM-execution control for virtualNmis",
  );
});
