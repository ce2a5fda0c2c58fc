import type { FormatContext, OperandKind } from "./operand.js";

type Piece = { readonly literal: string } | { readonly operand: string };

/** Assembly text with places for operands. */
export interface TextTemplate {
  readonly mnemonic: string;
  readonly pieces: readonly Piece[];
}

function split(text: string, pattern: RegExp, isOperand: (name: string) => boolean): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    const name = match[1] as string;
    if (!isOperand(name)) continue;
    if (match.index > done) pieces.push({ literal: text.slice(done, match.index) });
    pieces.push({ operand: name });
    done = match.index + match[0].length;
  }
  if (done < text.length) pieces.push({ literal: text.slice(done) });
  return pieces;
}

/**
 * Parse assembly text. The first word is the mnemonic, where operands stand in braces (`lr.w{aqrl}`);
 * in the rest every operand's name is replaced by its value.
 */
export function parseText(text: string, isOperand: (name: string) => boolean): TextTemplate {
  const space = text.indexOf(" ");
  const head = space < 0 ? text : text.slice(0, space);
  const tail = space < 0 ? "" : text.slice(space);
  for (const [, name = ""] of head.matchAll(/\{([^}]*)\}/g)) {
    if (!isOperand(name)) throw new Error(`no operand ${name} for the text ${text}`);
  }
  const pieces = [
    ...split(head, /\{([^}]*)\}/g, isOperand),
    ...split(tail, /([a-z][A-Za-z0-9]*'?)/g, isOperand),
  ];
  return { mnemonic: head.replace(/\{[^}]*\}/g, ""), pieces };
}

/** The text of one instruction. */
export function renderText(
  template: TextTemplate,
  kind: (name: string) => OperandKind,
  context: FormatContext,
): string {
  let text = "";
  for (const piece of template.pieces) {
    if ("literal" in piece) {
      text += piece.literal;
      continue;
    }
    const value = context.operand(piece.operand);
    const { format } = kind(piece.operand);
    const shown = format === undefined ? String(value) : format(value, context);
    if (shown === undefined) text = text.replace(/[ ,]*$/, "");
    else text += shown;
  }
  return text;
}
