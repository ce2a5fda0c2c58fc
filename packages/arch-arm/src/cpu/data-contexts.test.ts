import { describe, expect, test } from "vitest";
import { LEAF, PagedMachine } from "../testing/cpu/paged-machine.js";

const [USER, KERNEL] = [0x4000n, 0x5000n];
const ROUNDS = 300n;

const programs = {
  loop: `
    li x4, ${ROUNDS}
    li x3, 0
    again: msr PAN, #0
    ldr x5, [x0]
    add x3, x3, x5
    ldtr x5, [x0]
    add x3, x3, x5
    msr PAN, #1
    ldr x5, [x1]
    add x3, x3, x5
    ldtr x5, [x0]
    add x3, x3, x5
    ldr x5, [x1]
    sttr x5, [x0, #8]
    ldr x5, [x1]
    add x3, x3, x5
    tbz x4, #0, kept
    tlbi vmalle1
    dsb sy
    isb
    kept: sub x4, x4, #1
    cbnz x4, again`,
  load: "ldr x5, [x0]",
  unprivileged: "ldtr x5, [x0]",
  store: "str x5, [x0]",
};

describe.each(["cold", "hot"] as const)("rights of EL0 and PSTATE.PAN (%s tier)", (tier) => {
  test.each([true, false])("change from one instruction to the next (walks in WebAssembly: %s)", (walks) => {
    const m = new PagedMachine(programs, { tier, walks });
    m.map(0, Number(USER), 0x8_0000, LEAF.user | LEAF.notGlobal);
    m.map(0, Number(KERNEL), 0x8_1000, LEAF.notGlobal);
    m.machine.write(0x8_0000, 1n);
    m.machine.write(0x8_1000, 100n);
    expect(m.run("loop", USER, KERNEL)).toBe("wfi");
    expect(m.x(3)).toBe(ROUNDS * 203n);
    expect(m.machine.read(0x8_0008)).toBe(100n);
    // Everything is in the TLB now, each with its rights.
    const { pe } = m.pe();
    const ends = (program: keyof typeof programs, address: bigint, pan: boolean): string => {
      pe.writeSystem("PAN", pan ? 1n << 22n : 0n);
      const ended = m.run(program, address);
      return ended === "wfi" ? ended : ended.syndrome.toString(16);
    };
    expect(ends("load", USER, false)).toBe("wfi");
    expect(ends("load", USER, true)).toBe("9600000f");
    expect(ends("store", USER, true)).toBe("9600004f");
    expect(ends("unprivileged", USER, true)).toBe("wfi");
    expect(ends("load", KERNEL, true)).toBe("wfi");
    expect(ends("unprivileged", KERNEL, false)).toBe("9600000f");
    expect(ends("load", KERNEL, false)).toBe("wfi");
    const { tlbFills, walks: made } = m.pe().core.statistics();
    expect(tlbFills).toBeGreaterThan(300);
    expect(made).toBe(walks ? tlbFills : 0);
  });
});
