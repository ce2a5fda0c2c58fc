import { describe, expect, test } from "vitest";
import { Helper } from "../cpu/helper-ids.js";
import { FLAGS, FPCR, PSTATE, SP, system } from "../cpu/state.js";
import { OneInstruction } from "../testing/one-instruction.js";
import { systemRegister, systemRegisterName, systemRegisterNumber } from "./system-names.js";

/** The operand `system` of MRS and MSR. */
const named = (name: string): number => systemRegisterNumber(name) & 0x7fff;
const one = () => new OneInstruction();
const EL0 = { el: 0, spSel: false };
const EL2 = { el: 2 };

test("system registers have the manual's numbers", () => {
  expect(systemRegisterNumber("SCTLR_EL1")).toBe(systemRegister(3, 0, 1, 0, 0));
  expect(systemRegisterNumber("HCR_EL2")).toBe(systemRegister(3, 4, 1, 1, 0));
  expect(systemRegisterName(systemRegister(3, 1, 15, 2, 0))).toBe("S3_1_C15_C2_0");
  expect(() => systemRegisterNumber("SCTLR_EL9")).toThrow(RangeError);
});

describe("registers that are storage", () => {
  test.each(["TPIDR_EL0", "TPIDR_EL1", "ELR_EL1"])("%s is read and written at EL1", (name) => {
    const machine = one().setX(3, 0x123456789abcdef0n);
    machine.execute("msr", { system: named(name), xt: 3 }).execute("mrs", { system: named(name), xt: 4 });
    expect(machine.x(4)).toBe(0x123456789abcdef0n);
    expect(machine.state.get(system(name))).toBe(0x123456789abcdef0n);
    expect(machine.calls).toEqual([]);
  });

  test("what EL0 may not access goes to the helper, which knows whether it traps", () => {
    const machine = one();
    machine.execute("mrs", { system: named("ELR_EL1"), xt: 1 }, EL0);
    machine.execute("msr", { system: named("TPIDRRO_EL0"), xt: 1 }, EL0);
    expect(machine.calls.map(({ helper, constant }) => [helper, constant])).toEqual([
      [Helper.readSystem, systemRegisterNumber("ELR_EL1")],
      [Helper.writeSystem, systemRegisterNumber("TPIDRRO_EL0")],
    ]);
    expect(machine.end.kind).toBe("dispatch");
  });

  test.each(["ESR_EL1", "FAR_EL1", "SCTLR_EL1"])(
    "%s, which HCR_EL2.TVM traps, goes to the helper",
    (name) => {
      const machine = one().execute("msr", { system: named(name), xt: 0 });
      expect(machine.calls).toMatchObject([{ helper: Helper.writeSystem }]);
    },
  );

  test("SP_EL0 is for the helper while it is the stack pointer", () => {
    const machine = one()
      .setX(1, 0x40n)
      .execute("msr", { system: named("SP_EL0"), xt: 1 });
    expect(machine.sp(0)).toBe(0x40n);
    machine.execute("msr", { system: named("SP_EL0"), xt: 1 }, { spSel: false });
    expect(machine.calls).toMatchObject([{ helper: Helper.writeSystem }]);
  });

  test("SP_EL1 is EL2's", () => {
    const machine = one()
      .setX(1, 0x50n)
      .execute("msr", { system: named("SP_EL1"), xt: 1 }, EL2);
    expect(machine.sp(1)).toBe(0x50n);
  });
});

describe("FPCR and FPSR", () => {
  test("FPCR is read in translated code; what writes it has to find another mode", () => {
    const machine = one();
    machine.state.set(FPCR, 0x0340_0000n);
    machine.execute("mrs", { system: named("FPCR"), xt: 4 }, EL0);
    expect(machine.x(4)).toBe(0x0340_0000n);
    expect(machine.calls).toEqual([]);
    machine.execute("msr", { system: named("FPCR"), xt: 4 }, EL0);
    expect(machine.calls).toMatchObject([{ helper: Helper.writeSystem, a: 0x0340_0000n }]);
    expect(machine.end.kind).toBe("dispatch");
  });

  test.each(["FPCR", "FPSR"])("%s traps where floating point does", (name) => {
    const machine = one();
    machine.execute("mrs", { system: named(name), xt: 4 }, { ...EL0, fpTrapped: true });
    machine.execute("msr", { system: named(name), xt: 4 }, { ...EL0, fpTrapped: true });
    expect(machine.calls.map(({ helper }) => helper)).toEqual([Helper.fpTrap, Helper.fpTrap]);
  });
});

