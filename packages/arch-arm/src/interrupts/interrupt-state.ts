import { HyperError } from "@hypercraft/hypercraft";
import type { Group } from "./priority-control.js";

// The interrupts of a GIC: what a distributor (and GICv3's redistributors) know of each. SGIs 0..15 and PPIs 16..31
// exist once per CPU, SPIs from 32 on once.

/** Interrupts of a CPU's own: SGIs and PPIs. */
export const PRIVATE_INTERRUPTS = 32;
export const SGIS = 16;
const SGI_BITS = 0xffff;
/** Interrupt IDs from here on have special meanings. */
export const FIRST_SPECIAL_ID = 1020;
export const SPURIOUS = 1023;

/** A pending interrupt as a CPU interface sees it. */
export interface InterruptRequest {
  readonly id: number;
  /** The CPU that sent an SGI, where the GIC tells; else 0. */
  readonly source: number;
  readonly priority: number;
  readonly group: Group;
}

/** An interrupt that is pending, whoever is to have it and however it got there. */
export interface AskingInterrupt extends Omit<InterruptRequest, "source"> {
  /** It is active besides. */
  readonly active: boolean;
  /** Its line keeps it pending. */
  readonly held: boolean;
  /** The CPUs that an SGI is pending from, as a bit set; 0 where the GIC does not tell. */
  readonly sources: number;
}

/** Bits and bytes of consecutive interrupts. */
interface Bank {
  readonly group: Uint32Array;
  readonly enabled: Uint32Array;
  /** Pending by an edge, by software or as an SGI; until acknowledged. */
  readonly latch: Uint32Array;
  /** Level of the input. */
  readonly line: Uint32Array;
  readonly active: Uint32Array;
  /** Edge-triggered rather than level-sensitive. */
  readonly edge: Uint32Array;
  readonly priority: Uint8Array;
}

type BankState = { readonly [field in keyof Bank]: readonly number[] };

/** All interrupts, as plain data. */
export interface InterruptsState {
  readonly banks: readonly BankState[];
  readonly targeted: readonly (readonly number[])[];
  readonly sources: readonly (readonly number[])[];
}

export interface GicInterruptsOptions {
  readonly cpus: number;
  /** All interrupt IDs, private ones included: a multiple of 32, 64 to 992. */
  readonly interrupts: number;
  readonly priorityBits: number;
  /** GICv2: an SGI is pending per CPU that sent it, and always enabled. */
  readonly sgiPerSource: boolean;
}

function newBank(words: number): Bank {
  const bits = () => new Uint32Array(words);
  return {
    group: bits(),
    enabled: bits(),
    latch: bits(),
    line: bits(),
    active: bits(),
    edge: bits(),
    priority: new Uint8Array(words * 32),
  };
}

export class GicInterrupts {
  readonly cpus: number;
  readonly count: number;
  private readonly priorityMask: number;
  private readonly sgiPerSource: boolean;
  /** By CPU; the shared one is the last. */
  private readonly banks: readonly Bank[];
  private readonly shared: Bank;
  /** By CPU: the SPIs that may interrupt it. */
  private readonly targeted: readonly Uint32Array[];
  /** By CPU and SGI: the CPUs it is pending from. */
  private readonly sources: readonly Uint8Array[];

  /** Throws InvalidParam for numbers outside what the architecture has. */
  constructor(options: GicInterruptsOptions) {
    const { cpus, interrupts } = options;
    if (!Number.isInteger(interrupts) || interrupts % 32 !== 0 || interrupts < 64 || interrupts > 992) {
      throw new HyperError(
        "InvalidParam",
        `a GIC has a multiple of 32 from 64 to 992 interrupts, not ${interrupts}`,
      );
    }
    this.cpus = cpus;
    this.count = interrupts;
    this.priorityMask = (0xff << (8 - options.priorityBits)) & 0xff;
    this.sgiPerSource = options.sgiPerSource;
    const spiWords = interrupts / 32 - 1;
    this.shared = newBank(spiWords);
    this.banks = [...Array.from({ length: cpus }, () => newBank(1)), this.shared];
    this.targeted = Array.from({ length: cpus }, () => new Uint32Array(spiWords));
    this.sources = Array.from({ length: cpus }, () => new Uint8Array(SGIS));
    this.reset();
  }

