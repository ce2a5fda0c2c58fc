import { native } from "../testing/native-user.js";
import { testRandomPrograms } from "../testing/random-programs.js";
import { testedNames, X87_CASES } from "../testing/x87-sequences.js";

// Random programs on the floating-point unit.

testRandomPrograms({
  source: X87_CASES,
  loops: { bytes: 150, times: 50 },
  bytes: 300,
  oracle: native,
  where: "the host",
  expected: testedNames,
  which: "every instruction that is the same everywhere",
});