describe("PSTATE", () => {
  test.each([0, 1, 2, 4, 8, 5, 10, 15])("NZCV %i is read as it was written", (nzcv) => {
    const machine = one().setX(1, (BigInt(nzcv) << 28n) | 0xfffffffn);
    machine.execute("msr", { system: named("NZCV"), xt: 1 }).execute("mrs", { system: named("NZCV"), xt: 2 });
    expect(machine.x(2)).toBe(BigInt(nzcv) << 28n);
  });

  test("CurrentEL and SPSel come from the mode", () => {
    const machine = one().execute("mrs", { system: named("CurrentEL"), xt: 1 }, EL2);
    machine.execute("mrs", { system: named("SPSel"), xt: 2 });
    expect([machine.x(1), machine.x(2)]).toEqual([8n, 1n]);
  });

  test("DAIFSet and DAIFClr", () => {
    const machine = one().execute("msr.daifset", { crm: 15 }).execute("msr.daifclr", { crm: 2 });
    expect(machine.state.get(PSTATE.daif)).toBe(0x340n);
    // Interrupts may be let in now.
    expect(machine.end.kind).toBe("jump");
    machine.execute("mrs", { system: named("DAIF"), xt: 5 });
    expect(machine.x(5)).toBe(0x340n);
  });

  test("writes of DAIF keep its four bits", () => {
    const machine = one()
      .setX(1, 0xffffn)
      .execute("msr", { system: named("DAIF"), xt: 1 });
    expect(machine.state.get(PSTATE.daif)).toBe(0x3c0n);
  });

  test("at EL0 the helper decides about DAIF; PAN and SPSel are undefined", () => {
    const machine = one().execute("msr.daifset", { crm: 2 }, EL0);
    machine.execute("msr.pan", { crm: 1 }, EL0).execute("msr.spsel", { crm: 1 }, EL0);
    expect(machine.calls.map(({ helper }) => helper)).toEqual([
      Helper.writePstate,
      Helper.undefined,
      Helper.undefined,
    ]);
    expect(machine.calls[0]?.constant).toBe((3 << 7) | (2 << 3) | 6);
  });

  test("PAN, by immediate and by register", () => {
    const machine = one()
      .execute("msr.pan", { crm: 1 })
      .execute("mrs", { system: named("PAN"), xt: 1 });
    expect(machine.x(1)).toBe(1n << 22n);
    machine.execute("msr", { system: named("PAN"), xt: 31 });
    expect(machine.state.get(PSTATE.pan)).toBe(0n);
  });
});

describe("exceptions", () => {
  test.each([
    ["svc", Helper.svc, Helper.svc],
    ["hvc", Helper.hvc, Helper.undefined],
    ["smc", Helper.smc, Helper.undefined],
    ["brk", Helper.brk, Helper.brk],
    ["hlt", Helper.hlt, Helper.hlt],
  ] as const)("%s", (name, atEl1, atEl0) => {
    const machine = one().execute(name, { imm: 0x1234 });
    expect(machine.calls).toMatchObject([{ helper: atEl1, constant: 0x1234 }]);
    machine.execute(name, { imm: 0x1234 }, EL0);
    expect(machine.calls[1]?.helper).toBe(atEl0);
  });

  test("unallocated encodings and UDF give the helper their bits", () => {
    const machine = one()
      .run(0x0000_1234)
      .run(0xd4b31882 | 0);
    expect(machine.calls).toMatchObject([
      { helper: Helper.undefined, a: 0x1234n },
      { helper: Helper.undefined, a: 0xd4b31882n },
    ]);
  });

  test("ERET is undefined at EL0", () => {
    const machine = one().execute("eret", {}).execute("eret", {}, EL0);
    expect(machine.calls.map(({ helper }) => helper)).toEqual([Helper.eret, Helper.undefined]);
  });

  test("a branch to an address that is no multiple of 4 is done, and its target calls the helper", () => {
    const machine = one().setX(1, 0x8000_0002n).execute("blr", { xn: 1 });
    expect(machine.calls).toEqual([]);
    expect([machine.end.address, machine.x(30)]).toEqual([0x8000_0002n, 0x8000_0104n]);
    for (const offset of [1, 2, 3, 0xffd, 0xfff]) {
      const at = one().run(0, {}, offset);
      expect(at.calls).toMatchObject([{ helper: Helper.pcAlignment }]);
      // Nothing of it lies in the next page.
      expect(at.end.address).toBe(0x8000_0000n + BigInt((offset & ~3) + 4));
    }
  });

  test("a stack pointer that is no multiple of 16, where the mode says it is checked", () => {
    const machine = one();
    machine.state.set(SP[1], 0x1008n);
    machine.execute("ldr.x", { xt: 0, xnSp: 31 });
    expect(machine.calls).toEqual([]);
    machine.execute("ldr.x", { xt: 0, xnSp: 31 }, { stackChecked: true });
    expect(machine.calls).toMatchObject([{ helper: Helper.stackAlignment, b: 0x1008n }]);
    machine.execute("ldr.x", { xt: 0, xnSp: 3 }, { stackChecked: true });
    expect(machine.calls).toHaveLength(1);
  });

  test("accesses are aligned where SCTLR_ELx.A asks, and always for acquire and release", () => {
    const machine = one().setX(1, 0x1004n);
    machine.execute("ldr.x", { xt: 0, xnSp: 1 });
    expect(() => machine.execute("ldr.x", { xt: 0, xnSp: 1 }, { alignmentChecked: true })).toThrow(
      /misaligned/,
    );
    expect(() => machine.execute("ldar.x", { xt: 0, xnSp: 1 })).toThrow(/misaligned/);
  });
});

