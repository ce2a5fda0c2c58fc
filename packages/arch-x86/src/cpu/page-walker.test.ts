import { describe, expect, test } from "vitest";
import { createBareMachine, enterProgram, runOnCpu } from "../testing/cpu/bare-machine.js";
import { type PagingMode, pagingCases, pagingProgram } from "../testing/cpu/paging-cases.js";
import { assembleForCpu, haveQemuSystem } from "../testing/cpu/qemu-system.js";

const MODES: readonly PagingMode[] = ["32-bit", "PAE", "4-level"];

// QEMU is not asked here, but what it takes to assemble for it is.
describe.skipIf(!haveQemuSystem())("walks in WebAssembly", () => {
  test.each(MODES)("give what those in JavaScript do, %s", (mode) => {
    const list = pagingCases(mode, 400, 7);
    const program = assembleForCpu(pagingProgram(mode, list));
    const [ours, plain] = [true, false].map((walks) => runOnCpu(program, "cold", undefined, walks));
    expect(ours).toEqual(plain);
  });

  test.each(MODES)("are what fills the TLB, %s", (mode) => {
    const program = assembleForCpu(pagingProgram(mode, pagingCases(mode, 50)));
    const machine = createBareMachine("cold");
    machine.load(program);
    enterProgram(machine);
    expect(machine.core.run(5_000_000)).toBe("stopped");
    const { walks, tlbFills } = machine.core.statistics();
    expect(walks).toBeGreaterThan(tlbFills / 2);
  });
});
