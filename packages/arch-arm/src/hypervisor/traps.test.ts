import type { Tier } from "@hypercraft/engine";
import { InstructionClock } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { assembleGuest, createRig, RAM, reg, runTo, runToStop, STOP } from "../testing/vm/rig.js";
import { VECTORS } from "../testing/vm/vectors.js";

// Exceptions to EL2 by what they are for, and those that stay in the guest.

const NOT_SUPPORTED = 2n ** 64n - 1n;
const UNKNOWN = 0x0200_0000n;
const PSCI_VERSION = 0x8400_0000;
const PSCI_FEATURES = 0x8400_000a;
const SMCCC_VERSION = 0x8000_0000;
const VENDOR_CALL = 0xc600_0012;

function run(body: string, tier?: Tier) {
  const guest = assembleGuest(`${VECTORS}${body}\n${STOP}`, { rig: createRig(new InstructionClock(), tier) });
  runToStop(guest);
  return { ...guest, x: (index: number) => reg(guest.vcpu, `x${index}`) };
}

/** What an instruction does that the guest has not: syndrome, return address in place, vector. */
function trap(body: string) {
  const { x, labels, vm } = run(body);
  return {
    syndrome: x(20),
    inPlace: Number(x(22)) === labels.get("at"),
    vector: x(24),
    exits: vm.stats.total,
  };
}

describe.each<Tier>(["cold", "hot"])("calls (%s tier)", (tier) => {
  test("firmware answers HVC #0 and SMC #0", () => {
    for (const call of ["hvc", "smc"]) {
      const { x, vm } = run(
        `li x0, ${PSCI_VERSION}; li x1, 5; ${call} #0; mov x10, x0
         li x0, ${SMCCC_VERSION}; ${call} #0; mov x11, x0
         li x0, ${PSCI_FEATURES}; li x1, 0xc4000003; ${call} #0; mov x12, x0
         // A service of somebody else's, the number of a legacy call, and the UID of a hypervisor's service.
         li x0, 0x82000001; ${call} #0; mov x13, x0
         li x0, 7; ${call} #0; mov x14, x0
         li x0, 0x8600ff01; ${call} #0; mov x15, x0; mov x16, x1`,
        tier,
      );
      expect([10, 11, 12, 13, 14, 15].map(x)).toEqual([
        0x1_0001n,
        0x1_0001n,
        0n,
        NOT_SUPPORTED,
        NOT_SUPPORTED,
        NOT_SUPPORTED,
      ]);
      expect(x(16)).toBe(0xc400_0003n);
      expect(vm.stats.toJSON().byDetail).toEqual({ PSCI_VERSION: 1, SMCCC_VERSION: 1, PSCI_FEATURES: 1 });
    }
  });

  test("a vendor's hypervisor call is a hypercall with X1 to X6, and four results", () => {
    const body = `li x0, ${VENDOR_CALL}; li x1, 11; li x2, 12; li x3, 13; li x4, 14; li x5, 15; li x6, 16; hvc #0`;
    const { vcpu } = assembleGuest(`${body}\n${STOP}`, { rig: createRig(new InstructionClock(), tier) });
    const exit = runTo(vcpu, "hypercall");
    expect([exit.nr, exit.args]).toEqual([BigInt(VENDOR_CALL), [11n, 12n, 13n, 14n, 15n, 16n]]);
    // EC 0x16, immediate 0; the preferred return is behind the instruction, as is the pc.
    expect([exit.raw.esr, exit.raw.elr, exit.raw.spsr & 0xfn]).toEqual([0x5a00_0000n, vcpu.getPc(), 5n]);
    vcpu.completeExit({ kind: "results", values: [1n, 2n, 3n, 4n, 5n] });
    runTo(vcpu, "hypercall");
    expect([0, 1, 2, 3, 4].map((i) => reg(vcpu, `x${i}`))).toEqual([1n, 2n, 3n, 4n, 14n]);
  });

  test("any other immediate is a hypercall with X0 to X5", () => {
    const { vcpu } = assembleGuest(`li x0, 3; li x5, 4; hvc #0x1234\n${STOP}`, {
      rig: createRig(new InstructionClock(), tier),
    });
    const exit = runTo(vcpu, "hypercall");
    expect([exit.nr, exit.args]).toEqual([0x1234n, [3n, 0n, 0n, 0n, 0n, 4n]]);
    vcpu.completeExit({ kind: "status", status: "denied" });
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "x0")).toBe(2n ** 64n - 3n);
  });

  test("SMC with another immediate is nobody's", () => {
    expect(run("li x0, 0x84000000; smc #1", tier).x(0)).toBe(NOT_SUPPORTED);
  });

  test("at EL0 both are UNDEFINED, and SVC is the guest's", () => {
    for (const [call, syndrome] of [
      ["hvc #0", UNKNOWN],
      ["smc #0", UNKNOWN],
      ["svc #7", 0x5600_0007n],
    ] as const) {
      const { x, vm } = run(`adr x9, user; msr ELR_EL1, x9; msr SPSR_EL1, xzr; eret\nuser: ${call}`, tier);
      expect([x(20), x(24)]).toEqual([syndrome, 0x400n]);
      expect(vm.stats.total).toBe(0);
    }
  });
});

