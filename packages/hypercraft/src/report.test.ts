import { describe, expect, it } from "vitest";
import { describeExit, formatReport, reportOn } from "./report.js";
import { mockAdapter } from "./testing/mock-arch.js";

const call = { op: "hypercall", nr: 5, args: [1n, 255n, 3n], result: 0 } as const;

function vcpuAtCall() {
  const vm = mockAdapter.createVm(mockAdapter.createHost(), [[{ op: "nop" }, call]], { name: "guest" });
  const vcpu = vm.vcpus.getVcpu(0);
  return { vm, vcpu, exit: vcpu.run(100) };
}

describe("describeExit", () => {
  it("is one line of kind, fields and the architecture's words", () => {
    expect(describeExit(vcpuAtCall().exit)).toBe(
      "hypercall nr=0x5 args=[0x1, 0xff, 0x3] (mock: call step=0x1000004)",
    );
  });
});

describe("reportOn and formatReport", () => {
  it("say where and why", () => {
    const { vm, vcpu, exit } = vcpuAtCall();
    vcpu.setGpr(3, 0xdead_beefn);
    const report = reportOn(vm, vcpu, { reason: "no handler", exit });
    expect(report).toMatchObject({ vmName: "guest", vmid: 1, vcpuId: 0, retired: 1, pc: 0x100_0004n });
    expect(formatReport(report).split("\n")).toEqual([
      "guest (VMID 1), vCPU 0: no handler",
      "  exit         hypercall nr=0x5 args=[0x1, 0xff, 0x3] (mock: call step=0x1000004)",
      "  pc           0x1000004",
      "  instruction  0x1000004: hypercall nr=5 args=1,255,3 result=0",
      "  retired      1",
      "    pc 0000000001000004  zero 0000000000000000    s0 0000000000000000    s1 0000000000000000",
      "    s2 00000000deadbeef    s3 0000000000000000   arg 0000000000000000    t0 0000000000000000",
      "    t1 0000000000000000",
      "",
    ]);
  });

  it("stand in for what cannot be had", () => {
    const { vm, vcpu } = vcpuAtCall();
    const broken = Object.create(vcpu, {
      getPc: {
        value: () => {
          throw new Error("lost");
        },
      },
      registers: {
        value: () => {
          throw new Error("lost");
        },
      },
      disassemble: {
        value: () => {
          throw new Error("no mapping");
        },
      },
      vcpuId: { value: 0 },
      retired: { value: 1 },
    });
    const report = reportOn(vm, broken, { reason: "r", error: new Error("why") });
    expect(report).toMatchObject({ pc: 0n, registers: [], instruction: "not available: no mapping" });
    expect(formatReport(report)).toContain("Error: why");
  });
});
