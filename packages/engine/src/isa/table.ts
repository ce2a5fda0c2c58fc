import { compileConstraints, parseConstraints } from "./constraint.js";
import type { Declaration } from "./declaration.js";
import { Decoder, type Encoding } from "./decoder.js";
import { type FormatContext, makeOperand, type Operand, type OperandKind } from "./operand.js";
import { type EncodingWidth, lowBits, parsePattern } from "./pattern.js";
import { parseText, renderText, type TextTemplate } from "./text.js";

type Extract = (bits: number) => number;

interface CompiledText {
  readonly template: TextTemplate;
  readonly applies: (bits: number) => boolean;
  readonly operands: ReadonlyMap<string, Extract>;
}

/** Options of disassembly. */
export interface DisassembleOptions {
  /** Show pseudo-instructions and expand compressed encodings, as usual (default); or the bare encoding. */
  readonly aliases?: boolean;
}

/** One row of an instruction table: a declaration made ready for use. */
export class Instruction<B = unknown> implements Encoding {
  readonly index: number;
  readonly name: string;
  readonly declaration: Declaration<B>;
  readonly extensions: readonly string[];
  readonly width: EncodingWidth;
  readonly mask: number;
  readonly value: number;
  readonly accepts: ((bits: number) => boolean) | null;
  /** The operands of the encoding, by name. */
  readonly operands: ReadonlyMap<string, Operand>;
  private readonly kinds: Readonly<Record<string, OperandKind>>;
  private readonly view: (bits: number) => Readonly<Record<string, number>>;
  private readonly texts: readonly CompiledText[];
  private readonly bareText: CompiledText;

  constructor(index: number, declaration: Declaration<B>, kinds: Readonly<Record<string, OperandKind>>) {
    const pattern = parsePattern(declaration.pattern);
    const mnemonic = (declaration.text.split(" ")[0] as string).replace(/\{[^}]*\}/g, "");
    const name = declaration.options.name ?? mnemonic;
    const kind = (operand: string): OperandKind => {
      const found = kinds[operand];
      if (found === undefined) throw new Error(`${name}: nothing is said about operand ${operand}`);
      return found;
    };
    this.index = index;
    this.name = name;
    this.declaration = declaration;
    this.extensions = declaration.extensions;
    this.width = pattern.width;
    this.mask = pattern.mask;
    this.value = pattern.value;
    this.kinds = kinds;
    this.operands = new Map(
      [...pattern.operands].map(([operand, slices]) => [
        operand,
        makeOperand(operand, slices, kind(operand)),
      ]),
    );
    const extracts = new Map([...this.operands].map(([operand, { extract }]) => [operand, extract]));
    this.accepts = this.acceptance(declaration.options.where ?? "", extracts);
    const lifted = declaration.expansion === null ? extracts : this.expandedOperands(declaration.expansion);
    this.view = makeView(lifted);
    this.bareText = this.text(declaration.text, "", extracts);
    this.texts = [
      ...(declaration.options.aliases ?? []).map(([text, when]) => this.text(text, when, extracts)),
      ...this.expandedTexts(declaration, lifted),
    ];
  }

  /** Emit the instruction. */
  lift(builder: B, bits: number): void {
    this.declaration.lift(builder, this.view(bits));
  }

  /** Assembly text at a virtual address. */
  disassemble(bits: number, pc: bigint, options: DisassembleOptions = {}): string {
    const { template, operands } = this.chooseText(bits, options.aliases ?? true);
    const context: FormatContext = {
      pc,
      bits,
      operand: (name) => {
        const extract = operands.get(name) ?? this.operands.get(name)?.extract ?? this.kinds[name]?.derive;
        if (extract === undefined) throw new Error(`${this.name} has no operand ${name}`);
        return extract(bits);
      },
    };
    return renderText(template, (name) => this.kinds[name] as OperandKind, context);
  }

  /** The encoding with the given operands; operands not given are zero. Throws a `RangeError` if one does not fit. */
  encode(operands: Readonly<Record<string, number>>): number {
    let bits = this.value;
    for (const [name, value] of Object.entries(operands)) {
      const operand = this.operands.get(name);
      if (operand === undefined) throw new RangeError(`${this.name} has no operand ${name}`);
      bits = operand.insert(bits, value);
    }
    if (this.accepts !== null && !this.accepts(bits))
      throw new RangeError(`${this.name} does not allow these operands`);
    return this.width === 32 ? bits >>> 0 : bits & lowBits(this.width);
  }

  /** Which encodings the condition and the kinds of the operands allow; null if all. */
  private acceptance(
    where: string,
    extracts: ReadonlyMap<string, Extract>,
  ): ((bits: number) => boolean) | null {
    const tests = [...this.operands.values()].flatMap(({ kind, extract }) => {
      const { allows } = kind;
      return allows === undefined ? [] : [(bits: number) => allows(extract(bits), bits)];
    });
    if (where !== "") tests.push(this.condition(where, extracts));
    const [first, ...rest] = tests;
    if (first === undefined) return null;
    return rest.length === 0 ? first : (bits) => tests.every((test) => test(bits));
  }

  private condition(text: string, extracts: ReadonlyMap<string, Extract>): (bits: number) => boolean {
    return compileConstraints(parseConstraints(text), (operand) => {
      const extract = extracts.get(operand) ?? this.kinds[operand]?.derive;
      if (extract === undefined) throw new Error(`${this.name} has no operand ${operand}`);
      return extract;
    });
  }

  private text(text: string, when: string, extracts: ReadonlyMap<string, Extract>): CompiledText {
    return {
      template: parseText(
        text,
        (operand) => extracts.has(operand) || this.kinds[operand]?.derive !== undefined,
      ),
      applies: this.condition(when, extracts),
      operands: extracts,
    };
  }

  private expandedOperands(expansion: NonNullable<Declaration<B>["expansion"]>): Map<string, Extract> {
    return new Map(
      Object.entries(expansion.operands).map(([operand, source]): [string, Extract] => {
        if (typeof source === "number") return [operand, () => source];
        const own = this.operands.get(source);
        if (own === undefined) throw new Error(`${this.name} has no operand ${source}`);
        return [operand, own.extract];
      }),
    );
  }

  /** The instruction's own text last, after its pseudo-instructions; a compressed one reads as its expansion. */
  private expandedTexts(declaration: Declaration<B>, lifted: ReadonlyMap<string, Extract>): CompiledText[] {
    const shown = declaration.expansion?.of ?? declaration;
    const aliases = declaration.expansion === null ? [] : (shown.options.aliases ?? []);
    return [
      ...aliases.map(([text, when]) => this.text(text, when, lifted)),
      this.text(shown.text, "", lifted),
    ];
  }

  private chooseText(bits: number, aliases: boolean): CompiledText {
    if (!aliases) return this.bareText;
    return this.texts.find((text) => text.applies(bits)) ?? this.bareText;
  }
}

