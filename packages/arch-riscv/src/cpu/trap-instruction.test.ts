import { describe, expect, it } from "vitest";
import { accessBase, expandAccess, transformInstruction } from "./trap-instruction.js";

// Encodings by hand from the unprivileged manual's formats: instruction, compressed form, transformed form.
const ACCESSES: [string, number, number | undefined, number][] = [
  ["lb a0, -1(a1)", 0xfff5_8503, undefined, 0x0000_0503],
  ["lhu s0, 2(sp)", 0x0021_5403, undefined, 0x0000_5403],
  ["lw a0, 4(a1)", 0x0045_a503, 0x41c8, 0x0000_2503],
  ["lw s1, 124(s0)", 0x07c4_2483, 0x5c64, 0x0000_2483],
  ["ld a0, 8(a1)", 0x0085_b503, 0x6588, 0x0000_3503],
  ["ld s1, 248(s0)", 0x0f84_3483, 0x7c64, 0x0000_3483],
  ["fld fa0, 8(a1)", 0x0085_b507, 0x2588, 0x0000_3507],
  ["sw a0, 4(a1)", 0x00a5_a223, 0xc1c8, 0x00a0_2023],
  ["sd s1, 248(s0)", 0x0e94_3c23, 0xfc64, 0x0090_3023],
  ["fsd fa0, 8(a1)", 0x00a5_b427, 0xa588, 0x00a0_3027],
  ["sb a0, -1(a1)", 0xfea5_8fa3, undefined, 0x00a0_0023],
  ["lw a0, 252(sp)", 0x0fc1_2503, 0x557e, 0x0000_2503],
  ["ld ra, 504(sp)", 0x1f81_3083, 0x70fe, 0x0000_3083],
  ["fld fa0, 8(sp)", 0x0081_3507, 0x2522, 0x0000_3507],
  ["sw a0, 252(sp)", 0x0ea1_2e23, 0xdfaa, 0x00a0_2023],
  ["sd ra, 504(sp)", 0x1e11_3c23, 0xff86, 0x0010_3023],
  ["fsd fa0, 8(sp)", 0x00a1_3427, 0xa42a, 0x00a0_3027],
  ["lr.w a0, (a1)", 0x1005_a52f, undefined, 0x1000_252f],
  ["amoadd.d.aqrl a0, a2, (a1)", 0x06c5_b52f, undefined, 0x06c0_352f],
  ["hlv.w a0, (a1)", 0x6805_c573, undefined, 0x6800_4573],
  ["hsv.d a0, (a1)", 0x6ea5_c073, undefined, 0x6ea0_4073],
];

describe("transformed instructions", () => {
  it.each(ACCESSES)("of %s", (_, bits, compressed, transformed) => {
    expect(transformInstruction(bits, 0) >>> 0).toBe(transformed);
    expect(transformInstruction(bits, 3) >>> 0).toBe((transformed | (3 << 15)) >>> 0);
    if (compressed === undefined) return;
    expect(expandAccess(compressed) >>> 0).toBe(bits);
    expect(transformInstruction(compressed, 1) >>> 0).toBe(((transformed & ~2) | (1 << 15)) >>> 0);
  });

  it("of anything else are zero", () => {
    // addi, jal, csrrw, sfence.vma, cbo.zero, ecall; c.addi, c.jr, c.addi4spn.
    for (const bits of [
      0x0010_0513, 0x0000_00ef, 0x1400_1073, 0x1200_0073, 0x0045_200f, 0x73, 0x0505, 0x8082, 0x0800,
    ])
      expect(transformInstruction(bits, 0)).toBe(0);
  });

  it("tell the base of an access", () => {
    for (const [text, bits, compressed] of ACCESSES) {
      const immediate = Number(/(-?\d+)\(/.exec(text)?.[1] ?? 0);
      const register = { a1: 11, s0: 8, sp: 2 }[/\((\w+)\)/.exec(text)![1]!];
      expect(accessBase(bits | 0)).toEqual({ register, immediate });
      if (compressed !== undefined) expect(accessBase(compressed)).toEqual({ register, immediate });
    }
  });
});
