import type { Instruction, Operand } from "@hypercraft/engine";
import {
  type Assembled,
  Assembler,
  constant,
  encoded,
  fixed,
  type Labels,
  type Statement,
  type Symbols,
} from "@hypercraft/engine/testing/assembler";
import { csrName } from "../../isa/csr-names.js";
import { F_NAMES, X_NAMES } from "../../isa/registers.js";
import { riscvInstructions } from "../../isa/table.js";

export type { Assembled };

const REGISTERS = new Map([...X_NAMES, ...F_NAMES].map((name, index) => [name, index % 32]));
for (let i = 0; i < 32; i++) REGISTERS.set(`x${i}`, i).set(`f${i}`, i);
const CSRS = new Map(Array.from({ length: 4096 }, (_, number) => [csrName(number), number]));
/** Rounding by frm. */
const DYNAMIC_ROUNDING = 7;

const assembler = new Assembler({
  table: riscvInstructions as never,
  comment: /#.*/,
  // The rounding mode may be left out.
  pattern: (name, comma) => (name === "rm" ? `(?:${comma}(\\S+))?` : `${comma}([^,()]+)`),
  value: operandValue,
  pseudo,
});

/** Assemble RISC-V: what `Assembler` knows, `li` of any 64-bit constant and `la` of a label; `#` begins a comment. */
export function assemble(source: string, base: number, symbols?: Symbols): Assembled {
  return assembler.assemble(source, base, symbols);
}

function pseudo(mnemonic: string, operands: string, symbols: Symbols): Statement | undefined {
  const [register = "", text = ""] = operands.split(", ");
  if (mnemonic === "li") {
    const code = loadImmediate(register, constant(text, symbols));
    return fixed(code.flatMap(([name, values]) => encoded(instruction(name), values)));
  }
  if (mnemonic !== "la") return undefined;
  return { size: 8, emit: (at, labels) => loadAddress(register, text, at, labels) };
}

const instruction = (name: string): Instruction<never> => riscvInstructions.named(name) as Instruction<never>;

function operandValue({ name }: Operand, text: string | undefined, at: number, labels: Labels): number {
  if (text === undefined) return DYNAMIC_ROUNDING;
  const known = /^[rf][ds]\d?'?$/.test(name) ? REGISTERS.get(text) : undefined;
  if (known !== undefined) return known;
  if (name === "csr") return CSRS.get(text) ?? Number(text);
  const value = labels.get(text) ?? Number(text);
  if (Number.isNaN(value)) throw new Error(`no ${name} ${text}`);
  if (name === "offset") return value - at;
  return name.endsWith("upper") ? value << 12 : value;
}

/** Any 64-bit constant: lui and addiw, or that of the upper bits, shifted, and addi. */
function loadImmediate(register: string, value: bigint): [string, Record<string, number>][] {
  const rd = REGISTERS.get(register);
  if (rd === undefined) throw new Error(`no register ${register}`);
  const signed = BigInt.asIntN(64, value);
  const low = Number(BigInt.asIntN(12, signed));
  if (signed === BigInt(low)) return [["addi", { rd, rs1: 0, imm: low }]];
  if (signed === BigInt.asIntN(32, signed)) {
    const upper = Number(signed - BigInt(low)) | 0;
    return [
      ["lui", { rd, upper }],
      ["addiw", { rd, rs1: rd, imm: low }],
    ];
  }
  return [
    ...loadImmediate(register, (signed - BigInt(low)) >> 12n),
    ["slli", { rd, rs1: rd, shamt: 12 }],
    ["addi", { rd, rs1: rd, imm: low }],
  ];
}

function loadAddress(register: string, label: string, at: number, labels: Labels): number[] {
  const rd = REGISTERS.get(register);
  const target = labels.get(label);
  if (rd === undefined || target === undefined) throw new Error(`no register ${register} or label ${label}`);
  const distance = (target - at) | 0;
  const low = (distance << 20) >> 20;
  return [
    ...encoded(instruction("auipc"), { rd, upper: (distance - low) | 0 }),
    ...encoded(instruction("addi"), { rd, rs1: rd, imm: low }),
  ];
}
