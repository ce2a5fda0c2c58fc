import { runNative } from "@hypercraft/engine/testing/tools";
import type { EmulatedUser } from "@hypercraft/engine/testing/user-executors";
import type { UserPrograms } from "@hypercraft/engine/testing/user-program";
import { type UserState, userPrograms, userPrograms32 } from "./user-program.js";

const onHost = (programs: UserPrograms<UserState>): EmulatedUser<UserState> => ({
  present: () => process.arch === "x64" && process.platform === "linux",
  run: (cases) => programs.read(runNative(programs.build(cases), programs.abi.machine), cases.length),
});

/** The host itself as an oracle for user-level instructions, where it is an x86-64 with Linux. Test support: needs Node. */
export const native = onHost(userPrograms);
/** The same for 32-bit code. */
export const native32 = onHost(userPrograms32);
