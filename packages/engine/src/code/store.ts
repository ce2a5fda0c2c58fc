import type { LoweredBlock } from "../cold/lower.js";
import {
  BLOCK_HEADER_BYTES,
  microOp,
  microOpsIn,
  NOTED_TARGETS,
  STUB_BYTES,
  shortened,
} from "../cold/micro-ops.js";
import { ENGINE_STATE as E } from "../state/layout.js";
import { HOST_PAGE, type HostPages } from "../tlb/host-pages.js";
import { type Block, CodePage } from "./block.js";
import { BlockIndex } from "./block-index.js";

const LINK = microOp("link");
const REGION = microOp("region");
const JUMP = microOp("jump");
const JUMP_PAGE = microOp("jump_page");
const DEAD = microOp("dead");

const LEAVE_AT = microOp("leave_at");

const NEVER_HOT = 0x7fffffff;
/** A page in which so many writes killed blocks, and none was made in between, is data now: the rest of its code goes too. */
const ABANDONED = 8;
/** Bytes for the beginning of a block, and its header. */
const SCRATCH_BYTES = 0x2000;

/** What a block is, apart from its code. */
export type BlockKey = Pick<
  Block,
  "page" | "secondPage" | "start" | "end" | "mode" | "instructions" | "step"
>;

/**
 * The code cache: translated blocks keyed by host physical page, offset and mode. Code is appended
 * until the cache is full and then dropped all at once. A killed block's first micro-op is
 * overwritten, so links to it need not be found.
 */
export class CodeStore {
  private readonly words: Int32Array;
  private readonly halves: Uint16Array;
  private readonly base: number;
  private readonly limit: number;
  private next: number;
  private blocks: Block[] = [];
  private readonly pages: (CodePage | undefined)[] = [];
  private readonly index = new BlockIndex();
  /** Called when a page gets its first code, so that writes to it stop hitting the TLB. */
  onCodePage: (page: number) => void = () => {};
  /** Called when everything was dropped. */
  onFlush: () => void = () => {};
  /** For statistics: blocks translated and the instructions in them, links made, times the cache was dropped. */
  translated = 0;
  translatedInstructions = 0;
  links = 0;
  /** A block is reported as hot after so many entries, or after as many as execute so many instructions if these are fewer. */
  hotEntries = NEVER_HOT;
  hotInstructions = Number.POSITIVE_INFINITY;
  /** Called with every block killed, so that what was compiled from it goes too. */
  onKill: (block: Block) => void = () => {};
  flushes = 0;

  private readonly hostPages: HostPages;

  /** `base` and `size`: bytes of host memory for code. */
  constructor(memory: WebAssembly.Memory, base: number, size: number, hostPages: HostPages) {
    this.hostPages = hostPages;
    this.words = new Int32Array(memory.buffer);
    this.halves = new Uint16Array(memory.buffer);
    this.base = Math.ceil(base / 16) * 16;
    this.limit = base + size;
    this.next = this.base;
    this.reserveScratch();
  }

  /** Bytes of code in the cache. */
  get used(): number {
    return this.next - this.base - SCRATCH_BYTES;
  }

  page(page: number): CodePage | undefined {
    return this.pages[page];
  }

  block(id: number): Block {
    return this.blocks[id] as Block;
  }

  /** The block whose code starts at a byte address. */
  blockAt(address: number): Block {
    return this.block(this.words[(address - 4) >> 2] as number);
  }

  /** The block that was translated from there, if it is still good. `key`: page offset, and the mode bits above it. */
  find(page: number, key: number, step: boolean): Block | undefined {
    const id = this.index.find(page, key, step);
    if (id < 0) return undefined;
    const block = this.blocks[id] as Block;
    return block.dead ? undefined : block;
  }

  add(key: BlockKey, code: LoweredBlock): Block {
    const { length } = code;
    const starts = key.step ? 0 : code.starts.length;
    const bytes = BLOCK_HEADER_BYTES + length * 4 + code.links.length * STUB_BYTES + starts * 4;
    if (this.next + bytes > this.limit) this.flush();
    const address = this.next + BLOCK_HEADER_BYTES;
    const block: Block = {
      page: key.page,
      secondPage: key.secondPage,
      start: key.start,
      end: key.end,
      mode: key.mode,
      instructions: key.instructions,
      step: key.step,
      id: this.blocks.length,
      address,
      length,
      starts: starts === 0 ? 0 : address + length * 4 + code.links.length * STUB_BYTES,
      exact: code.exact,
      recipes: code.recipes,
      dead: false,
      hot: false,
      copy: null,
    };
    this.blocks.push(block);
    this.translated++;
    this.translatedInstructions += key.instructions;
    const { words } = this;
    const at = address >> 2;
    this.header(at, block);
    // For a few words a loop is faster than `set` with a subarray.
    for (let i = 0; i < length; i++) words[at + i] = code.words[i] as number;
    let stub = address + length * 4;
    for (const { word, target } of code.links) {
      words[at + word] = stub + BLOCK_HEADER_BYTES;
      this.stub(stub, block, target, (at + word) * 4);
      stub += STUB_BYTES;
    }
    const { halves } = this;
    const table = stub >> 1;
    for (let i = 0; i < starts; i++) {
      halves[table + i] = (code.starts[i] as number) >> 2;
      halves[table + starts + i] = code.offsets[i] as number;
    }
    this.next = (stub + starts * 4 + 15) & ~15;
    this.register(block);
    return block;
  }

