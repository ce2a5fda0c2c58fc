export {
  type Alias,
  type Declaration,
  type DeclarationOptions,
  type DeclareInstructions,
  instructionsOf,
  type Lift,
} from "./declaration.js";
export { InstructionBuilder, wrapperOf } from "./instruction-builder.js";
export { gather, Lanes } from "./lanes.js";
export type { FormatContext, Operand, OperandKind } from "./operand.js";
export type { EncodingWidth, OperandNames } from "./pattern.js";
export { Prng } from "./prng.js";
export { instructionGenerator, type RandomFilter, type RandomInstruction } from "./random.js";
export { type DocumentedTable, type ExtensionSupport, supportMarkdown, supportMatrix } from "./support.js";
export { type DisassembleOptions, Instruction, InstructionTable } from "./table.js";
