import { compiledCode } from "@hypercraft/engine/testing/compiled-code";
import { createFlatUser } from "@hypercraft/engine/testing/flat-user";
import { expect, test } from "vitest";
import { type CodeMode, USER_32, USER_64 } from "../cpu/mode.js";
import { FLOATING_POINT, UserCpu } from "../testing/engine-user.js";

// What the hot tier makes of instructions, in files under `compiled/`: guest code, IR after all passes, WebAssembly.
// After a change that is meant, look at what `vitest run -u` makes of them.

const BASE = 0x1_0000;
const DATA = 0x2_0000;
const STACK = 0x3_0100;
const ROUNDS = 50;
const BUDGET = 100_000;

const bytesOf = (hex: string): number[] => hex.split(/\s+/).map((byte) => Number.parseInt(byte, 16));
const word = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff);

/**
 * The code as it was compiled in the first region of a loop that runs often. EBP counts down, EBX points to data. The
 * lines are instructions in hexadecimal.
 */
function compiled(lines: readonly string[], mode: CodeMode): string {
  const code = lines.flatMap(bytesOf);
  // MOV EBP, MOV EBX, MOV ESP.
  const before = [0xbd, ...word(ROUNDS), 0xbb, ...word(DATA), 0xbc, ...word(STACK)];
  // SUB EBP, 1 and JNE back, then JMP to itself.
  const after = [0x83, 0xed, 1, 0x0f, 0x85, ...word(-(code.length + 9)), 0xeb, 0xfe];
  const image = new Uint8Array([...before, ...code, ...after]);
  const cpu = (core: ConstructorParameters<typeof UserCpu>[0]) => new UserCpu(core, mode);
  const { engine, core } = createFlatUser(
    { image, base: BASE },
    { cpu, floatingPoint: FLOATING_POINT, tier: "hot" },
  );
  const from = BASE + before.length;
  return compiledCode(engine, from, from + code.length, () => {
    while (core.instructions() < BUDGET) core.run(50);
  });
}

test.each<[string, readonly string[]]>([
  // CMP EAX, EBP; JL; CMP RAX, RBP; JAE; TEST EDX, EDX; JE: each leads behind the code or on.
  ["compare-and-branch", ["39 e8", "7c 00", "48 39 e8", "73 00", "85 d2", "74 00"]],
  // CMP EAX, 7; SETL DL; CMP RSI, RDI; CMOVBE RAX, RSI.
  ["conditions", ["83 f8 07", "0f 9c c2", "48 39 fe", "48 0f 46 c6"]],
  // ADD EAX, EBP; SUB EDX, EAX; XOR ESI, ESI; AND EAX, 7; LEA EDI, [RAX+RDX*4+5].
  ["arithmetic", ["01 e8", "29 c2", "31 f6", "83 e0 07", "8d 7c 90 05"]],
  // MOV AL, 5; ADD AH, CL; MOVZX EDX, AL; MOV AX, BP; MOVSX RSI, AX.
  ["parts-of-registers", ["b0 05", "00 cc", "0f b6 d0", "66 89 e8", "48 0f bf f0"]],
  // SHL EAX, 3; SHR RDX, 5; SAR ESI, 1; ROL EAX, 7; then flags of a count in CL.
  ["shifts", ["c1 e0 03", "48 c1 ea 05", "d1 fe", "c1 c0 07", "d3 e0"]],
  // SHR EAX, 8; MOV EDX, [RBX]; XOR EAX, EDX: flags that only a way out before the XOR needs.
  ["flags-behind-exits", ["c1 e8 08", "8b 13", "31 d0"]],
  // INC EAX; SBB EDX, EDX; ADC RAX, RSI.
  ["carry", ["ff c0", "19 d2", "48 11 f0"]],
  // PUSH RAX; PUSH RBP; POP RDX; POP RSI.
  ["stack", ["50", "55", "5a", "5e"]],
  // CALL over a RET; the call's target returns at once.
  ["call", ["e8 02 00 00 00", "eb 01", "c3"]],
  // MOV RAX, [RBX+RBP*8+16]; MOV [RBX+4], EAX; ADD DWORD [RBX], 3; MOVZX ECX, BYTE FS:[RBX].
  ["addressing", ["48 8b 44 eb 10", "89 43 04", "83 03 03", "64 0f b6 0b"]],
  // ADDSD XMM0, XMM1; MULPS XMM2, [RBX]; CVTSI2SD XMM1, EBP; UCOMISD XMM0, XMM1; JA.
  ["floating-point", ["f2 0f 58 c1", "0f 59 13", "f2 0f 2a cd", "66 0f 2e c1", "77 00"]],
])("%s", async (name, lines) => {
  await expect(compiled(lines, USER_64)).toMatchFileSnapshot(`compiled/${name}.golden.txt`);
});

// The same in 32-bit code, whose segments are flat: no more than addresses of 32 bits.
test.each<[string, readonly string[]]>([
  // MOV EAX, [EBX+EBP*4+8]; ADD EAX, EDX; MOV [EBX], EAX; PUSH EAX; POP ECX.
  ["32-bit", ["8b 44 ab 08", "01 d0", "89 03", "50", "59"]],
  // CALL over a RET, which leads back within the region.
  ["32-bit-call", ["e8 02 00 00 00", "eb 01", "c3"]],
])("%s", async (name, lines) => {
  await expect(compiled(lines, USER_32)).toMatchFileSnapshot(`compiled/${name}.golden.txt`);
});
