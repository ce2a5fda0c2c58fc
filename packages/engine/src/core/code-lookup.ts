import type { Block } from "../code/block.js";
import { pageNumber } from "../tlb/virtual-pages.js";
import { CoreContexts } from "./contexts.js";
import type { RamRange } from "./engine.js";
import { Access, type GuestCpu, newTranslation, Translated } from "./guest-cpu.js";
import { W } from "./words.js";

/** No host page: `Translated.moved`. */
const MOVED = -2;

/** How a core finds the code at its pc: instruction fetch, and translation of what is met for the first time. */
export abstract class CoreCode extends CoreContexts {
  private guest: GuestCpu | undefined;
  private readonly fetched = newTranslation();
  /** The page that was fetched last is mapped globally: what leads there holds in every address space. */
  private fetchedGlobally = false;
  private foundGlobally = false;

  /** Attach the CPU model; it is made with this core as its argument, hence the two steps. */
  attach(cpu: GuestCpu): void {
    if (cpu.layout.size > this.engine.stateBytes)
      throw new RangeError(
        `state of ${cpu.layout.size} bytes exceeds the engine's ${this.engine.stateBytes}`,
      );
    this.guest = cpu;
  }

  get cpu(): GuestCpu {
    if (this.guest === undefined) throw new Error("the core has no CPU model attached");
    return this.guest;
  }

  ramOffset(physical: number, write = false): number {
    return this.engine.ram.ramOffset(physical, write);
  }
  ramRanges(): readonly RamRange[] {
    return this.engine.ram.ranges?.() ?? [];
  }
  get walkWords(): Int32Array | undefined {
    return this.walk?.words;
  }
  /**
   * The block for the pc, translated if need be; sets pcBase. Undefined when the fetch trapped (the
   * pc is then the handler's).
   */
  protected lookup(step: boolean): Block | undefined {
    const lo = this.word(W.pc);
    const hi = this.word(W.pc + 1);
    this.refreshMode();
    const { mode } = this.code;
    const page = this.fetchPage(lo, hi);
    if (page === MOVED) return this.lookup(step);
    if (page < 0) return undefined;
    this.foundGlobally = this.fetchedGlobally;
    this.engine.regionWatch?.saw(lo, hi, page);
    // Where protection divides the page, every instruction is asked for anew.
    if (!this.fetched.cacheable) step = true;
    this.setWord(W.pcBase, lo & ~0xfff);
    this.setWord(W.pcBase + 1, hi);
    const start = lo & 0xfff;
    const key = start | (mode << 12);
    let block = this.engine.code.find(page, key, step);
    if (block !== undefined && block.secondPage >= 0) {
      const second = this.secondPage(lo, hi);
      if (second === MOVED) return this.lookup(step);
      // The fetch trapped, once.
      if (second < 0) return undefined;
      if (second !== block.secondPage) block = undefined;
    }
    block ??= this.translate(page, start, mode, step, lo, hi);
    if (block === undefined) return undefined;
    if (block.secondPage >= 0) this.holdsLocally(lo, hi);
    else if (!step) this.engine.lookup.setBlock(page, key, block.address);
    return block;
  }

  /**
   * Ways to a block on two pages hold for this address space, even where both pages are global: either page's
   * mapping ends them.
   */
  private holdsLocally(lo: number, hi: number): void {
    const page = pageNumber(lo, hi, 12);
    const { codeContexts } = this;
    const { key } = this.code;
    while (codeContexts.fetchedFrom(page, key) || codeContexts.fetchedFrom(page + 1, key))
      this.takeCodeContexts();
  }

  private translate(
    page: number,
    start: number,
    mode: number,
    step: boolean,
    lo: number,
    hi: number,
  ): Block | undefined {
    const { source, translator, code, stopwatch } = this.engine;
    stopwatch.start();
    source.page = page * 4096;
    source.nextPage = -1;
    let result = translator.translate(this.cpu, source, start, mode, step);
    let secondPage = -1;
    if (result === undefined) {
      // The first instruction crosses pages: now the second page is needed, and may fault.
      secondPage = this.secondPage(lo, hi);
      if (secondPage < 0) return undefined;
      source.nextPage = secondPage * 4096;
      result = translator.translate(this.cpu, source, start, mode, step);
      if (result === undefined)
        throw new Error("the lifter refused an instruction whose bytes are all there");
      if (result.end <= 4096) throw new Error("the lifter read beyond an instruction's end");
    }
    const block = code.add(
      { page, secondPage, start, end: result.end, mode, instructions: result.instructions, step },
      result.code,
    );
    stopwatch.stop();
    return block;
  }

  /** The generation under which ways to the block just looked up hold. One on two pages is never taken for global. */
  protected generationOf(block: Block): number {
    return this.word(this.foundGlobally && block.secondPage < 0 ? W.globalGeneration : W.generation);
  }

  private secondPage(lo: number, hi: number): number {
    const next = ((lo | 0xfff) + 1) | 0;
    return this.fetchPage(next, next === 0 ? (hi + 1) | 0 : hi);
  }

  /** Host page number of a virtual page for execution, -1 after a trap was taken, `MOVED` if the pc is another now. */
  private fetchPage(lo: number, hi: number): number {
    const { context: own, global } = this.code;
    const { lookup } = this.engine;
    const out = this.fetched;
    const context = lookup.fetchContext(lo, hi);
    if (context === own.id || context === global.id) {
      out.cacheable = true;
      this.fetchedGlobally = context !== own.id;
      return lookup.fetchPage(lo);
    }
    this.pcKnown = true;
    const translated = this.cpu.translateFetch(lo, hi, out);
    if (translated !== Translated.ok) return translated === Translated.moved ? MOVED : -1;
    const offset = this.ramOffset(out.physical);
    if (offset < 0) {
      // Not RAM: the architecture raises its fetch fault.
      this.cpu.physicalAccess(Access.fetch, out.physical, 2, 0, 0, lo, hi);
      return -1;
    }
    this.fetchedGlobally = out.global ?? false;
    const page = Math.floor(offset / 4096);
    if (out.cacheable) {
      if (out.pageShift > 12) this.rememberLarge(lo, hi, out.pageShift);
      const holder = this.fetchedGlobally ? this.code.global : this.code.context;
      lookup.fillFetch(lo, hi, holder.id, page);
    }
    // One page too many: everything was dropped, and this page is the first one of the new contexts.
    const key = this.fetchedGlobally ? this.code.globalKey : this.code.key;
    while (this.codeContexts.fetchedFrom(pageNumber(lo, hi, 12), key)) this.takeCodeContexts();
    return page;
  }

  /** The mode bits of code are part of the generation under which it is found. */
  protected refreshMode(): void {
    const mode = this.cpu.codeMode();
    if (mode === this.code.mode) return;
    this.code.mode = mode;
    this.writeCode(this.selectedCode);
    this.selectCode(this.selectedCode);
  }
}
