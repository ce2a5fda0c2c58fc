import { expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc } from "../pc.js";
import { testConsole } from "../testing/test-console.js";

/** Runs code in real mode at 0000:8000. */
async function run(code: readonly number[], maxInstructions = 1_000_000) {
  const console = testConsole("");
  const machine = await createPc({
    mode: "bare",
    memory: 16 << 20,
    console,
    clock: new DeterministicClock(1000, 1),
    kernel: { name: "code", bytes: Uint8Array.from(code) },
  });
  const end = await machine.run({ maxInstructions, onIdle: "stop" });
  return { console, end, memory: machine.memory };
}

const HLT = 0xf4;
/** `out 0xf4, al`: the machine ends with 2 * AL + 1. */
const EXIT = [0xe6, 0xf4];

it("serves what needs no screen, keyboard or disk", async () => {
  // mov ax, 0e41h; int 10h; int 12h; mov bx, ax; int 11h; mov cx, ax; mov ah, 42h; int 13h; jnc fail; mov ah, 1; int 16h;
  // jnz fail; cmp bx, 639; jne fail; mov al, 3; jmp +2; fail: mov al, 9
  const code = [
    ...[0xb8, 0x41, 0x0e, 0xcd, 0x10, 0xcd, 0x12, 0x89, 0xc3, 0xcd, 0x11, 0x89, 0xc1],
    ...[0xb4, 0x42, 0xcd, 0x13, 0x73, 16, 0xb4, 1, 0xcd, 0x16, 0x75, 10],
    ...[0x81, 0xfb, 0x7f, 0x02, 0x75, 4, 0xb0, 3, 0xeb, 2, 0xb0, 9, ...EXIT],
  ];
  const { console, end } = await run(code);
  expect(end).toEqual({ kind: "exit", code: 7 });
  expect(console.text).toBe("A");
});

it("counts 18.2 ticks a second, as programs find them", async () => {
  // sti; again: hlt; mov ah, 0; int 1ah; cmp dx, 5; jb again; mov ax, dx; out
  const code = [0xfb, HLT, 0xb4, 0, 0xcd, 0x1a, 0x83, 0xfa, 5, 0x72, 0xf6, 0x89, 0xd0, ...EXIT];
  const { end, memory } = await run(code);
  expect(end).toEqual({ kind: "exit", code: 11 });
  expect([memory.readU32(0x46c), memory.readU16(0x400), memory.readU16(0x413)]).toEqual([5, 0x3f8, 639]);
});

it("has handlers for interrupts of both 8259s", async () => {
  // The test device's line 13: mov byte [0x200], 0 ... unmask it; sti; mov dx, 200dh; mov al, 1; out dx, al; nop; hlt
  const code = [
    ...[0xe4, 0xa1, 0x24, 0xdf, 0xe6, 0xa1, 0xfb, 0xba, 0x0d, 0x20, 0xb0, 1, 0xee, 0x90],
    // Nothing is in service any more: mov al, 0bh; out a0h, al; in al, a0h; out f4h, al
    ...[0xb0, 0x0b, 0xe6, 0xa0, 0xe4, 0xa0, ...EXIT],
  ];
  expect((await run(code)).end).toEqual({ kind: "exit", code: 1 });
});

it("restarts at its reset vector", async () => {
  expect((await run([0xea, 0xf0, 0xff, 0x00, 0xf0])).end).toEqual({ kind: "reset" });
});

it("does not wait for a timer that cannot wake anybody", async () => {
  expect((await run([0xfa, HLT])).end).toEqual({ kind: "idle" });
});