  /**
   * A second copy of a block's micro-ops, for whoever replaced the first one of the original. Nothing links
   * to it. Undefined when the cache is full.
   */
  copy(block: Block): Block | undefined {
    if (block.copy !== null) return block.copy;
    const bytes = BLOCK_HEADER_BYTES + block.length * 4;
    if (this.next + bytes > this.limit) return undefined;
    const address = this.next + BLOCK_HEADER_BYTES;
    const copy: Block = { ...block, id: this.blocks.length, address };
    this.blocks.push(copy);
    const at = address >> 2;
    this.words.copyWithin(at, block.address >> 2, (block.address >> 2) + block.length);
    this.header(at, copy);
    this.words[at - 4] = NEVER_HOT;
    this.next = (address + block.length * 4 + 15) & ~15;
    block.copy = copy;
    return copy;
  }

  /**
   * The first instructions of a block as a block of its own, which ends in JavaScript behind them. It is good until
   * the next one is made. Undefined if the block cannot be divided.
   */
  beginning(block: Block, instructions: number): Block | undefined {
    const source = block.copy ?? block;
    const length = (this.instructionAddress(block, instructions) - block.address) >> 2;
    if (!block.exact || block.starts === 0 || instructions <= 0) return undefined;
    if (BLOCK_HEADER_BYTES + (length + 4) * 4 > SCRATCH_BYTES) return undefined;
    const address = this.base + BLOCK_HEADER_BYTES;
    const at = address >> 2;
    const { words } = this;
    words.copyWithin(at, source.address >> 2, (source.address >> 2) + length);
    this.endSequences(at, at + length);
    words[at + length] = LEAVE_AT;
    words[at + length + 1] = 0;
    words[at + length + 2] = this.halves[(block.starts >> 1) + block.instructions + instructions] as number;
    words[at + length + 3] = 0;
    const part: Block = { ...block, id: 0, address, length: length + 4, instructions, copy: null };
    this.blocks[0] = part;
    this.header(at, part);
    words[at - 4] = NEVER_HOT;
    return part;
  }

  /** No micro-op from word index `at` on is to do what would stand at `end` or behind. */
  private endSequences(at: number, end: number): void {
    if (at === end) return;
    const { words } = this;
    let last = at;
    for (let w = at; w < end; w += 4 * microOpsIn((words[w] as number) & 0xffff)) last = w;
    let op = (words[last] as number) & 0xffff;
    while (last + 4 * microOpsIn(op) > end) op = shortened(op);
    words[last] = ((words[last] as number) & ~0xffff) | op;
  }

  /** Block 0, before all others, is the one that `beginning` makes. */
  private reserveScratch(): void {
    const address = this.next + BLOCK_HEADER_BYTES;
    const key = { page: -1, secondPage: -1, start: 0, end: 0, mode: 0, instructions: 0, step: false };
    this.blocks.push({
      ...key,
      id: 0,
      address,
      length: 0,
      starts: 0,
      exact: false,
      recipes: null,
      dead: true,
      hot: false,
      copy: null,
    });
    this.next += SCRATCH_BYTES;
  }

  /** Replace a block's first micro-op by the entry of a compiled region. */
  setRegion(block: Block, index: number): void {
    const w = block.address >> 2;
    this.words[w - 3] = index;
    // The rest of the micro-op stays: it may hold link words.
    this.words[w] = REGION;
  }

  /** Undo `setRegion`, given the copy made before. */
  clearRegion(block: Block, copy: Block): void {
    const w = block.address >> 2;
    this.words[w - 3] = 0;
    this.words[w] = this.words[copy.address >> 2] as number;
    this.words[w - 4] = this.threshold(block);
  }

  /** Entries after which a block is reported as hot. */
  threshold({ instructions }: BlockKey): number {
    return Math.max(1, Math.min(this.hotEntries, Math.floor(this.hotInstructions / instructions)));
  }

  /** Report a block that was hot once more after so many entries. */
  rearm(block: Block, entries: number): void {
    block.hot = true;
    this.words[(block.address >> 2) - 4] = entries;
  }

  /** Never report a block again. */
  disarm(block: Block): void {
    this.rearm(block, NEVER_HOT);
  }

  /** Entries of a block so far, at most the threshold. */
  entries(block: Block): number {
    const threshold = this.threshold(block);
    if (block.hot) return threshold;
    const left = this.words[(block.address >> 2) - 4] as number;
    return threshold - Math.max(0, left);
  }

  /** Byte address of the micro-op at which an instruction of a block begins. */
  instructionAddress(block: Block, insn: number): number {
    return block.address + (this.halves[(block.starts >> 1) + insn] as number) * 16;
  }

