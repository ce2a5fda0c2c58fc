import type { Instruction, Operand } from "@hypercraft/engine";
import { csrName } from "../../isa/csr-names.js";
import { F_NAMES, X_NAMES } from "../../isa/registers.js";
import { riscvInstructions } from "../../isa/table.js";

// A small two-pass assembler for guest code of tests. Its mnemonics and operand orders are the instruction
// table's own texts, read backwards; their encodings are tested against binutils elsewhere.

/** Machine code and where its labels are. */
export interface Assembled {
  readonly bytes: Uint8Array;
  /** Absolute addresses. */
  readonly labels: ReadonlyMap<string, number>;
}

/** A way to write an instruction: how its operands appear, and the values of those that do not. */
interface Form {
  readonly instruction: Instruction<never>;
  readonly operands: RegExp;
  readonly names: readonly string[];
  readonly fixed: Readonly<Record<string, number>>;
}

interface Line {
  readonly text: string;
  readonly mnemonic: string;
  readonly operands: string;
}

type Emit = (at: number, labels: ReadonlyMap<string, number>) => number[];

const REGISTERS = new Map([...X_NAMES, ...F_NAMES].map((name, index) => [name, index % 32]));
for (let i = 0; i < 32; i++) REGISTERS.set(`x${i}`, i).set(`f${i}`, i);
const CSRS = new Map(Array.from({ length: 4096 }, (_, number) => [csrName(number), number]));
/** Rounding by frm. */
const DYNAMIC_ROUNDING = 7;

const forms = new Map<string, Form[]>();
for (const instruction of riscvInstructions.instructions as readonly Instruction<never>[]) {
  const { text, options } = instruction.declaration;
  addForm(instruction, text, "");
  for (const [alias, when] of options.aliases ?? []) addForm(instruction, alias, when);
}

