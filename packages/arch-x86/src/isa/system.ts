import type { Value } from "@hypercraft/engine";
import { Helper, Privileged, SystemRegister } from "../cpu/helper-ids.js";
import { shortcutNamed } from "../cpu/shortcuts.js";
import {
  CR2,
  FLAGS,
  GPR,
  Gpr,
  interruptShadow,
  interruptsWaiting,
  msr,
  RFLAGS,
  SEGMENTS,
  Seg,
  shadowedAddress,
} from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { sysret } from "./fast-calls.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";

// System instructions: SDM volume 2. Their work is the CPU model's; most end the block, as they change what the next
// instructions mean.

const insn = x86("system");
const IF = 0x200;
const AC = 0x4_0000;
const LINEAR_BITS = 48;
const KERNEL_GS_BASE = msr("IA32_KERNEL_GS_BASE");
const LONG: InstructionOptions = { in64: "only" };

type Lift = (b: X86Builder) => void;

/** A helper that needs nothing but the state. */
const calling =
  (helper: number, constant = 0): Lift =>
  (b) =>
    b.callAndDispatch(helper, constant);

/** RDTSC and RDTSCP: kernels execute one with every system call. Nothing that decides how to go on can have changed, but time. */
const readTimestamp =
  (withProcessor: boolean): Lift =>
  (b) => {
    const shortcut = shortcutNamed(withProcessor ? "timestampAndProcessor" : "timestamp");
    b.ir.shortcut(shortcut, Helper.timestamp, withProcessor ? 1 : 0);
    b.flags.forget();
    b.ir.poll(b.next, interruptsWaiting);
  };

/** CLI and STI: inline where the privilege is there, as kernels use them all the time. */
const disableInterrupts: Lift = (b) => {
  const { ir, i32, mode } = b;
  if (!mode.interruptsAllowed) return b.callAndDispatch(Helper.interruptFlag, 0);
  ir.set(RFLAGS, i32.and(ir.get(RFLAGS), i32.const(~IF)));
};

const enableInterrupts: Lift = (b) => {
  const { ir, i32, mode } = b;
  if (!mode.interruptsAllowed) return b.callAndDispatch(Helper.interruptFlag, 1);
  const old = ir.get(RFLAGS);
  // No interrupt comes before the next instruction is over, unless they were enabled already.
  ir.set(interruptShadow, ir.select(i32.and(old, i32.const(IF)), i32.const(0), i32.const(1)));
  ir.set(shadowedAddress, i32.wrap_i64(ir.pc(b.next)));
  ir.set(RFLAGS, i32.or(old, i32.const(IF)));
  ir.poll(b.next, interruptsWaiting);
};

/** LGDT and LIDT: the limit, and a base of 24, 32 or 64 bits. */
const loadTable =
  (which: number): Lift =>
  (b) => {
    const { i64, mode } = b;
    const address = b.address(0);
    const limit = b.load(2, false, address);
    const at = i64.add(address, i64.const(2));
    const base = b.load(mode.bits === 64 ? 8 : 4, false, at);
    const kept = mode.bits !== 64 && b.size === 2 ? i64.and(base, i64.const(0xff_ffff)) : base;
    b.callAndDispatch(Helper.writeSystem, which, kept, limit);
  };

const storeTable =
  (base: number): Lift =>
  (b) => {
    const { ir, i64, mode } = b;
    const limit = ir.call(Helper.readSystem, base + 1);
    const value = ir.call(Helper.readSystem, base);
    const address = b.address(0, true);
    b.probe(address, mode.bits === 64 ? 10 : 6);
    b.store(2, address, limit);
    b.store(mode.bits === 64 ? 8 : 4, i64.add(address, i64.const(2)), value);
  };

const storeRegister =
  (which: number): Lift =>
  (b) => {
    const value = b.ir.call(Helper.readSystem, which);
    b.write(0, value);
  };

const writeControl: Lift = (b) => b.callAndDispatch(Helper.writeControl, b.register(0), b.raw(1));
/** CR2 is what page faults leave, and nobody else cares who reads it. */
const readControl: Lift = (b) => {
  const number = b.register(1);
  if (number === 2 && b.mode.cpl === 0) b.write(0, b.ir.get(CR2));
  else b.write(0, b.ir.call(Helper.readControl, number));
};
const writeDebug: Lift = (b) => b.callAndDispatch(Helper.writeDebug, b.register(0), b.raw(1));
const readDebug: Lift = (b) => b.write(0, b.ir.call(Helper.readDebug, b.register(1)));

