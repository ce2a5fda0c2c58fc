import { qemuUser } from "@hypercraft/engine/testing/user-executors";
import { userPrograms } from "./user-program.js";

const CPU = "rv64,zba=true,zbb=true,zbs=true";

/** QEMU's user mode as an oracle for user-level instructions. Test support: needs Node and `qemu-riscv64`. */
export const qemu = qemuUser(userPrograms, "qemu-riscv64", CPU);
