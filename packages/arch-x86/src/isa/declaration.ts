import { type Encoding, parseEncoding } from "./encoding.js";
import { type OperandType, parseOperandType, RM_PLACES } from "./operand-type.js";

/** What an instruction is besides its encoding. */
export interface InstructionOptions {
  /** Unique name, where several instructions share mnemonic and operands. */
  readonly name?: string;
  /** Operand size in 64-bit mode: 8 unless 66 makes it 2 (`d64`); always 8 (`f64`). */
  readonly size64?: "d64" | "f64";
  /** Only there in 64-bit mode (`only`), or everywhere else (`not`). */
  readonly in64?: "only" | "not";
  /** LOCK is allowed when the first operand is memory. */
  readonly lock?: boolean;
  /** REP and REPNE mean something: string instructions. */
  readonly rep?: "rep" | "repe";
  /** Not in real and virtual-8086 mode, where it is undefined. */
  readonly protectedOnly?: boolean;
  /** ModRM.rm has to be a register, though no operand says so. */
  readonly form?: "register";
  /** A memory operand of 16 bytes may be anywhere. */
  readonly unaligned?: true;
  /** The mnemonics by operand size (2/4/8 bytes), where they are not one. */
  readonly text?: string;
  /** The same by address size. */
  readonly textByAddress?: string;
  /** Flags that it leaves undefined, where RFLAGS has them. */
  readonly undefinedFlags?: number;
}

/** Everything said about one instruction. */
export interface X86Declaration<B> {
  readonly feature: string;
  /** As in `add Eb, Gb`. */
  readonly text: string;
  readonly encoding: string;
  readonly options: InstructionOptions;
  lift(builder: B): void;
}

/** The declaring function for the instructions of a CPUID feature. */
export function x86InstructionsOf<B>(feature: string) {
  return (
    text: string,
    encoding: string,
    lift: (builder: B) => void,
    options: InstructionOptions = {},
  ): X86Declaration<B> => ({ feature, text, encoding, options, lift });
}

/** One row of the instruction table: a declaration made ready for use. */
export class X86Instruction<B = never> {
  readonly index: number;
  readonly name: string;
  readonly mnemonic: string;
  readonly feature: string;
  readonly encoding: Encoding;
  readonly operands: readonly OperandType[];
  readonly options: InstructionOptions;
  /** What ModRM.mod must say of ModRM.rm. */
  readonly rm: "both" | "memory" | "register";
  private readonly declaration: X86Declaration<B>;

  constructor(index: number, declaration: X86Declaration<B>) {
    const { text, encoding, options, feature } = declaration;
    const space = text.indexOf(" ");
    const mnemonic = space < 0 ? text : text.slice(0, space);
    this.index = index;
    this.declaration = declaration;
    this.feature = feature;
    this.mnemonic = mnemonic;
    this.name = options.name ?? text;
    this.encoding = parseEncoding(encoding);
    this.operands =
      space < 0
        ? []
        : text
            .slice(space + 1)
            .split(", ")
            .map(parseOperandType);
    this.options = options;
    this.rm =
      options.form ??
      this.operands.map(({ place }) => RM_PLACES.get(place)).find((which) => which !== undefined) ??
      "both";
  }

  /** Emit the instruction that the builder has decoded. */
  lift(builder: B): void {
    this.declaration.lift(builder);
  }
}
