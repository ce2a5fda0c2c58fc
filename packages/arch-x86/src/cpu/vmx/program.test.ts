import { describe, expect, it } from "vitest";
import { EXIT_LOG, loadHypervisor } from "../../testing/cpu/vmx-program.js";
import { createVmxRig } from "../../testing/cpu/vmx-rig.js";
import { GPR } from "../state.js";
import { ExitReason } from "./vm-exit.js";

/** inc r14; cpuid; vmcall; vmresume; jmp to the first. */
const GUEST = [0x49, 0xff, 0xc6, 0x0f, 0xa2, 0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xc3, 0xeb, 0xf3];
const REASONS = [ExitReason.cpuid, ExitReason.vmcall, ExitReason.vmresume];

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
});
