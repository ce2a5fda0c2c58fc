import type { Instruction, InstructionTable, Operand } from "../isa/index.js";

// A small two-pass assembler for guest code of tests, whatever the instruction set. Its mnemonics and operand orders
// are the instruction table's own texts, read backwards; their encodings are tested against other assemblers.

/** Machine code and where its labels are. */
export interface Assembled {
  readonly bytes: Uint8Array;
  /** Absolute addresses. */
  readonly labels: ReadonlyMap<string, number>;
}

export type Labels = ReadonlyMap<string, number>;
export type Symbols = Readonly<Record<string, number | bigint>>;

/** The bytes of a statement, once labels are known. */
export interface Statement {
  readonly size: number;
  emit(at: number, labels: Labels): readonly number[];
}

/** What an instruction set says about its assembly language beside the table. */
export interface Dialect {
  readonly table: InstructionTable<never>;
  /** A comment, to the end of the line. */
  readonly comment: RegExp;
  /** Regular expression for an operand with the comma before it, if there is one; with one capturing group. */
  pattern(name: string, comma: string): string;
  /** Value of an operand; the text is undefined where the pattern let it be left out. Throws an Error. */
  value(operand: Operand, text: string | undefined, at: number, labels: Labels): number;
  /** Operands that no text has by itself. */
  implied?(instruction: Instruction<never>, texts: ReadonlyMap<string, string>): Record<string, number>;
  /** Instructions and directives that are in no table; undefined for others. Throws an Error. */
  pseudo(mnemonic: string, operands: string, symbols: Symbols): Statement | undefined;
}

/** A way to write an instruction: how its operands appear, and the values of those that do not. */
interface Form {
  readonly instruction: Instruction<never>;
  readonly operands: RegExp;
  readonly names: readonly string[];
  readonly fixed: Readonly<Record<string, number>>;
}

