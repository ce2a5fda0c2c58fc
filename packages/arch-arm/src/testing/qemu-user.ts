import { runEmulated, runs } from "@hypercraft/engine/testing/tools";
import { buildUserProgram, readRecords, type UserExecutor } from "./user-program.js";

// QEMU's user mode as an oracle for user-level instructions. Test support: needs Node and `qemu-aarch64`.

const COMMAND = "qemu-aarch64";
/** Has the atomics and CRC32; pointer authentication, of which the hints do nothing here, it has not. */
const CPU = "cortex-a76";
const AARCH64 = { machine: 183, flags: 0 };

/** Is the emulator here? */
export const haveQemuUser = (): boolean => runs(COMMAND);

/** Runs all cases in one process of the emulator. */
export const runOnQemu: UserExecutor = (cases) => {
  const program = buildUserProgram(cases);
  return readRecords(runEmulated(COMMAND, ["-cpu", CPU], program, AARCH64), cases.length);
};