describe("a base register is written only if the access was done", () => {
  test.each(["ldr.x.pre", "ldr.x.post", "str.x.pre", "str.x.post", "ldp.x.pre", "stp.x.post"])(
    "%s",
    (name) => {
      const operands = name.includes("p.x") ? { xt: 2, xt2: 3 } : { xt: 2 };
      const machine = one().setX(1, 0x1001n).setX(2, 7n);
      const checked = { alignmentChecked: true };
      expect(() => machine.execute(name, { ...operands, xnSp: 1, idisp: 16 }, checked)).toThrow(/misaligned/);
      expect([machine.x(1), machine.x(2)]).toEqual([0x1001n, 7n]);
      machine.execute(name, { ...operands, xnSp: 1, idisp: 16 });
      expect(machine.x(1)).toBe(0x1011n);
    },
  );
});

describe("operations", () => {
  const ZVA = (3 << 11) | (7 << 7) | (4 << 3) | 1;

  test("DC ZVA zeroes the block around the address", () => {
    const machine = one().setX(1, 0x1234n);
    machine.memory.load(0x11f8n, new Uint8Array(128).fill(0xff));
    machine.execute("sys", { operation: ZVA, xt: 1 });
    const bytes = machine.memory.slice(0x11f8n, 128);
    expect([...bytes].map((byte) => byte === 0)).toEqual(
      Array.from({ length: 128 }, (_, i) => i >= 8 && i < 72),
    );
    expect(machine.calls).toEqual([]);
  });

  test("DC ZVA is the helper's where memory may be Device for lack of a first stage", () => {
    const machine = one().execute("sys", { operation: ZVA, xt: 1 }, { alignmentChecked: true });
    expect(machine.calls).toMatchObject([{ helper: Helper.systemOperation, constant: ZVA | (1 << 14) }]);
  });

  test("DC ZVA at EL0 asks SCTLR_EL1.DZE, and HCR_EL2.TDZ below EL2", () => {
    const trapped = { helper: Helper.zeroTrapped, constant: ZVA | (1 << 14) };
    const machine = one().execute("sys", { operation: ZVA, xt: 1 }, EL0);
    expect(machine.calls).toMatchObject([trapped]);
    machine.state.set(system("SCTLR_EL1"), 1n << 14n);
    machine.execute("sys", { operation: ZVA, xt: 1 }, EL0);
    expect(machine.calls).toHaveLength(1);
    machine.state.set(system("HCR_EL2"), 1n << 28n);
    machine.execute("sys", { operation: ZVA, xt: 1 });
    expect(machine.calls).toHaveLength(2);
    machine.execute("sys", { operation: ZVA, xt: 1 }, EL2);
    expect(machine.calls).toHaveLength(2);
  });

  test("TLBI and IC are for the helper, and what follows is looked up anew", () => {
    const machine = one()
      .setX(1, 5n)
      .execute("sys", { operation: (8 << 7) | (7 << 3) | 1, xt: 1 });
    expect(machine.calls).toMatchObject([{ helper: Helper.systemOperation, constant: 0x4439, a: 5n }]);
    expect(machine.end.kind).toBe("dispatch");
  });

  test("hints of extensions that are not there do nothing", () => {
    for (const imm of [0, 1, 7, 16, 25, 29, 34, 127]) {
      const machine = one().execute("hint", { imm });
      expect(machine.calls).toEqual([]);
      expect(machine.end.kind).toBe("none");
    }
  });
});

test("a 32-bit comparison keeps its flags in the 64-bit form", () => {
  const machine = one().setX(1, 0xffff_ffff_8000_0000n).setX(2, 1n);
  machine.execute("subs", { sf: 0, rn: 1, rm: 2, rd: 31 });
  // 0x80000000 - 1 = 0x7fffffff: no sign, not zero, no borrow, signed overflow.
  expect(machine.state.get(FLAGS.n) >> 63n).toBe(0n);
  expect(machine.state.get(FLAGS.z)).not.toBe(0n);
  expect(machine.state.get(FLAGS.c)).toBe(1n);
  expect(machine.state.get(FLAGS.v) >> 63n).toBe(1n);
});
