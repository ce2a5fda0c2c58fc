import { native } from "../testing/native-user.js";
import { testRandomPrograms } from "../testing/random-programs.js";
import { loopingX87Cases, randomX87Cases, testedNames } from "../testing/x87-sequences.js";

// Random programs on the floating-point unit.

testRandomPrograms({
  cases: randomX87Cases,
  looping: (prng, count) => loopingX87Cases(prng, count, 150, 50),
  bytes: 300,
  oracle: native,
  where: "the host",
  expected: testedNames,
  which: "every instruction that is the same everywhere",
});
