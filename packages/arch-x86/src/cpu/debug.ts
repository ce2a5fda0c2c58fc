import { Access, type Translation } from "@hypercraft/engine";
import { CR4 as CR4_BIT, RFLAG } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { CR4, DR, DR7, interruptShadow, RFLAGS, x86Layout } from "./state.js";
import { wide } from "./wide.js";

/** What a breakpoint of DR7 stops at: R/W of SDM volume 3, 18.2.4. */
const Kind = { execute: 0, write: 1, port: 2, access: 3 } as const;
/** Bytes by LEN. */
const LENGTHS = [1, 2, 8, 4] as const;
const REGISTERS = [0, 1, 2, 3] as const;
/** Bits of DR6 that are breakpoints. */
const BREAKPOINTS = 15;
/** MOV SS and POP SS hold back the breakpoint of the next instruction, too. */
const STACK_SHADOW = 2;

interface Breakpoint {
  /** Its bit in DR6. */
  readonly bit: number;
  readonly kind: number;
  /** First byte, and the one behind the last. */
  readonly first: bigint;
  readonly end: bigint;
}

/**
 * Breakpoints of the debug registers (SDM volume 3, chapter 18). Pages that have one are kept out of what the engine
 * remembers, so that their fetches and accesses are asked for; all others cost nothing.
 */
export class Debug {
  private readonly cpu: X86Cpu;
  private code: readonly Breakpoint[] = [];
  private data: readonly Breakpoint[] = [];
  private ports: readonly Breakpoint[] = [];
  /** Bits of DR6 for the trap that is due after the present instruction. */
  private pending = 0;
  /** Instructions executed before the one that was sent to be executed alone, as it touches a watched byte. */
  private alone = -1;
  /** Instructions executed, and the pc, when RF was seen to be set. */
  private resumeFrom = -1;
  private resumeAt = 0n;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** DR0 to DR3, DR7 or CR4.DE were written. */
  changed(): void {
    const { core } = this.cpu;
    const watched = this.code.length + this.data.length;
    const all = REGISTERS.flatMap((i) => this.breakpoint(i));
    this.code = all.filter(({ kind }) => kind === Kind.execute);
    this.data = all.filter(({ kind }) => kind === Kind.write || kind === Kind.access);
    this.ports = all.filter(({ kind }) => kind === Kind.port && (core.lo(CR4) & CR4_BIT.DE) !== 0);
    if (watched + this.code.length + this.data.length === 0) return;
    core.translateAll(this.data.length > 0);
    core.dropContexts();
  }

  private breakpoint(i: 0 | 1 | 2 | 3): Breakpoint[] {
    const { core } = this.cpu;
    const control = core.lo(DR7);
    if (((control >> (2 * i)) & 3) === 0) return [];
    const kind = (control >> (16 + 4 * i)) & 3;
    const length = LENGTHS[(control >> (18 + 4 * i)) & 3] as number;
    const address = core.big(DR[i]!);
    // Addresses are as aligned as the length says.
    const first = kind === Kind.execute ? address : address & ~BigInt(length - 1);
    return [{ bit: 1 << i, kind, first, end: first + BigInt(length) }];
  }

  /** A fetch that translated: the bits of DR6 if a breakpoint stops the instruction, else 0. */
  fetch(lo: number, hi: number, out: Translation): number {
    const { code, cpu } = this;
    if (code.length === 0) return 0;
    const address = wide(lo, hi);
    if (!code.some(({ first }) => first >> 12n === address >> 12n)) return 0;
    out.cacheable = false;
    const { core } = cpu;
    // The second page of an instruction is fetched, too.
    const shadowed = (core.lo(interruptShadow) & STACK_SHADOW) !== 0;
    if (shadowed || (core.lo(RFLAGS) & RFLAG.RF) !== 0 || lo !== core.pcLo() || hi !== core.pcHi()) return 0;
    return code.reduce((bits, { bit, first }) => (first === address ? bits | bit : bits), 0);
  }

  /**
   * A data access that translated. False: the instruction has to be executed alone first, so that the trap comes
   * right behind it.
   */
  access(access: Access, lo: number, hi: number, size: number, out: Translation): boolean {
    const { data, cpu } = this;
    if (data.length === 0) return true;
    const start = wide(lo, hi);
    const end = start + BigInt(size);
    if (!data.some(({ first, end: last }) => first >> 12n === start >> 12n || last >> 12n === start >> 12n))
      return true;
    out.cacheable = false;
    const reads = access === Access.read;
    const bits = data.reduce(
      (sum, { bit, kind, first, end: last }) =>
        first < end && last > start && (kind === Kind.access || !reads) ? sum | bit : sum,
      0,
    );
    if (bits === 0) return true;
    const now = cpu.core.instructions();
    if (this.alone !== now) {
      this.alone = now;
      return false;
    }
    this.pending |= bits;
    return true;
  }

  /** IN, OUT and so on of some bytes. */
  port(port: number, size: number): void {
    const start = BigInt(port);
    for (const { bit, first, end } of this.ports)
      if (first < start + BigInt(size) && end > start) this.pending |= bit;
    if (this.pending !== 0) this.cpu.core.requestDispatch();
  }

  /** The trap that is due, as bits of DR6; it is taken with that. */
  take(): number {
    const { pending } = this;
    this.pending = 0;
    return pending;
  }

  /** Another trap is due. */
  add(reasons: number): void {
    this.pending |= reasons;
  }

  /** INT is through: of the traps that MOV SS held back breakpoints stay due, a step does not. */
  forgetStep(): void {
    this.pending &= BREAKPOINTS;
  }

  /** The instruction was not carried out. */
  forget(): void {
    this.pending = 0;
    this.alone = -1;
  }

  /**
   * RF lets one instruction pass its breakpoint. Before an instruction: clear it if that one is over. True while it is
   * needed.
   */
  resuming(now: number): boolean {
    const { core } = this.cpu;
    const flags = core.lo(RFLAGS);
    if ((flags & RFLAG.RF) === 0) {
      this.resumeFrom = -1;
      return false;
    }
    const pc = core.big(x86Layout.pc);
    if (this.resumeFrom < 0) {
      this.resumeFrom = now;
      this.resumeAt = pc;
    }
    // Repeated string instructions are one.
    const over = now > this.resumeFrom && pc !== this.resumeAt;
    if (!over && this.code.length > 0) return true;
    core.set(RFLAGS, flags & ~RFLAG.RF, 0);
    this.resumeFrom = -1;
    return false;
  }
}
