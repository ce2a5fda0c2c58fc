import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeElf } from "./elf.js";
import { buildUserProgram, readRecords, type UserExecutor } from "./user-program.js";

// QEMU's user mode as an oracle for user-level instructions. Test support: needs Node and `qemu-riscv64`.

const CPU = "rv64,zba=true,zbb=true,zbs=true";

/** Is the emulator here? */
export function haveQemuUser(): boolean {
  try {
    execFileSync("qemu-riscv64", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Runs all cases in one process of the emulator. */
export const runOnQemu: UserExecutor = (cases) => {
  const program = buildUserProgram(cases);
  const folder = mkdtempSync(join(tmpdir(), "hypercraft-user-"));
  try {
    const file = join(folder, "cases");
    writeFileSync(file, writeElf(program.image, program.base, program.base));
    chmodSync(file, 0o755);
    const output = execFileSync("qemu-riscv64", ["-cpu", CPU, file], {
      maxBuffer: 1 << 28,
      timeout: 60_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (output.length !== program.written) throw new Error(`the program wrote ${output.length} bytes`);
    return readRecords(output, cases.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
