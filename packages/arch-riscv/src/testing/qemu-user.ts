import { runEmulated, runs } from "@hypercraft/engine/testing/tools";
import { buildUserProgram, readRecords, type UserExecutor } from "./user-program.js";

// QEMU's user mode as an oracle for user-level instructions. Test support: needs Node and `qemu-riscv64`.

const COMMAND = "qemu-riscv64";
const CPU = "rv64,zba=true,zbb=true,zbs=true";
/** Compressed instructions, double-precision calling convention. */
const RISCV = { machine: 243, flags: 0x5 };

/** Is the emulator here? */
export const haveQemuUser = (): boolean => runs(COMMAND);

/** Runs all cases in one process of the emulator. */
export const runOnQemu: UserExecutor = (cases) => {
  const program = buildUserProgram(cases);
  return readRecords(runEmulated(COMMAND, ["-cpu", CPU], program, RISCV), cases.length);
};
