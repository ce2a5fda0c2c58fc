import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { le } from "../testing/code-bytes.js";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";
import { PROGRAM } from "../testing/cpu/qemu-system.js";
import { GPR, Gpr } from "./state.js";

// Stores into code take effect with the next instruction (SDM volume 3, 12.6, "Self-Modifying Code": no fence is
// needed where linear addresses are the same), also in the block that is being executed.

/** mov byte [address], value. */
const poke = (offset: number, value: number): number[] => [0xc6, 0x05, ...le(PROGRAM + offset), value];
const INC_EAX = 0x40;
const INC_EBX = 0x43;
const NOP = 0x90;
const STOP = [0xeb, 0xfe];

function run(code: readonly number[], tier: Tier, budget = 2000, at = PROGRAM) {
  const m = createBareMachine(tier);
  enterProgram(m);
  m.ram.set(code, at);
  m.core.setPc(at, 0);
  m.core.run(budget);
  const value = (register: number) => m.core.lo(GPR[register]!);
  return { eax: value(Gpr.rax), ebx: value(Gpr.rbx), ecx: value(Gpr.rcx), ip: Number(m.cpu.ip) - at };
}

describe.each<Tier>(["cold", "hot"])("code that changes itself (%s tier)", (tier) => {
  test("the very next instruction", () => {
    expect(run([...poke(7, INC_EBX), INC_EAX, ...STOP], tier)).toMatchObject({ eax: 0, ebx: 1 });
  });

  test("an instruction further on in the block", () => {
    const code = [INC_EAX, ...poke(10, INC_EBX), NOP, NOP, INC_EAX, ...STOP];
    expect(run(code, tier)).toMatchObject({ eax: 1, ebx: 1 });
  });

  test("the second half of an instruction", () => {
    // mov byte [imm], 7; mov eax, 5
    expect(run([...poke(8, 7), 0xb8, ...le(5), ...STOP], tier)).toMatchObject({ eax: 7 });
  });

  test("again and again, in a loop that is compiled", () => {
    // mov ecx, 200; loop: xor byte [patched], 3 (inc eax <-> inc ebx); patched: inc eax; dec ecx; jnz loop
    const code = [0xb9, ...le(200), 0x80, 0x35, ...le(PROGRAM + 12), 3, INC_EAX, 0x49, 0x75, 0xf5, ...STOP];
    expect(run(code, tier, 2000)).toMatchObject({ eax: 100, ebx: 100, ecx: 0 });
  });

  test("after it ran often", () => {
    // mov ecx, 100; loop: inc eax; dec ecx; jnz loop; cmp ebx, 0; jne stop; inc byte-patch; mov ecx, 100; inc ebx; jmp loop
    const code = [
      ...[0xb9, ...le(100)],
      ...[INC_EAX, 0x49, 0x75, 0xfc],
      ...[0x85, 0xdb, 0x75, 15, 0x43],
      ...poke(5, INC_EBX),
      ...[0xb9, ...le(100)],
      ...[0xeb, 0xe6],
      ...STOP,
    ];
    expect(run(code, tier, 5000)).toMatchObject({ eax: 100, ebx: 101, ecx: 0 });
  });

  test("by a string instruction that runs over itself", () => {
    // mov edi, here; mov ecx, 2; mov al, 43h (inc ebx); rep stosb; nop x2; stop
    const code = [0xbf, ...le(PROGRAM + 14), 0xb9, ...le(2), 0xb0, INC_EBX, 0xf3, 0xaa];
    expect(run([...code, NOP, NOP, ...STOP], tier)).toMatchObject({ ebx: 2, ecx: 0 });
  });

  test("where an instruction crosses pages", () => {
    // At the end of a page: mov byte [next page], 9; mov eax, 5 whose immediate begins on the next page.
    const at = PROGRAM + 0x1000 - 8;
    const code = [0xc6, 0x05, ...le(PROGRAM + 0x1000), 9, 0xb8, ...le(5), ...STOP];
    expect(run(code, tier, 2000, at)).toMatchObject({ eax: 9 });
  });

  test("by a store that crosses into it", () => {
    // mov dword [PROGRAM + 0xffe], eax with 43 43 90 90: two bytes before the page, two in it; then jump there.
    const at = PROGRAM + 0x1000;
    const code = [INC_EAX, INC_EAX, ...STOP];
    const m = createBareMachine(tier);
    enterProgram(m);
    m.ram.set(code, at);
    const store = [0xc7, 0x05, ...le(at - 2), NOP, NOP, INC_EBX, INC_EBX, 0xe9, ...le(0xff1)];
    // call at; twice: before and after the store.
    m.ram.set(store, PROGRAM);
    m.core.setPc(at, 0);
    m.core.run(100);
    expect(m.core.lo(GPR[Gpr.rax]!)).toBe(2);
    m.core.setPc(PROGRAM, 0);
    m.core.run(100);
    expect([m.core.lo(GPR[Gpr.rax]!), m.core.lo(GPR[Gpr.rbx]!)]).toEqual([2, 2]);
  });
});
