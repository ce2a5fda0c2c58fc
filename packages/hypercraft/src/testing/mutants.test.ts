import { describe, expect, it } from "vitest";
import type { GuestPhysAddr } from "../address.js";
import type { ExitAnswer, VmExitInfo } from "../exit.js";
import { Host } from "../host.js";
import { VmCpus } from "../vcpus.js";
import { type ConformanceAdapter, conformanceCases } from "./conformance.js";
import type { GuestProgram } from "./guest-program.js";
import {
  type MockExitCause,
  MockVCpu,
  mockAdapter,
  mockEntry,
  mockGuestPageTable,
  mockHost,
} from "./mock-arch.js";

/* A kit that passes everything proves nothing: each architecture here breaks one rule and must be found out. */

type VCpuClass = typeof MockVCpu;

function adapterOf(
  VCpu: VCpuClass,
  part: Partial<ConformanceAdapter<MockVCpu>> = {},
): ConformanceAdapter<MockVCpu> {
  return {
    ...mockAdapter,
    createVm(host, programs, options = {}) {
      const vcpus = new VmCpus<MockVCpu>(programs.length);
      for (const index of programs.keys())
        vcpus.addVcpu(new VCpu(index, mockEntry(index), host.hal, programs));
      const guestPageTable = (vmid: number) => mockGuestPageTable(host.hal, vmid);
      const vm = host.createVm({ ...options, vcpus, guestPageTable });
      for (const { vcpuId } of vcpus) vm.initVcpu(vcpuId);
      return vm;
    },
    ...part,
  };
}

/** Names of the cases that fail, of those whose name begins with `only`. */
async function failures(adapter: ConformanceAdapter<MockVCpu>, only = ""): Promise<string[]> {
  const names: string[] = [];
  for (const { name, skip, run } of conformanceCases(adapter)) {
    if (skip !== undefined || !name.startsWith(only)) continue;
    try {
      await run();
    } catch {
      names.push(name);
    }
  }
  return names;
}

type Exit = VmExitInfo<MockExitCause>;

class OffByOneBudget extends MockVCpu {
  protected override enter(budget: number): Exit {
    return super.enter(budget + 1);
  }
}

class ShortBudget extends MockVCpu {
  protected override enter(budget: number): Exit {
    return super.enter(budget > 500 ? budget - 1 : budget);
  }
}

class NoSignExtension extends MockVCpu {
  protected override finishExit(exit: Exit, answer: ExitAnswer): void {
    super.finishExit(exit.kind === "mmioRead" ? { ...exit, signed: false } : exit, answer);
  }
}

class SignBitOf4BytesOnly extends MockVCpu {
  protected override finishExit(exit: Exit, answer: ExitAnswer): void {
    const narrow = exit.kind === "mmioRead" && exit.width === 2;
    super.finishExit(narrow ? { ...exit, signed: false } : exit, answer);
  }
}

class WholeAnswer extends MockVCpu {
  protected override finishExit(exit: Exit, answer: ExitAnswer): void {
    super.finishExit(exit, answer);
    if (exit.kind === "mmioRead" && exit.width === 4 && !exit.signed && answer.kind === "value")
      this.setGprPair(exit.reg, answer.lo, answer.hi);
  }
}

class TruncatedStore extends MockVCpu {
  protected override enter(budget: number): Exit {
    const exit = super.enter(budget);
    return exit.kind === "mmioWrite" && exit.width === 8 ? { ...exit, hi: 0 } : exit;
  }
}

class WrongAddress extends MockVCpu {
  protected override enter(budget: number): Exit {
    const exit = super.enter(budget);
    return exit.kind === "mmioRead" ? { ...exit, gpa: Math.floor(exit.gpa / 16) * 16 } : exit;
  }
}

class ImpreciseExit extends MockVCpu {
  protected override enter(budget: number): Exit {
    const exit = super.enter(budget);
    if (exit.kind === "mmioRead") this.setGpr(exit.reg, 0n);
    return exit;
  }
}

class CountsRuns extends MockVCpu {
  protected override enter(budget: number): Exit {
    this.setGpr(4, this.getGpr(4) + 1n);
    return super.enter(budget);
  }
}

