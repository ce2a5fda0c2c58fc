import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc } from "../pc.js";
import { EXIT, say, store, word } from "../testing/real-mode-code.js";
import { testConsole } from "../testing/test-console.js";

// Errors of the floating-point unit with CR0.NE clear: SDM volume 1, appendix D.

/** The BIOS's vector of interrupt 13. */
const VECTOR = 0x75;
const HANDLER = 0x8100;
const FWAIT = 0x9b;
/** fninit; fldcw [0x9000], which masks nothing; fld1; fldz; fdivp: its error waits for the next one. */
const ERROR = [...[0xdb, 0xe3], ...store(0x9000, 0x0340), ...[0xd9, 0x2e, ...word(0x9000)]];
const DIVIDE = [0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9];
/** in al, 0a1h; and al, 0dfh; out 0a1h, al; its vector; sti */
const open = [0xe4, 0xa1, 0x24, 0xdf, 0xe6, 0xa1, ...store(4 * VECTOR, HANDLER), ...store(4 * VECTOR + 2, 0)];
const CLEAR_REQUEST = [0x30, 0xc0, 0xe6, 0xf0];
/** mov al, 20h; out 0a0h, al; out 20h, al; iret */
const END = [0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0xcf];

async function run(
  mode: "vm" | "bare",
  code: readonly number[],
  handler: readonly number[],
  tier: "cold" | "hot" = "hot",
) {
  const bytes = new Uint8Array(0x200);
  bytes.set([...open, ...code, 0xfa, 0xf4]);
  bytes.set([...handler, ...END], HANDLER - 0x8000);
  const console = testConsole("");
  const kernel = { name: "code", bytes };
  const clock = new DeterministicClock(10, 1);
  const machine = await createPc({ mode, memory: 16 << 20, console, clock, kernel, tier });
  const end = await machine.run({ maxInstructions: 20_000, onIdle: "stop" });
  return { machine, console, end };
}

describe.each(["vm", "bare"] as const)("a floating-point error in %s mode", (mode) => {
  it("is interrupt 13 before the next instruction, which is executed again", async () => {
    const handler = [...say("13"), ...CLEAR_REQUEST, 0xdb, 0xe2];
    const code = [0xfb, ...ERROR, ...DIVIDE, ...say("a"), FWAIT, ...say("b"), FWAIT, ...say("c"), ...EXIT];
    const { console, end } = await run(mode, code, handler);
    expect([console.text, end]).toEqual(["a13bc", { kind: "exit", code: 3 }]);
  });

  it("waits for it however long interrupts are off", async () => {
    const { console, end } = await run(
      mode,
      [0xfa, ...ERROR, ...DIVIDE, ...say("a"), FWAIT, ...say("b")],
      [],
    );
    expect([console.text, end]).toEqual(["a", { kind: "idle" }]);
  });

  it.each(["cold", "hot"] as const)("is ignored from port 0xf0 on until it is gone, %s", async (tier) => {
    // fld1 and fwait are carried out in the handler; what comes after FNCLEX is an error again.
    const handler = [...say("("), ...CLEAR_REQUEST, 0xd9, 0xe8, FWAIT, 0xdd, 0xd8, 0xdb, 0xe2, ...say(")")];
    const once = [...DIVIDE, FWAIT, ...say(".")];
    const { console, end } = await run(mode, [0xfb, ...ERROR, ...once, ...once, ...EXIT], handler, tier);
    expect([console.text, end]).toEqual(["().().", { kind: "exit", code: 3 }]);
  });

  it("comes once where nobody clears its request, and holds the program up", async () => {
    const code = [0xfb, ...ERROR, ...DIVIDE, FWAIT, ...say("b"), ...EXIT];
    // The request is latched, and its edge has come.
    expect((await run(mode, code, say("1"))).console.text).toBe("1");
  });

  it("is an exception with CR0.NE", async () => {
    // mov eax, cr0; or al, 20h; mov cr0, eax; vector 16
    const ne = [0x0f, 0x20, 0xc0, 0x0c, 0x20, 0x0f, 0x22, 0xc0, ...store(0x40, HANDLER), ...store(0x42, 0)];
    const handler = [...say("M"), 0xdb, 0xe2];
    const code = [...ne, 0xfb, ...ERROR, ...DIVIDE, FWAIT, ...say("b"), ...EXIT];
    expect((await run(mode, code, handler)).console.text).toBe("Mb");
  });
});
