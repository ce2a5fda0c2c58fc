import { describe, expect, test } from "vitest";
import { OneInstruction } from "../testing/one-instruction.js";

// Integer instructions against the manual's definitions, written once more as arithmetic on bigints, on
// every pair of corner values.

const CORNERS = [
  0n,
  1n,
  2n,
  3n,
  7n,
  31n,
  32n,
  63n,
  64n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x8000000000000000n,
  0x7fffffffffffffffn,
  0xffffffffffffffffn,
  0xffffffff80000000n,
  0xffffffff7fffffffn,
  0x0123456789abcdefn,
  0xfedcba9876543210n,
  0xff00ff0000ff00ffn,
];

const s = (v: bigint, bits = 64): bigint => BigInt.asIntN(bits, v);
const u = (v: bigint, bits = 64): bigint => BigInt.asUintN(bits, v);
/** A 32-bit result, sign-extended. */
const w = (v: bigint): bigint => u(s(v, 32));
const bits = (v: bigint, width = 64): string => u(v, width).toString(2).padStart(width, "0");
const fromBits = (text: string): bigint => BigInt(`0b${text}`);
const ones = (text: string): bigint => BigInt([...text].filter((digit) => digit === "1").length);
const leading = (text: string): bigint => BigInt(/^0*/.exec(text)?.[0].length ?? 0);
const reversed = (text: string): string => [...text].reverse().join("");
const rotate = (v: bigint, by: bigint, width: number): bigint => {
  const text = bits(v, width);
  const cut = Number(by % BigInt(width));
  return fromBits(text.slice(cut) + text.slice(0, cut));
};
const choose = (condition: boolean, x: bigint, y: bigint): bigint => (condition ? x : y);
const bytes = (v: bigint): string[] => bits(v).match(/.{8}/g) ?? [];

type Binary = (x: bigint, y: bigint) => bigint;
type Unary = (x: bigint) => bigint;

const divide = (x: bigint, y: bigint, width: number, signed: boolean): bigint => {
  const [a, b] = signed ? [s(x, width), s(y, width)] : [u(x, width), u(y, width)];
  return b === 0n ? -1n : a / b;
};
const remainder = (x: bigint, y: bigint, width: number, signed: boolean): bigint => {
  const [a, b] = signed ? [s(x, width), s(y, width)] : [u(x, width), u(y, width)];
  return b === 0n ? a : a % b;
};

const REGISTER: Record<string, Binary> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  sll: (x, y) => x << (y % 64n),
  slt: (x, y) => (s(x) < s(y) ? 1n : 0n),
  sltu: (x, y) => (x < y ? 1n : 0n),
  xor: (x, y) => x ^ y,
  srl: (x, y) => x >> (y % 64n),
  sra: (x, y) => s(x) >> (y % 64n),
  or: (x, y) => x | y,
  and: (x, y) => x & y,
  addw: (x, y) => w(x + y),
  subw: (x, y) => w(x - y),
  sllw: (x, y) => w(x << (y % 32n)),
  srlw: (x, y) => w(u(x, 32) >> (y % 32n)),
  sraw: (x, y) => w(s(x, 32) >> (y % 32n)),
  mul: (x, y) => x * y,
  mulh: (x, y) => (s(x) * s(y)) >> 64n,
  mulhsu: (x, y) => (s(x) * y) >> 64n,
  mulhu: (x, y) => (x * y) >> 64n,
  mulw: (x, y) => w(x * y),
  div: (x, y) => divide(x, y, 64, true),
  divu: (x, y) => divide(x, y, 64, false),
  rem: (x, y) => remainder(x, y, 64, true),
  remu: (x, y) => remainder(x, y, 64, false),
  divw: (x, y) => w(divide(x, y, 32, true)),
  divuw: (x, y) => w(divide(x, y, 32, false)),
  remw: (x, y) => w(remainder(x, y, 32, true)),
  remuw: (x, y) => w(remainder(x, y, 32, false)),
  "add.uw": (x, y) => u(x, 32) + y,
  sh1add: (x, y) => 2n * x + y,
  sh2add: (x, y) => 4n * x + y,
  sh3add: (x, y) => 8n * x + y,
  "sh1add.uw": (x, y) => 2n * u(x, 32) + y,
  "sh2add.uw": (x, y) => 4n * u(x, 32) + y,
  "sh3add.uw": (x, y) => 8n * u(x, 32) + y,
  andn: (x, y) => x & ~y,
  orn: (x, y) => x | ~y,
  xnor: (x, y) => ~(x ^ y),
  max: (x, y) => choose(s(x) < s(y), y, x),
  maxu: (x, y) => choose(x < y, y, x),
  min: (x, y) => choose(s(x) < s(y), x, y),
  minu: (x, y) => choose(x < y, x, y),
  rol: (x, y) => rotate(x, y, 64),
  ror: (x, y) => rotate(x, 64n - (y % 64n), 64),
  rolw: (x, y) => w(rotate(x, y, 32)),
  rorw: (x, y) => w(rotate(x, 32n - (y % 32n), 32)),
  bclr: (x, y) => x & ~(1n << (y % 64n)),
  bext: (x, y) => (x >> (y % 64n)) & 1n,
  binv: (x, y) => x ^ (1n << (y % 64n)),
  bset: (x, y) => x | (1n << (y % 64n)),
};

