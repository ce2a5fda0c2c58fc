import { native } from "../testing/native-user.js";
import { testRandomPrograms } from "../testing/random-programs.js";
import { loopingVectorCases, randomVectorCases, testedNames } from "../testing/vector-sequences.js";

// Random programs on MMX and XMM registers: QEMU 7 is wrong about some of this.

testRandomPrograms({
  cases: randomVectorCases,
  looping: (prng, count) => loopingVectorCases(prng, count, 100, 300),
  bytes: 200,
  oracle: native,
  where: "the host",
  expected: testedNames,
  which: "every instruction that is the same everywhere",
});
