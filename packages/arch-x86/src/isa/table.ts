import { supportMatrix } from "@hypercraft/engine";
import { arithmetic } from "./arithmetic.js";
import { bits } from "./bits.js";
import { bitManipulation } from "./bmi.js";
import { control } from "./control.js";
import { conversions } from "./convert.js";
import { X86Instruction } from "./declaration.js";
import { X86Decoder } from "./decoder.js";
import { exchanges } from "./exchange.js";
import { extendedStates } from "./extended-state.js";
import { far } from "./far.js";
import { flagInstructions } from "./flag-instructions.js";
import { legacy } from "./legacy.js";
import type { X86Builder } from "./lifter.js";
import { moves } from "./move.js";
import { multiplication } from "./multiply.js";
import { packedIntegers } from "./packed-integer.js";
import { packedShifts } from "./packed-shift.js";
import { shiftInstructions } from "./shifts.js";
import { sseConversions } from "./sse-convert.js";
import { sseFloats } from "./sse-float.js";
import { sseMoves } from "./sse-move.js";
import { sseStrings } from "./sse-strings.js";
import { stack } from "./stack.js";
import { strings } from "./strings.js";
import { system } from "./system.js";
import { vectorMemory } from "./vector-memory.js";
import { vectorPermutations } from "./vector-permute.js";
import { vmx } from "./vmx.js";
import { floatingPoint } from "./x87.js";

/** Every instruction, in the order of the groups. */
export const x86Instructions: readonly X86Instruction<X86Builder>[] = [
  ...arithmetic,
  ...moves,
  ...stack,
  ...control,
  ...flagInstructions,
  ...shiftInstructions,
  ...multiplication,
  ...bits,
  ...exchanges,
  ...conversions,
  ...strings,
  ...bitManipulation,
  ...far,
  ...legacy,
  ...system,
  ...sseMoves,
  ...packedIntegers,
  ...packedShifts,
  ...vectorPermutations,
  ...sseFloats,
  ...sseConversions,
  ...sseStrings,
  ...vectorMemory,
  ...vmx,
  ...floatingPoint,
  ...extendedStates,
].map((declaration, index) => new X86Instruction(index, declaration));

const names = new Set<string>();
for (const { name } of x86Instructions) {
  if (names.has(name)) throw new Error(`${name} is declared twice`);
  names.add(name);
}

export const x86Decoder = new X86Decoder(x86Instructions as readonly X86Instruction<never>[]);

/** Supported instructions by feature. */
export const x86Support = supportMatrix({
  instructions: x86Instructions.map(({ name, feature }) => ({ name, extensions: [feature] })),
});
