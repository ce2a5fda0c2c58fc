import { type LoweredBlock, Lowering } from "../cold/lower.js";
import type { CodeSource, GuestCpu } from "../core/guest-cpu.js";
import { IrBuilder } from "../ir/builder.js";
import type { IrBlock } from "../ir/node.js";
import { runPasses } from "../passes/index.js";

/** Blocks longer than this win nothing and make exact budgets dearer. */
const MAX_BLOCK_INSTRUCTIONS = 96;
/**
 * A block with so many instructions ends where the next chunk of so many bytes begins. So long code without branches is
 * cut at the same places whatever its entries are - a slice may end anywhere - instead of being translated for each.
 */
const LONG = 32;
const CHUNK = 128;
/** The same of one with so many IR nodes: few instructions may mean a lot. */
const MANY_NODES = 300;
/** IR nodes after which a block ends wherever it is, so that temporaries and exit recipes stay small. */
const MAX_BLOCK_NODES = 500;

/** Reads code from a host page; beyond its end from the page translated for the next virtual page. */
export class PageSource implements CodeSource {
  private readonly bytes: Uint8Array;
  /** Byte offset of the page in host memory. */
  page = 0;
  /** Byte offset of the following virtual page's memory, -1 while it may not be read. */
  nextPage = -1;
  /** The lifter asked for bytes beyond the page. */
  crossed = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  u16(offset: number): number {
    if (offset < 4095) return this.half(this.page + offset);
    const low = this.u8(offset);
    const high = this.u8(offset + 1);
    return low < 0 || high < 0 ? -1 : low | (high << 8);
  }

  u8(offset: number): number {
    if (offset < 4096) return this.bytes[this.page + offset] as number;
    this.crossed = true;
    return this.nextPage < 0 ? -1 : (this.bytes[this.nextPage + offset - 4096] as number);
  }

  private half(at: number): number {
    return (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8);
  }
}

export interface TranslatedBlock {
  readonly code: LoweredBlock;
  readonly end: number;
  readonly instructions: number;
}

/** Lift, optimise and lower one block. */
export class Translator {
  private readonly builder = new IrBuilder();
  private readonly lowering = new Lowering();

  /**
   * Translate from page offset `start`. `single` makes a block of one instruction that ends in the
   * dispatcher. Gives undefined if the first instruction needs a second page that `source` cannot read.
   */
  translate(
    cpu: GuestCpu,
    source: PageSource,
    start: number,
    mode: number,
    single: boolean,
  ): TranslatedBlock | undefined {
    const block = this.build(cpu, source, start, mode, single);
    if (block === undefined) return undefined;
    return { code: this.lowering.lower(block, single), end: block.end, instructions: block.offsets.length };
  }

  /** The optimised IR of a block, valid until `recycle`. */
  lift(cpu: GuestCpu, source: PageSource, start: number, mode: number, single: boolean): IrBlock | undefined {
    const block = this.build(cpu, source, start, mode, single);
    this.builder.keep();
    return block;
  }

  /** Nothing that was lifted is needed any more. */
  recycle(): void {
    this.builder.recycle();
  }

  /** As `lift`, of code up to page offset `end`, however long it is: that of several blocks which follow each other. */
  liftAll(cpu: GuestCpu, source: PageSource, start: number, end: number, mode: number): IrBlock | undefined {
    const block = this.build(cpu, source, start, mode, false, end);
    this.builder.keep();
    return block;
  }

  /** The same, only valid until the next block is built. */
  private build(
    cpu: GuestCpu,
    source: PageSource,
    start: number,
    mode: number,
    single: boolean,
    end = -1,
  ): IrBlock | undefined {
    const b = this.builder;
    b.reset();
    const bounded = end < 0;
    const most = Math.min(cpu.maxBlockInstructions ?? MAX_BLOCK_INSTRUCTIONS, MAX_BLOCK_INSTRUCTIONS);
    const limit = single ? 1 : bounded ? most : end - start;
    const last = bounded ? 4096 : end;
    let offset = start;
    let count = 0;
    while (!b.ended && count < limit && offset < last && (!bounded || b.nodes.length < MAX_BLOCK_NODES)) {
      const nodes = b.nodes.length;
      b.instruction(offset);
      source.crossed = false;
      const length = cpu.lift(b, source, offset, mode);
      // An instruction that crosses pages has a block of its own: its key has two pages.
      if (length === 0 || (source.crossed && count > 0)) {
        b.takeBack(nodes);
        break;
      }
      const chunk = offset & -CHUNK;
      offset += length;
      count++;
      const isLong = count >= LONG || b.nodes.length >= MANY_NODES;
      if (bounded && isLong && (offset & -CHUNK) !== chunk) break;
    }
    if (count === 0) return undefined;
    if (!b.ended) {
      if (single) b.dispatch(offset);
      else b.jump(offset);
    }
    const block = b.finish(offset);
    runPasses(block);
    return block;
  }
}