const UNARY: Record<string, Unary> = {
  clz: (x) => leading(bits(x)),
  ctz: (x) => leading(reversed(bits(x))),
  cpop: (x) => ones(bits(x)),
  clzw: (x) => leading(bits(x, 32)),
  ctzw: (x) => leading(reversed(bits(x, 32))),
  cpopw: (x) => ones(bits(x, 32)),
  "sext.b": (x) => s(x, 8),
  "sext.h": (x) => s(x, 16),
  "zext.h": (x) => u(x, 16),
  "orc.b": (x) =>
    fromBits(
      bytes(x)
        .map((byte) => (byte.includes("1") ? "1" : "0").repeat(8))
        .join(""),
    ),
  rev8: (x) => fromBits(bytes(x).reverse().join("")),
};

/** Immediate forms by the register form they are of. */
const IMMEDIATE: Record<string, string> = {
  addi: "add",
  slti: "slt",
  sltiu: "sltu",
  xori: "xor",
  ori: "or",
  andi: "and",
  addiw: "addw",
};
const IMMEDIATES = [0, 1, -1, 2047, -2048, 255, 5];

const SHIFTS: Record<string, readonly [of: string, width: number]> = {
  slli: ["sll", 64],
  srli: ["srl", 64],
  srai: ["sra", 64],
  slliw: ["sllw", 32],
  srliw: ["srlw", 32],
  sraiw: ["sraw", 32],
  rori: ["ror", 64],
  roriw: ["rorw", 32],
  bclri: ["bclr", 64],
  bexti: ["bext", 64],
  binvi: ["binv", 64],
  bseti: ["bset", 64],
};

const start = (x: bigint, y: bigint): OneInstruction => new OneInstruction().setX(11, x).setX(12, y);
const show = (...values: (bigint | number)[]): string => values.map((v) => v.toString(16)).join(", ");

describe.each(Object.entries(REGISTER))("%s", (name, expected) => {
  test("on corner values", () => {
    for (const x of CORNERS) {
      for (const y of CORNERS) {
        const result = start(x, y).execute(name, { rd: 10, rs1: 11, rs2: 12 }).x(10);
        if (result !== u(expected(x, y))) expect.fail(`${name}(${show(x, y)}) gave ${show(result)}`);
      }
    }
  });

  test("destination and sources may be the same register, or x0", () => {
    const [x, y] = [0xfedcba9876543210n, 5n];
    expect(start(x, y).execute(name, { rd: 11, rs1: 11, rs2: 12 }).x(11)).toBe(u(expected(x, y)));
    expect(start(x, y).execute(name, { rd: 12, rs1: 11, rs2: 12 }).x(12)).toBe(u(expected(x, y)));
    expect(start(x, y).execute(name, { rd: 11, rs1: 11, rs2: 11 }).x(11)).toBe(u(expected(x, x)));
    expect(start(x, y).execute(name, { rd: 10, rs1: 0, rs2: 12 }).x(10)).toBe(u(expected(0n, y)));
    expect(start(x, y).execute(name, { rd: 10, rs1: 11, rs2: 0 }).x(10)).toBe(u(expected(x, 0n)));
    expect(start(x, y).execute(name, { rd: 0, rs1: 11, rs2: 12 }).x(0)).toBe(0n);
  });
});

test.each(Object.entries(UNARY))("%s", (name, expected) => {
  for (const x of CORNERS) {
    const result = start(x, 0n).execute(name, { rd: 10, rs1: 11 }).x(10);
    if (result !== u(expected(x))) expect.fail(`${name}(${show(x)}) gave ${show(result)}`);
  }
});

