import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc } from "../pc.js";
import { EXIT, out, store, word, wrmsr } from "../testing/real-mode-code.js";
import { testConsole } from "../testing/test-console.js";

const HANG = [0xfa, 0xf4];
const RESUME = 0x8100;

/** Real-mode code at 0000:8000 and at 0000:8100, where what comes back by CMOS memory's code goes on. */
function program(code: readonly number[], resume: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(0x200);
  bytes.set([...code, ...HANG]);
  bytes.set([...resume, ...HANG], RESUME - 0x8000);
  return bytes;
}

/** "To go on at 0040:0067", which is 0000:8100. */
const comeBack = (code: number) => [
  ...[...out(0x70, 0x0f), ...out(0x71, code), ...store(0x467, RESUME), ...store(0x469, 0)],
  ...store(0x9000, 0x4b4f),
];
/** What was in memory, and whether CMOS memory's code was cleared; then the end. */
const REPORT = [
  ...[0xa0, ...word(0x9000), 0xe6, 0xe9, 0xa0, ...word(0x9001), 0xe6, 0xe9],
  ...[...out(0x70, 0x0f), 0xe4, 0x71, 0x04, 0x30, 0xe6, 0xe9, ...EXIT],
];

async function run(mode: "vm" | "bare", bytes: Uint8Array, cpus = 1) {
  const console = testConsole("");
  const clock = new DeterministicClock(10, 1);
  const kernel = { name: "code", bytes };
  const machine = await createPc({ mode, memory: 16 << 20, cpus, console, clock, kernel });
  return { machine, console, end: await machine.run({ maxInstructions: 1_000_000, onIdle: "stop" }) };
}

// The APIC's command register in x2APIC mode: INIT, to the processor itself.
const initSelf = [...wrmsr(0x1b, 0xfee0_0d00), ...wrmsr(0x830, 0x4_4500)];
const soft = {
  "port 0x92": out(0x92, 3),
  "the keyboard controller's pulse": out(0x64, 0xfe),
  "the keyboard controller's output port": [...out(0x64, 0xd1), ...out(0x60, 0xde)],
  "port 0xcf9": [...out(0xcf9, 0), ...out(0xcf9, 4)],
  "an INIT to itself": initSelf,
  // lidt [0x9100], where there are zeroes; int3
  "a triple fault without a table for handlers": [0x0f, 0x01, 0x1e, ...word(0x9100), 0xcc],
};

describe.each(["vm", "bare"] as const)("a reset of the processors alone in %s mode", (mode) => {
  it.each(Object.entries(soft))("by %s goes on where the guest said, memory as it was", async (_, code) => {
    const { console, end } = await run(mode, program([...comeBack(0x0a), ...code], REPORT));
    expect([end, console.text]).toEqual([{ kind: "exit", code: 3 }, "OK0"]);
  });

  it("ends interrupts first where that is asked for", async () => {
    // Interrupt 0 is in service at the 8259: its handler, of vector 8, does not come back.
    const handler = [...comeBack(5), ...out(0x92, 3)];
    const code = [...store(4 * 8, 0x8080), ...store(4 * 8 + 2, 0), 0xfb, 0xf4, 0xeb, 0xfd];
    // mov al, 0bh; out 20h, al; in al, 20h; out e9h, al
    const resume = [0xb0, 0x0b, 0xe6, 0x20, 0xe4, 0x20, 0x04, 0x30, 0xe6, 0xe9, ...REPORT];
    const bytes = program(code, resume);
    bytes.set([...handler, ...HANG], 0x80);
    const { console } = await run(mode, bytes);
    expect(console.text).toBe("0OK0");
  });

  it("without a place to go on at starts the machine anew", async () => {
    for (const code of Object.values(soft))
      expect((await run(mode, program(code, REPORT))).end).toEqual({ kind: "reset" });
  });

  it("lets the other processors wait for a start-up IPI", async () => {
    // All but the sender are started at 0xa000: lock inc byte [0xa100]; jmp to it.
    const started = [0xf0, 0xfe, 0x06, ...word(0xa100), 0xeb, 0xfe];
    const place = started.flatMap((byte, i) => [0xc6, 0x06, ...word(0xa000 + i), byte]);
    const x2apic = wrmsr(0x1b, 0xfee0_0d00);
    const start = [...x2apic, ...wrmsr(0x830, 0xc_4500), ...wrmsr(0x830, 0xc_460a)];
    // cmp byte [0xa100], 1; jne back
    const await_ = [0x80, 0x3e, ...word(0xa100), 1, 0x75, 0xf9];
    const code = [...place, ...start, ...await_, ...comeBack(0x0a), ...out(0x64, 0xfe)];
    // It does not run; a start-up IPI starts it again.
    const again = [...x2apic, ...wrmsr(0x830, 0xc_460a), 0x80, 0x3e, ...word(0xa100), 2, 0x75, 0xf9];
    const { console, machine, end } = await run(mode, program(code, [...again, ...REPORT.slice(-6)]), 2);
    expect([end.kind, console.text.length, machine.memory.readU8(0xa100)]).toEqual(["exit", 1, 2]);
  });
});
