import { HyperError, type IrqLine } from "@hypercraft/hypercraft";

// RISC-V Platform-Level Interrupt Controller, specification 1.0.0, with the register layout of chapter 3.

const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;
const MAX_SOURCES = 1024;

export interface PlicOptions {
  /** Interrupt sources, source 0 (which does not exist) not counted: 1..1023. */
  readonly sources: number;
  /** Highest priority; a power of two less one. */
  readonly maxPriority?: number;
  /**
   * Sources of devices that assert their line anew for every event. If such a line is still high at
   * completion, it is pending again only if it was asserted since the claim. Guests that never acknowledge
   * their disk (rCore) or UART (xv6) rely on that, because QEMU's PLIC is so. Default: none.
   */
  readonly perEvent?: (source: number) => boolean;
  /** One per context (hart and privilege mode): told when the context's interrupt output changes. */
  readonly contexts: readonly ((level: boolean) => void)[];
}

/** A PLIC's registers and gateways, as plain data. */
export interface PlicState {
  readonly version: 1;
  readonly priority: readonly number[];
  readonly level: readonly number[];
  readonly pending: readonly number[];
  readonly claimed: readonly number[];
  readonly enable: readonly (readonly number[])[];
  readonly threshold: readonly number[];
}

/**
 * The PLIC as a register model: a device on the board for harts that own the machine, and the virtual
 * interrupt controller of a VM, whose contexts end in hvip.VSEIP. Sources are level-triggered, with
 * an exception for those in `perEvent`.
 */
export class Plic {
  /** Bytes of address space: registers of all contexts. */
  readonly size: number;
  private readonly sources: number;
  private readonly words: number;
  private readonly maxPriority: number;
  private readonly perEvent: (source: number) => boolean;
  private readonly outputs: readonly ((level: boolean) => void)[];
  private readonly asserted: boolean[];
  private readonly priority: Uint32Array;
  /** Bit sets by source number. */
  private readonly level: Uint32Array;
  private readonly pending: Uint32Array;
  /** Claimed and not completed: the gateway forwards nothing until then. */
  private readonly claimed: Uint32Array;
  private readonly enable: Uint32Array[];
  private readonly threshold: Uint32Array;

  /** Throws InvalidParam for a number of sources outside 1..1023. */
  constructor(options: PlicOptions) {
    const { sources, contexts } = options;
    if (!Number.isInteger(sources) || sources < 1 || sources >= MAX_SOURCES) {
      throw new HyperError("InvalidParam", `a PLIC has 1 to ${MAX_SOURCES - 1} sources, not ${sources}`);
    }
    this.sources = sources;
    this.maxPriority = options.maxPriority ?? 7;
    this.perEvent = options.perEvent ?? (() => false);
    this.outputs = contexts;
    this.asserted = contexts.map(() => false);
    this.words = Math.ceil((sources + 1) / 32);
    this.priority = new Uint32Array(sources + 1);
    this.level = new Uint32Array(this.words);
    this.pending = new Uint32Array(this.words);
    this.claimed = new Uint32Array(this.words);
    this.enable = contexts.map(() => new Uint32Array(this.words));
    this.threshold = new Uint32Array(contexts.length);
    this.size = CONTEXT + CONTEXT_STRIDE * contexts.length;
  }

  /** The input of one source. Throws OutOfRange. */
  line(source: number): IrqLine {
    if (!Number.isInteger(source) || source < 1 || source > this.sources) {
      throw new HyperError("OutOfRange", `the PLIC has no source ${source} (1..${this.sources})`);
    }
    return { set: (level) => this.setLevel(source, level) };
  }

  private setLevel(source: number, level: boolean): void {
    if (testBit(this.level, source) === level) return;
    writeBit(this.level, source, level);
    this.forward(source);
    this.update();
  }

  /**
   * The gateway of a level-triggered source: a high line not in service becomes pending, and stays so until it
   * is claimed, even if the line falls before (chapter 2, "Interrupt Gateways").
   */
  private forward(source: number): void {
    if (testBit(this.level, source) && !testBit(this.claimed, source)) writeBit(this.pending, source, true);
  }

  // --- Registers: 32 bits wide; narrower accesses read parts and write nothing -----------------