  /** Everything but the levels of the inputs. */
  reset(): void {
    for (const bank of this.banks) {
      for (const bits of [bank.group, bank.enabled, bank.latch, bank.active, bank.edge]) bits.fill(0);
      bank.priority.fill(0);
    }
    for (const bits of this.targeted) bits.fill(0);
    for (const bytes of this.sources) bytes.fill(0);
    this.fixSgis();
  }

  private fixSgis(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const bank = this.banks[cpu] as Bank;
      bank.edge[0] = (bank.edge[0] as number) | SGI_BITS;
      if (this.sgiPerSource) bank.enabled[0] = (bank.enabled[0] as number) | SGI_BITS;
    }
  }

  private bankOf(cpu: number, id: number): Bank {
    return id < PRIVATE_INTERRUPTS ? (this.banks[cpu] as Bank) : this.shared;
  }

  // --- inputs ----------------------------------------------------------------------------------

  /** The level of an interrupt's input. */
  lineLevel(cpu: number, id: number): boolean {
    return testBit(this.bankOf(cpu, id).line, indexOf(id));
  }

  setLine(cpu: number, id: number, level: boolean): void {
    const bank = this.bankOf(cpu, id);
    const index = indexOf(id);
    if (testBit(bank.line, index) === level) return;
    writeBit(bank.line, index, level);
    if (level && testBit(bank.edge, index)) writeBit(bank.latch, index, true);
  }

  /** Makes an SGI pending at a CPU. */
  sendSgi(cpu: number, id: number, source: number): void {
    if (this.sgiPerSource) this.setSgiSources(cpu, id, 1 << source, 0);
    else writeBit((this.banks[cpu] as Bank).latch, id, true);
  }

  /** The CPUs an SGI is pending from, as a bit set. */
  sgiSources(cpu: number, id: number): number {
    return this.sources[cpu]?.[id] ?? 0;
  }

  setSgiSources(cpu: number, id: number, set: number, clear: number): void {
    const sources = this.sources[cpu] as Uint8Array;
    sources[id] = ((sources[id] as number) | set) & ~clear & ((1 << this.cpus) - 1);
    writeBit((this.banks[cpu] as Bank).latch, id, sources[id] !== 0);
  }

  groupOf(cpu: number, id: number): Group {
    return testBit(this.bankOf(cpu, id).group, indexOf(id)) ? 1 : 0;
  }

  /** Whether an SPI may interrupt a CPU. */
  setTarget(cpu: number, id: number, targeted: boolean): void {
    const bits = this.targeted[cpu];
    if (bits !== undefined) writeBit(bits, id - PRIVATE_INTERRUPTS, targeted);
  }

  isTarget(cpu: number, id: number): boolean {
    return testBit(this.targeted[cpu] as Uint32Array, id - PRIVATE_INTERRUPTS);
  }

  // --- what CPU interfaces do ------------------------------------------------------------------

  /**
   * The most urgent interrupt for a CPU: pending, enabled, not active, of one of the groups (bits 0 and 1). Among
   * equals the lowest ID.
   */
  highest(cpu: number, groups: number): InterruptRequest | undefined {
    if (groups === 0) return undefined;
    let best = -1;
    let bestPriority = 0x100;
    const own = this.banks[cpu] as Bank;
    const consider = (bank: Bank, word: number, first: number, allowed: number) => {
      let bits = candidates(bank, word, groups) & allowed;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const priority = bank.priority[word * 32 + bit] as number;
        if (priority < bestPriority) {
          bestPriority = priority;
          best = first + bit;
        }
      }
    };
    consider(own, 0, 0, ~0);
    const targeted = this.targeted[cpu] as Uint32Array;
    for (let word = 0; word < targeted.length; word++) {
      consider(this.shared, word, PRIVATE_INTERRUPTS + word * 32, targeted[word] as number);
    }
    if (best < 0) return undefined;
    const sources = best < SGIS ? this.sgiSources(cpu, best) : 0;
    return {
      id: best,
      source: sources === 0 ? 0 : 31 - Math.clz32(sources & -sources),
      priority: bestPriority,
      group: this.groupOf(cpu, best),
    };
  }

  /**
   * Interrupts of the groups (bits 0 and 1) that are enabled and pending for a CPU, active or not: most urgent first,
   * among equals by ID. An SPI for several CPUs is the first one's.
   */
  asking(cpu: number, groups: number): AskingInterrupt[] {
    const found: AskingInterrupt[] = [];
    const collect = (bank: Bank, word: number, first: number, allowed: number): void => {
      let bits = asking(bank, word, groups) & allowed;
      for (; bits !== 0; bits &= bits - 1)
        found.push(this.describe(cpu, bank, word, first, Math.clz32(bits & -bits) ^ 31));
    };
    collect(this.banks[cpu] as Bank, 0, 0, ~0);
    const targeted = this.targeted[cpu] as Uint32Array;
    for (let word = 0; word < targeted.length; word++) {
      let mine = targeted[word] as number;
      for (let other = 0; other < cpu; other++) mine &= ~(this.targeted[other]?.[word] as number);
      collect(this.shared, word, PRIVATE_INTERRUPTS + word * 32, mine);
    }
    return found.sort((a, b) => a.priority - b.priority || a.id - b.id);
  }

  private describe(cpu: number, bank: Bank, word: number, first: number, bit: number): AskingInterrupt {
    const id = first + bit;
    const index = word * 32 + bit;
    return {
      id,
      priority: bank.priority[index] as number,
      group: testBit(bank.group, index) ? 1 : 0,
      active: testBit(bank.active, index),
      held: !testBit(bank.edge, index) && testBit(bank.line, index),
      sources: id < SGIS && this.sgiPerSource ? this.sgiSources(cpu, id) : 0,
    };
  }

  isActive(cpu: number, id: number): boolean {
    return testBit(this.bankOf(cpu, id).active, indexOf(id));
  }

  priorityOf(cpu: number, id: number): number {
    return this.bankOf(cpu, id).priority[indexOf(id)] as number;
  }

  /** From pending to active; what still asks for it (a high level, another source) keeps it pending besides. */
  acknowledge(cpu: number, { id, source }: InterruptRequest): void {
    const bank = this.bankOf(cpu, id);
    const index = indexOf(id);
    writeBit(bank.active, index, true);
    if (id < SGIS && this.sgiPerSource) this.setSgiSources(cpu, id, 0, 1 << source);
    else writeBit(bank.latch, index, false);
  }

  deactivate(cpu: number, id: number): void {
    if (id >= this.count) return;
    writeBit(this.bankOf(cpu, id).active, indexOf(id), false);
  }

  // --- registers of one bit, two bits or a byte per interrupt, at the distributor's offsets --------

  /** A word from 0x080 to 0xcff, without the targets. `cpu` is whose private interrupts are meant. */
  readWord(cpu: number, offset: number): number {
    if (offset >= 0x400 && offset < 0x800) return this.readPriorities(cpu, offset - 0x400);
    const [bank, word] = this.bankWord(cpu, offset < 0xc00 ? (offset & 0x7f) >> 2 : (offset - 0xc00) >> 3);
    if (bank === undefined) return 0;
    if (offset >= 0xc00) return offset < 0xd00 ? readConfiguration(bank.edge[word] as number, offset) : 0;
    switch (offset & ~0x7f) {
      case 0x080:
        return bank.group[word] as number;
      case 0x100:
      case 0x180:
        return bank.enabled[word] as number;
      case 0x200:
      case 0x280:
        return pendingWord(bank, word) >>> 0;
      case 0x300:
      case 0x380:
        return bank.active[word] as number;
      default:
        return 0;
    }
  }

  writeWord(cpu: number, offset: number, value: number): void {
    if (offset >= 0x400 && offset < 0x800) {
      for (let byte = 0; byte < 4; byte++)
        this.writePriority(cpu, offset - 0x400 + byte, (value >>> (8 * byte)) & 0xff);
      return;
    }
    const [bank, word] = this.bankWord(cpu, offset < 0xc00 ? (offset & 0x7f) >> 2 : (offset - 0xc00) >> 3);
    if (bank === undefined) return;
    if (offset >= 0xc00) {
      if (offset < 0xd00) bank.edge[word] = writeConfiguration(bank.edge[word] as number, offset, value);
      this.fixSgis();
      return;
    }
    // GICv2's SGIs become pending by registers of their own.
    const software = bank !== this.shared && this.sgiPerSource ? value & ~SGI_BITS : value;
    switch (offset & ~0x7f) {
      case 0x080:
        bank.group[word] = value;
        break;
      case 0x100:
        setBits(bank.enabled, word, value);
        break;
      case 0x180:
        clearBits(bank.enabled, word, value);
        this.fixSgis();
        break;
      case 0x200:
        setBits(bank.latch, word, software);
        break;
      case 0x280:
        clearBits(bank.latch, word, software);
        break;
      case 0x300:
        setBits(bank.active, word, value);
        break;
      case 0x380:
        clearBits(bank.active, word, value);
        break;
      default:
        break;
    }
  }

  writePriority(cpu: number, id: number, value: number): void {
    if (id >= this.count) return;
    const index = indexOf(id);
    this.bankOf(cpu, id).priority[index] = value & this.priorityMask;
  }

  private readPriorities(cpu: number, id: number): number {
    const [bank, word] = this.bankWord(cpu, id >> 5);
    if (bank === undefined) return 0;
    let value = 0;
    for (let byte = 3; byte >= 0; byte--) {
      value = value * 256 + (bank.priority[word * 32 + (id & 28) + byte] as number);
    }
    return value;
  }

  private bankWord(cpu: number, word: number): [bank: Bank | undefined, word: number] {
    if (word === 0) return [this.banks[cpu], 0];
    return word < this.count / 32 ? [this.shared, word - 1] : [undefined, 0];
  }

  state(): InterruptsState {
    return {
      banks: this.banks.map((bank) => ({
        group: [...bank.group],
        enabled: [...bank.enabled],
        latch: [...bank.latch],
        line: [...bank.line],
        active: [...bank.active],
        edge: [...bank.edge],
        priority: [...bank.priority],
      })),
      targeted: this.targeted.map((bits) => [...bits]),
      sources: this.sources.map((bytes) => [...bytes]),
    };
  }

  /** Throws InvalidParam for a state of another shape. */
  restore(state: InterruptsState): void {
    const priorities = state.banks.at(-1)?.priority.length;
    if (state.banks.length !== this.banks.length || priorities !== this.shared.priority.length) {
      throw new HyperError("InvalidParam", "the saved GIC state is of another number of CPUs or interrupts");
    }
    state.banks.forEach((saved, i) => {
      const bank = this.banks[i] as Bank;
      for (const field of Object.keys(bank) as (keyof Bank)[]) bank[field].set(saved[field]);
    });
    state.targeted.forEach((bits, cpu) => {
      this.targeted[cpu]?.set(bits);
    });
    state.sources.forEach((bytes, cpu) => {
      this.sources[cpu]?.set(bytes);
    });
  }
}

