import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Prng } from "@hypercraft/engine";
import { createFlatUser } from "@hypercraft/engine/testing/flat-user";
import { runs, withCompiled } from "@hypercraft/engine/testing/tools";
import { describe, expect, test } from "vitest";
import { readMxcsr, writeMxcsr } from "../cpu/mxcsr.js";
import { GPR, XMM } from "../cpu/state.js";
import { FLOATING_POINT, UserCpu } from "../testing/engine-user.js";
import { number } from "../testing/vector-sequences.js";
import { encode } from "./encode.js";
import { x86Instructions } from "./table.js";

// Single floating-point instructions under any MXCSR, exceptions that are not masked included: how they end on the host
// and here.

const CASES = Number(process.env.USER_CASES ?? 20_000);
const SEED = Number(process.env.USER_SEED ?? 1);
const native = process.arch === "x64" && process.platform === "linux" && runs("gcc");

/** Those with MMX operands are the same by other names. */
const FLOATS = /^(add|sub|mul|div|min|max|sqrt|cmp|u?comi|hadd|hsub|addsub|dp|round|cvt)\w* [VG][^,]*, (W|E)/;
const rows = x86Instructions.filter(({ name, feature }) => FLOATS.test(name) && feature.startsWith("SSE"));

interface Case {
  readonly code: readonly number[];
  readonly name: string;
  readonly xmm: readonly bigint[];
  readonly rax: bigint;
  readonly mxcsr: number;
}

interface Outcome {
  readonly fault: boolean;
  readonly mxcsr: number;
  readonly xmm: readonly bigint[];
  readonly rax: bigint;
}

function randomCase(prng: Prng): Case {
  const row = prng.pick(rows);
  const operandSize = prng.pick([4, 8] as const);
  const code = encode(row, {
    operandSize,
    reg: 0,
    rm: /E/.test(row.name) ? 0 : 1,
    immediates: [prng.below(256)],
  });
  const [masks, control] = [prng.oneIn(3) ? 0 : prng.below(64), prng.below(8)];
  const flags = prng.oneIn(4) ? prng.below(64) : 0;
  const mxcsr = flags | (prng.below(2) << 6) | (masks << 7) | (control << 13);
  return { code, name: row.name, xmm: [0, 1, 2, 3].map(() => number(prng)), rax: number(prng), mxcsr };
}

const REQUEST = 64;
const ANSWER = 32;

function onHost(cases: readonly Case[]): Outcome[] {
  const requests = new DataView(new ArrayBuffer(cases.length * REQUEST));
  for (const [i, { code, xmm, rax, mxcsr }] of cases.entries()) {
    const at = i * REQUEST;
    requests.setUint8(at, code.length);
    for (const [k, byte] of code.entries()) requests.setUint8(at + 1 + k, byte);
    for (const [k, half] of xmm.entries()) requests.setBigUint64(at + 16 + 8 * k, half, true);
    requests.setBigUint64(at + 48, rax, true);
    requests.setUint32(at + 56, mxcsr, true);
  }
  const source = fileURLToPath(new URL("../testing/native-simd.c", import.meta.url));
  const output = withCompiled(source, (program) =>
    execFileSync(program, { input: new Uint8Array(requests.buffer), maxBuffer: 1 << 28 }),
  );
  const answers = new DataView(output.buffer, output.byteOffset, output.length);
  return cases.map((_, i) => {
    const half = (k: number) => answers.getBigUint64(i * ANSWER + 8 * k, true);
    const word = (k: number) => answers.getUint32(i * ANSWER + 24 + 4 * k, true);
    return { xmm: [half(0), half(1)], rax: half(2), mxcsr: word(0), fault: word(1) !== 0 };
  });
}

/** Bytes from one case's code to the next. */
const STEP = 32;
const BASE = 0x20000;
const SYSCALL = [0x0f, 0x05];

function onEngine(cases: readonly Case[], tier: "cold" | "hot"): Outcome[] {
  const image = new Uint8Array(cases.length * STEP);
  for (const [i, { code }] of cases.entries()) image.set([...code, ...SYSCALL], i * STEP);
  const { core } = createFlatUser(
    { image, base: BASE },
    { cpu: (one) => new UserCpu(one), floatingPoint: FLOATING_POINT, tier },
  );
  const halves = () => {
    const all = core.big(XMM[0]!);
    return [BigInt.asUintN(64, all), all >> 64n];
  };
  return cases.map(({ xmm, rax, mxcsr }, i) => {
    for (const n of [0, 1])
      core.setBig(XMM[n]!, (xmm[2 * n] as bigint) | ((xmm[2 * n + 1] as bigint) << 64n));
    core.setBig(GPR[0]!, rax);
    writeMxcsr(core, mxcsr);
    core.setPc(BASE + i * STEP, 0);
    core.run(10);
    const fault = String(core.exit).startsWith("#XM");
    return { fault, mxcsr: readMxcsr(core), xmm: halves(), rax: core.big(GPR[0]!) };
  });
}

/** Where it faults only the flags matter here: nothing else may have changed. */
function seen({ xmm, rax }: Case, outcome: Outcome): Outcome {
  return outcome.fault ? { ...outcome, xmm: xmm.slice(0, 2), rax } : outcome;
}

describe.skipIf(!native)("against the host", () => {
  test("instructions end in the same way", () => {
    const prng = new Prng(SEED);
    const cases = Array.from({ length: CASES }, () => randomCase(prng));
    const expected = onHost(cases);
    for (const [i, outcome] of onEngine(cases, "cold").entries()) {
      const one = cases[i] as Case;
      // What was there before, for the message.
      const given = { ...one, before: one.xmm };
      expect({ ...given, ...outcome }).toEqual({ ...given, ...seen(one, expected[i] as Outcome) });
    }
  });
});
