import { Prng } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { Lockstep, RAM } from "../testing/cpu/bare-lockstep.js";

// Loops of floating-point instructions on few registers, so that values go from operation to operation in every
// way: through moves, changes of sign, memory, the other format, integer registers, and from round to round.

const LOOPS = Number(process.env.FLOAT_LOOPS ?? 40);
const SEED = Number(process.env.FLOAT_SEED ?? 1);
const DATA = RAM + 0x100000;
const ROUNDS = 24;

/** Doubles and singles (in both halves) of every kind. */
const CORNERS = [
  ...[0x3ff0000000000000n, 0x8000000000000000n, 0n, 0x0000000000000001n, 0x000fffffffffffffn],
  ...[0x0010000000000000n, 0x7fefffffffffffffn, 0x7ff0000000000000n, 0xfff0000000000000n],
  ...[0x7ff8000000000000n, 0x7ff0000000000001n, 0xfff8123456789abcn, 0x4340000000000000n],
  ...[0xffffffff3f800000n, 0xffffffff7fc00000n, 0xffffffff7f800001n, 0xffffffff00800000n],
  ...[0xffffffff00000001n, 0xffffffffff7fffffn, 0x3fb999999999999an, 0x3dcccccd3dcccccdn],
];

/** Mostly ordinary numbers: both formats see some in each word. */
function datum(prng: Prng): bigint {
  const word = (): bigint => (BigInt(prng.below(0x1_0000_0000)) << 32n) | BigInt(prng.below(0x1_0000_0000));
  if (prng.oneIn(4)) return prng.pick(CORNERS);
  const exponent = BigInt(1023 - 30 + prng.below(60));
  const double = (word() & 0x800fffffffffffffn) | (exponent << 52n);
  if (prng.oneIn(2)) return double;
  const single = (word() & 0x807fffffn) | (BigInt(127 - 10 + prng.below(20)) << 23n);
  return 0xffffffff00000000n | single;
}

function program(prng: Prng): string {
  const f = (): string => `f${prng.below(6)}`;
  const x = (): string => `x${10 + prng.below(4)}`;
  const at = (step: number): string => `${step * prng.below(32)}(s0)`;
  const rounding = (): string => (prng.oneIn(5) ? `, ${prng.below(5)}` : "");
  const name = (list: string): string => prng.pick(list.split(" "));
  const unit = (format: string): string => {
    const [load, store] = format === "d" ? ["fld", "fsd"] : ["flw", "fsw"];
    const step = format === "d" ? 8 : 4;
    const [a, b] = [f(), f()];
    const second = prng.oneIn(2) ? a : b;
    const makers: (() => string)[] = [
      () => `${name("fadd fsub fmul fdiv")}.${format} ${f()}, ${a}, ${b}${rounding()}`,
      () => `${name("fadd fsub fmul")}.${format} ${f()}, ${a}, ${b}`,
      () => `${name("fmadd fmsub fnmsub fnmadd")}.${format} ${f()}, ${a}, ${b}, ${f()}${rounding()}`,
      () => `${name("fmadd fmsub fnmsub fnmadd")}.${format} ${a}, ${a}, ${b}, ${second}`,
      () => `${name("fsgnj fsgnjn fsgnjx")}.${format} ${f()}, ${a}, ${b}`,
      () => `${name("fsgnj fsgnjn fsgnjx")}.${format} ${f()}, ${a}, ${a}`,
      () => `${name("fsgnj fsgnjn fsgnjx")}.${format} ${a}, ${a}, ${second}`,
      () => `${name("fmin fmax")}.${format} ${f()}, ${a}, ${b}`,
      () => `fsqrt.${format} ${f()}, ${a}`,
      () => `${name("feq flt fle")}.${format} ${x()}, ${a}, ${b}`,
      () => `${load} ${f()}, ${at(step)}`,
      () => `${load} ${f()}, ${at(step)}`,
      () => `${store} ${f()}, ${at(step)}`,
      () => `fcvt.${name("w wu l lu")}.${format} ${x()}, ${a}${rounding()}`,
      () => `fcvt.${format}.${name("w wu l lu")} ${f()}, ${x()}`,
      () => (format === "d" ? `fcvt.d.s ${f()}, ${a}` : `fcvt.s.d ${f()}, ${a}`),
      () => (format === "d" ? `fmv.d.x ${f()}, ${x()}` : `fmv.w.x ${f()}, ${x()}`),
      () => (format === "d" ? `fmv.x.d ${x()}, ${a}` : `fmv.x.w ${x()}, ${a}`),
      () => `fclass.${format} ${x()}, ${a}`,
    ];
    return prng.pick(makers)();
  };
  // One format per loop mostly, or both.
  const formats = prng.pick([["d"], ["d"], ["s"], ["d", "d", "s"], ["d", "s", "s"]]);
  const body = Array.from({ length: 4 + prng.below(24) }, (_, i) => {
    const one = unit(prng.pick(formats));
    if (prng.oneIn(40)) return `${one}; csrrw ${x()}, fcsr, zero`;
    if (prng.oneIn(30)) return `csrrsi zero, fflags, 1; ${one}`;
    if (!prng.oneIn(8)) return one;
    return `${name("flt fle feq")}.${prng.pick(formats)} x10, ${f()}, ${f()}; bne x10, zero, skip${i}; ${one}; skip${i}:`;
  });
  return `
    li t0, 0x6000
    csrrs zero, mstatus, t0
    li t0, ${prng.oneIn(3) ? prng.below(5) * 32 + prng.below(32) : 1}
    csrrw zero, fcsr, t0
    la s0, data
    ${Array.from({ length: 6 }, (_, i) => `fld f${i}, ${8 * i}(s0)`).join("; ")}
    li x10, 3; li x11, -7; li x12, 1000; li x13, 0
    li s1, ${ROUNDS}
    loop: fld ${f()}, ${at(8)}; fld ${f()}, ${at(8)}
    ${body.join("\n")}
    addi s0, s0, ${8 * prng.below(3)}
    addi s1, s1, -1
    bne s1, zero, loop
    wfi`.replace("la s0, data", `li s0, ${DATA}`);
}

test("loops of floating-point instructions leave the same in every tier", () => {
  const prng = new Prng(SEED);
  let compiled = 0;
  for (let i = 0; i < LOOPS; i++) {
    const source = program(prng);
    const machine = new Lockstep(source);
    machine.put(
      DATA,
      Array.from({ length: 160 }, () => datum(prng)),
    );
    try {
      machine.finish(prng.pick([77, 350, 1777]));
      machine.memory(DATA, 1600);
    } catch (error) {
      throw new Error(`loop ${i} of seed ${SEED}: ${(error as Error).message}\n${source}`);
    }
    compiled += machine.compiled("hot");
  }
  expect(compiled).toBeGreaterThan(LOOPS);
});
