import type { Tier } from "@hypercraft/engine";
import { InstructionClock } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { assembleGuest, createRig, RAM, reg } from "../../testing/vm/rig.js";

// PSCI as guests use it, by HVC: function ids and codes are the specification's numbers.

const CPU_SUSPEND = 0xc400_0001;
const CPU_OFF = 0x8400_0002;
const CPU_ON = 0xc400_0003;
const AFFINITY_INFO = 0xc400_0004;
const SYSTEM_OFF = 0x8400_0008;
const SYSTEM_RESET2 = 0xc400_0012;
const FLAGS = RAM + 0x3_0000;

const call = (id: number, ...args: readonly (number | bigint)[]): string =>
  `li x0, ${id}; ${args.map((value, i) => `li x${i + 1}, ${value}`).join("; ")}; hvc #0`;
const start = (source: string, cpus: number, tier: Tier) =>
  assembleGuest(source, { cpus, rig: createRig(new InstructionClock(), tier) });
const setFlag = (cpu: number): string => `li x9, ${FLAGS + 8 * cpu}; str x9, [x9]`;
const awaitFlag = (cpu: number): string =>
  `flag${cpu}: li x9, ${FLAGS + 8 * cpu}; ldr x10, [x9]; cbz x10, flag${cpu}`;
const minus = (n: bigint): bigint => 2n ** 64n - n;

describe.each<Tier>(["cold", "hot"])("%s tier", (tier) => {
  test("a CPU is started in the state of a reset, and stops itself", async () => {
    const { vm } = start(
      `pe0: ${call(AFFINITY_INFO, 1, 0)}; mov x20, x0
       li x0, ${CPU_ON}; li x1, 1; adr x2, other; li x3, 0x1234; hvc #0; mov x21, x0
       ${call(AFFINITY_INFO, 1, 0)}; mov x22, x0
       li x0, ${CPU_ON}; li x1, 1; adr x2, other; hvc #0; mov x23, x0
       ${awaitFlag(1)}
       off: ${call(AFFINITY_INFO, 1, 0)}; cbz x0, off; mov x24, x0
       ${call(AFFINITY_INFO, 0, 1)}; mov x25, x0
       ${call(CPU_ON, 1, 0x1000)}; mov x26, x0
       ${call(CPU_ON, 7, RAM)}; mov x27, x0
       ${call(SYSTEM_OFF)}
       other: mov x20, x0; mrs x21, CurrentEL; mrs x22, DAIF; mrs x23, SCTLR_EL1; mrs x24, MPIDR_EL1
       ${setFlag(1)}
       ${call(CPU_OFF)}
       b other`,
      2,
      tier,
    );
    expect(await vm.run({ slice: 100 })).toEqual({ kind: "shutdown", vcpuId: 0, failure: false, code: 0 });
    const [first, second] = [vm.vcpus.getVcpu(0), vm.vcpus.getVcpu(1)];
    const values = (from: typeof first, ...names: number[]) => names.map((i) => reg(from, `x${i}`));
    expect(values(first, 20, 21, 22, 23, 24, 25, 26, 27)).toEqual([
      1n,
      0n,
      0n,
      minus(4n),
      1n,
      0n,
      minus(9n),
      minus(2n),
    ]);
    expect(values(second, 20, 21, 22, 24)).toEqual([0x1234n, 4n, 0x3c0n, 0x8000_0001n]);
    // Translation and caches are off.
    expect(reg(second, "x23") & 0x1005n).toBe(0n);
    expect(second.state).toBe("PoweredOff");
  });

  test("a standby returns, a power-down goes on at its entry", async () => {
    const { vm, vcpu } = start(
      `${call(CPU_SUSPEND, 0)}; mov x20, x0
       mrs x9, SCTLR_EL1; li x10, 8; orr x9, x9, x10; msr SCTLR_EL1, x9
       msr DAIFClr, #8
       li x0, ${CPU_SUSPEND}; li x1, 0x10000; adr x2, resumed; li x3, 0x66; hvc #0
       wrong: b wrong
       resumed: mov x21, x0; mrs x22, DAIF; mrs x23, CurrentEL
       ${call(CPU_SUSPEND, 1 << 24)}; mov x24, x0
       ${call(SYSTEM_RESET2, 0, 0)}`,
      1,
      tier,
    );
    expect((await vm.run({ onIdle: "stop" })).kind).toBe("idle");
    expect(vcpu.suspended).toBe(true);
    vcpu.setInterrupt(0, true);
    expect(await vm.run({ onIdle: "stop" })).toMatchObject({ kind: "reset", warm: true });
    expect([20, 21, 22, 23, 24].map((i) => reg(vcpu, `x${i}`))).toEqual([0n, 0x66n, 0x3c0n, 4n, minus(2n)]);
  });
});
