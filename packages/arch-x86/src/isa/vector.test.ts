import { native } from "../testing/native-user.js";
import { testRandomPrograms } from "../testing/random-programs.js";
import { testedNames, VECTOR_CASES } from "../testing/vector-sequences.js";

// Random programs on MMX and XMM registers: QEMU 7 is wrong about some of this.

testRandomPrograms({
  source: VECTOR_CASES,
  loops: { bytes: 100, times: 300 },
  bytes: 200,
  oracle: native,
  where: "the host",
  expected: testedNames,
  which: "every instruction that is the same everywhere",
});
