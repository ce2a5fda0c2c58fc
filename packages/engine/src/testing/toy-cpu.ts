import type { Core } from "../core/core.js";
import {
  Access,
  type CodeSource,
  type GuestCpu,
  Status,
  Translated,
  type Translation,
} from "../core/guest-cpu.js";
import type { Shortcuts } from "../core/shortcuts.js";
import type { IrBuilder } from "../ir/builder.js";
import { type Field, StateLayout } from "../state/layout.js";
import { i32, i64, ret, when } from "../wasm/index.js";

// A tiny instruction set that exercises every path of the engine without being any real one.
// Instructions are 4 bytes: operation, d, a, immediate (signed) or register b.

const layout = new StateLayout();
export const toyRegisters = layout.array("r", "i64", 16);
/** What `poll` looks at: nonzero when an interrupt waits. */
export const toyWaiting = layout.i32("waiting");
/** The data context that `select` chose last, 0..3. */
export const toySelected = layout.i32("selected");

const Toy = {
  addi: 0,
  add: 1,
  load: 2,
  store: 3,
  beq: 4,
  jump: 5,
  jumpReg: 6,
  halt: 7,
  count: 8,
  mulw: 9,
  xchg: 10,
  bltu: 11,
  loadb: 12,
  lr: 13,
  sc: 14,
  li: 15,
  /** If the low word of `a` is not zero, the helper of the guard that `imm` names is called with `d`; else d += 1. */
  guard: 16,
  /** Data context `a` & `imm` from here on, `a` & 1 if that is 0. */
  select: 17,
  poll: 18,
  /** Go on at the address in `a`, in code context `imm`. */
  enter: 19,
  /** d becomes the mode of code. */
  mode: 20,
  /** r14 += `a`, by a helper or its shortcut (`TOY_SHORTCUTS`); d = r14 + imm. */
  accumulate: 21,
  move: 22,
} as const;

/** What the helper of `guard` does. */
export const ToyGuard = {
  /** Completes the instruction: r14 += d. */
  complete: 0,
  /** Traps to 0xf00 as faults do. */
  trap: 1,
  /** Nothing: the instruction goes on. */
  next: 2,
  /** Ends the run behind the instruction. */
  exit: 3,
  /** Lets an interrupt wait, and goes on. */
  wait: 4,
} as const;

/** Encode one instruction. */
export function toy(op: keyof typeof Toy, d = 0, a = 0, imm = 0): number {
  return Toy[op] | (d << 8) | (a << 16) | ((imm & 0xff) << 24);
}

const Helpers = { halt: 1, count: 2, guard: 3, accumulate: 4 };

const TOTAL = 14;

/** What the helper of `accumulate` does with even numbers. */
export const TOY_SHORTCUTS: Shortcuts = {
  list: [{ name: "accumulate", fields: [toyRegisters[TOTAL] as Field] }],
  emit(module, state) {
    const f = module.func("accumulate", ["i32", "i64", "i64"], "i32");
    const at = state + (toyRegisters[TOTAL] as Field).offset;
    return [
      f.body(
        when(i64.ne(i64.and(f.arg(1), 1), 0), [ret(i32.const(0))]),
        i64.store(0, i64.add(i64.load(0, at), f.arg(1)), at),
        i32.const(1),
      ),
    ];
  },
};

/** Bytes from here on are a device whose reads give the address, and whose writes are recorded. */
export const TOY_DEVICE = 0x10_0000;

export class ToyCpu implements GuestCpu {
  readonly layout = layout;
  readonly core: Core;
  /** Pages (number) that fault on any access. */
  readonly unmapped = new Set<number>();
  readonly writes: [number, number][] = [];
  readonly faults: [number, number][] = [];
  /** Registers as each call of the guard's helper found them. */
  readonly guarded: bigint[][] = [];
  /** Interrupts go to 0xe00 with the pc in r13; here is where each came. */
  readonly interrupts: number[] = [];
  /** Modes of code by context. */
  readonly modes = [0, 0];
  /** Calls of the helper of `accumulate`. */
  accumulated = 0;

  constructor(core: Core) {
    this.core = core;
  }

  codeMode(): number {
    return this.modes[this.core.selectedCode] as number;
  }

