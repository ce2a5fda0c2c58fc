import { arithmetic } from "./arithmetic.js";
import { control } from "./control.js";
import { X86Instruction } from "./declaration.js";
import { X86Decoder } from "./decoder.js";
import { flagInstructions } from "./flag-instructions.js";
import type { X86Builder } from "./lifter.js";
import { moves } from "./move.js";
import { sseMoves } from "./sse-move.js";
import { stack } from "./stack.js";

/** Every instruction, in the order of the groups. */
export const x86Instructions: readonly X86Instruction<X86Builder>[] = [
  ...arithmetic,
  ...moves,
  ...stack,
  ...control,
  ...flagInstructions,
  ...sseMoves,
].map((declaration, index) => new X86Instruction(index, declaration));

const names = new Set<string>();
for (const { name } of x86Instructions) {
  if (names.has(name)) throw new Error(`${name} is declared twice`);
  names.add(name);
}

export const x86Decoder = new X86Decoder(x86Instructions as readonly X86Instruction<never>[]);