describe("what a guest has not is UNDEFINED, without an exit that anybody sees", () => {
  test.each([
    ["mrs x0, HCR_EL2"],
    ["msr VBAR_EL2, x0"],
    ["mrs x0, ELR_EL2"],
    ["tlbi alle1"],
    ["at s12e1r, x0"],
    // IMPLEMENTATION DEFINED: HCR_EL2.TIDCP traps them.
    ["mrs x0, S3_0_C15_C0_0"],
    ["msr S3_1_C11_C0_2, x0"],
    ["hlt #0"],
    [".word 0"],
  ])("%s", (text) => {
    expect(trap(`at: ${text}`)).toEqual({ syndrome: UNKNOWN, inPlace: true, vector: 0x200n, exits: 0 });
  });
});

describe("ID registers", () => {
  test("tell of no exception level above EL1, and of the rest as it is", () => {
    const { vcpu, x } = run(
      `mrs x10, ID_AA64PFR0_EL1; mrs x11, ID_AA64MMFR0_EL1; mrs x12, ID_AA64ISAR0_EL1; mrs x13, CurrentEL
       mrs x14, MIDR_EL1; mrs x15, MPIDR_EL1; mrs xzr, ID_AA64DFR0_EL1; mrs x16, ID_PFR0_EL1`,
    );
    const { pe } = vcpu;
    const own = pe.readSystem("ID_AA64PFR0_EL1");
    expect((own >> 8n) & 15n).toBe(1n);
    expect([x(10), x(11), x(12), x(13), x(16)]).toEqual([
      own & ~0xff00n,
      pe.readSystem("ID_AA64MMFR0_EL1"),
      pe.readSystem("ID_AA64ISAR0_EL1"),
      4n,
      0n,
    ]);
    expect([x(14), x(15)]).toEqual([pe.readSystem("MIDR_EL1"), 0x8000_0000n]);
  });

  test("of other vCPUs name them", () => {
    const guest = assembleGuest(
      `li x0, 0xc4000003; li x1, 2; adr x2, other; hvc #0; wait: b wait
       other: mrs x10, MPIDR_EL1; ${STOP}`,
      { cpus: 3 },
    );
    const exit = runTo(guest.vcpu, "cpuUp");
    expect(guest.vm.handleExit(guest.vcpu, exit)).toBeUndefined();
    const third = guest.vm.vcpus.getVcpu(2);
    runTo(third, "hypercall");
    expect([reg(third, "x10"), third.affinity]).toEqual([0x8000_0002n, 2n]);
  });
});

