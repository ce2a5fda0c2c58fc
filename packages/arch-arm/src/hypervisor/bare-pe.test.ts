import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { assemble } from "../testing/vm/assembler.js";
import { createBareVm, RAM } from "../testing/vm/bare-rig.js";
import { PeInput } from "./bare-pe.js";

/** Function ids of DEN 0022 and DEN 0028. */
const PSCI_VERSION = 0x8400_0000;
const CPU_SUSPEND = 0xc400_0001;
const CPU_OFF = 0x8400_0002;
const CPU_ON = 0xc400_0003;
const SYSTEM_OFF = 0x8400_0008;
const VENDOR = 0x8600_0000;

function guest(source: string, cpus: number, tier: Tier) {
  const { bytes, labels } = assemble(source, RAM);
  const vm = createBareVm(
    Array.from({ length: cpus }, () => RAM),
    tier,
  );
  vm.memory?.write(RAM, bytes);
  return { vm, labels, x: (cpu: number, index: number) => vm.vcpus.getVcpu(cpu).getGpr(index) };
}

describe.each<Tier>(["cold", "hot"])("a PE that the guest owns (%s tier)", (tier) => {
  test("SMC is the machine's firmware, from EL2 and EL1", async () => {
    const source = `
      mrs x20, CurrentEL
      li x0, ${PSCI_VERSION}
      smc #0
      mov x21, x0
      li x0, ${VENDOR}
      smc #0
      mov x22, x0
      // The convention has immediate 0.
      li x0, ${PSCI_VERSION}
      smc #7
      mov x23, x0
      adr x0, el1
      msr ELR_EL2, x0
      li x0, 0x3c5
      msr SPSR_EL2, x0
      eret
      el1: mrs x24, CurrentEL
      li x0, ${PSCI_VERSION}
      smc #0
      mov x25, x0
      li x0, ${SYSTEM_OFF}
      smc #0
      b el1`;
    const { vm, x } = guest(source, 1, tier);
    expect(await vm.run()).toEqual({ kind: "shutdown", vcpuId: 0, failure: false, code: 0 });
    const notSupported = 2n ** 64n - 1n;
    expect([20, 21, 22, 23, 24, 25].map((i) => x(0, i))).toEqual([
      8n,
      0x1_0001n,
      notSupported,
      notSupported,
      4n,
      0x1_0001n,
    ]);
    expect(vm.stats.toJSON().byDetail).toMatchObject({ PSCI_VERSION: 2 });
  });

  test("starts another PE at EL2 with a context, which switches itself off", async () => {
    const source = `
      li x0, ${CPU_ON}
      li x1, 1
      adr x2, second
      li x3, 0x55
      smc #0
      mov x20, x0
      li x0, ${CPU_ON}
      smc #0
      mov x21, x0
      li x0, ${CPU_ON}
      li x1, 2
      smc #0
      mov x22, x0
      wait: adr x5, flag
      ldr x6, [x5]
      cbz x6, wait
      li x0, ${CPU_OFF}
      smc #0
      b wait
      second: mov x20, x0
      mrs x21, CurrentEL
      mrs x22, MPIDR_EL1
      mrs x23, DAIF
      adr x5, flag
      str x5, [x5]
      li x0, ${CPU_OFF}
      smc #0
      b second
      .align 8
      flag: .dword 0`;
    const { vm, x } = guest(source, 2, tier);
    expect(await vm.run()).toEqual({ kind: "halted" });
    const alreadyOn = 2n ** 64n - 4n;
    const invalid = 2n ** 64n - 2n;
    expect([20, 21, 22].map((i) => x(0, i))).toEqual([0n, alreadyOn, invalid]);
    expect([20, 21, 22, 23].map((i) => x(1, i))).toEqual([0x55n, 8n, 0x8000_0001n, 0x3c0n]);
  });

  test("a suspend ends with an interrupt: behind the call, or at its entry", async () => {
    const source = `
      li x0, ${CPU_SUSPEND}
      li x1, 0
      smc #0
      mov x20, x0
      li x0, ${CPU_SUSPEND}
      li x1, 0x10000
      adr x2, resumed
      li x3, 0x66
      smc #0
      stop: b stop
      resumed: mov x21, x0
      mrs x22, DAIF
      li x0, ${SYSTEM_OFF}
      smc #0`;
    const { vm, x } = guest(source, 1, tier);
    const vcpu = vm.vcpus.getVcpu(0);
    expect(await vm.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    expect([vcpu.state, vcpu.suspended]).toEqual(["Blocked", true]);
    vcpu.setInput(PeInput.irq, true);
    expect(vcpu.hasWakeEvent()).toBe(true);
    // Pending already when the second suspend begins.
    expect(await vm.run({ onIdle: "stop" })).toMatchObject({ kind: "shutdown" });
    expect([20, 21, 22].map((i) => x(0, i))).toEqual([0n, 0x66n, 0x3c0n]);
  });
});

test("inputs are IRQ and FIQ; the report has the registers", () => {
  const { vm } = guest("li x7, 0x1234\nstop: b stop", 1, "auto");
  const vcpu = vm.vcpus.getVcpu(0);
  vcpu.run(10);
  expect(() => vcpu.interrupt(2)).toThrow("no interrupt input 2");
  expect(vcpu.disassemble()).toBe("0x40000004: 14000000  b 0x40000004");
  const values = new Map(vcpu.registers().map(({ name, value }) => [name, value]));
  expect(values.get("x7")).toBe(0x1234n);
  expect(values.get("PSTATE")).toBe(0x3c9n);
  expect(values.get("pc")).toBe(0x4000_0004n);
  vcpu.setPc(0x1000n);
  expect(vcpu.disassemble()).toBe("0x1000: the instruction cannot be fetched");
});
