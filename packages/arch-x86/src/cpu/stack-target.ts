import { isCanonical } from "./canonical.js";
import { RIGHTS } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import type { Descriptor } from "./descriptor.js";
import type { Fault } from "./fault.js";
import { GPR, Gpr, SEGMENTS, Seg, type SegmentFields } from "./state.js";

const RSP = GPR[Gpr.rsp]!;

/** A stack that frames are pushed on or popped from: the present one, or that of an inner privilege level. */
export class StackTarget {
  private readonly cpu: X86Cpu;
  private readonly base: bigint;
  private readonly mask: bigint;
  private readonly limit: bigint;
  private readonly down: boolean;
  private readonly flat: boolean;
  private readonly user: boolean;
  private readonly selector: number;
  /** The descriptor of a new stack segment. */
  private readonly segment: Descriptor | undefined;
  /** Where the stack pointer is. */
  readonly pointer: bigint;

  private constructor(
    cpu: X86Cpu,
    rights: number,
    base: bigint,
    limit: number,
    pointer: bigint,
    cpl: number,
    selector: number,
    segment: Descriptor | undefined,
  ) {
    this.cpu = cpu;
    this.flat = segment === undefined && cpu.bits64;
    this.base = this.flat ? 0n : base;
    const big = (rights & RIGHTS.big) !== 0;
    this.mask = this.flat ? (1n << 64n) - 1n : big ? 0xffff_ffffn : 0xffffn;
    this.limit = BigInt(limit);
    this.down = (rights & (RIGHTS.code | RIGHTS.expandDown)) === RIGHTS.expandDown;
    this.pointer = pointer & this.mask;
    this.user = cpl === 3;
    this.selector = selector;
    this.segment = segment;
  }

  /** SS:rSP as they are. */
  static current(cpu: X86Cpu): StackTarget {
    const { core } = cpu;
    const ss = SEGMENTS[Seg.ss] as SegmentFields;
    const limit = core.lo(ss.limit) >>> 0;
    const pointer = core.big(RSP);
    return new StackTarget(cpu, core.lo(ss.rights), core.big(ss.base), limit, pointer, cpu.cpl, 0, undefined);
  }

  /** Another one, for a privilege level. */
  static of(cpu: X86Cpu, selector: number, d: Descriptor, pointer: bigint, cpl: number): StackTarget {
    return new StackTarget(cpu, d.rights, BigInt(d.base), d.limit, pointer, cpl, selector, d);
  }

  /** Linear address of an offset in it. */
  private address(offset: bigint, size: number, fault: (selector: number) => Fault): bigint {
    if (this.flat) {
      if (!isCanonical(offset) || !isCanonical(offset + BigInt(size - 1))) throw fault(0);
      return offset;
    }
    const last = offset + BigInt(size - 1);
    const beyond = this.down ? offset <= this.limit || last > this.mask : last > this.limit;
    if (beyond) throw fault(this.segment === undefined ? 0 : this.selector & ~3);
    return BigInt.asUintN(32, this.base + offset);
  }

  /** Push values in their order; all places are checked before the first is written. Gives the new pointer. */
  push(values: readonly bigint[], size: 2 | 4 | 8, fault: (selector: number) => Fault): bigint {
    const { memory } = this.cpu;
    let { pointer } = this;
    const places = values.map(() => {
      pointer = (pointer - BigInt(size)) & this.mask;
      const address = this.address(pointer, size, fault);
      memory.checkWrite(address, size, this.user);
      return address;
    });
    for (const [i, value] of values.entries())
      memory.write(places[i] as bigint, size, BigInt.asUintN(8 * size, value), this.user);
    return pointer;
  }

  /** The value `depth` places up from the pointer. */
  peek(depth: number, size: 2 | 4 | 8, fault: (selector: number) => Fault): bigint {
    const offset = (this.pointer + BigInt(depth * size)) & this.mask;
    return this.cpu.memory.read(this.address(offset, size, fault), size, this.user);
  }

  /** The pointer so many bytes further up. */
  above(bytes: number): bigint {
    return (this.pointer + BigInt(bytes)) & this.mask;
  }

  /** Make it the present stack, with the pointer there. */
  install(pointer: bigint): void {
    const { core, segments } = this.cpu;
    if (this.segment !== undefined) segments.load(Seg.ss, this.selector, this.segment);
    const kept = this.mask === 0xffffn ? core.big(RSP) & ~0xffffn : 0n;
    core.setBig(RSP, kept | pointer);
  }
}