test("floating point, timers and debug registers are the guest's without exits", () => {
  const { x, vm } = run(`li x0, 0x300000; msr CPACR_EL1, x0; isb
    adr x1, data; ldr d0, [x1]; str d0, [x1, #8]; ldr x10, [x1, #8]
    mrs x11, CNTPCT_EL0; mrs x12, CNTVCT_EL0; mrs x13, CNTFRQ_EL0; li x2, 3; msr CNTP_CTL_EL0, x2; mrs x14, CNTP_CTL_EL0
    mrs x15, MDSCR_EL1; b behind
    .align 8
    data: .dword 0x123456789; .dword 0
    behind: nop`);
  expect(x(10)).toBe(0x1_2345_6789n);
  expect([x(13), x(15)]).toEqual([62_500_000n, 0n]);
  expect(x(12) - x(11)).toBeLessThan(2n);
  expect(x(14) & 3n).toBe(3n);
  expect(vm.stats.total).toBe(0);
});

describe("a guest waits", () => {
  test("WFI leaves it blocked behind the instruction, which counts", () => {
    const { vcpu } = assembleGuest(`nop; wfi; ${STOP}`);
    const exit = runTo(vcpu, "wait");
    expect([vcpu.state, vcpu.getPc(), vcpu.retired]).toEqual(["Blocked", BigInt(RAM + 8), 2]);
    // EC 1, COND always, TI = WFI.
    expect(exit.raw.esr).toBe(0x07e0_0000n);
    expect(vcpu.hasWakeEvent()).toBe(false);
    vcpu.setInterrupt(0, true);
    expect(vcpu.hasWakeEvent()).toBe(true);
    vcpu.wake();
    runTo(vcpu, "hypercall");
  });

  test("with an interrupt pending there is nothing to wait for, masked or not", () => {
    const { vcpu } = assembleGuest(`wfi; ${STOP}`);
    vcpu.setInterrupt(1, true);
    runTo(vcpu, "hypercall");
    expect(() => vcpu.setInterrupt(2, true)).toThrow("no virtual interrupt 2");
    expect(() => vcpu.interrupt(3)).toThrow("no interrupt controller");
  });
});

test("a guest without its second stage is not entered", () => {
  const { vcpu } = assembleGuest("nop");
  vcpu.pe.writeSystem("HCR_EL2", 0n);
  expect(vcpu.run(10)).toMatchObject({ kind: "failEntry", message: expect.stringContaining("second stage") });
});

test("a guest whose handler begins with what is UNDEFINED in a guest ends with a report", async () => {
  // Behind the vectors of SP_EL0: an exception of EL1 with SP_EL1.
  const { vm, labels } = assembleGuest(`
    adr x0, table
    msr VBAR_EL1, x0
    mrs x0, S3_1_C11_C0_0
    .align 2048
    table: nop
    .align 512
    handler: mrs x0, S3_1_C11_C0_0`);
  const result = await vm.run({ onIdle: "stop", maxInstructions: 1_000_000 });
  expect(result).toMatchObject({
    kind: "failed",
    report: { exit: { kind: "failEntry" }, pc: BigInt(labels.get("handler") ?? 0) },
  });
});

test("an exception that nothing routes to EL2 ends the guest with its class", () => {
  const { vcpu } = assembleGuest("brk #3");
  // MDCR_EL2.TDE: as a hypervisor's debugger would have it.
  vcpu.pe.writeSystem("MDCR_EL2", 0x100n);
  expect(vcpu.run(10)).toMatchObject({ kind: "failEntry", code: 0x3c });
});

test("readVirtual reads as the guest's loads would", () => {
  const { vcpu, vm } = run("nop");
  expect(vcpu.readVirtual(BigInt(RAM + 3))).toBe(vm.memory!.readU64(RAM + 3));
  expect(vcpu.readVirtual(0x1000n)).toBeUndefined();
  expect(vcpu.readVirtual(BigInt(RAM) - 4n)).toBeUndefined();
});
