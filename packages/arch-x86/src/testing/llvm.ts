import { assembleAndList } from "@hypercraft/engine/testing/llvm";

export { haveLlvm } from "@hypercraft/engine/testing/llvm";

/** What LLVM makes of some bytes: the text of the first instruction and its length. */
export interface LlvmInstruction {
  readonly text: string;
  readonly length: number;
}

const TRIPLES = { 16: "i386-unknown-unknown-code16", 32: "i386", 64: "x86_64" } as const;

const LABEL = /^[0-9a-f]+ <s(\d+)>:$/;
const LINE = /^\s*[0-9a-f]+: ((?:[0-9a-f]{2} )*[0-9a-f]{2})\s*(.*)$/;

/** What is listed by itself though it belongs to the instruction behind it. */
const PREFIX = /^(lock|rep|repne|repe|data16|addr32|addr16|rex64|[c-gs]s|xacquire|xrelease)$/;

/**
 * Disassemble the first instruction of each sample, whose offset is 16 times its number. Samples have 16 bytes. Prefixes
 * that LLVM lists by themselves are left out of the text.
 */
export function llvmDisassemble(
  samples: readonly (readonly number[])[],
  bits: 16 | 32 | 64,
): readonly LlvmInstruction[] {
  const source = samples.map((bytes, i) => `s${i}:\n.byte ${bytes.join(",")}\n`).join("");
  const triple = TRIPLES[bits];
  const output = assembleAndList(source, triple, [`--triple=${triple}`, "--x86-asm-syntax=intel"]);
  const found: LlvmInstruction[] = [];
  let sample = -1;
  let prefixes = 0;
  for (const line of output.split("\n")) {
    const label = LABEL.exec(line);
    if (label) {
      sample = Number(label[1]);
      prefixes = 0;
    }
    const [, code = "", text = ""] = LINE.exec(line) ?? [];
    if (label || sample < 0 || code === "" || found[sample] !== undefined) continue;
    const length = prefixes + code.split(" ").length;
    // The first line behind a label is the first instruction.
    if (PREFIX.test(text.trim())) prefixes = length;
    else found[sample] = { text, length };
  }
  return found;
}
