import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { instructionLines, inTemporaryFolder, runs } from "@hypercraft/engine/testing/tools";

// Other people's disassemblers as oracles for ours. Test support: needs Node and the tools.

const ARCH = "rv64gch_zicsr_zifencei_zba_zbb_zbs_zicbom_zicboz_svinval_zihintpause";
const LLVM_FEATURES = "+m,+a,+f,+d,+c,+zba,+zbb,+zbs";
const PREFIX = "riscv64-linux-gnu-";

/** Is the GNU disassembler for RISC-V here? */
export const haveBinutils = (): boolean => runs(`${PREFIX}objdump`) && runs(`${PREFIX}as`);

const LLVM_NAMES = ["llvm-objdump", "llvm-objdump-14"];

/** LLVM's disassembler, or undefined. It reads object files that the GNU assembler wrote. */
export const findLlvmObjdump = (): string | undefined => LLVM_NAMES.find(runs);

/** Encodings as `{ bits, width }`; those that mean a longer format than 32 bits cannot be asked about. */
export interface Encoded {
  readonly bits: number;
  readonly width: 16 | 32;
}

function assemble(folder: string, encodings: readonly Encoded[]): string {
  const lines = encodings.map(({ bits, width }) => `.insn ${width / 8}, 0x${(bits >>> 0).toString(16)}`);
  const source = join(folder, "a.s");
  const object = join(folder, "a.o");
  writeFileSync(source, `.option norelax\n${lines.join("\n")}\n`);
  execFileSync(`${PREFIX}as`, [`-march=${ARCH}`, source, "-o", object]);
  return object;
}

/** Text of each encoding at consecutive addresses from 0, as the GNU disassembler writes it without pseudo-instructions. */
export function gnuDisassemble(encodings: readonly Encoded[]): readonly string[] {
  return inTemporaryFolder((folder) => {
    const object = assemble(folder, encodings);
    const output = execFileSync(`${PREFIX}objdump`, ["-d", "-z", "-M", "no-aliases", object], {
      maxBuffer: 1 << 28,
    });
    return instructionLines(output.toString());
  });
}

/** As `gnuDisassemble`, by LLVM and with pseudo-instructions. */
export function llvmDisassemble(tool: string, encodings: readonly Encoded[]): readonly string[] {
  return inTemporaryFolder((folder) => {
    const object = assemble(folder, encodings);
    const options = ["-d", "-z", `--mattr=${LLVM_FEATURES}`, object];
    return instructionLines(execFileSync(tool, options, { maxBuffer: 1 << 28 }).toString());
  });
}