function addForm(instruction: Instruction<never>, text: string, when: string): void {
  const fixed: Record<string, number> = {};
  for (const [, name, value] of when.matchAll(/([a-z0-9']+) == (-?\d+)/gi)) fixed[name!] = Number(value);
  const [head = "", ...rest] = text.replace(/\{[^}]*\}/g, "").split(" ");
  const names: string[] = [];
  const pattern = rest
    .join(" ")
    .replace(/[()]/g, "\\$&")
    .replace(/(, )?([a-z][A-Za-z0-9]*'?)/g, (whole, comma = "", name) => {
      if (!instruction.operands.has(name)) return whole;
      names.push(name);
      // The rounding mode may be left out.
      return name === "rm" ? `(?:${comma}(\\S+))?` : `${comma}([^,()]+)`;
    });
  const list = forms.get(head) ?? [];
  list.push({ instruction, operands: new RegExp(`^${pattern}$`), names, fixed });
  forms.set(head, list);
}

/**
 * Assemble lines of `label:`, `mnemonic operands`, `.word N`, `.dword N`, `.half N`, `.align N` (bytes), `li`
 * of any 64-bit constant and `la` of a label; `#` begins a comment. `symbols` are constants by name, taken for
 * numbers and for branch targets. Throws an Error that names the line.
 */
export function assemble(
  source: string,
  base: number,
  symbols: Readonly<Record<string, number | bigint>> = {},
): Assembled {
  const labels = new Map<string, number>();
  for (const [name, value] of Object.entries(symbols)) labels.set(name, Number(value));
  const emits: { at: number; emit: Emit; text: string }[] = [];
  let at = base;
  for (const raw of source.split(/[\n;]/)) {
    let text = raw.replace(/#.*/, "").trim();
    for (let label = /^(\w+):\s*/.exec(text); label !== null; label = /^(\w+):\s*/.exec(text)) {
      labels.set(label[1] as string, at);
      text = text.slice(label[0].length);
    }
    if (text === "") continue;
    const space = text.search(/\s/);
    const mnemonic = space < 0 ? text : text.slice(0, space);
    const operands = (space < 0 ? "" : text.slice(space).trim()).replace(/\s*,\s*/g, ", ");
    const { size, emit } = statement({ text, mnemonic, operands }, at, symbols);
    emits.push({ at, emit, text });
    at += size;
  }
  const bytes = new Uint8Array(at - base);
  for (const { at: where, emit, text } of emits) {
    try {
      bytes.set(emit(where, labels), where - base);
    } catch (error) {
      throw new Error(`${text}: ${(error as Error).message}`);
    }
  }
  return { bytes, labels };
}

function statement(
  line: Line,
  at: number,
  symbols: Readonly<Record<string, number | bigint>>,
): { size: number; emit: Emit } {
  const { mnemonic, operands } = line;
  switch (mnemonic) {
    case ".half":
      return data(operands, 2, symbols);
    case ".word":
      return data(operands, 4, symbols);
    case ".dword":
      return data(operands, 8, symbols);
    case ".align": {
      const size = -at & (Number(operands) - 1);
      return { size, emit: () => new Array<number>(size).fill(0) };
    }
    case "li": {
      const [register = "", text = ""] = operands.split(", ");
      const code = loadImmediate(register, constant(text, symbols));
      const bytes = code.flatMap(([name, values]) =>
        encoded(riscvInstructions.named(name) as Instruction<never>, values),
      );
      return { size: bytes.length, emit: () => bytes };
    }
    case "la":
      return { size: 8, emit: (from, labels) => loadAddress(line, from, labels) };
  }
  const candidates = forms.get(mnemonic);
  if (candidates === undefined) throw new Error(`${line.text}: no instruction ${mnemonic}`);
  for (const form of candidates) {
    const match = form.operands.exec(operands);
    if (match === null) continue;
    const size = form.instruction.width / 8;
    return { size, emit: (from, labels) => instruction(form, match.slice(1), from, labels) };
  }
  throw new Error(`${line.text}: operands do not fit ${candidates[0]?.instruction.declaration.text}`);
}

function data(
  text: string,
  size: number,
  symbols: Readonly<Record<string, number | bigint>>,
): { size: number; emit: Emit } {
  const value = constant(text, symbols);
  return {
    size,
    emit: () => Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)),
  };
}

function constant(text: string, symbols: Readonly<Record<string, number | bigint>>): bigint {
  const symbol = symbols[text];
  if (symbol !== undefined) return BigInt(symbol);
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

function encoded(instruction: Instruction<never>, operands: Readonly<Record<string, number>>): number[] {
  const bits = instruction.encode(operands);
  return Array.from({ length: instruction.width / 8 }, (_, i) => (bits >>> (8 * i)) & 0xff);
}

function instruction(
  form: Form,
  texts: readonly (string | undefined)[],
  at: number,
  labels: ReadonlyMap<string, number>,
): number[] {
  const operands: Record<string, number> = { ...form.fixed };
  for (const [i, name] of form.names.entries()) {
    const operand = form.instruction.operands.get(name) as Operand;
    operands[name] = operandValue(operand, texts[i]?.trim(), at, labels);
  }
  return encoded(form.instruction, operands);
}

function operandValue(
  { name }: Operand,
  text: string | undefined,
  at: number,
  labels: ReadonlyMap<string, number>,
): number {
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

function loadAddress({ operands }: Line, at: number, labels: ReadonlyMap<string, number>): number[] {
  const [register = "", label = ""] = operands.split(", ");
  const rd = REGISTERS.get(register);
  const target = labels.get(label);
  if (rd === undefined || target === undefined) throw new Error(`no register ${register} or label ${label}`);
  const distance = (target - at) | 0;
  const low = (distance << 20) >> 20;
  return [
    ...encoded(riscvInstructions.named("auipc") as Instruction<never>, { rd, upper: (distance - low) | 0 }),
    ...encoded(riscvInstructions.named("addi") as Instruction<never>, { rd, rs1: rd, imm: low }),
  ];
}