  read(offset: number, width: 1 | 2 | 4): number {
    const shift = (offset & 3) * 8;
    const word = this.readWord(offset - (offset & 3), width === 4);
    return width === 4 ? word : (word >>> shift) & (width === 1 ? 0xff : 0xffff);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width !== 4 || (offset & 3) !== 0) return;
    const word = value >>> 0;
    if (offset < PENDING) {
      const source = offset / 4;
      if (source > 0 && source <= this.sources) this.priority[source] = word & this.maxPriority;
    } else if (offset >= CONTEXT) {
      this.writeContext(offset - CONTEXT, word);
    } else if (offset >= ENABLE) {
      const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
      const index = ((offset - ENABLE) % ENABLE_STRIDE) / 4;
      const bits = this.enable[context];
      if (bits !== undefined && index < this.words) bits[index] = word & this.mask(index);
    }
    this.update();
  }

  private readWord(offset: number, whole: boolean): number {
    if (offset < PENDING) return this.priority[offset / 4] ?? 0;
    if (offset < ENABLE) return this.pending[(offset - PENDING) / 4] ?? 0;
    if (offset < CONTEXT) {
      const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
      return this.enable[context]?.[((offset - ENABLE) % ENABLE_STRIDE) / 4] ?? 0;
    }
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    const register = (offset - CONTEXT) % CONTEXT_STRIDE;
    if (context >= this.outputs.length) return 0;
    if (register === 0) return this.threshold[context] as number;
    return register === 4 && whole ? this.claim(context) : 0;
  }

  private writeContext(offset: number, value: number): void {
    const context = Math.floor(offset / CONTEXT_STRIDE);
    const register = offset % CONTEXT_STRIDE;
    if (context >= this.outputs.length) return;
    if (register === 0) this.threshold[context] = value & this.maxPriority;
    else if (register === 4) this.complete(context, value);
  }

  /** The context's most urgent pending and enabled source (the lowest number among equals), 0 if there is none. */
  private best(context: number): number {
    const enable = this.enable[context] as Uint32Array;
    let best = 0;
    let bestPriority = 0;
    for (let w = 0; w < this.words; w++) {
      let bits = (this.pending[w] as number) & (enable[w] as number);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const priority = this.priority[w * 32 + bit] as number;
        if (priority > bestPriority) {
          bestPriority = priority;
          best = w * 32 + bit;
        }
      }
    }
    return best;
  }

  /** A claim is not masked by the threshold (chapter 7). */
  private claim(context: number): number {
    const source = this.best(context);
    if (source === 0) return 0;
    writeBit(this.pending, source, false);
    writeBit(this.claimed, source, true);
    if (this.perEvent(source)) writeBit(this.level, source, false);
    this.update();
    return source;
  }

  /** Completing a source the context has not enabled is ignored (chapter 8). */
  private complete(context: number, source: number): void {
    if (source < 1 || source > this.sources || !testBit(this.enable[context] as Uint32Array, source)) return;
    writeBit(this.claimed, source, false);
    this.forward(source);
  }

  private update(): void {
    for (let context = 0; context < this.outputs.length; context++) {
      const best = this.best(context);
      const level = best !== 0 && (this.priority[best] as number) > (this.threshold[context] as number);
      if (level === this.asserted[context]) continue;
      this.asserted[context] = level;
      this.outputs[context]?.(level);
    }
  }

  private mask(word: number): number {
    const first = word === 0 ? 0xfffffffe : 0xffffffff;
    const above = word * 32 + 31 - this.sources;
    return above > 0 ? (first & (0xffffffff >>> above)) >>> 0 : first;
  }

  reset(): void {
    for (const bits of [this.priority, this.pending, this.claimed, this.threshold, ...this.enable])
      bits.fill(0);
    for (let source = 1; source <= this.sources; source++) this.forward(source);
    this.update();
  }

  state(): PlicState {
    return {
      version: 1,
      priority: [...this.priority],
      level: [...this.level],
      pending: [...this.pending],
      claimed: [...this.claimed],
      enable: this.enable.map((bits) => [...bits]),
      threshold: [...this.threshold],
    };
  }

  /** Throws InvalidParam for a state of another version or shape. */
  restore(state: PlicState): void {
    if (
      state.version !== 1 ||
      state.priority.length !== this.priority.length ||
      state.enable.length !== this.enable.length
    ) {
      throw new HyperError("InvalidParam", "the saved PLIC state is of another version or shape");
    }
    this.priority.set(state.priority);
    this.level.set(state.level);
    this.pending.set(state.pending);
    this.claimed.set(state.claimed);
    this.threshold.set(state.threshold);
    state.enable.forEach((bits, context) => this.enable[context]?.set(bits));
    this.update();
  }
}

function testBit(bits: Uint32Array, index: number): boolean {
  return (((bits[index >> 5] as number) >>> (index & 31)) & 1) !== 0;
}

function writeBit(bits: Uint32Array, index: number, value: boolean): void {
  const mask = 1 << (index & 31);
  bits[index >> 5] = value ? (bits[index >> 5] as number) | mask : (bits[index >> 5] as number) & ~mask;
}
