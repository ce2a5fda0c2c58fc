import { IrBuilder, instructionGenerator, type ParcelSource, Prng } from "@hypercraft/engine";
import { printBlock, verify } from "@hypercraft/engine/testing/ir-checks";
import { describe, expect, test } from "vitest";
import { type CodeMode, packMode } from "../cpu/mode.js";
import { MACHINE_MODE } from "../testing/one-instruction.js";
import { disassemble, liftInstruction, randomInstruction } from "./lift.js";
import { riscvInstructions, riscvSupport } from "./table.js";

const OFFSET = 0x100;

/** The instruction's nodes, finished to a block as the translator does. */
function lift(bits: number, mode: Partial<CodeMode> = {}, offset = OFFSET) {
  const builder = new IrBuilder();
  const source: ParcelSource = { u16: (at) => (at === offset ? bits & 0xffff : (bits >>> 16) & 0xffff) };
  builder.instruction(offset);
  const length = liftInstruction(builder, source, offset, packMode({ ...MACHINE_MODE, ...mode }));
  const ended = builder.ended;
  if (!ended) builder.jump(offset + length);
  return { block: builder.finish(offset + length), length, ended };
}

/** The IR as text, without the offset line and the jump to the next instruction. */
function text(name: string, operands: Record<string, number>, mode: Partial<CodeMode> = {}): string[] {
  const { block, ended } = lift(riscvInstructions.named(name).encode(operands), mode);
  const lines = printBlock(block).split("\n").slice(1);
  return (ended ? lines : lines.slice(0, -1)).map((line) => line.trim());
}

const MODES: Partial<CodeMode>[] = [
  {},
  { privilege: 1 },
  { privilege: 1, virtual: true, fpDirty: false },
  { privilege: 0, fpDirty: false, frm: 5 },
  { privilege: 0, virtual: true, fpOn: false },
];

describe("well-formed IR", () => {
  test("of every 16-bit encoding", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if ((bits & 3) === 3) continue;
      const { block, length } = lift(bits);
      expect(length).toBe(2);
      verify(block);
    }
  });

  test("of legal and illegal 32-bit encodings in every mode", () => {
    const prng = new Prng(5);
    const next = instructionGenerator(riscvInstructions, { accept: (i) => i.width === 32 });
    for (let i = 0; i < 3000; i++) {
      const bits = prng.oneIn(4) ? prng.bits() | 3 : next(prng).bits;
      for (const mode of MODES) {
        const { block, length } = lift(bits, mode);
        expect(length).toBe(4);
        verify(block);
      }
    }
  });
});

describe("shapes that the back end makes one micro-op of", () => {
  const three = { rd: 10, rs1: 11, rs2: 12 };

  test("word operations", () => {
    expect(text("addw", three)).toEqual([
      "v0 = get x11",
      "v1 = i32.wrap_i64 v0",
      "v2 = get x12",
      "v3 = i32.wrap_i64 v2",
      "v4 = i32.add v1 v3",
      "v5 = i64.extend_i32_s v4",
      "set x10 v5",
    ]);
    expect(text("sraiw", { rd: 10, rs1: 11, shamt: 3 }).slice(2, 5)).toEqual([
      "v2 = i32.const 3",
      "v3 = i32.shr_s v1 v2",
      "v4 = i64.extend_i32_s v3",
    ]);
  });

  test("comparisons and branches", () => {
    expect(text("sltu", three).slice(2)).toEqual([
      "v2 = i64.lt_u v0 v1",
      "v3 = i64.extend_i32_u v2",
      "set x10 v3",
    ]);
    expect(text("bge", { rs1: 11, rs2: 12, offset: -8 })).toEqual(
      ["v0 = get x11", "v1 = get x12", "v2 = i64.ge_s v0 v1", "branch page+0xf8 else page+0x104"].map(
        (line, i) => (i === 3 ? `${line} v2` : line),
      ),
    );
  });

  test("addresses", () => {
    expect(text("lw", { rd: 10, rs1: 2, imm: 16 })).toEqual([
      "v0 = get x2",
      "v1 = i64.const 16",
      "v2 = i64.add v0 v1",
      "v3 = load32_s v2",
      "set x10 v3",
    ]);
    expect(text("c.sdsp", { rs2: 1, uimm: 8 })).toEqual([
      "v0 = get x2",
      "v1 = i64.const 8",
      "v2 = i64.add v0 v1",
      "v3 = get x1",
      "store64 v2 v3",
    ]);
  });

  test("li, mv and auipc", () => {
    expect(text("addi", { rd: 10, rs1: 0, imm: -5 })).toEqual(["v0 = i64.const -5", "set x10 v0"]);
    expect(text("c.mv", { rd: 10, rs2: 11 })).toEqual(["v0 = get x11", "set x10 v0"]);
    expect(text("auipc", { rd: 10, upper: 0x1000 })).toEqual(["v0 = pc page+0x1100", "set x10 v0"]);
  });

  test("the swap at a trap's entry needs no helper", () => {
    expect(text("csrrw", { rd: 4, rs1: 4, csr: 0x140 }, { privilege: 1 })).toEqual([
      "v0 = get x4",
      "v1 = get sscratch",
      "set sscratch v0",
      "set x4 v1",
    ]);
  });
});