class LosesHighHalf extends MockVCpu {
  override getGpr(index: number): bigint {
    return BigInt(this.getGprLo(index));
  }
}

class SignedHalves extends MockVCpu {
  override getGprLo(index: number): number {
    return super.getGprLo(index) | 0;
  }
}

class WritableZero extends MockVCpu {
  #zero = 0;
  override setGprPair(index: number, lo: number, hi: number): void {
    if (index === 0) this.#zero = lo;
    super.setGprPair(index, lo, hi);
  }
  override getGprLo(index: number): number {
    return index === 0 ? this.#zero : super.getGprLo(index);
  }
}

class AliasedRegisters extends MockVCpu {
  override setGprPair(index: number, lo: number, hi: number): void {
    super.setGprPair(index, lo, hi);
    if (index === 6) super.setGprPair(7, lo, hi);
  }
}

class ForgetsPendingExit extends MockVCpu {
  override get pendingExit(): undefined {
    return undefined;
  }
}

class RunsPastPendingExit extends MockVCpu {
  override run(budget: number): Exit {
    if (this.pendingExit !== undefined) return { kind: "budgetSpent", raw: this.pendingExit.raw };
    return super.run(budget);
  }
}

class AnyAnswer extends MockVCpu {
  override completeExit(answer: ExitAnswer): void {
    const value: ExitAnswer = { kind: "results", values: [0n] };
    super.completeExit(this.pendingExit?.kind === "hypercall" && answer.kind === "value" ? value : answer);
  }
}

class DropsArguments extends MockVCpu {
  protected override enter(budget: number): Exit {
    const exit = super.enter(budget);
    if (exit.kind !== "hypercall") return exit;
    return { ...exit, args: exit.args.map((arg) => BigInt.asUintN(32, arg)) };
  }
}

class TruncatedResult extends MockVCpu {
  protected override finishExit(exit: Exit, answer: ExitAnswer): void {
    const cut = (values: readonly bigint[]) => values.map((value) => BigInt.asUintN(32, value));
    super.finishExit(
      exit,
      answer.kind === "results" ? { kind: "results", values: cut(answer.values) } : answer,
    );
  }
}

class NeverBlocks extends MockVCpu {
  override get state() {
    return super.state === "Blocked" ? "Ready" : super.state;
  }
}

class SleepsThroughInterrupts extends MockVCpu {
  override hasWakeEvent(): boolean {
    return false;
  }
}

class SilentInterrupt extends MockVCpu {
  protected override signalWake(): void {}
}

class NoDeadline extends MockVCpu {
  override nextDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }
}

class StartsAtOwnEntry extends MockVCpu {
  override powerOn(_entry: GuestPhysAddr, arg: bigint): void {
    super.powerOn(this.entry, arg);
  }
}

class DropsStartArgument extends MockVCpu {
  override powerOn(entry: GuestPhysAddr): void {
    super.powerOn(entry, 0n);
  }
}

class AlwaysSuccess extends MockVCpu {
  protected override finishExit(exit: Exit, answer: ExitAnswer): void {
    super.finishExit(exit, answer.kind === "status" ? { kind: "status", status: "success" } : answer);
  }
}

class NamelessCause extends MockVCpu {
  protected override enter(budget: number): Exit {
    const exit = super.enter(budget);
    return { ...exit, raw: { ...exit.raw, reason: "" } };
  }
}

class EmptyReport extends MockVCpu {
  override registers() {
    return [];
  }
}

class NoDisassembly extends MockVCpu {
  override disassemble(): string {
    return "";
  }
}

class ChargesRetries extends MockVCpu {
  #extra = 0;
  override get retired(): number {
    return super.retired + this.#extra;
  }
  protected override finishExit(exit: Exit, answer: ExitAnswer): void {
    if (answer.kind === "retry") this.#extra += 1;
    super.finishExit(exit, answer);
  }
}

