import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc } from "../pc.js";
import { EXIT, say, word, wrmsr } from "../testing/real-mode-code.js";
import { testConsole } from "../testing/test-console.js";

// MONITOR and MWAIT on processors that own the board.

const LINE = 0x9000;
/** mov eax, LINE; xor ecx, ecx; xor edx, edx; monitor */
const MONITOR = [0x66, 0xb8, ...word(LINE), 0, 0, 0x66, 0x31, 0xc9, 0x66, 0x31, 0xd2, 0x0f, 0x01, 0xc8];
const BARE_MWAIT = [0x0f, 0x01, 0xc9];
/** xor eax, eax; xor ecx, ecx; mwait */
const MWAIT = [0x66, 0x31, 0xc0, 0x66, 0x31, 0xc9, ...BARE_MWAIT];
/** Starts the other processor at 0xa000. */
const START = [...wrmsr(0x1b, 0xfee0_0d00), ...wrmsr(0x830, 0xc_4500), ...wrmsr(0x830, 0xc_460a)];

async function run(code: readonly number[], other: readonly number[] = [], tier: "cold" | "hot" = "hot") {
  const console = testConsole("");
  const machine = await createPc({
    mode: "bare",
    memory: 16 << 20,
    cpus: other.length > 0 ? 2 : 1,
    console,
    clock: new DeterministicClock(10, 1),
    tier,
    loads: [{ name: "other", address: 0xa000, bytes: Uint8Array.from([...other, 0xfa, 0xf4]) }],
    kernel: { name: "code", bytes: Uint8Array.from([...code, 0xfa, 0xf4]) },
  });
  return { console, end: await machine.run({ maxInstructions: 300_000, onIdle: "stop" }) };
}

describe("MWAIT", () => {
  it.each(["cold", "hot"] as const)("waits for another processor's store, %s tier", async (tier) => {
    // The other one: mov cx, 2000; loop; mov byte [LINE + 40], 1
    const other = [
      ...say("o"),
      0xb9,
      ...word(2000),
      0xe2,
      0xfe,
      ...say("p"),
      0xc6,
      0x06,
      ...word(LINE + 40),
      1,
    ];
    const code = [0xfa, ...say("a"), ...MONITOR, ...START, ...MWAIT, ...say("b"), ...EXIT];
    const { console, end } = await run(code, other, tier);
    expect([console.text, end]).toEqual(["aopb", { kind: "exit", code: 3 }]);
  });

  it("waits for nothing after a store, and without MONITOR", async () => {
    const code = [
      0xfa,
      ...MWAIT,
      ...say("a"),
      ...MONITOR,
      0xfe,
      0x06,
      ...word(LINE + 63),
      ...MWAIT,
      ...say("b"),
    ];
    expect((await run([...code, ...EXIT])).console.text).toBe("ab");
  });

  it("goes on behind an interrupt, and waits for ever without", async () => {
    // The timer ticks; its handler is the BIOS's.
    const { console, end } = await run([0xfb, ...MONITOR, ...MWAIT, ...say("t"), ...EXIT]);
    expect([console.text, end]).toEqual(["t", { kind: "exit", code: 3 }]);
    expect(
      (await run([0xfa, ...MONITOR, 0xfe, 0x06, ...word(LINE + 64), ...MWAIT, ...say("t")])).end,
    ).toEqual({
      kind: "idle",
    });
  });

  it("has no extensions", async () => {
    // mov word [34h], 8100h; mov word [36h], 0; its handler ends with 9.
    const vector = [0xc7, 0x06, 0x34, 0, 0, 0x81, 0xc7, 0x06, 0x36, 0, 0, 0];
    const handler = [0xc6, 0x06, 0, 0x81, 0xb0, 0xc6, 0x06, 1, 0x81, 4, 0xc6, 0x06, 2, 0x81, 0xe6];
    const rest = [0xc6, 0x06, 3, 0x81, 0xf4];
    // inc ecx; mwait
    const { end } = await run([
      ...handler,
      ...rest,
      ...vector,
      0x66,
      0x31,
      0xc9,
      0x66,
      0x41,
      ...BARE_MWAIT,
      ...EXIT,
    ]);
    expect(end).toEqual({ kind: "exit", code: 9 });
  });

  it("is told of by CPUID", async () => {
    // mov eax, 1; cpuid; shr ecx, 3; and cl, 1; mov al, cl; or al, 30h; out e9h; mov eax, 5; cpuid; out e9h (64: @)
    const code = [0x66, 0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x66, 0xc1, 0xe9, 3, 0x80, 0xe1, 1, 0x88, 0xc8];
    const leaf5 = [0x66, 0xb8, 5, 0, 0, 0, 0x0f, 0xa2, 0xe6, 0xe9];
    expect((await run([...code, 0x0c, 0x30, 0xe6, 0xe9, ...leaf5, ...EXIT])).console.text).toBe("1@");
  });
});
