import { describe, expect, it } from "vitest";
import { EXIT_LOG, loadHypervisor } from "../../testing/cpu/vmx-program.js";
import { createVmxRig, type VmxRig } from "../../testing/cpu/vmx-rig.js";
import { GPR, Gpr } from "../state.js";
import { Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { ExitReason } from "./vm-exit.js";

/** inc r14; cpuid; vmcall; vmresume; jmp to the first. */
const GUEST = [0x49, 0xff, 0xc6, 0x0f, 0xa2, 0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xc3, 0xeb, 0xf3];
const REASONS = [ExitReason.cpuid, ExitReason.vmcall, ExitReason.vmresume];

const EPT_TABLES = 0x17_0000;
/** Guest-physical memory is the host's, by a page of 1 GiB, with accessed flags and a VPID. */
const BEHIND_EPT = {
  [F.SECONDARY_CONTROLS]: Secondary.rdtscp | Secondary.invpcid | Secondary.ept | Secondary.vpid,
  [F.VPID]: 3,
  [F.EPT_POINTER]: EPT_TABLES | 0x5e,
};
function mapAll(rig: VmxRig): void {
  rig.write64(EPT_TABLES, BigInt(EPT_TABLES + 0x1000) | 7n);
  rig.write64(EPT_TABLES + 0x1000, 0xb7n);
}

/**
 * mov r14d, 40; mov rcx, 200; mov rbx, 0x1000000; add [rbx], rcx; add rax, [rbx]; add rbx, 0x1000; dec rcx; jnz to the
 * first add; vmcall; dec r14; jnz to the second mov; mov rdi, rax; vmcall
 */
const MEMORY_GUEST = [
  ...[0x41, 0xbe, 40, 0, 0, 0, 0x48, 0xc7, 0xc1, 200, 0, 0, 0, 0x48, 0xc7, 0xc3, 0, 0, 0, 1],
  ...[0x48, 0x01, 0x0b, 0x48, 0x03, 0x03, 0x48, 0x81, 0xc3, 0, 0x10, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xee],
  ...[0x0f, 0x01, 0xc1, 0x49, 0xff, 0xce, 0x75, 0xd8, 0x48, 0x89, 0xc7, 0x0f, 0x01, 0xc1],
];
/** What that makes of RAX, which set-up leaves at 5: each page holds 200, 199 and so on, times the rounds. */
const MEMORY_SUM = 5n + (BigInt(200 * 201) / 2n) * (BigInt(40 * 41) / 2n);

describe.each(["cold", "hot"] as const)("a hypervisor that is guest code, %s", (tier) => {
  it("enters its guest and is left to, again and again", () => {
    const rounds = 3000;
    const rig = createVmxRig(tier, false);
    loadHypervisor(rig, GUEST, REASONS.length * rounds);
    expect(rig.core.run(1_000_000)).toBe("stopped");
    const log = Array.from({ length: REASONS.length * rounds }, (_, i) => rig.read64(EXIT_LOG + 8 * i));
    expect(log.every((reason, i) => reason === BigInt(REASONS[i % REASONS.length] as number))).toBe(true);
    expect(rig.core.big(GPR[14]!)).toBe(BigInt(rounds));
  });

  it("keeps its guest behind EPT", () => {
    const rig = createVmxRig(tier, false);
    mapAll(rig);
    loadHypervisor(rig, MEMORY_GUEST, 41, BEHIND_EPT);
    expect(rig.core.run(2_000_000)).toBe("stopped");
    const start = rig.read64(EXIT_LOG);
    expect([start, rig.core.big(GPR[Gpr.rdi]!)]).toEqual([18n, MEMORY_SUM]);
    // The accessed and dirty flags of EPT.
    expect(rig.read64(EPT_TABLES + 0x1000) & 0x300n).toBe(0x300n);
  });

  it("goes on in another machine, from within its guest", () => {
    const [first, second] = [createVmxRig(tier, false), createVmxRig(tier, false)];
    mapAll(first);
    loadHypervisor(first, MEMORY_GUEST, 41, BEHIND_EPT);
    expect(first.core.run(17_000)).toBe("budget");
    expect(first.cpu.vmx.guest).toBe(true);
    second.ram.set(first.ram);
    second.core.restore(first.core.state());
    second.cpu.reload();
    for (const rig of [first, second]) expect(rig.core.run(2_000_000)).toBe("stopped");
    expect(second.core.state()).toEqual(first.core.state());
    expect(second.core.big(GPR[Gpr.rdi]!)).toBe(MEMORY_SUM);
  });
});