  /** Low halves of the addresses that the indirect jump at the end of a block led to, as far as it noted them. */
  notedTargets(block: Block): number[] {
    const end = (block.address >> 2) + block.length;
    return [...this.words.subarray(end - NOTED_TARGETS, end)].filter((target) => target !== 0);
  }

  /** How often a block was entered, those entries included that had to leave for want of budget. */
  executions(block: Block): number {
    return Math.max(
      this.entries(block),
      this.threshold(block) - (this.words[(block.address >> 2) - 4] as number),
    );
  }

  /** Where a link word leads: a block, and the stub whose conditions hold for it if it lies on another page. */
  linked(word: number): { readonly block: Block; readonly stub: number } | undefined {
    const at = this.words[word >> 2] as number;
    const op = (this.words[at >> 2] as number) & 0xffff;
    const isStub = (this.words[(at >> 2) - 2] as number) === 0 && op !== DEAD;
    let block: Block | undefined;
    if (!isStub) block = this.living(word >> 2);
    else if (op === JUMP) block = this.living((at >> 2) + 3);
    else if (op === JUMP_PAGE) block = this.living((at >> 2) + 1);
    return block && { block, stub: isStub && op === JUMP_PAGE ? at : 0 };
  }

  /** The block whose address is at word index `w`. If it is dead, what took its place is linked instead. */
  private living(w: number): Block | undefined {
    const block = this.blockAt(this.words[w] as number);
    if (!block.dead) return block;
    const heir = this.find(block.page, block.start | (block.mode << 12), false);
    if (heir === undefined || heir.secondPage !== block.secondPage) return undefined;
    this.words[w] = heir.address;
    return heir;
  }

  /** Let the link stub at `stub` lead to `target`: by patching its source when nothing needs checking, else by itself. */
  link(stub: number, source: Block, target: Block, generation: number): void {
    this.links++;
    const w = stub >> 2;
    const field = this.words[w + 3] as number;
    if (target.page === source.page && target.secondPage < 0 && isSamePage(this.words[w + 2] as number)) {
      this.words[field >> 2] = target.address;
      // Copies of the block still lead to the stub.
      this.words[w] = JUMP;
      this.words[w + 3] = target.address;
      return;
    }
    // Across pages the link holds for one mapping generation and one virtual page of the source.
    const state = this.statePage;
    this.words[w] = JUMP_PAGE;
    this.words[w + 1] = target.address;
    this.words[w + 4] = generation;
    this.words[w + 6] = this.words[state] as number;
    this.words[w + 7] = this.words[state + 1] as number;
  }

  /** Word index of the state window's pcBase; set by the engine. */
  statePage = 0;

  /** Bytes of a host page changed: kill the blocks made from them. True if there were any. */
  invalidate(page: number, offset: number, length: number): boolean {
    const code = this.pages[page];
    if (code === undefined || !code.covers(offset, length)) return false;
    const hit = code.take(offset, length);
    if (hit.length > 0 && ++code.overwritten === ABANDONED) hit.push(...code.take(0, 4096));
    for (const block of hit) this.kill(block);
    if (code.empty) {
      this.pages[page] = undefined;
      this.hostPages.take(page, HOST_PAGE.code);
    }
    return hit.length > 0;
  }

  /** Forget everything. */
  flush(): void {
    this.next = this.base;
    for (const block of this.blocks) block.dead = true;
    this.blocks = [];
    this.reserveScratch();
    // Far apart, so not counted up to the last.
    this.pages.forEach((_, page) => {
      this.hostPages.take(page, HOST_PAGE.code);
    });
    this.pages.length = 0;
    this.index.clear();
    this.flushes++;
    this.onFlush();
  }

  private kill(block: Block): void {
    block.dead = true;
    const w = block.address >> 2;
    this.words[w] = DEAD;
    this.words[w + 2] = block.start;
    this.words[w - 2] = 0;
    this.words[w - 3] = 0;
    this.onKill(block);
  }

  private header(at: number, block: Block): void {
    this.words[at - 4] = block.step ? NEVER_HOT : this.threshold(block);
    this.words[at - 3] = 0;
    this.words[at - 2] = block.instructions;
    this.words[at - 1] = block.id;
  }

  private stub(address: number, block: Block, target: number, field: number): void {
    const w = (address + BLOCK_HEADER_BYTES) >> 2;
    this.words[w - 4] = NEVER_HOT;
    this.words[w - 3] = 0;
    this.words[w - 2] = 0;
    this.words[w - 1] = block.id;
    this.words[w] = LINK;
    this.words[w + 2] = target;
    this.words[w + 3] = field;
  }

  private register(block: Block): void {
    this.index.add(block, this.blocks);
    this.codePage(block.page).add(block);
    if (block.secondPage >= 0) this.codePage(block.secondPage).add(block);
  }

  private codePage(page: number): CodePage {
    let found = this.pages[page];
    if (found === undefined) {
      found = new CodePage(page);
      this.pages[page] = found;
      this.hostPages.set(page, HOST_PAGE.code);
      this.onCodePage(page);
    }
    return found;
  }
}

function isSamePage(offset: number): boolean {
  return offset >= 0 && offset < 4096;
}

export const STATE_PC_BASE_WORD = E.pcBase >> 2;
