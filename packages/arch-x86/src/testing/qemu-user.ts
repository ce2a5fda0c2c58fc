import { qemuUser } from "@hypercraft/engine/testing/user-executors";
import { userPrograms } from "./user-program.js";

/** QEMU's user mode as an oracle for user-level instructions. Test support: needs Node and `qemu-x86_64`. */
export const qemu = qemuUser(userPrograms, "qemu-x86_64", "max");
