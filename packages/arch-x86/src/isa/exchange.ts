import { GPR, Gpr } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// XADD, CMPXCHG and CMPXCHG8B/16B. vCPUs take turns between instructions, so that a load and a store in one
// instruction are an atomic access.

const insn = x86("base");
const LOCK = { lock: true };

const exchangeAndAdd = (b: X86Builder): void => {
  const bytes = b.bytes(0);
  const [x, y] = [b.signed(0, true), b.signed(1)];
  const sum = b.i64.add(x, y);
  // The sum last: the operands may be the same register.
  if (b.isMemory(0)) b.write(0, sum);
  b.write(1, x);
  if (!b.isMemory(0)) b.write(0, sum);
  b.flags.add(bytes, x, y, b.signExtended(bytes, sum));
};

const compareAndExchange = (b: X86Builder): void => {
  const { i64, ir } = b;
  const bytes = b.bytes(0);
  const wide = ir.get(GPR[Gpr.rax]!);
  const accumulator = b.signExtended(bytes, wide);
  const [found, replacement] = [b.signed(0, true), b.raw(1)];
  const same = i64.eq(accumulator, found);
  const difference = i64.sub(accumulator, found);
  if (b.isMemory(0)) b.write(0, ir.select(same, replacement, found));
  // Registers change as a whole or not at all: where nothing is written, an upper half stays.
  else b.setGprIf(same, b.register(0), bytes, replacement);
  b.setGprIf(b.i32.eqz(same), Gpr.rax, bytes, found);
  b.flags.subtract(bytes, accumulator, found, b.signExtended(bytes, difference));
};

const pairOf = (b: X86Builder, low: number, high: number) =>
  b.i64.or(b.zeroExtended(4, b.ir.get(GPR[low]!)), b.i64.shl(b.ir.get(GPR[high]!), b.i64.const(32)));

const compareAndExchange8 = (b: X86Builder): void => {
  const { i64, ir } = b;
  const found = b.raw(0, true);
  const same = i64.eq(found, pairOf(b, Gpr.rax, Gpr.rdx));
  b.write(0, ir.select(same, pairOf(b, Gpr.rbx, Gpr.rcx), found));
  const high = i64.shr_u(found, i64.const(32));
  for (const [register, value] of [
    [Gpr.rax, b.zeroExtended(4, found)],
    [Gpr.rdx, high],
  ] as const)
    ir.set(GPR[register]!, ir.select(same, ir.get(GPR[register]!), value));
  b.flags.replaceZero(same);
};

const compareAndExchange16 = (b: X86Builder): void => {
  const { i64, i32, ir } = b;
  const { i64x2 } = ir;
  b.requireAligned(0, 16);
  const found = b.vector(0);
  const [low, high] = [i64x2.extract_lane(found, 0), i64x2.extract_lane(found, 1)];
  const get = (register: number) => ir.get(GPR[register]!);
  const same = i32.and(i64.eq(low, get(Gpr.rax)), i64.eq(high, get(Gpr.rdx)));
  const newLow = ir.select(same, get(Gpr.rbx), low);
  const newHigh = ir.select(same, get(Gpr.rcx), high);
  b.writeVector(0, i64x2.replace_lane(i64x2.splat(newLow), 1, newHigh));
  ir.set(GPR[Gpr.rax]!, ir.select(same, get(Gpr.rax), low));
  ir.set(GPR[Gpr.rdx]!, ir.select(same, get(Gpr.rdx), high));
  b.flags.replaceZero(same);
};

export const exchanges: readonly X86Declaration<X86Builder>[] = [
  insn("xadd Eb, Gb", "0F C0 /r", exchangeAndAdd, LOCK),
  insn("xadd Ev, Gv", "0F C1 /r", exchangeAndAdd, LOCK),
  insn("cmpxchg Eb, Gb", "0F B0 /r", compareAndExchange, LOCK),
  insn("cmpxchg Ev, Gv", "0F B1 /r", compareAndExchange, LOCK),
  insn("cmpxchg8b Mq", "REX.W0 0F C7 /1", compareAndExchange8, LOCK),
  insn("cmpxchg16b Mdq", "REX.W 0F C7 /1", compareAndExchange16, LOCK),
];