/** LAR and LSL write their operand, and all four ZF: whether it may be seen. */
const inspect =
  (which: number): Lift =>
  (b) => {
    const { ir, i64 } = b;
    const selector = b.unsigned(which < 2 ? 1 : 0);
    const seen = ir.call(Helper.inspectSegment, which, selector);
    const visible = i64.lt_s(seen, i64.const(0));
    if (which < 2) b.setGprIf(visible, b.register(0), b.bytes(0), b.zeroExtended(4, seen));
    b.flags.replaceZero(visible);
  };

/** RDFSBASE and so on. */
const readBase =
  (segment: number): Lift =>
  (b) => {
    if (!b.mode.baseAccess) b.undefined();
    else b.write(0, b.ir.get(SEGMENTS[segment]!.base));
  };
const writeBase =
  (segment: number): Lift =>
  (b) => {
    const { ir, i64, mode } = b;
    if (!mode.baseAccess) return b.undefined();
    const value = b.unsigned(0);
    const above = i64.const(64 - LINEAR_BITS);
    if (b.size === 8) b.raiseIf(i64.ne(i64.shr_s(i64.shl(value, above), above), value), Vector.GP, 0);
    ir.set(SEGMENTS[segment]!.base, value);
  };

/** At ring 0 nothing can go wrong, and kernels do it at every entry. */
const swapGs: Lift = (b) => {
  const { ir, mode } = b;
  if (mode.cpl !== 0) return b.raise(Vector.GP, 0);
  const { base } = SEGMENTS[Seg.gs]!;
  const [own, other] = [ir.get(base), ir.get(KERNEL_GS_BASE)];
  ir.set(base, other);
  ir.set(KERNEL_GS_BASE, own);
};

/** Data contexts (cpu/contexts.ts): the flag AC lets ring 0 into user pages. */
const [ALL_PAGES, NO_USER_PAGES] = [0, 1];
const setAccessFlag =
  (set: boolean): Lift =>
  (b) => {
    const { ir, i32, mode } = b;
    if (mode.cpl !== 0) return b.undefined();
    const flags = ir.get(RFLAGS);
    ir.set(RFLAGS, set ? i32.or(flags, i32.const(AC)) : i32.and(flags, i32.const(~AC)));
    ir.selectContext(i32.const(set ? ALL_PAGES : NO_USER_PAGES));
  };

const CF = 1;
/** RDRAND and RDSEED always succeed. */
const random: Lift = (b) => {
  const value = b.ir.call(Helper.random, 0);
  b.write(0, value);
  b.flags.explicit(b.i64.const(CF));
};

const portNumber = (b: X86Builder, index: number): Value =>
  b.d.instruction?.operands[index]?.place === "immediate"
    ? b.i64.const(b.immediate & 0xff)
    : b.zeroExtended(2, b.ir.get(GPR[Gpr.rdx]!));
const portRead: Lift = (b) => {
  const value = b.ir.call(Helper.portRead, b.bytes(0), portNumber(b, 1));
  b.write(0, value);
  b.dispatch();
};
const portWrite: Lift = (b) => {
  const bytes = b.bytes(1);
  b.callAndDispatch(Helper.portWrite, bytes, portNumber(b, 0), b.gpr(Gpr.rax, bytes));
};

/** In the operand of `portCheck`, above the size. */
const INPUT = 8;