const mutants: readonly (readonly [VCpuClass, string])[] = [
  [OffByOneBudget, "budget: a run without exits"],
  [ShortBudget, "budget: a run without exits"],
  [NoSignExtension, "mmio: a load of 1 bytes, sign-extended"],
  [SignBitOf4BytesOnly, "mmio: a load of 2 bytes, sign-extended"],
  [WholeAnswer, "mmio: a load of 4 bytes, zero-extended"],
  [TruncatedStore, "mmio: a store of 8 bytes"],
  [WrongAddress, "mmio: a load of"],
  [ImpreciseExit, "exit precision: what stands before"],
  [CountsRuns, "budget: exits come at the same count"],
  [LosesHighHalf, "gpr: every register keeps"],
  [SignedHalves, "gpr: every register keeps"],
  [WritableZero, "gpr: a hard-wired zero"],
  [AliasedRegisters, "gpr: registers do not overlap"],
  [ForgetsPendingExit as unknown as VCpuClass, "pending exit: nothing runs"],
  [RunsPastPendingExit, "pending exit: nothing runs"],
  [AnyAnswer, "pending exit: nothing runs"],
  [DropsArguments, "hypercall: number and arguments"],
  [TruncatedResult, "hypercall: the result arrives in full"],
  [NeverBlocks, "wait: blocks"],
  [SleepsThroughInterrupts, "wait: blocks"],
  [SilentInterrupt, "wait: an interrupt wakes a run that sleeps"],
  [NoDeadline, "timer: virtual time jumps"],
  [StartsAtOwnEntry, "cpuUp: the other vCPU starts"],
  [DropsStartArgument, "cpuUp: the other vCPU starts"],
  [AlwaysSuccess, "cpuUp: the caller learns"],
  [NamelessCause, "exits carry the architecture's own cause"],
  [EmptyReport, "report: an unmapped access"],
  [NoDisassembly, "report: an unmapped access"],
  [ChargesRetries, "exit precision: an exit that is tried again"],
];

describe("the conformance kit finds", () => {
  it("nothing wrong with the unchanged mock, by the same way", async () => {
    expect(await failures(adapterOf(MockVCpu))).toEqual([]);
  });

  it.each(mutants.map(([mutant, found]) => [mutant.name, mutant, found] as const))(
    "%s",
    async (_name, mutant, found) => {
      expect(await failures(adapterOf(mutant), found)).not.toEqual([]);
    },
  );

  it("VMs that share their RAM", async () => {
    const tables = new WeakMap<Host, ReturnType<typeof mockGuestPageTable>>();
    const adapter = adapterOf(MockVCpu, {
      createVm(host: Host, programs: readonly GuestProgram[], options = {}) {
        const vcpus = new VmCpus<MockVCpu>(programs.length);
        for (const index of programs.keys())
          vcpus.addVcpu(new MockVCpu(index, mockEntry(index), host.hal, programs));
        const guestPageTable = tables.get(host) ?? mockGuestPageTable(host.hal, 1);
        tables.set(host, guestPageTable);
        const vm = host.createVm({ ...options, vcpus, guestPageTable });
        for (const { vcpuId } of vcpus) vm.initVcpu(vcpuId);
        return vm;
      },
    });
    expect(await failures(adapter)).toEqual([
      "isolation: two VMs of one host share no RAM, no device and no console",
    ]);
  });

  it("hosts that are one host", async () => {
    const { hal } = mockHost();
    const failed = await failures(adapterOf(MockVCpu, { createHost: () => new Host({ hal }) }));
    expect(failed).toContain(
      "determinism: the same VM on two hosts gives the same counts, time and statistics",
    );
  });

  it("secondary vCPUs that start by themselves", async () => {
    const adapter = adapterOf(MockVCpu, {
      createVm(host, programs, options) {
        const vm = mockAdapter.createVm(host, programs, options);
        for (const vcpu of vm.vcpus) if (vcpu.state === "PoweredOff") vcpu.powerOn(vcpu.entry, 0n);
        return vm;
      },
    });
    expect(await failures(adapter)).toContain(
      "state: after initVcpu the boot vCPU is Ready and the others are PoweredOff",
    );
  });

  it("skips what an architecture has no means for, and says so", () => {
    const cases = conformanceCases({ ...mockAdapter, unsupported: ["ipi", "reset"] });
    const skipped = cases.filter(({ skip }) => skip !== undefined);
    expect(skipped.map(({ name, skip }) => [name.split(":")[0], skip])).toEqual([
      ["reset", "mock has no reset"],
      ["ipi", "mock has no ipi"],
    ]);
  });
});
