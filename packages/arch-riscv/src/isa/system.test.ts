import type { Field } from "@hypercraft/engine";
import type { HelperCall } from "@hypercraft/engine/testing/lifted-instruction";
import { describe, expect, test } from "vitest";
import { Helper } from "../cpu/helper-ids.js";
import type { CodeMode } from "../cpu/mode.js";
import { frm, M, riscvLayout, S, VS } from "../cpu/state.js";
import { OneInstruction } from "../testing/one-instruction.js";
import { riscvInstructions } from "./table.js";

// What system instructions ask the CPU model to do, by mode.

const MODES = {
  M: { privilege: 3, virtual: false },
  HS: { privilege: 1, virtual: false },
  U: { privilege: 0, virtual: false },
  VS: { privilege: 1, virtual: true },
  VU: { privilege: 0, virtual: true },
} as const;
type ModeName = keyof typeof MODES;
const ALL = Object.keys(MODES) as ModeName[];

const HERE = 0x8000_0100n;
const VIRTUAL_INSTRUCTION = 22;
const next = { kind: "dispatch", address: HERE + 4n };
const through = { kind: "none", address: 0n };

const encode = (name: string, operands: Record<string, number> = {}): number =>
  riscvInstructions.named(name).encode(operands);

function run(bits: number, mode: ModeName, more: Partial<CodeMode> = {}): OneInstruction {
  const machine = new OneInstruction().setX(11, 0x1111n).setX(12, 0x2222n);
  machine.helperResult = 0xabcdn;
  return machine.run(bits, { ...MODES[mode], ...more });
}

const call = (helper: number, constant = 0, a = 0n, b = 0n): HelperCall => ({ helper, constant, a, b });
const illegal = (bits: number) => [call(Helper.illegal, 0, BigInt(bits >>> 0))];
const virtual = (bits: number) => [call(Helper.trap, VIRTUAL_INSTRUCTION, BigInt(bits >>> 0))];

/** The calls an instruction makes in each mode; each ends the block. */
function expectCalls(bits: number, byMode: Record<ModeName, readonly HelperCall[]>): void {
  for (const mode of ALL) {
    const machine = run(bits, mode);
    expect(machine.calls, mode).toEqual(byMode[mode]);
    expect(machine.end, mode).toEqual(next);
  }
}

const everywhere = (calls: readonly HelperCall[]): Record<ModeName, readonly HelperCall[]> => ({
  M: calls,
  HS: calls,
  U: calls,
  VS: calls,
  VU: calls,
});

describe("environment", () => {
  test("ecall, ebreak, wfi and fence.i", () => {
    expectCalls(encode("ecall"), everywhere([call(Helper.ecall)]));
    expectCalls(encode("ebreak"), everywhere([call(Helper.ebreak, 0, HERE)]));
    expectCalls(encode("wfi"), everywhere([call(Helper.wfi)]));
    expectCalls(encode("fence.i"), everywhere([call(Helper.fenceI)]));
  });

  test("c.ebreak is two bytes long", () => {
    const machine = run(0x9002, "M");
    expect(machine.calls).toEqual([call(Helper.ebreak, 0, HERE)]);
    expect(machine.end).toEqual({ kind: "dispatch", address: HERE + 2n });
  });

  test("mret is M-mode's, sret not the user's", () => {
    const mret = encode("mret");
    const sret = encode("sret");
    const refused = illegal(mret);
    expectCalls(mret, { M: [call(Helper.mret)], HS: refused, U: refused, VS: refused, VU: refused });
    const done = [call(Helper.sret)];
    expectCalls(sret, { M: done, HS: done, U: illegal(sret), VS: done, VU: virtual(sret) });
  });

  test("fences and pauses do nothing", () => {
    for (const bits of [
      encode("fence", { pred: 15, succ: 15 }),
      encode("fence.tso"),
      encode("pause"),
      0xfff0_0f8f,
    ]) {
      for (const mode of ALL) {
        expect(run(bits, mode).calls).toEqual([]);
        expect(run(bits, mode).end).toEqual(through);
      }
    }
  });
});