/** A constant in decimal or hexadecimal, or the value of a symbol. Throws a SyntaxError for another text. */
export function constant(text: string, symbols: Symbols): bigint {
  const symbol = symbols[text];
  if (symbol !== undefined) return BigInt(symbol);
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

/** The bytes of an instruction. Throws a RangeError if an operand does not fit. */
export function encoded(
  instruction: Instruction<never>,
  operands: Readonly<Record<string, number>>,
): number[] {
  const bits = instruction.encode(operands);
  return Array.from({ length: instruction.width / 8 }, (_, i) => (bits >>> (8 * i)) & 0xff);
}

/** Bytes that depend on no label. */
export function fixed(bytes: readonly number[]): Statement {
  return { size: bytes.length, emit: () => bytes };
}

export class Assembler {
  private readonly dialect: Dialect;
  private readonly forms = new Map<string, Form[]>();

  constructor(dialect: Dialect) {
    this.dialect = dialect;
    for (const instruction of dialect.table.instructions) {
      const { text, options } = instruction.declaration;
      this.addForm(instruction, text, "");
      for (const [alias, when] of options.aliases ?? []) this.addForm(instruction, alias, when);
    }
  }

  private addForm(instruction: Instruction<never>, text: string, when: string): void {
    const given: Record<string, number> = {};
    for (const [, name, value] of when.matchAll(/([a-z0-9']+) == (-?\d+)/gi)) given[name!] = Number(value);
    const [head = "", ...rest] = text.replace(/\{[^}]*\}/g, "").split(" ");
    const names: string[] = [];
    const pattern = rest
      .join(" ")
      .replace(/[()[\]]/g, "\\$&")
      .replace(/(, )?([a-z][A-Za-z0-9]*'?)/g, (whole, comma = "", name) => {
        if (!instruction.operands.has(name)) return whole;
        names.push(name);
        return this.dialect.pattern(name, comma);
      });
    const list = this.forms.get(head) ?? [];
    list.push({ instruction, operands: new RegExp(`^${pattern}$`), names, fixed: given });
    this.forms.set(head, list);
  }

  /**
   * Assemble lines of `label:`, `mnemonic operands`, `.dword N`, `.word N`, `.half N`, `.byte N`, `.align N` (bytes)
   * and the dialect's own statements. `symbols` are constants by name, taken for numbers and for branch targets.
   * Throws an Error that names the line.
   */
  assemble(source: string, base: number, symbols: Symbols = {}): Assembled {
    const labels = new Map<string, number>();
    for (const [name, value] of Object.entries(symbols)) labels.set(name, Number(value));
    const statements: { at: number; statement: Statement; text: string }[] = [];
    let at = base;
    for (const raw of source.split(/[\n;]/)) {
      let text = raw.replace(this.dialect.comment, "").trim();
      for (let label = /^(\w+):\s*/.exec(text); label !== null; label = /^(\w+):\s*/.exec(text)) {
        labels.set(label[1] as string, at);
        text = text.slice(label[0].length);
      }
      if (text === "") continue;
      const statement = named(text, () => this.statement(text, at, symbols));
      statements.push({ at, statement, text });
      at += statement.size;
    }
    const bytes = new Uint8Array(at - base);
    for (const { at: where, statement, text } of statements)
      bytes.set(
        named(text, () => statement.emit(where, labels)),
        where - base,
      );
    return { bytes, labels };
  }

  private statement(text: string, at: number, symbols: Symbols): Statement {
    const space = text.search(/\s/);
    const mnemonic = space < 0 ? text : text.slice(0, space);
    const operands = (space < 0 ? "" : text.slice(space).trim()).replace(/\s*,\s*/g, ", ");
    if (mnemonic === ".align") {
      const size = -at & (Number(operands) - 1);
      return fixed(new Array<number>(size).fill(0));
    }
    const width = DATA[mnemonic];
    if (width !== undefined) {
      const value = constant(operands, symbols);
      return fixed(Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)));
    }
    return this.dialect.pseudo(mnemonic, operands, symbols) ?? this.instruction(mnemonic, operands);
  }

  private instruction(mnemonic: string, operands: string): Statement {
    const candidates = this.forms.get(mnemonic);
    if (candidates === undefined) throw new Error(`no instruction ${mnemonic}`);
    for (const form of candidates) {
      const match = form.operands.exec(operands);
      if (match === null || !this.applies(form, match.slice(1))) continue;
      const size = form.instruction.width / 8;
      return { size, emit: (at, labels) => this.encode(form, match.slice(1), at, labels) };
    }
    throw new Error(`operands do not fit ${candidates[0]?.instruction.declaration.text}`);
  }

  /** Does what is written agree with the condition of a pseudo-instruction? */
  private applies(
    { instruction, names, fixed: given }: Form,
    texts: readonly (string | undefined)[],
  ): boolean {
    return names.every((name, i) => {
      const wanted = given[name];
      if (wanted === undefined) return true;
      const operand = instruction.operands.get(name) as Operand;
      return this.dialect.value(operand, texts[i]?.trim(), 0, NO_LABELS) === wanted;
    });
  }

  private encode(
    form: Form,
    texts: readonly (string | undefined)[],
    at: number,
    labels: Labels,
  ): readonly number[] {
    const operands: Record<string, number> = { ...form.fixed };
    const written = new Map<string, string>();
    for (const [i, name] of form.names.entries()) {
      const text = texts[i]?.trim();
      if (text !== undefined) written.set(name, text);
      operands[name] = this.dialect.value(form.instruction.operands.get(name) as Operand, text, at, labels);
    }
    return encoded(form.instruction, {
      ...operands,
      ...this.dialect.implied?.(form.instruction, written),
    });
  }
}

const NO_LABELS: Labels = new Map();
const DATA: Readonly<Record<string, number>> = { ".byte": 1, ".half": 2, ".word": 4, ".dword": 8 };

function named<T>(text: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw new Error(`${text}: ${(error as Error).message}`);
  }
}
