import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { instructionLines, inTemporaryFolder, runs } from "@hypercraft/engine/testing/tools";

// LLVM's disassembler as an oracle for ours. Test support: needs Node and the tools.

const ASSEMBLER = ["llvm-mc", "llvm-mc-14"];
const DISASSEMBLER = ["llvm-objdump", "llvm-objdump-14"];

/** Are assembler and disassembler here? */
export const haveLlvm = (): boolean => ASSEMBLER.some(runs) && DISASSEMBLER.some(runs);

/** Text of each encoding at consecutive addresses from 0, with aliases. `features` as `+v8.1a`. */
export function llvmDisassemble(encodings: readonly number[], features: string): readonly string[] {
  return inTemporaryFolder((folder) => {
    const [source, object] = [join(folder, "a.s"), join(folder, "a.o")];
    writeFileSync(source, encodings.map((bits) => `.inst 0x${(bits >>> 0).toString(16)}\n`).join(""));
    const assembler = ASSEMBLER.find(runs) as string;
    execFileSync(assembler, ["--triple=aarch64", "--filetype=obj", "-o", object, source]);
    const output = execFileSync(
      DISASSEMBLER.find(runs) as string,
      ["-d", "-z", `--mattr=${features}`, object],
      {
        maxBuffer: 1 << 28,
      },
    );
    return instructionLines(output.toString());
  });
}
