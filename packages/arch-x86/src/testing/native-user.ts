import { runNative } from "@hypercraft/engine/testing/tools";
import type { EmulatedUser } from "@hypercraft/engine/testing/user-executors";
import { type UserState, userPrograms } from "./user-program.js";

/** The host itself as an oracle for user-level instructions, where it is an x86-64 with Linux. Test support: needs Node. */
export const native: EmulatedUser<UserState> = {
  present: () => process.arch === "x64" && process.platform === "linux",
  run: (cases) =>
    userPrograms.read(runNative(userPrograms.build(cases), userPrograms.abi.machine), cases.length),
};