/** The operands of the instruction `bits` as properties. */
interface View {
  bits: number;
}
type ViewClass = new (extracts: readonly Extract[]) => View & Readonly<Record<string, number>>;

/** By the operands' names: instructions with the same operands share a class, so that lifting code sees few of them. */
const viewClasses = new Map<string, ViewClass>();

function viewClass(names: readonly string[]): ViewClass {
  const key = names.join();
  let found = viewClasses.get(key);
  if (found === undefined) {
    found = class {
      bits = 0;
      readonly extracts: readonly Extract[];
      constructor(extracts: readonly Extract[]) {
        this.extracts = extracts;
      }
    } as unknown as ViewClass;
    for (const [i, name] of names.entries()) {
      Object.defineProperty(found.prototype, name, {
        get(this: View & { readonly extracts: readonly Extract[] }) {
          return (this.extracts[i] as Extract)(this.bits);
        },
      });
    }
    viewClasses.set(key, found);
  }
  return found;
}

/**
 * An object whose properties are the operands of the instruction last passed. It is reused: lifting
 * allocates no operand record.
 */
function makeView(
  extracts: ReadonlyMap<string, Extract>,
): (bits: number) => Readonly<Record<string, number>> {
  const names = [...extracts.keys()].sort();
  const view = new (viewClass(names))(names.map((name) => extracts.get(name) as Extract));
  return (bits) => {
    view.bits = bits;
    return view;
  };
}

/** The instructions of one instruction set, and everything that is derived from their declarations. */
export class InstructionTable<B> {
  readonly instructions: readonly Instruction<B>[];
  private readonly byName = new Map<string, Instruction<B>>();
  private readonly decoders: Readonly<Record<EncodingWidth, Decoder>>;
  /** Instructions of 16 bits that were decoded before: index + 2, 1 for none. */
  private readonly decoded = new Uint16Array(0x10000);

  /**
   * `kinds` says what each operand name means. Throws an `Error` for a malformed declaration, a name
   * declared twice, or encodings that cannot be told apart.
   */
  constructor(declarations: readonly Declaration<B>[], kinds: Readonly<Record<string, OperandKind>>) {
    this.instructions = declarations.map((declaration, index) => new Instruction(index, declaration, kinds));
    for (const instruction of this.instructions) {
      if (this.byName.has(instruction.name)) throw new Error(`${instruction.name} is declared twice`);
      this.byName.set(instruction.name, instruction);
    }
    const decoder = (width: EncodingWidth) =>
      new Decoder(
        this.instructions.filter((i) => i.width === width),
        width,
      );
    this.decoders = { 16: decoder(16), 32: decoder(32) };
  }

  /** Index in `instructions` of the encoding, -1 if there is none. Does not allocate. */
  decode(bits: number, width: EncodingWidth = 32): number {
    if (width === 32) return this.decoders[32].decode(bits);
    const short = bits & 0xffff;
    const known = this.decoded[short] as number;
    if (known !== 0) return known - 2;
    const index = this.decoders[16].decode(short);
    this.decoded[short] = index + 2;
    return index;
  }

  /** The instruction with these bits, or undefined. */
  find(bits: number, width: EncodingWidth = 32): Instruction<B> | undefined {
    return this.instructions[this.decode(bits, width)];
  }

  /** An instruction by its mnemonic. Throws a `RangeError` if there is none. */
  named(name: string): Instruction<B> {
    const found = this.byName.get(name);
    if (found === undefined) throw new RangeError(`no instruction ${name}`);
    return found;
  }

  /** Assembly text; what is no instruction is shown as data, as binutils does. */
  disassemble(bits: number, pc: bigint, width: EncodingWidth = 32, options: DisassembleOptions = {}): string {
    const instruction = this.find(bits, width);
    if (instruction !== undefined) return instruction.disassemble(bits, pc, options);
    const shown = width === 16 ? bits & 0xffff : bits >>> 0;
    return `.${width / 8}byte 0x${shown.toString(16).padStart(width / 4, "0")}`;
  }
}
