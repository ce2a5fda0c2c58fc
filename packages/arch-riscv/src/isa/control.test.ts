import { describe, expect, test } from "vitest";
import { OneInstruction } from "../testing/one-instruction.js";

// Jumps and branches, from page offset 0x100 of the page at 0x80000000.

const HERE = 0x8000_0100n;
const machine = (a: bigint, b: bigint): OneInstruction => new OneInstruction().setX(11, a).setX(12, b);
const jump = (address: bigint) => ({ kind: "jump", address });

describe("branches", () => {
  const [minus, zero, one] = [0xffffffffffffffffn, 0n, 1n];
  const cases: [string, bigint, bigint, boolean][] = [
    ["beq", one, one, true],
    ["beq", one, minus, false],
    ["bne", one, minus, true],
    ["bne", one, one, false],
    ["blt", minus, zero, true],
    ["blt", zero, minus, false],
    ["blt", one, one, false],
    ["bge", zero, minus, true],
    ["bge", one, one, true],
    ["bge", minus, zero, false],
    ["bltu", zero, minus, true],
    ["bltu", minus, zero, false],
    ["bgeu", minus, zero, true],
    ["bgeu", one, one, true],
    ["bgeu", zero, minus, false],
  ];
  test.each(cases)("%s of %s and %s: %s", (name, a, b, taken) => {
    for (const offset of [-4096, 4094, 8]) {
      const end = machine(a, b).execute(name, { rs1: 11, rs2: 12, offset }).end;
      expect(end).toEqual(jump(taken ? HERE + BigInt(offset) : HERE + 4n));
    }
  });

  test("of a register and x0", () => {
    expect(machine(0n, 0n).execute("beq", { rs1: 11, rs2: 0, offset: 8 }).end).toEqual(jump(HERE + 8n));
    expect(machine(1n, 0n).execute("blt", { rs1: 0, rs2: 11, offset: 8 }).end).toEqual(jump(HERE + 8n));
  });
});

describe("jumps", () => {
  test("jal links and jumps by its offset", () => {
    for (const offset of [-0x100000, 0xffffe, 2]) {
      const m = machine(0n, 0n).execute("jal", { rd: 1, offset });
      expect(m.end).toEqual(jump(HERE + BigInt(offset)));
      expect(m.x(1)).toBe(HERE + 4n);
    }
  });

  test("jalr clears the lowest bit, and reads its register before linking", () => {
    const m = machine(0x1003n, 0n).execute("jalr", { rd: 11, rs1: 11, imm: -2 });
    expect(m.end).toEqual(jump(0x1000n));
    expect(m.x(11)).toBe(HERE + 4n);
    expect(machine(0n, 0n).execute("jalr", { rd: 0, rs1: 0, imm: -1 }).end).toEqual(
      jump(0xfffffffffffffffen),
    );
  });
});

describe("compressed", () => {
  // Encodings from the manual's format tables.
  test("c.j", () => {
    expect(machine(0n, 0n).run(0xbffd).end).toEqual(jump(HERE - 2n));
    expect(machine(0n, 0n).run(0xaffd).end).toEqual(jump(HERE + 2046n));
  });

  test("c.beqz and c.bnez", () => {
    expect(machine(0n, 0n).run(0xc199).end).toEqual(jump(HERE + 6n));
    expect(machine(1n, 0n).run(0xc199).end).toEqual(jump(HERE + 2n));
    expect(machine(1n, 0n).run(0xe199).end).toEqual(jump(HERE + 6n));
    expect(machine(0n, 0n).run(0xe199).end).toEqual(jump(HERE + 2n));
  });

  test("c.jr and c.jalr, which links past two bytes", () => {
    expect(machine(0x2001n, 0n).run(0x8582).end).toEqual(jump(0x2000n));
    const m = machine(0x2001n, 0n).run(0x9582);
    expect(m.end).toEqual(jump(0x2000n));
    expect(m.x(1)).toBe(HERE + 2n);
  });
});

test("jumps out of the page keep their distance", () => {
  const m = new OneInstruction().run(0x80000fef, {}, 0xffe);
  expect(m.end).toEqual(jump(0x8000_0ffen - 0x100000n));
  expect(m.x(31)).toBe(0x8000_1002n);
});
