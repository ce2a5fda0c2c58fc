import { describe, expect, test } from "vitest";
import { Helper } from "../cpu/helper-ids.js";
import { riscvLayout } from "../cpu/state.js";
import { OneInstruction } from "../testing/one-instruction.js";
import { riscvInstructions } from "./table.js";

// Floating point: the registers and modes around the arithmetic, and one known result of each operation.
// (The arithmetic itself is tested where it is, and against an emulator in user.test.ts.)

const BOX = 0xffffffff00000000n;
const NAN = 0x7fc00000n;
const f64 = (v: number): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, v);
  return view.getBigUint64(0);
};
const f32 = (v: number): bigint => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, v);
  return BigInt(view.getUint32(0));
};
const boxed = (v: number): bigint => BOX | f32(v);
const flags = (m: OneInstruction): bigint => m.state.get(riscvLayout.fpFlags);

const [INEXACT, INVALID, ZERO_DIVIDE] = [1n, 16n, 8n];

function start(...values: bigint[]): OneInstruction {
  const machine = new OneInstruction();
  for (const [i, value] of values.entries()) machine.setF(i + 1, value);
  return machine;
}

const FLOAT_OPERANDS = { fd: 10, fs1: 1, fs2: 2, fs3: 3 };
const only = (name: string, operands: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(operands).filter(([key]) => riscvInstructions.named(name).operands.has(key)),
  );

/** Execute with sources f1, f2, f3 or x11 and destination f10 or x10. */
const execute = (m: OneInstruction, name: string, more: Record<string, number> = {}): OneInstruction =>
  m.execute(name, only(name, { ...FLOAT_OPERANDS, rd: 10, rs1: 11, rm: 7, ...more }));

describe("arithmetic", () => {
  const cases: [string, number[], number][] = [
    ["fadd", [2.5, 1], 3.5],
    ["fsub", [2.5, 1], 1.5],
    ["fmul", [2.5, 3], 7.5],
    ["fdiv", [7.5, 2.5], 3],
    ["fsqrt", [6.25], 2.5],
    ["fmin", [2.5, -1], -1],
    ["fmax", [2.5, -1], 2.5],
    ["fmadd", [2, 3, 4], 10],
    ["fmsub", [2, 3, 4], 2],
    ["fnmsub", [2, 3, 4], -2],
    ["fnmadd", [2, 3, 4], -10],
    ["fsgnj", [2.5, -1], -2.5],
    ["fsgnj", [-2.5, -2.5], -2.5],
    ["fsgnjn", [2.5, -1], 2.5],
    ["fsgnjn", [2.5, 1], -2.5],
    ["fsgnjx", [-2.5, -1], 2.5],
    ["fsgnjx", [-2.5, 1], -2.5],
  ];
  test.each(cases)("%s of %s is %s", (name, args, expected) => {
    expect(execute(start(...args.map(boxed)), `${name}.s`).f(10)).toBe(boxed(expected));
    expect(execute(start(...args.map(f64)), `${name}.d`).f(10)).toBe(f64(expected));
  });

  test("comparisons", () => {
    const compare = (name: string, a: number, b: number) => [
      execute(start(boxed(a), boxed(b)), `${name}.s`).x(10),
      execute(start(f64(a), f64(b)), `${name}.d`).x(10),
    ];
    expect(compare("feq", 1, 1)).toEqual([1n, 1n]);
    expect(compare("flt", 1, 1)).toEqual([0n, 0n]);
    expect(compare("fle", 1, 1)).toEqual([1n, 1n]);
    expect(compare("flt", -1, 1)).toEqual([1n, 1n]);
    expect(compare("feq", Number.NaN, 1)).toEqual([0n, 0n]);
  });

  test("flags accumulate", () => {
    const machine = start(boxed(1), boxed(0));
    execute(machine, "fdiv.s");
    expect(machine.f(10)).toBe(BOX | 0x7f800000n);
    expect(flags(machine)).toBe(ZERO_DIVIDE);
    execute(machine.setF(2, boxed(3)), "fdiv.s");
    expect(flags(machine)).toBe(ZERO_DIVIDE | INEXACT);
  });

  test("classes", () => {
    expect(execute(start(boxed(-0)), "fclass.s").x(10)).toBe(8n);
    expect(execute(start(f64(Number.POSITIVE_INFINITY)), "fclass.d").x(10)).toBe(0x80n);
    expect(execute(start(0x7ff0000000000001n), "fclass.d").x(10)).toBe(0x100n);
  });
});

