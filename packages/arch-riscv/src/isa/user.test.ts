import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { runOnEngine } from "../testing/engine-user.js";
import { runOnIr } from "../testing/ir-user.js";
import { haveQemuUser, runOnQemu } from "../testing/qemu-user.js";
import type { UserCase, UserExecutor, UserState } from "../testing/user-program.js";
import { randomUserCases } from "../testing/user-sequences.js";
import { disassemble } from "./lift.js";
import { riscvInstructions } from "./table.js";

// Random user-level programs: QEMU, the IR's evaluation, and the engine end in the same state. More and
// longer ones with USER_CASES and USER_SEED.

const CASES = Number(process.env.USER_CASES ?? 250);
const SEED = Number(process.env.USER_SEED ?? 1);
const LENGTH = 40;

const cases = randomUserCases(new Prng(SEED), CASES, LENGTH);

function* instructions(code: Uint8Array): Generator<{ offset: number; bits: number; width: 16 | 32 }> {
  const view = new DataView(code.buffer);
  for (let offset = 0; offset < code.length; ) {
    const half = view.getUint16(offset, true);
    const width = (half & 3) === 3 ? 32 : 16;
    yield { offset, bits: width === 32 ? view.getUint32(offset, true) : half, width };
    offset += width / 8;
  }
}

const listing = (code: Uint8Array): string =>
  [...instructions(code)]
    .map(({ offset, bits }) => `  ${offset}: ${disassemble(bits, BigInt(offset))}`)
    .join("\n");

function differences(a: UserState, b: UserState): string[] {
  const registers = (kind: "x" | "f") =>
    a[kind].flatMap((value, i) => {
      const other = b[kind][i] as bigint;
      // x0 is not stored by the program.
      if (value === other || (kind === "x" && i === 0)) return [];
      return [`${kind}${i}: ${value.toString(16)} and ${other.toString(16)}`];
    });
  const changed = a.data.findIndex((byte, i) => byte !== b.data[i]);
  return [
    ...registers("x").filter((text) => !text.startsWith("x31")),
    ...registers("f"),
    ...(a.fcsr === b.fcsr ? [] : [`fcsr: ${a.fcsr} and ${b.fcsr}`]),
    ...(changed < 0 ? [] : [`memory from ${changed}`]),
  ];
}

function compare(some: readonly UserCase[], first: UserExecutor, second: UserExecutor): void {
  const [a, b] = [first(some), second(some)];
  for (const [i, { code }] of some.entries()) {
    const found = differences(a[i] as UserState, b[i] as UserState);
    if (found.length > 0) expect.fail(`case ${i} of seed ${SEED}:\n${found.join("\n")}\n${listing(code)}`);
  }
}

test("the evaluated IR and the engine agree", () => {
  compare(cases.slice(0, 100), runOnIr, runOnEngine);
});

describe.skipIf(!haveQemuUser())("against the emulator", () => {
  test("the evaluated IR", () => {
    compare(cases.slice(0, 100), runOnQemu, runOnIr);
  });

  test("the engine", () => {
    compare(cases, runOnQemu, runOnEngine);
  });
});

test("the programs hold every user-level instruction", () => {
  const seen = new Set(
    cases.flatMap(({ code }) =>
      [...instructions(code)].map(({ bits, width }) => riscvInstructions.find(bits, width)?.name),
    ),
  );
  const user = ["I", "M", "A", "F", "D", "C", "Zba", "Zbb", "Zbs", "Zifencei", "Zihintpause", "Zicsr"];
  // Traps, what writes the registers that hold addresses, and what the emulator gets wrong.
  const left = /^(ecall|c?\.?ebreak|c\.addi16sp|c\.nop|ctzw)$/;
  const missing = riscvInstructions.instructions
    .filter(
      ({ extensions, name }) =>
        extensions.every((e) => user.includes(e)) && !left.test(name) && !seen.has(name),
    )
    .map(({ name }) => name);
  expect(missing).toEqual([]);
});
