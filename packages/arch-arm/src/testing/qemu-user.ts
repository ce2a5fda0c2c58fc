import { qemuUser } from "@hypercraft/engine/testing/user-executors";
import { userPrograms } from "./user-program.js";

/** Has the atomics and CRC32; pointer authentication, of which the hints do nothing here, it has not. */
const CPU = "cortex-a76";

/** QEMU's user mode as an oracle for user-level instructions. Test support: needs Node and `qemu-aarch64`. */
export const qemu = qemuUser(userPrograms, "qemu-aarch64", CPU);
