import type { OperandNames } from "./pattern.js";

/** Emits an instruction. `operands` is only valid during the call. */
export type Lift<B, N extends string> = (builder: B, operands: Readonly<Record<N, number>>) => void;

/** Shorter text for special cases, and when it applies: `["mv rd, rs1", "imm == 0"]`. */
export type Alias = readonly [text: string, when: string];

export interface DeclarationOptions {
  /** Unique name, where several instructions share a mnemonic. The mnemonic when absent. */
  readonly name?: string;
  /** Operand values the encoding allows, as `rd != 0, rd != 2`; others are another instruction or reserved. */
  readonly where?: string;
  /** Pseudo-instructions, first match wins. */
  readonly aliases?: readonly Alias[];
}

/** How a compressed encoding says the operands of the instruction it stands for. */
export interface Expansion<B> {
  readonly of: Declaration<B>;
  /** For each operand of that instruction: an operand of this pattern, or a fixed value. */
  readonly operands: Readonly<Record<string, string | number>>;
}

/** Everything said about one instruction. */
export interface Declaration<B, N extends string = string> {
  readonly pattern: string;
  /** Mnemonic and operands: `lw rd, imm(rs1)`; an operand that belongs to the mnemonic stands in braces. */
  readonly text: string;
  /** Extensions it belongs to; all of them are required. */
  readonly extensions: readonly string[];
  readonly options: DeclarationOptions;
  readonly expansion: Expansion<B> | null;
  // Method syntax: declarations of different operands go in one table.
  lift(builder: B, operands: Readonly<Record<N, number>>): void;
}

export interface DeclareInstructions<B> {
  /** Declare an instruction: bit pattern (see pattern.ts), assembly text, and what it does. */
  insn<const P extends string>(
    pattern: P,
    text: string,
    lift: Lift<B, OperandNames<P>>,
    options?: DeclarationOptions,
  ): Declaration<B, OperandNames<P>>;
  /** Declare another, usually shorter, encoding of an instruction already declared. */
  expand<const P extends string, N extends string>(
    pattern: P,
    text: string,
    of: Declaration<B, N>,
    operands: Readonly<Record<N, number | OperandNames<P>>>,
    options?: DeclarationOptions,
  ): Declaration<B, N>;
}

/** The declaring functions for the instructions of one extension (or of several that are all required). */
export function instructionsOf<B>(...extensions: readonly string[]): DeclareInstructions<B> {
  return {
    insn: (pattern, text, lift, options = {}) => ({
      pattern,
      text,
      extensions,
      options,
      expansion: null,
      lift,
    }),
    expand: (pattern, text, of, operands, options = {}) => ({
      pattern,
      text,
      extensions,
      options,
      expansion: { of: of as Declaration<B>, operands },
      lift: of.lift,
    }),
  };
}