/** INS and OUTS, an element at a time as other string instructions. */
const portString =
  (output: boolean): Lift =>
  (b) => {
    const { i64, i32, ir, d } = b;
    const bytes = Math.min(b.bytes(output ? 1 : 0), 4);
    const repeated = d.repeat !== 0;
    const count = b.zeroExtended(d.addressSize, ir.get(GPR[Gpr.rcx]!));
    if (repeated) ir.callIf(i64.eqz(count), Helper.skip, d.length, i64.const(0));
    const register = output ? Gpr.rsi : Gpr.rdi;
    const port = b.zeroExtended(2, ir.get(GPR[Gpr.rdx]!));
    ir.call(Helper.portCheck, bytes | (output ? 0 : INPUT), port);
    const offset = b.zeroExtended(d.addressSize, ir.get(GPR[register]!));
    const address = b.inSegment(output ? b.segmentOf() : Seg.es, offset, bytes, !output);
    if (output) {
      const value = b.load(bytes, false, address);
      ir.call(Helper.portWrite, bytes, port, value);
    } else {
      // Read once it is known that it can be stored.
      ir.probe("write", bytes as 1, address);
      b.store(bytes, address, ir.call(Helper.portRead, bytes, port));
    }
    const step = ir.select(ir.get(FLAGS.direction), i64.const(-bytes), i64.const(bytes));
    b.setGpr(register, d.addressSize, i64.add(ir.get(GPR[register]!), step));
    if (!repeated) return;
    const left = b.zeroExtended(d.addressSize, i64.sub(count, i64.const(1)));
    b.setGpr(Gpr.rcx, d.addressSize, left);
    ir.branch(i32.eqz(i64.eqz(left)), b.offset, b.next);
  };

/** Of the byte at rAX, as a load finds it. */
const monitor: Lift = (b) => {
  const offset = b.zeroExtended(b.d.addressSize, b.ir.get(GPR[Gpr.rax]!));
  b.callAndDispatch(Helper.monitor, 0, b.inSegment(b.segmentOf(), offset, 1, false));
};

const nothing: Lift = () => {};