describe("translation fences", () => {
  test.each([
    ["sfence.vma", 0],
    ["sinval.vma", 4],
  ])("%s", (name, kind) => {
    const bits = encode(name, { rs1: 11, rs2: 12 });
    const done = [call(Helper.sfenceVma, 3 | kind, 0x1111n, 0x2222n)];
    expectCalls(bits, { M: done, HS: done, U: illegal(bits), VS: done, VU: virtual(bits) });
    const only = (operands: Record<string, number>) => run(encode(name, operands), "HS").calls;
    expect(only({})).toEqual([call(Helper.sfenceVma, kind)]);
    expect(only({ rs1: 11 })).toEqual([call(Helper.sfenceVma, kind | 1, 0x1111n)]);
    expect(only({ rs2: 12 })).toEqual([call(Helper.sfenceVma, kind | 2, 0n, 0x2222n)]);
  });

  test.each([
    ["hfence.vvma", Helper.hfenceVvma, 0],
    ["hfence.gvma", Helper.hfenceGvma, 0],
    ["hinval.vvma", Helper.hfenceVvma, 4],
    ["hinval.gvma", Helper.hfenceGvma, 4],
  ])("%s", (name, helper, kind) => {
    const bits = encode(name, { rs1: 11, rs2: 12 });
    const done = [call(helper, 3 | kind, 0x1111n, 0x2222n)];
    expectCalls(bits, { M: done, HS: done, U: illegal(bits), VS: virtual(bits), VU: virtual(bits) });
  });

  test.each(["sfence.w.inval", "sfence.inval.ir"])("%s orders nothing", (name) => {
    const bits = encode(name);
    for (const mode of ["M", "HS", "VS"] as const) {
      expect(run(bits, mode).calls).toEqual([]);
      expect(run(bits, mode).end).toEqual(through);
    }
    expect(run(bits, "U").calls).toEqual(illegal(bits));
    expect(run(bits, "VU").calls).toEqual(virtual(bits));
  });
});

describe("accesses to guest memory", () => {
  test.each([
    ["hlv.b", 1 | 16],
    ["hlv.bu", 1],
    ["hlv.h", 2 | 16],
    ["hlv.hu", 2],
    ["hlvx.hu", 2 | 32],
    ["hlv.w", 4 | 16],
    ["hlv.wu", 4],
    ["hlvx.wu", 4 | 32],
    ["hlv.d", 8],
  ])("%s", (name, constant) => {
    const bits = encode(name, { rd: 10, rs1: 11 });
    for (const mode of ["M", "HS", "U"] as const) {
      const machine = run(bits, mode);
      expect(machine.calls).toEqual([call(Helper.hypervisorLoad, constant, 0x1111n)]);
      expect(machine.x(10)).toBe(0xabcdn);
      expect(machine.end).toEqual(through);
    }
    expect(run(bits, "VS").calls).toEqual(virtual(bits));
    expect(run(bits, "VU").calls).toEqual(virtual(bits));
    expect(run(bits, "VU").x(10)).toBe(0n);
  });

  test.each([
    ["hsv.b", 1],
    ["hsv.h", 2],
    ["hsv.w", 4],
    ["hsv.d", 8],
  ])("%s", (name, size) => {
    const bits = encode(name, { rs1: 11, rs2: 12 });
    expect(run(bits, "HS").calls).toEqual([call(Helper.hypervisorStore, size, 0x1111n, 0x2222n)]);
    expect(run(bits, "HS").end).toEqual(through);
    expect(run(bits, "VS").calls).toEqual(virtual(bits));
  });
});

test.each([
  ["cbo.inval", 0],
  ["cbo.clean", 1],
  ["cbo.flush", 2],
  ["cbo.zero", 4],
])("%s", (name, operation) => {
  const machine = run(encode(name, { rs1: 11 }), "U");
  expect(machine.calls).toEqual([call(Helper.cacheBlock, operation, 0x1111n)]);
  expect(machine.end).toEqual(through);
});

describe("CSRs by helper", () => {
  const SIE = 0x104;
  const csr = (name: string, operands: Record<string, number>) =>
    run(encode(name, { csr: SIE, ...operands }), "HS");

  test("reads go on", () => {
    for (const machine of [
      csr("csrrs", { rd: 10, rs1: 0 }),
      csr("csrrc", { rd: 10, rs1: 0 }),
      csr("csrrsi", { rd: 10, uimm: 0 }),
      csr("csrrci", { rd: 10, uimm: 0 }),
    ]) {
      expect(machine.calls).toEqual([call(Helper.csrRead, SIE)]);
      expect(machine.x(10)).toBe(0xabcdn);
      expect(machine.end).toEqual(through);
    }
  });

  test("a read whose value nobody wants may still trap", () => {
    expect(csr("csrrs", { rd: 0, rs1: 0 }).calls).toEqual([call(Helper.csrRead, SIE)]);
  });

  test("csrrw to x0 does not read", () => {
    const machine = csr("csrrw", { rd: 0, rs1: 11 });
    expect(machine.calls).toEqual([call(Helper.csrWrite, SIE, 0x1111n)]);
    expect(machine.end).toEqual(next);
    expect(csr("csrrwi", { rd: 0, uimm: 31 }).calls).toEqual([call(Helper.csrWrite, SIE, 31n)]);
    expect(csr("csrrw", { rd: 0, rs1: 0 }).calls).toEqual([call(Helper.csrWrite, SIE)]);
  });

  test.each([
    ["csrrw", 1],
    ["csrrs", 2],
    ["csrrc", 3],
  ])("%s exchanges", (name, operation) => {
    const constant = SIE | (operation << 12);
    const machine = csr(name, { rd: 11, rs1: 11 });
    expect(machine.calls).toEqual([call(Helper.csrExchange, constant, 0x1111n)]);
    expect(machine.x(11)).toBe(0xabcdn);
    expect(machine.end).toEqual(next);
    expect(csr(`${name}i`, { rd: 10, uimm: 17 }).calls).toEqual([call(Helper.csrExchange, constant, 17n)]);
  });

  test("csrrs and csrrc with a register write even if it holds zero", () => {
    expect(csr("csrrs", { rd: 0, rs1: 20 }).calls).toEqual([call(Helper.csrExchange, SIE | 0x2000)]);
  });
});

