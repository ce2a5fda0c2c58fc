import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryFolder, runs } from "./tools.js";

// LLVM's assembler and disassembler as oracles. Test support: needs Node and the tools.

const ASSEMBLER = ["llvm-mc", "llvm-mc-14"];
const DISASSEMBLER = ["llvm-objdump", "llvm-objdump-14"];

/** Are assembler and disassembler here? */
export const haveLlvm = (): boolean => ASSEMBLER.some(runs) && DISASSEMBLER.some(runs);

/** Assemble a text for a target and disassemble that with options of `llvm-objdump`: what it writes. */
export function assembleAndList(source: string, triple: string, options: readonly string[]): string {
  return inTemporaryFolder((folder) => {
    const [text, object] = [join(folder, "a.s"), join(folder, "a.o")];
    writeFileSync(text, source);
    const assembler = ASSEMBLER.find(runs) as string;
    execFileSync(assembler, [`--triple=${triple}`, "--filetype=obj", "-o", object, text]);
    const output = execFileSync(DISASSEMBLER.find(runs) as string, ["-d", "-z", ...options, object], {
      maxBuffer: 1 << 28,
    });
    return output.toString();
  });
}
