import { describe, expect, test } from "vitest";
import { haveQemuSystem, runOnQemu } from "./qemu-system.js";

describe.skipIf(!haveQemuSystem())("programs on QEMU", () => {
  test("begin at EL2 and say what they find", () => {
    const output = runOnQemu(
      `
      _start:
        mrs x0, CurrentEL
        put w0
        constant x1, 0x0123456789abcdef
        dump x1
        constant x2, BLOB
        ldr x3, [x2]
        dump x3
        stop
    `,
      Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    );
    expect([...output]).toEqual([8, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