test.each(Object.entries(IMMEDIATE))("%s is %s", (name, of) => {
  const expected = REGISTER[of] as Binary;
  for (const x of CORNERS) {
    for (const imm of IMMEDIATES) {
      const result = start(x, 0n).execute(name, { rd: 10, rs1: 11, imm }).x(10);
      if (result !== u(expected(x, u(BigInt(imm)))))
        expect.fail(`${name}(${show(x, imm)}) gave ${show(result)}`);
    }
  }
});

test.each(Object.entries(SHIFTS))("%s", (name, [of, width]) => {
  const expected = REGISTER[of] as Binary;
  for (const x of CORNERS) {
    for (let shamt = 0; shamt < width; shamt++) {
      const result = start(x, 0n).execute(name, { rd: 10, rs1: 11, shamt }).x(10);
      if (result !== u(expected(x, BigInt(shamt))))
        expect.fail(`${name}(${show(x, shamt)}) gave ${show(result)}`);
    }
  }
});

test("slli.uw", () => {
  const result = start(0xffffffff80000001n, 0n).execute("slli.uw", { rd: 10, rs1: 11, shamt: 40 }).x(10);
  expect(result).toBe(0x0000010000000000n);
});

test("lui and auipc sign-extend", () => {
  const run = (name: string, upper: number) => new OneInstruction().execute(name, { rd: 10, upper }).x(10);
  expect(run("lui", 0x12345000)).toBe(0x12345000n);
  expect(run("lui", 0x80000000 | 0)).toBe(0xffffffff80000000n);
  expect(run("auipc", 0x12345000)).toBe(0x92345100n);
  expect(run("auipc", 0x80000000 | 0)).toBe(0x100n);
});

describe("compressed encodings do what their expansions do", () => {
  // From the manual's tables: encoding, the state before, and what it leaves.
  test.each([
    ["c.addi4spn a0, sp, 1020", 0x1fe8, { 2: 0x1000n }, { 10: 0x13fcn }],
    ["c.addi a0, -1", 0x157d, { 10: 5n }, { 10: 4n }],
    ["c.addiw a0, 1", 0x2505, { 10: 0x7fffffffn }, { 10: 0xffffffff80000000n }],
    ["c.li a0, -32", 0x5501, {}, { 10: u(-32n) }],
    ["c.addi16sp -512", 0x7101, { 2: 0x1000n }, { 2: 0xe00n }],
    ["c.lui a0, 0xfffe0", 0x7501, {}, { 10: u(-0x20000n) }],
    ["c.srli a0, 63", 0x917d, { 10: 1n << 63n }, { 10: 1n }],
    ["c.srai a0, 63", 0x957d, { 10: 1n << 63n }, { 10: u(-1n) }],
    ["c.andi a0, -2", 0x9979, { 10: 7n }, { 10: 6n }],
    ["c.sub a0, a1", 0x8d0d, { 10: 7n, 11: 9n }, { 10: u(-2n) }],
    ["c.xor a0, a1", 0x8d2d, { 10: 6n, 11: 3n }, { 10: 5n }],
    ["c.or a0, a1", 0x8d4d, { 10: 6n, 11: 3n }, { 10: 7n }],
    ["c.and a0, a1", 0x8d6d, { 10: 6n, 11: 3n }, { 10: 2n }],
    ["c.subw a0, a1", 0x9d0d, { 10: 0n, 11: 1n }, { 10: u(-1n) }],
    ["c.addw a0, a1", 0x9d2d, { 10: 0x7fffffffn, 11: 1n }, { 10: u(-0x80000000n) }],
    ["c.slli a0, 40", 0x1522, { 10: 1n }, { 10: 1n << 40n }],
    ["c.mv a0, a1", 0x852e, { 11: 77n }, { 10: 77n }],
    ["c.add a0, a1", 0x952e, { 10: 1n, 11: 77n }, { 10: 78n }],
  ] as [string, number, Record<number, bigint>, Record<number, bigint>][])(
    "%s",
    (_, encoding, before, after) => {
      const machine = new OneInstruction();
      for (const [index, value] of Object.entries(before)) machine.setX(Number(index), value);
      machine.run(encoding);
      for (const [index, value] of Object.entries(after)) expect(machine.x(Number(index))).toBe(value);
      expect(machine.end.kind).toBe("none");
    },
  );
});
