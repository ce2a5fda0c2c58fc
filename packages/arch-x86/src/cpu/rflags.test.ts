import { createFlatUser } from "@hypercraft/engine/testing/flat-user";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FlagClass, flagKind, STATUS_FLAGS } from "../isa/flags.js";
import { FLOATING_POINT, UserCpu } from "../testing/engine-user.js";
import { clearUnusedSource, readStatusFlags } from "./rflags.js";
import { FLAGS, GPR, Gpr } from "./state.js";

const BASE = 0x1_0000;
const STACK = 0x2_0000n;
/** PUSHFQ; POP RAX; SYSCALL. */
const PROGRAM = Uint8Array.of(0x9c, 0x58, 0x0f, 0x05);

const word = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 1n << 63n, 0x80n, 0xffn),
  fc.bigInt({ min: 0n, max: 2n ** 64n }),
);
const sizes = fc.constantFrom(1, 2, 4, 8);

// Helpers work the flags out in JavaScript, translated code by IR.
test.each(Object.entries(FlagClass))("the flags of class %s", (_name, flagClass) => {
  const cpu = (core: ConstructorParameters<typeof UserCpu>[0]) => new UserCpu(core);
  const { core, finish } = createFlatUser(
    { image: PROGRAM, base: BASE },
    { cpu, floatingPoint: FLOATING_POINT, tier: "cold" },
  );
  fc.assert(
    fc.property(sizes, word, word, (bytes, result, source) => {
      const extended = (value: bigint) => BigInt.asUintN(64, BigInt.asIntN(8 * bytes, value));
      core.set(FLAGS.kind, flagKind(flagClass, bytes), 0);
      // ZF is set if the result is 0, in every class.
      const zero = flagClass === FlagClass.explicit ? ~source & 0x40n : extended(result);
      core.setBig(FLAGS.result, zero);
      core.setBig(FLAGS.source, extended(source));
      core.setBig(GPR[Gpr.rsp]!, STACK);
      core.setPc(BASE, 0);
      const found = readStatusFlags(core);
      finish();
      expect(found).toBe(core.lo(GPR[Gpr.rax]!) & STATUS_FLAGS);
    }),
  );
});

test("a source that no flag comes from is cleared, and no other", () => {
  for (const flagClass of Object.values(FlagClass)) {
    let source = 5;
    const lo = (field: unknown): number => (field === FLAGS.kind ? flagKind(flagClass, 4) : source);
    const set = (field: unknown, value: number): void => {
      expect(field).toBe(FLAGS.source);
      source = value;
    };
    clearUnusedSource({ lo, set });
    expect(source).toBe(flagClass === FlagClass.logic ? 0 : 5);
  }
});
