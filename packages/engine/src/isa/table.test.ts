import { describe, expect, test } from "vitest";
import { instructionsOf } from "./declaration.js";
import type { OperandKind } from "./operand.js";
import { Prng } from "./prng.js";
import { instructionGenerator } from "./random.js";
import { supportMarkdown, supportMatrix } from "./support.js";
import { InstructionTable } from "./table.js";

// A few instructions of A64, whose fields lie elsewhere than RISC-V's, and 16-bit ones of nobody's.

type Log = [string, Record<string, number>][];
const { insn, expand } = instructionsOf<Log>("base");
const optional = instructionsOf<Log>("base", "extra");

const register: OperandKind = { format: (value) => `x${value}` };
const kinds: Record<string, OperandKind> = {
  rd: register,
  rn: register,
  rm: register,
  imm: {},
  offset: { signed: true, format: (value, { pc }) => `0x${(pc + BigInt(value)).toString(16)}` },
  "rd'": { ...register, bias: 8 },
  shift: { format: (value) => (value === 0 ? undefined : `lsl #${value * 16}`) },
  order: { format: (value) => ["", ".a"][value] },
};

const add = insn("1001000100 imm:12 rn:5 rd:5", "add rd, rn, imm", (log, { rd, rn, imm }) => {
  log.push(["add", { rd, rn, imm }]);
});

const table = new InstructionTable<Log>(
  [
    add,
    insn(
      "10001011000 rm:5 000000 rn:5 rd:5",
      "add.r rd, rn, rm",
      (log, { rd, rn, rm }) => log.push(["add.r", { rd, rn, rm }]),
      {
        aliases: [
          ["double rd, rn", "rn == rm"],
          ["copy rd, rm", "rn == 31"],
        ],
      },
    ),
    insn("000101 offset[27:2]", "b offset", (log, { offset }) => log.push(["b", { offset }])),
    insn("0 imm[1:0] 10000 imm[20:2] rd:5", "adr rd, imm", () => {}, { where: "rd != 31" }),
    insn("110100101 shift:2 imm:16 rd:5", "movz rd, imm, shift", () => {}),
    optional.insn("1100100001011111 order:1 11111 rn:5 rd:5", "ldxr{order} rd, (rn)", () => {}),
    expand(
      "000 imm[5] rd':3 imm[4:0] 0000",
      "s.add rd', imm",
      add,
      { rd: "rd'", rn: 3, imm: "imm" },
      { where: "imm != 0" },
    ),
  ],
  kinds,
);

const lifted = (bits: number, width: 16 | 32 = 32): Log => {
  const log: Log = [];
  table.find(bits, width)?.lift(log, bits);
  return log;
};

test("operands reach the lift function, of compressed encodings too", () => {
  expect(lifted(0x91004820)).toEqual([["add", { rd: 0, rn: 1, imm: 18 }]]);
  expect(lifted(0x17ffffff)).toEqual([["b", { offset: -4 }]]);
  expect(lifted(0b0001_0110_0011_0000, 16)).toEqual([["add", { rd: 11, rn: 3, imm: 32 + 3 }]]);
});

test("the width decides the decoder", () => {
  expect(table.decode(0x91004820, 16)).toBe(-1);
  expect(table.decode(0b0001_0110_0011_0000, 32)).toBe(-1);
});

test("conditions exclude encodings", () => {
  expect(table.find(0x10000000)?.name).toBe("adr");
  expect(table.find(0x1000001f)).toBeUndefined();
  expect(table.find(0b0000_0110_0000_0000, 16)).toBeUndefined();
});

test.each([
  [0x91004820, 32, "add x0, x1, 18"],
  [0x8b020020, 32, "add.r x0, x1, x2"],
  [0x8b010020, 32, "double x0, x1"],
  [0x8b0203e0, 32, "copy x0, x2"],
  [0x14000001, 32, "b 0x1004"],
  [0xd2a00020, 32, "movz x0, 1, lsl #16"],
  [0xd2800020, 32, "movz x0, 1"],
  [0xc85f7c20, 32, "ldxr x0, (x1)"],
  [0xc85ffc20, 32, "ldxr.a x0, (x1)"],
  [0b0000_0110_0011_0000, 16, "add x11, x3, 3"],
  [0x12, 32, ".4byte 0x00000012"],
  [0x12, 16, ".2byte 0x0012"],
] as const)("%s (%s bits) is %s", (bits, width, text) => {
  expect(table.disassemble(bits, 0x1000n, width)).toBe(text);
});

test("the bare text keeps the encoding's own form", () => {
  expect(table.disassemble(0x8b010020, 0n, 32, { aliases: false })).toBe("add.r x0, x1, x1");
  expect(table.disassemble(0b0000_0110_0011_0000, 0n, 16, { aliases: false })).toBe("s.add x11, 3");
});

