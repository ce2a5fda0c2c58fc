import { compiledCode } from "@hypercraft/engine/testing/compiled-code";
import { expect, test } from "vitest";
import type { ArmPe } from "../cpu/pe.js";
import { a64, BareMachine, RAM } from "../testing/cpu/bare-machine.js";

// What the hot tier makes of instructions, in files under `compiled/`: guest code, IR after all passes, WebAssembly.
// After a change that is meant, look at what `vitest run -u` makes of them.

const ROUNDS = 50;
const DATA = 0x2000;
const TABLE = 0x4000;
const BUDGET = 100_000;

type Instruction = readonly [name: string, operands: Readonly<Record<string, number>>];

/** As an offset: behind the code. */
const BEHIND = 1 << 20;

/** RAM is where it is, as Normal memory: alignment is checked of the stack pointer only, as systems want it. */
function translate(machine: BareMachine, pe: ArmPe): void {
  // A block of 1 GiB, accessed, shareable.
  machine.write(TABLE + 8, BigInt(RAM) | 0x741n);
  pe.writeSystem("MAIR_EL2", 0xffn);
  // 39 bits of input, 40 of output.
  pe.writeSystem("TCR_EL2", 25n | (2n << 16n));
  pe.writeSystem("TTBR0_EL2", BigInt(RAM + TABLE));
  // M, C, SA, I.
  pe.writeSystem("SCTLR_EL2", 0x100dn);
}

/** The code as it was compiled in the first region of a loop that runs often. X21 and SP point to data. */
function compiled(code: readonly Instruction[]): string {
  const encoded = code.map(([name, operands], i) =>
    a64(name, operands.offset === BEHIND ? { ...operands, offset: 4 * (code.length - i) } : operands),
  );
  const before = [
    a64("movz", { sf: 1, rd: 20, imm: ROUNDS }),
    a64("movz", { sf: 1, rd: 21, half: 1, imm: RAM >>> 16 }),
    a64("add.imm", { sf: 1, rdSp: 21, rnSp: 21, imm: DATA >> 12, sh: 1 }),
    a64("add.imm", { sf: 1, rdSp: 31, rnSp: 21, imm: 0x100 }),
  ];
  const after = [
    a64("sub.imm", { sf: 1, rdSp: 20, rnSp: 20, imm: 1 }),
    a64("cbnz", { sf: 1, rd: 20, offset: -4 * (code.length + 1) }),
    a64("b", { offset: 0 }),
  ];
  const machine = new BareMachine({ 0: [...before, ...encoded, ...after] }, { tier: "hot" });
  const [{ core, pe }] = machine.pes as [BareMachine["pes"][number]];
  translate(machine, pe);
  const from = RAM + 4 * before.length;
  return compiledCode(machine.engine, from, from + 4 * code.length, () => {
    while (core.instructions() < BUDGET) core.run(50);
  });
}

test.each<[string, readonly Instruction[]]>([
  [
    "compare-and-branch",
    [
      ["subs.imm", { sf: 1, rd: 31, rnSp: 20, imm: 7 }],
      ["b.cond", { cond: 9, offset: BEHIND }],
      ["subs", { rd: 31, rn: 20, rm: 0 }],
      ["b.cond", { cond: 11, offset: BEHIND }],
      ["add", { sf: 1, rd: 1, rn: 1, rm: 20 }],
    ],
  ],
  [
    "conditional-compare",
    [
      ["subs.imm", { sf: 1, rd: 31, rnSp: 20, imm: 0 }],
      ["ccmp", { sf: 1, rn: 0, rm: 20, nzcv: 4, cond: 1 }],
      ["b.cond", { cond: 0, offset: BEHIND }],
      ["add.imm", { sf: 1, rdSp: 1, rnSp: 1, imm: 1 }],
    ],
  ],
  [
    "conditional-select",
    [
      ["subs", { sf: 1, rd: 31, rn: 20, rm: 0 }],
      ["csel", { sf: 1, rd: 1, rn: 2, rm: 3, cond: 11 }],
      ["csinc", { rd: 4, rn: 31, rm: 31, cond: 9 }],
      ["csinv", { sf: 1, rd: 5, rn: 31, rm: 31, cond: 1 }],
      ["csinc", { sf: 1, rd: 6, rn: 7, rm: 7, cond: 11 }],
    ],
  ],
  [
    "branches-on-zero",
    [
      ["cbz", { rd: 1, offset: BEHIND }],
      ["tbnz", { bit: 40, rd: 20, offset: BEHIND }],
      ["ands.imm", { sf: 1, rd: 1, rn: 20, bitmask: (1 << 12) | 3 }],
      ["b.cond", { cond: 1, offset: BEHIND }],
      ["add", { sf: 1, rd: 2, rn: 2, rm: 1 }],
    ],
  ],
  [
    "pairs",
    [
      ["stp.x.pre", { xt: 0, xt2: 1, xnSp: 31, idisp: -16 }],
      ["ldp.x.post", { xt: 2, xt2: 3, xnSp: 31, idisp: 16 }],
      ["ldp.w", { wt: 4, wt2: 5, xnSp: 21, sdisp: 16 }],
    ],
  ],
  [
    "addressing",
    [
      ["ldr.x", { xt: 0, xnSp: 21, disp: 8 }],
      ["ldr.w.reg", { wt: 1, xnSp: 21, rm: 20, option: 2, scaled: 1 }],
      ["ldrsb.x", { xt: 2, xnSp: 21, disp: 3 }],
      ["str.w", { wt: 1, xnSp: 21, disp: 4 }],
    ],
  ],
  [
    "bit-fields",
    [
      ["ubfm", { sf: 1, n: 1, rd: 0, rn: 20, immr: 4, imms: 11 }],
      ["bfm", { sf: 1, n: 1, rd: 1, rn: 20, immr: 56, imms: 15 }],
      ["sbfm", { rd: 2, rn: 20, immr: 3, imms: 7 }],
      ["extr", { rd: 3, rn: 20, rm: 20, lsb: 7 }],
    ],
  ],
  [
    "multiply-add",
    [
      ["madd", { sf: 1, rd: 0, rn: 20, rm: 1, ra: 2 }],
      ["umaddl", { xd: 3, wn: 20, wm: 1, xa: 4 }],
      ["msub", { rd: 5, rn: 20, rm: 1, ra: 6 }],
    ],
  ],
  [
    "constants",
    [
      ["movz", { sf: 1, rd: 0, imm: 0x1234 }],
      ["movk", { sf: 1, rd: 0, half: 1, imm: 0x5678 }],
      ["adrp", { xd: 1, page: 16 }],
      ["add.imm", { sf: 1, rdSp: 1, rnSp: 1, imm: 8 }],
    ],
  ],
  [
    "call",
    [
      ["bl", { offset: 8 }],
      ["b", { offset: BEHIND }],
      ["add", { sf: 1, rd: 0, rn: 0, rm: 20 }],
      ["ret", { xn: 30 }],
    ],
  ],
  [
    "stack-alignment",
    [
      ["ldr.x", { xt: 0, xnSp: 31 }],
      ["sub.imm", { sf: 1, rdSp: 31, rnSp: 31, imm: 32 }],
      ["str.x", { xt: 0, xnSp: 31, disp: 8 }],
      ["add.imm", { sf: 1, rdSp: 31, rnSp: 31, imm: 32 }],
    ],
  ],
])("%s", async (name, code) => {
  await expect(compiled(code)).toMatchFileSnapshot(`compiled/${name}.golden.txt`);
});
