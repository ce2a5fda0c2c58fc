import { riscvInstructions } from "@hypercraft/arch-riscv";
import { expect, test } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createRiscvVirt } from "../riscv-virt.js";

/** Register numbers. */
const [T0, T1, S2] = [5, 6, 18];
const RAM = 0x8000_0000;

test("a bare hart reads the same time from its CSR and from the CLINT, in the middle of a slice", async () => {
  const text = [
    ["lui", { rd: T0, upper: 0x200_c000 }],
    ["addi", { rd: T1, rs1: 0, imm: 1000 }],
    // 1000 times 2 instructions of 10 ns: 200 ticks.
    ["addi", { rd: T1, rs1: T1, imm: -1 }],
    ["bne", { rs1: T1, rs2: 0, offset: -4 }],
    ["csrrs", { rd: S2, csr: 0xc01, rs1: 0 }],
    ["ld", { rd: S2 + 1, rs1: T0, imm: -8 }],
    ["csrrs", { rd: S2 + 2, csr: 0xc01, rs1: 0 }],
    ["jal", { rd: 0, offset: 0 }],
  ] as const;
  const words = text.map(([name, operands]) => riscvInstructions.named(name).encode(operands));
  const machine = await createRiscvVirt({
    mode: "bare",
    memory: 16 << 20,
    loads: [{ name: "program", address: RAM, bytes: new Uint8Array(Uint32Array.from(words).buffer) }],
    console: { write: () => {}, read: () => -1 },
    clock: new DeterministicClock(),
  });
  expect((await machine.run({ maxInstructions: 3000 })).kind).toBe("budget");
  expect([0, 1, 2].map((i) => machine.harts[0]!.getGpr(S2 + i))).toEqual([200n, 200n, 200n]);
});