  lift(b: IrBuilder, source: CodeSource, offset: number, mode: number): number {
    const lowHalf = source.u16(offset);
    const highHalf = source.u16(offset + 2);
    if (lowHalf < 0 || highHalf < 0) return 0;
    const [op, d, a, raw] = [lowHalf & 255, lowHalf >> 8, highHalf & 255, highHalf >> 8];
    const imm = (raw << 24) >> 24;
    const r = (i: number) => b.get(toyRegisters[i & 15] as never);
    const set = (i: number, v: Parameters<IrBuilder["set"]>[1]) => b.set(toyRegisters[i & 15] as never, v);
    switch (op) {
      case Toy.addi:
        set(d, b.i64.add(r(a), b.i64.const(imm)));
        break;
      case Toy.li:
        set(d, b.i64.const(imm));
        break;
      case Toy.add:
        set(d, b.i64.add(r(a), r(raw)));
        break;
      case Toy.move:
        set(d, r(a));
        break;
      case Toy.mulw:
        set(d, b.i64.extend_i32_s(b.i32.mul(b.i32.wrap_i64(r(a)), b.i32.wrap_i64(r(raw)))));
        break;
      case Toy.load:
        set(d, b.load(8, false, b.i64.add(r(a), b.i64.const(imm))));
        break;
      case Toy.loadb:
        set(d, b.load(1, true, b.i64.add(r(a), b.i64.const(imm))));
        break;
      case Toy.store:
        b.store(8, b.i64.add(r(a), b.i64.const(imm)), r(d));
        break;
      case Toy.xchg:
        set(d, b.rmw("xchg", 8, r(a), r(raw)));
        break;
      case Toy.lr:
        set(d, b.loadReserved(8, r(a)));
        break;
      case Toy.sc:
        set(d, b.storeConditional(8, r(a), r(raw)));
        break;
      case Toy.beq:
        b.branch(b.i64.eq(r(d), r(a)), offset + imm * 4, offset + 4);
        break;
      case Toy.bltu:
        b.branch(b.i64.lt_u(r(d), r(a)), offset + imm * 4, offset + 4);
        break;
      case Toy.jump:
        b.jump(offset + (((raw << 24) >> 8) | (a << 8) | d) * 4);
        break;
      case Toy.jumpReg:
        b.jumpIndirect(r(a));
        break;
      case Toy.count:
        set(d, b.call(Helpers.count, 0));
        break;
      case Toy.guard:
        b.callIf(b.i32.wrap_i64(r(a)), Helpers.guard, raw, r(d));
        set(d, b.i64.add(r(d), b.i64.const(1)));
        break;
      case Toy.select: {
        const which = b.i32.and(b.i32.wrap_i64(r(a)), b.i32.const(raw === 0 ? 1 : raw));
        b.set(toySelected, which);
        b.selectContext(which);
        break;
      }
      case Toy.enter:
        b.selectCode(b.i32.const(imm));
        b.jumpIndirect(r(a));
        break;
      case Toy.mode:
        set(d, b.i64.const(mode));
        break;
      case Toy.poll:
        b.poll(offset + 4, toyWaiting);
        break;
      case Toy.accumulate:
        b.shortcut(0, Helpers.accumulate, 0, r(a));
        set(d, b.i64.add(r(TOTAL), b.i64.const(imm)));
        break;
      default:
        b.call(Helpers.halt, 0);
        b.dispatch(offset + 4);
    }
    return 4;
  }

  /** `addi r1, r2, -3`, `add r1, r2, r3`, `store r1, 8(r2)`, `beq r1, r2, 0x1010`: numbers of registers as in `lift`. */
  disassemble(source: CodeSource, offset: number, pc: bigint): string {
    const [low, high] = [source.u16(offset), source.u16(offset + 2)];
    const [op, d, a, raw] = [low & 255, low >> 8, high & 255, high >> 8];
    const imm = (raw << 24) >> 24;
    const name = Object.keys(Toy).find((key) => Toy[key as keyof typeof Toy] === op) ?? "halt";
    const at = (words: number): string => `0x${(pc + BigInt(words * 4)).toString(16)}`;
    const registers = (...list: number[]): string => list.map((i) => `r${i & 15}`).join(", ");
    switch (op) {
      case Toy.addi:
        return `addi ${registers(d, a)}, ${imm}`;
      case Toy.li:
        return `li ${registers(d)}, ${imm}`;
      case Toy.load:
      case Toy.loadb:
      case Toy.store:
        return `${name} ${registers(d)}, ${imm}(${registers(a)})`;
      case Toy.beq:
      case Toy.bltu:
        return `${name} ${registers(d, a)}, ${at(imm)}`;
      case Toy.jump:
        return `jump ${at(((raw << 24) >> 8) | (a << 8) | d)}`;
      case Toy.jumpReg:
        return `jumpReg ${registers(a)}`;
      case Toy.count:
        return `count ${registers(d)}`;
      case Toy.halt:
        return "halt";
      default:
        return `${name} ${registers(d, a, raw)}`;
    }
  }