describe("CSRs that are storage", () => {
  const banks: [string, number, Record<string, Field>, readonly ModeName[]][] = [
    ["m", 0x340, M, ["M"]],
    ["s", 0x140, S, ["M", "HS"]],
    ["s, which are vs when V=1,", 0x140, VS, ["VS"]],
    ["vs", 0x240, VS, []],
  ];
  const names = ["scratch", "epc", "cause", "tval"];

  test.each(banks)("%s registers", (_, first, fields, plain) => {
    const others = ALL.filter((mode) => !plain.includes(mode) && (first !== 0x140 || mode.endsWith("U")));
    for (const [i, name] of names.entries()) {
      const field = fields[name] as Field;
      const exchange = encode("csrrw", { rd: 11, rs1: 11, csr: first + i });
      for (const mode of plain) {
        const machine = new OneInstruction().setX(11, 0x77n);
        machine.state.set(field, 0x1230n);
        machine.run(exchange, MODES[mode]);
        expect(machine.calls).toEqual([]);
        expect(machine.x(11)).toBe(0x1230n);
        expect(machine.state.get(field)).toBe(name === "epc" ? 0x76n : 0x77n);
        expect(machine.end).toEqual(through);
      }
      for (const mode of others) {
        const asked = [call(Helper.csrExchange, (first + i) | 0x1000, 0x1111n)];
        expect(run(exchange, mode).calls, mode).toEqual(asked);
      }
    }
  });

  test("set and clear", () => {
    const change = (name: string) => {
      const machine = new OneInstruction().setX(11, 0x0fn);
      machine.state.set(S.scratch, 0x3cn);
      machine.execute(name, { rd: 10, rs1: 11, csr: 0x140 }, MODES.HS);
      return [machine.x(10), machine.state.get(S.scratch)];
    };
    expect(change("csrrs")).toEqual([0x3cn, 0x3fn]);
    expect(change("csrrc")).toEqual([0x3cn, 0x30n]);
  });

  test("a read leaves them", () => {
    const machine = new OneInstruction();
    machine.state.set(M.epc, 0x8000n);
    machine.execute("csrrs", { rd: 10, rs1: 0, csr: 0x341 });
    expect(machine.x(10)).toBe(0x8000n);
    expect(machine.end).toEqual(through);
  });
});

describe("floating-point CSRs", () => {
  const read = (csr: number, mode: Partial<CodeMode>) => {
    const machine = new OneInstruction();
    machine.state.set(riscvLayout.fpFlags, 0x3fn);
    machine.state.set(frm, 3n);
    return machine.execute("csrrs", { rd: 10, rs1: 0, csr }, { ...MODES.U, ...mode });
  };

  test("are read without a helper", () => {
    expect(read(1, { frm: 3 }).x(10)).toBe(0x1fn);
    expect(read(2, { frm: 3 }).x(10)).toBe(3n);
    expect(read(3, { frm: 3 }).x(10)).toBe(0x7fn);
    expect(read(3, { frm: 3 }).calls).toEqual([]);
  });

  test("are for the helper to refuse when FP is off", () => {
    expect(read(3, { fpOn: false }).calls).toEqual([call(Helper.csrRead, 3)]);
  });

  test("are written by the helper", () => {
    const machine = new OneInstruction().setX(11, 5n).execute("csrrw", { rd: 0, rs1: 11, csr: 2 }, MODES.U);
    expect(machine.calls).toEqual([call(Helper.csrWrite, 2, 5n)]);
  });
});

describe("illegal instructions", () => {
  test.each([0x0000, 0x6101, 0x4002, 0x8002, 0x2001, 0x9c41, 0x8000])("%s reports its 16 bits", (bits) => {
    const machine = run(bits | 0x7777_0000, "U");
    expect(machine.calls).toEqual(illegal(bits));
    expect(machine.end).toEqual({ kind: "dispatch", address: HERE + 2n });
  });

  test.each([0xffffffff, 0x0000000b, 0x02007033 ^ 0x80000000, 0x00002063, 0x02061013 | (1 << 26)])(
    "%s reports its 32 bits",
    (bits) => {
      expect(run(bits, "HS").calls).toEqual(illegal(bits));
      expect(run(bits, "HS").end).toEqual(next);
    },
  );
});
