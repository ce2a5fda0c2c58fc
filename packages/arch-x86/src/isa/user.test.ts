import { native } from "../testing/native-user.js";
import { qemu } from "../testing/qemu-user.js";
import { testRandomPrograms } from "../testing/random-programs.js";
import { foreign, INTEGER_CASES } from "../testing/user-sequences.js";
import { x86Instructions } from "./table.js";

// Where the order of instructions matters, other tests have them.
const LEFT =
  /\/1\)$|^(mov (al|rAX), O|mov O|call|ret|leave|loop|jmp Ev|push Iz|push sIb|popf|syscall|ldmxcsr|stmxcsr|emms)/;

testRandomPrograms({
  source: INTEGER_CASES,
  loops: { bytes: 100, times: 300 },
  bytes: 200,
  // The host where it can be: QEMU 7 crashes on some of these flags.
  oracle: native.present() ? native : qemu,
  where: "another processor",
  expected: x86Instructions
    .filter((row) => row.options.in64 !== "not" && !foreign(row) && !LEFT.test(row.name))
    .map(({ name }) => name),
  which: "every user-level instruction",
});