describe("NaN boxing", () => {
  const unboxed = 0x123400003f800000n;

  test("what is not boxed reads as the canonical NaN", () => {
    expect(execute(start(unboxed, boxed(1)), "fadd.s").f(10)).toBe(BOX | NAN);
    expect(execute(start(unboxed, unboxed), "fsgnj.s").f(10)).toBe(BOX | NAN);
    expect(execute(start(0xfffffffe3f800000n), "fclass.s").x(10)).toBe(0x200n);
    expect(execute(start(boxed(1)), "fclass.s").x(10)).toBe(0x40n);
  });

  test("moves and stores carry bits as they are", () => {
    expect(execute(start(0x12345678_8abcdef0n), "fmv.x.w").x(10)).toBe(0xffffffff8abcdef0n);
    expect(execute(start(0x12345678_8abcdef0n), "fmv.x.d").x(10)).toBe(0x123456788abcdef0n);
    expect(execute(start().setX(11, 0x1_8abcdef0n), "fmv.w.x").f(10)).toBe(BOX | 0x8abcdef0n);
    expect(execute(start().setX(11, 0x1_8abcdef0n), "fmv.d.x").f(10)).toBe(0x18abcdef0n);
    const machine = start(unboxed).setX(11, 0x1000n);
    machine.execute("fsw", { fs2: 1, rs1: 11, imm: 0 }).execute("fsd", { fs2: 1, rs1: 11, imm: 8 });
    expect(machine.memory.read(0x1000n, 8)).toBe(0x3f800000n);
    expect(machine.memory.read(0x1008n, 8)).toBe(unboxed);
  });

  test("loads box", () => {
    const machine = start().setX(11, 0x1000n);
    machine.memory.write(0x1010n, 8, 0x4000000080000000n);
    machine.execute("flw", { fd: 1, rs1: 11, imm: 16 }).execute("fld", { fd: 2, rs1: 11, imm: 16 });
    expect(machine.f(1)).toBe(BOX | 0x80000000n);
    expect(machine.f(2)).toBe(0x4000000080000000n);
  });

  test("compressed loads and stores", () => {
    const machine = new OneInstruction().setX(8, 0x1000n).setX(2, 0x2000n).setF(9, f64(7));
    machine.run(0xa404); // c.fsd fs1, 8(s0)
    machine.run(0x2408); // c.fld fa0, 8(s0)
    machine.run(0xa426); // c.fsdsp fs1, 8(sp)
    machine.run(0x25a2); // c.fldsp fa1, 8(sp)
    expect(machine.memory.read(0x1008n, 8)).toBe(f64(7));
    expect(machine.memory.read(0x2008n, 8)).toBe(f64(7));
    expect(machine.f(10)).toBe(f64(7));
    expect(machine.f(11)).toBe(f64(7));
  });
});