describe("the end of the page", () => {
  const source = (...halves: number[]): ParcelSource => ({ u16: (at) => halves[(at - 0xffe) / 2] ?? -1 });
  const at = (from: ParcelSource) => {
    const builder = new IrBuilder();
    builder.instruction(0xffe);
    const nodes = builder.nodes.length;
    const length = liftInstruction(builder, from, 0xffe, packMode(MACHINE_MODE));
    return { length, emitted: builder.nodes.length - nodes };
  };

  test("an instruction whose second half cannot be fetched emits nothing", () => {
    expect(at(source(0x0513, -1))).toEqual({ length: 0, emitted: 0 });
    expect(at(source(-1))).toEqual({ length: 0, emitted: 0 });
  });

  test("a compressed one does not look there", () => {
    expect(at(source(0x4501, -1)).length).toBe(2);
  });

  test("one that can be fetched is lifted", () => {
    expect(at(source(0x0513, 0x0010)).length).toBe(4);
  });
});

test("texts", () => {
  expect(disassemble(0x00a58533, 0n)).toBe("add a0, a1, a0");
  expect(disassemble(0xdead4501 | 0, 0n)).toBe("li a0, 0");
  expect(disassemble(0xfe000ee3, 0x8000_0000n)).toBe("beqz zero, 0x7ffffffc");
  expect(disassemble(0x8082, 0n)).toBe("ret");
  expect(disassemble(0x8082, 0n, { aliases: false })).toBe("c.jr ra");
  expect(disassemble(0xc0102573, 0n)).toBe("rdtime a0");
  expect(disassemble(0x0000, 0n)).toBe(".2byte 0x0000");
});

test("the extensions are those the hart has", () => {
  const supported = riscvSupport.map(({ extension }) => extension);
  expect(supported).toEqual([
    "I",
    "M",
    "A",
    "F",
    "D",
    "C",
    "C+D",
    "Zicsr",
    "Zifencei",
    "Zihintpause",
    "Zba",
    "Zbb",
    "Zbs",
    "Zicbom",
    "Zicboz",
    "Privileged",
    "Svinval",
    "Svinval+H",
    "H",
  ]);
  const count = riscvSupport.reduce((sum, { instructions }) => sum + instructions.length, 0);
  expect(count).toBe(riscvInstructions.instructions.length);
});

test("random instructions are legal and follow the filter", () => {
  const prng = new Prng(8);
  for (let i = 0; i < 100; i++) {
    const { bits, width, name } = randomInstruction(prng, { extensions: ["Zbb"], operands: { rd: [5] } });
    expect(riscvInstructions.find(bits, width)?.name).toBe(name);
    expect((bits >>> 7) & 31).toBe(5);
  }
});