export const system: readonly X86Declaration<X86Builder>[] = [
  insn("cli", "FA", disableInterrupts),
  insn("sti", "FB", enableInterrupts),
  insn("hlt", "F4", calling(Helper.halt)),
  insn("lgdt M", "0F 01 /2", loadTable(SystemRegister.gdtBase)),
  insn("lidt M", "0F 01 /3", loadTable(SystemRegister.idtBase)),
  insn("sgdt M", "0F 01 /0", storeTable(SystemRegister.gdtBase)),
  insn("sidt M", "0F 01 /1", storeTable(SystemRegister.idtBase)),
  insn("lldt Ew", "0F 00 /2", (b) =>
    b.callAndDispatch(Helper.writeSystem, SystemRegister.localTable, b.unsigned(0)),
  ),
  insn("ltr Ew", "0F 00 /3", (b) =>
    b.callAndDispatch(Helper.writeSystem, SystemRegister.task, b.unsigned(0)),
  ),
  insn("lmsw Ew", "0F 01 /6", (b) =>
    b.callAndDispatch(Helper.writeSystem, SystemRegister.machineStatus, b.unsigned(0)),
  ),
  insn("sldt RvMw", "0F 00 /0", storeRegister(SystemRegister.localTable)),
  insn("str RvMw", "0F 00 /1", storeRegister(SystemRegister.task)),
  insn("smsw RvMw", "0F 01 /4", storeRegister(SystemRegister.machineStatus)),
  insn("verr Ew", "0F 00 /4", inspect(2)),
  insn("verw Ew", "0F 00 /5", inspect(3)),
  insn("lar Gv, Ew", "0F 02 /r", inspect(0)),
  insn("lsl Gv, Ew", "0F 03 /r", inspect(1)),
  insn("mov Rq, C", "0F 20 /r", readControl, { ...LONG, size64: "f64" }),
  insn("mov C, Rq", "0F 22 /r", writeControl, { ...LONG, size64: "f64" }),
  insn("mov Rd, C", "0F 20 /r", readControl, { in64: "not" }),
  insn("mov C, Rd", "0F 22 /r", writeControl, { in64: "not" }),
  insn("mov Rq, D", "0F 21 /r", readDebug, { ...LONG, size64: "f64" }),
  insn("mov D, Rq", "0F 23 /r", writeDebug, { ...LONG, size64: "f64" }),
  insn("mov Rd, D", "0F 21 /r", readDebug, { in64: "not" }),
  insn("mov D, Rd", "0F 23 /r", writeDebug, { in64: "not" }),
  insn("clts", "0F 06", calling(Helper.privileged, Privileged.clearTaskSwitched)),
  insn("invd", "0F 08", calling(Helper.privileged, Privileged.cacheControl)),
  insn("wbinvd", "0F 09", calling(Helper.privileged, Privileged.cacheControl)),
  insn("invlpg M", "0F 01 /7", (b) => b.callAndDispatch(Helper.invalidatePage, 0, b.address(0))),
  insn(
    "invpcid Gv, Mdq",
    "66 0F 38 82 /r",
    (b) => b.callAndDispatch(Helper.invalidatePcid, 0, b.unsigned(0), b.address(1)),
    { size64: "f64" },
  ),
  insn("rdmsr", "0F 32", calling(Helper.readMsr)),
  insn("wrmsr", "0F 30", calling(Helper.writeMsr)),
  insn("cpuid", "0F A2", calling(Helper.cpuid)),
  insn("rdtsc", "0F 31", readTimestamp(false)),
  insn("rdtscp", "0F 01 F9", readTimestamp(true)),
  insn("rdpmc", "0F 33", calling(Helper.performanceCounter)),
  insn("sysret", "0F 07", sysret, LONG),
  insn("sysenter", "0F 34", calling(Helper.sysenter)),
  insn("sysexit", "0F 35", (b) => b.callAndDispatch(Helper.sysexit, b.d.wide ? 8 : 4)),
  // Nothing is fetched or executed ahead of its time.
  insn("serialize", "NP 0F 01 E8", () => {}),
  insn("swapgs", "0F 01 F8", swapGs, LONG),
  insn("xgetbv", "NP 0F 01 D0", calling(Helper.xgetbv)),
  insn("xsetbv", "NP 0F 01 D1", calling(Helper.xsetbv)),
  insn("monitor", "NP 0F 01 C8", monitor),
  insn("mwait", "NP 0F 01 C9", calling(Helper.mwait)),
  insn("clac", "NP 0F 01 CA", setAccessFlag(false)),
  insn("stac", "NP 0F 01 CB", setAccessFlag(true)),
  insn("rdfsbase Ry", "F3 0F AE /0", readBase(Seg.fs), LONG),
  insn("rdgsbase Ry", "F3 0F AE /1", readBase(Seg.gs), LONG),
  insn("wrfsbase Ry", "F3 0F AE /2", writeBase(Seg.fs), LONG),
  insn("wrgsbase Ry", "F3 0F AE /3", writeBase(Seg.gs), LONG),
  insn("rdrand Rv", "NFx 0F C7 /6", random),
  insn("rdseed Rv", "NFx 0F C7 /7", random),
  insn("in al, Ib", "E4", portRead),
  insn("in zAX, Ib", "E5", portRead),
  insn("in al, dx", "EC", portRead),
  insn("in zAX, dx", "ED", portRead),
  insn("out Ib, al", "E6", portWrite),
  insn("out Ib, zAX", "E7", portWrite),
  insn("out dx, al", "EE", portWrite),
  insn("out dx, zAX", "EF", portWrite),
  insn("ins Yb, dx", "6C", portString(false), { rep: "rep" }),
  insn("ins Yz, dx", "6D", portString(false), { rep: "rep" }),
  insn("outs dx, Xb", "6E", portString(true), { rep: "rep" }),
  insn("outs dx, Xz", "6F", portString(true), { rep: "rep" }),
  insn("nop", "REX.B0 90", nothing),
  insn("pause", "F3 REX.B0 90", (b) => {
    b.ir.call(Helper.pause, b.d.length);
  }),
  insn("nop Ev", "0F 1F /r", nothing),
  insn("nop Ev", "0F 18 /r", nothing, { name: "prefetch" }),
  insn("nop Ev", "0F 19 /r", nothing, { name: "nop 0F 19" }),
  insn("nop Ev", "0F 1A /r", nothing, { name: "nop 0F 1A" }),
  insn("nop Ev", "0F 1B /r", nothing, { name: "nop 0F 1B" }),
  insn("nop Ev", "0F 1C /r", nothing, { name: "nop 0F 1C" }),
  insn("nop Ev", "0F 1D /r", nothing, { name: "nop 0F 1D" }),
  insn("nop Ev", "0F 1E /r", nothing, { name: "nop 0F 1E" }),
  insn("prefetchw Mb", "0F 0D /r", nothing),
  insn("ud2", "0F 0B", (b) => b.undefined()),
  insn("ud1 Gv, Ev", "0F B9 /r", (b) => b.undefined()),
];
