import { assembleAndList } from "@hypercraft/engine/testing/llvm";
import { instructionLines } from "@hypercraft/engine/testing/tools";

export { haveLlvm } from "@hypercraft/engine/testing/llvm";

/** LLVM's text of each encoding at consecutive addresses from 0, with aliases. `features` as `+v8.1a`. */
export function llvmDisassemble(encodings: readonly number[], features: string): readonly string[] {
  const source = encodings.map((bits) => `.inst 0x${(bits >>> 0).toString(16)}\n`).join("");
  return instructionLines(assembleAndList(source, "aarch64", [`--mattr=${features}`]));
}