  translateFetch(lo: number, hi: number, out: Translation): Translated {
    return this.translate(Access.fetch, lo, hi, 4, out);
  }

  translate(access: Access, lo: number, _hi: number, _size: number, out: Translation): Translated {
    const page = lo >>> 12;
    if (this.unmapped.has(page)) return this.fault(access, lo >>> 0);
    out.physical = access === Access.fetch ? lo >>> 0 : this.selectedPage(lo >>> 0);
    out.readable = true;
    out.writable = true;
    out.cacheable = true;
    out.pageShift = 12;
    return Translated.ok;
  }

  /** Data context 1 sees each two pages of RAM exchanged, context 2 each two pairs of them, 3 both. */
  private selectedPage(address: number): number {
    if (address >= TOY_DEVICE) return address;
    return address ^ (this.core.lo(toySelected) << 12);
  }

  /** Faults go to a handler at 0xf00 with the faulting pc in r15. */
  private fault(access: number, address: number): typeof Translated.trap {
    this.faults.push([access, address]);
    this.core.set(toyRegisters[15] as never, this.core.pcLo(), this.core.pcHi());
    this.core.setPc(0xf00, 0);
    return Translated.trap;
  }

  misaligned(access: Access, lo: number): Status {
    return this.fault(access, lo);
  }

  physicalAccess(access: Access, physical: number, _size: number, valueLo: number): Status {
    if (access === Access.fetch) return this.fault(access, physical);
    if (access === Access.write) this.writes.push([physical, valueLo]);
    else this.core.setAnswer(physical, this.core.pendingInstructions());
    return Status.next;
  }

  helper(id: number, constant: number, aLo: number, aHi: number, bLo: number, bHi: number): Status {
    if (id === Helpers.accumulate) {
      const total = toyRegisters[TOTAL] as never;
      this.core.setBig(total, this.core.big(total) + ((BigInt(aHi) << 32n) | BigInt(aLo >>> 0)));
      this.accumulated++;
      return Status.next;
    }
    if (id === Helpers.guard) return this.guard(constant, (BigInt(bHi) << 32n) | BigInt(bLo >>> 0));
    if (id === Helpers.count) {
      this.core.setResult(this.core.instructions(), 0);
      return Status.next;
    }
    this.core.exit = "halt";
    this.core.setPc(this.core.pcLo() + 4, this.core.pcHi());
    return Status.exit;
  }

  private guard(what: number, value: bigint): Status {
    const { core } = this;
    this.guarded.push(toyRegisters.map((field) => core.big(field as never)));
    switch (what) {
      case ToyGuard.trap:
        return this.fault(Access.read, -1);
      case ToyGuard.wait:
        core.set(toyWaiting, 1, 0);
        return Status.next;
      case ToyGuard.next:
        return Status.next;
      default: {
        const total = toyRegisters[14] as never;
        core.setBig(total, core.big(total) + value);
        core.setPc(core.pcLo() + 4, core.pcHi());
        if (what === ToyGuard.complete) return Status.redispatch;
        core.exit = "guard";
        return Status.exit;
      }
    }
  }

  takeInterrupt(): boolean {
    const { core } = this;
    if (core.lo(toyWaiting) === 0) return false;
    core.set(toyWaiting, 0, 0);
    this.interrupts.push(core.pcLo());
    core.set(toyRegisters[13] as never, core.pcLo(), core.pcHi());
    core.setPc(0xe00, 0);
    return true;
  }
}