/** Where an interrupt is in its bank. */
function indexOf(id: number): number {
  return id < PRIVATE_INTERRUPTS ? id : id - PRIVATE_INTERRUPTS;
}

/** A level-sensitive interrupt is pending while its line is high, any while it is latched. */
function pendingWord(bank: Bank, word: number): number {
  return (bank.latch[word] as number) | ((bank.line[word] as number) & ~(bank.edge[word] as number));
}

function candidates(bank: Bank, word: number, groups: number): number {
  return asking(bank, word, groups) & ~(bank.active[word] as number);
}

/** Pending and enabled, of these groups. */
function asking(bank: Bank, word: number, groups: number): number {
  const ready = pendingWord(bank, word) & (bank.enabled[word] as number);
  const group1 = bank.group[word] as number;
  return ready & (((groups & 1) !== 0 ? ~group1 : 0) | ((groups & 2) !== 0 ? group1 : 0));
}

/** ICFGR has two bits per interrupt, of which the upper one tells. */
function readConfiguration(edge: number, offset: number): number {
  const half = (edge >>> ((offset & 4) * 4)) & 0xffff;
  let value = 0;
  for (let i = 0; i < 16; i++) if (((half >> i) & 1) !== 0) value |= 2 << (2 * i);
  return value >>> 0;
}

function writeConfiguration(edge: number, offset: number, value: number): number {
  const shift = (offset & 4) * 4;
  let half = 0;
  for (let i = 0; i < 16; i++) half |= ((value >>> (2 * i + 1)) & 1) << i;
  return (edge & ~(0xffff << shift)) | (half << shift);
}

function setBits(bits: Uint32Array, word: number, value: number): void {
  bits[word] = (bits[word] as number) | value;
}

function clearBits(bits: Uint32Array, word: number, value: number): void {
  bits[word] = (bits[word] as number) & ~value;
}

function testBit(bits: Uint32Array, index: number): boolean {
  return (((bits[index >> 5] as number) >>> (index & 31)) & 1) !== 0;
}

function writeBit(bits: Uint32Array, index: number, value: boolean): void {
  if (value) setBits(bits, index >> 5, 1 << (index & 31));
  else clearBits(bits, index >> 5, 1 << (index & 31));
}