describe("encoding", () => {
  test("is the inverse of decoding", () => {
    const prng = new Prng(1);
    const next = instructionGenerator(table);
    for (let i = 0; i < 1000; i++) {
      const { bits, width, name } = next(prng);
      const instruction = table.find(bits, width);
      expect(instruction?.name).toBe(name);
      const operands = Object.fromEntries(
        [...(instruction?.operands ?? [])].map(([n, o]) => [n, o.extract(bits)]),
      );
      expect(instruction?.encode(operands)).toBe(bits);
    }
  });

  test("refuses what does not fit", () => {
    expect(() => table.named("b").encode({ offset: 2 })).toThrow(/offset cannot be 2/);
    expect(() => table.named("add").encode({ imm: 4096 })).toThrow(/imm cannot be 4096/);
    expect(() => table.named("add").encode({ imm: -1 })).toThrow(/imm cannot be -1/);
    expect(() => table.named("adr").encode({ rd: 31 })).toThrow(/does not allow/);
    expect(() => table.named("adr").encode({ rx: 1 })).toThrow(/no operand rx/);
    expect(() => table.named("sub")).toThrow(/no instruction sub/);
  });
});

describe("random instructions", () => {
  const names = (filter: Parameters<typeof instructionGenerator>[1]): Set<string> => {
    const prng = new Prng(3);
    const next = instructionGenerator(table, filter);
    return new Set(Array.from({ length: 300 }, () => next(prng).name));
  };

  test("every instruction is made", () => {
    expect([...names({})].sort()).toEqual(table.instructions.map((i) => i.name).sort());
  });

  test("filters choose instructions and operands", () => {
    expect(names({ extensions: ["base"] }).has("ldxr")).toBe(false);
    expect(names({ accept: (i) => i.width === 16 })).toEqual(new Set(["s.add"]));
    const next = instructionGenerator(table, { operands: { rd: [1, 2], imm: [5000, 6000] } });
    const prng = new Prng(4);
    for (let i = 0; i < 200; i++) {
      const { bits, name, width } = next(prng);
      // 12 and 6 bits hold neither immediate.
      expect(["add", "s.add"]).not.toContain(name);
      const rd = table.find(bits, width)?.operands.get("rd")?.extract(bits);
      if (rd !== undefined) expect([1, 2]).toContain(rd);
    }
    expect(() => names({ operands: { rd: [40], "rd'": [2], offset: [1] } })).toThrow(/no instruction passes/);
  });

  test("the same seed gives the same instructions", () => {
    const next = instructionGenerator(table);
    const [a, b] = [new Prng(9), new Prng(9)];
    for (let i = 0; i < 50; i++) expect(next(a)).toEqual(next(b));
  });
});

test("mistakes in declarations are named", () => {
  const nothing = () => {};
  const make = (...declarations: ReturnType<typeof insn>[]) => new InstructionTable<Log>(declarations, kinds);
  const pattern = "1001000100 imm:12 rn:5 rd:5";
  expect(() => make(insn("1001000100 imm:12 rn:5 rt:5", "add rt", nothing))).toThrow(
    /add: nothing is said about operand rt/,
  );
  expect(() => make(insn(pattern, "add rd", nothing, { where: "rd > 3" }))).toThrow(/bad condition: rd > 3/);
  expect(() => make(insn(pattern, "add rd", nothing, { where: "rt != 3" }))).toThrow(/no operand rt/);
  expect(() => make(insn(pattern, "add{rt} rd", nothing))).toThrow(/no operand rt/);
  expect(() => make(insn(pattern, "add rd", nothing), insn(pattern, "add rd", nothing))).toThrow(
    /declared twice/,
  );
  expect(() => make(insn(pattern, "add rd", nothing), insn(pattern, "sub rd", nothing))).toThrow(/overlap/);
});

test("the support matrix lists every instruction once", () => {
  expect(supportMatrix(table)).toEqual([
    { extension: "base", instructions: ["add", "add.r", "b", "adr", "movz", "s.add"] },
    { extension: "base+extra", instructions: ["ldxr"] },
  ]);
  expect(supportMarkdown(supportMatrix(table))).toContain("| base+extra | 1 | `ldxr` |");
});

test("kinds can refuse values and compute what texts show, and a mnemonic can have several names", () => {
  const nothing = () => {};
  const special: Record<string, OperandKind> = {
    rd: {},
    imm: { allows: (value, bits) => value < 4 || (bits & 1) === 0 },
    double: { derive: (bits) => 2 * (bits & 0x1f), format: (value) => `#${value}` },
    small: { derive: (bits) => ((bits & 0x1f) < 3 ? 1 : 0) },
  };
  const made = new InstructionTable<Log>(
    [
      insn("0000000000000000000 imm:8 rd:5", "add rd, imm", nothing, { name: "add.imm" }),
      insn("1000000000000000000 00000000 rd:5", "add rd, double", nothing, {
        name: "add.double",
        aliases: [["little rd", "small == 1"]],
      }),
    ],
    special,
  );
  expect(made.named("add.imm").encode({ rd: 2, imm: 9 })).toBe((9 << 5) | 2);
  expect(() => made.named("add.imm").encode({ rd: 3, imm: 9 })).toThrow(RangeError);
  expect(made.disassemble((9 << 5) | 3, 0n)).toBe(".4byte 0x00000123");
  expect(made.disassemble(0x80000007, 0n)).toBe("add 7, #14");
  expect(made.disassemble(0x80000002, 0n)).toBe("little 2");
});
