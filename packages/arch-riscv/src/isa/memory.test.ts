import { EvalFault } from "@hypercraft/engine/testing/ir-eval";
import { describe, expect, test } from "vitest";
import { OneInstruction } from "../testing/one-instruction.js";

const BASE = 0x9000_0010n;
const VALUE = 0x8899aabbccddeeffn;

function machine(): OneInstruction {
  const m = new OneInstruction().setX(11, BASE).setX(12, 0x1122334455667788n);
  m.memory.write(BASE, 8, VALUE);
  return m;
}

describe("loads", () => {
  test.each([
    ["lb", 0xffffffffffffffffn],
    ["lh", 0xffffffffffffeeffn],
    ["lw", 0xffffffffccddeeffn],
    ["ld", VALUE],
    ["lbu", 0xffn],
    ["lhu", 0xeeffn],
    ["lwu", 0xccddeeffn],
  ])("%s", (name, expected) => {
    expect(machine().execute(name, { rd: 10, rs1: 11, imm: 0 }).x(10)).toBe(expected);
    expect(
      machine()
        .setX(11, BASE + 2048n)
        .execute(name, { rd: 10, rs1: 11, imm: -2048 })
        .x(10),
    ).toBe(expected);
    expect(
      machine()
        .setX(11, BASE - 2047n)
        .execute(name, { rd: 11, rs1: 11, imm: 2047 })
        .x(11),
    ).toBe(expected);
  });

  test("a load to x0 is still an access", () => {
    const m = machine();
    const reads: bigint[] = [];
    m.memory.read = (address) => {
      reads.push(address);
      return 1n;
    };
    m.execute("ld", { rd: 0, rs1: 11, imm: 8 });
    expect(reads).toEqual([BASE + 8n]);
    expect(m.x(0)).toBe(0n);
  });

  test("addresses wrap around", () => {
    const m = machine();
    m.memory.write(0xfffffffffffffff8n, 8, 5n);
    expect(m.execute("ld", { rd: 10, rs1: 0, imm: -8 }).x(10)).toBe(5n);
  });
});

describe("stores", () => {
  test.each([
    ["sb", 0x8899aabbccddee88n],
    ["sh", 0x8899aabbccdd7788n],
    ["sw", 0x8899aabb55667788n],
    ["sd", 0x1122334455667788n],
  ])("%s", (name, expected) => {
    const m = machine()
      .setX(11, BASE + 4n)
      .execute(name, { rs1: 11, rs2: 12, imm: -4 });
    expect(m.memory.read(BASE, 8)).toBe(expected);
  });
});

describe("compressed accesses", () => {
  test.each([
    ["c.lw a0, 64(a1)", 0x41a8, 64n, 0xffffffffccddeeffn],
    ["c.ld a0, 128(a1)", 0x61c8, 128n, VALUE],
  ])("%s", (_, encoding, displacement, expected) => {
    expect(
      machine()
        .setX(11, BASE - displacement)
        .run(encoding)
        .x(10),
    ).toBe(expected);
  });

  test.each([
    ["c.lwsp a0, 192(sp)", 0x450e, 192n, 0xffffffffccddeeffn],
    ["c.ldsp a0, 256(sp)", 0x6512, 256n, VALUE],
  ])("%s", (_, encoding, displacement, expected) => {
    expect(
      machine()
        .setX(2, BASE - displacement)
        .run(encoding)
        .x(10),
    ).toBe(expected);
  });

  test.each([
    ["c.swsp a2, 64(sp)", 0xc0b2, 64n, 0x8899aabb55667788n],
    ["c.sdsp a2, 64(sp)", 0xe0b2, 64n, 0x1122334455667788n],
  ])("%s", (_, encoding, displacement, expected) => {
    expect(
      machine()
        .setX(2, BASE - displacement)
        .run(encoding)
        .memory.read(BASE, 8),
    ).toBe(expected);
  });
});

describe("atomics", () => {
  const s32 = (v: bigint) => BigInt.asUintN(64, BigInt.asIntN(32, v));
  const [old, operand] = [VALUE, 0x1122334455667788n];
  const low = (v: bigint) => BigInt.asUintN(32, v);
  /** New memory of the .d form, and of the low half of the .w form. */
  const cases: [string, bigint, bigint][] = [
    ["amoswap", operand, low(operand)],
    ["amoadd", old + operand, low(old + operand)],
    ["amoxor", old ^ operand, low(old ^ operand)],
    ["amoand", old & operand, low(old & operand)],
    ["amoor", old | operand, low(old | operand)],
    ["amomin", old, low(old)],
    ["amomax", operand, low(operand)],
    ["amominu", operand, low(operand)],
    ["amomaxu", old, low(old)],
  ];

  test.each(cases)("%s", (name, double, word) => {
    const d = machine().execute(`${name}.d`, { rd: 10, rs1: 11, rs2: 12 });
    expect(d.x(10)).toBe(VALUE);
    expect(d.memory.read(BASE, 8)).toBe(BigInt.asUintN(64, double));
    const w = machine().execute(`${name}.w`, { rd: 10, rs1: 11, rs2: 12, aqrl: 3 });
    expect(w.x(10)).toBe(s32(VALUE));
    expect(w.memory.read(BASE, 8)).toBe((VALUE & ~0xffffffffn) | word);
  });

  test.each(["lr.w", "sc.w", "amoadd.w", "lr.d", "sc.d", "amoadd.d"])("%s demands alignment", (name) => {
    const operands = name.startsWith("lr") ? { rd: 10, rs1: 11 } : { rd: 10, rs1: 11, rs2: 12 };
    for (const wrong of name.endsWith("d") ? [1n, 2n, 4n] : [1n, 2n]) {
      expect(() =>
        machine()
          .setX(11, BASE + wrong)
          .execute(name, operands),
      ).toThrow(EvalFault);
    }
  });

  test("a store-conditional stores once, to the reserved address", () => {
    const m = machine().execute("lr.w", { rd: 10, rs1: 11 });
    expect(m.x(10)).toBe(0xffffffffccddeeffn);
    m.execute("sc.w", { rd: 10, rs1: 11, rs2: 12 });
    expect(m.x(10)).toBe(0n);
    expect(m.memory.read(BASE, 8)).toBe(0x8899aabb55667788n);
    m.execute("sc.w", { rd: 10, rs1: 11, rs2: 0 });
    expect(m.x(10)).toBe(1n);
    expect(m.memory.read(BASE, 4)).toBe(0x55667788n);
    m.execute("lr.d", { rd: 10, rs1: 11 }).setX(11, BASE + 8n);
    m.execute("sc.d", { rd: 10, rs1: 11, rs2: 12 });
    expect(m.x(10)).toBe(1n);
    expect(m.memory.read(BASE + 8n, 8)).toBe(0n);
  });
});