describe("conversions", () => {
  const minus1 = 0xffffffffffffffffn;

  test("to integers", () => {
    const to = (name: string, v: number) => {
      const machine = execute(start(name.endsWith("s") ? boxed(v) : f64(v)), name, { rm: 1 });
      return [machine.x(10), flags(machine)];
    };
    for (const f of ["s", "d"]) {
      expect(to(`fcvt.w.${f}`, -1.75)).toEqual([minus1, INEXACT]);
      expect(to(`fcvt.wu.${f}`, -0.75)).toEqual([0n, INEXACT]);
      expect(to(`fcvt.wu.${f}`, -1)).toEqual([0n, INVALID]);
      expect(to(`fcvt.wu.${f}`, 3e9)).toEqual([BigInt.asUintN(64, 3_000_000_000n - 0x100000000n), 0n]);
      expect(to(`fcvt.wu.${f}`, 5e9)).toEqual([minus1, INVALID]);
      expect(to(`fcvt.w.${f}`, Number.NaN)).toEqual([0x7fffffffn, INVALID]);
      expect(to(`fcvt.w.${f}`, -5e9)).toEqual([0xffffffff80000000n, INVALID]);
      expect(to(`fcvt.l.${f}`, -3)).toEqual([minus1 - 2n, 0n]);
      expect(to(`fcvt.l.${f}`, 1e30)).toEqual([0x7fffffffffffffffn, INVALID]);
      expect(to(`fcvt.lu.${f}`, 2 ** 63)).toEqual([1n << 63n, 0n]);
    }
  });

  test("from integers", () => {
    const from = (name: string, x: bigint) => execute(start().setX(11, x), name).f(10);
    expect(from("fcvt.s.w", 0xdeadbeef_ffffffffn)).toBe(boxed(-1));
    expect(from("fcvt.s.wu", 0xdeadbeef_ffffffffn)).toBe(boxed(4294967295));
    expect(from("fcvt.s.l", minus1)).toBe(boxed(-1));
    expect(from("fcvt.s.lu", minus1)).toBe(boxed(2 ** 64));
    expect(from("fcvt.d.w", 0xdeadbeef_ffffffffn)).toBe(f64(-1));
    expect(from("fcvt.d.wu", 0xdeadbeef_ffffffffn)).toBe(f64(4294967295));
    expect(from("fcvt.d.l", minus1)).toBe(f64(-1));
    expect(from("fcvt.d.lu", minus1)).toBe(f64(2 ** 64));
  });

  test("between formats", () => {
    expect(execute(start(f64(1.1)), "fcvt.s.d").f(10)).toBe(boxed(1.1));
    expect(execute(start(boxed(1.5)), "fcvt.d.s").f(10)).toBe(f64(1.5));
    expect(execute(start(0x3f800000n), "fcvt.d.s").f(10)).toBe(0x7ff8000000000000n);
  });
});

describe("rounding modes", () => {
  const third = (rm: number, frm: number) =>
    start(boxed(1), boxed(3)).execute("fdiv.s", { fd: 10, fs1: 1, fs2: 2, rm }, { frm });

  test("the instruction's own, or frm's", () => {
    const [down, up] = [BOX | 0x3eaaaaaan, BOX | 0x3eaaaaabn];
    expect([0, 1, 2, 3, 4].map((rm) => third(rm, 2).f(10))).toEqual([up, down, down, up, up]);
    expect([0, 1, 2, 3, 4].map((frm) => third(7, frm).f(10))).toEqual([up, down, down, up, up]);
  });

  test("a reserved one in frm makes the instruction illegal, and only what rounds", () => {
    for (const frm of [5, 6, 7]) {
      expect(third(7, frm).calls.map((c) => c.helper)).toEqual([Helper.illegal]);
      expect(third(0, frm).calls).toEqual([]);
      const sign = start(boxed(1), boxed(3)).execute("fsgnj.s", { fd: 10, fs1: 1, fs2: 2 }, { frm });
      expect(sign.calls).toEqual([]);
    }
  });

  test("a reserved one in the instruction is no encoding", () => {
    for (const rm of [5, 6]) expect(() => third(rm, 0)).toThrow(RangeError);
  });
});

describe("status", () => {
  const floats = riscvInstructions.instructions.filter((i) =>
    i.extensions.some((e) => e === "F" || e === "D"),
  );
  /** These write neither floating-point registers nor flags. */
  const readers = /^(fsw|fsd|c\.fsd|c\.fsdsp|fmv\.x\.[wd]|fclass\.[sd])$/;

  test.each(floats.map((i) => [i.name, i] as const))("%s", (name, instruction) => {
    const bits = instruction.encode({});
    const off = new OneInstruction().run(bits, { fpOn: false });
    expect(off.calls).toEqual([{ helper: Helper.illegal, constant: 0, a: BigInt(bits), b: 0n }]);
    expect(off.end.kind).toBe("dispatch");
    const clean = new OneInstruction().run(bits, { fpDirty: false });
    const dirties = !readers.test(name);
    expect(clean.calls.map((c) => c.helper)).toEqual(dirties ? [Helper.fpDirty] : []);
    expect(clean.end.kind).toBe(dirties ? "dispatch" : "none");
    const dirty = new OneInstruction().run(bits);
    expect(dirty.calls).toEqual([]);
    expect(dirty.end.kind).toBe("none");
  });
});
