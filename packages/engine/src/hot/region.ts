import type { Block } from "../code/block.js";
import type { CodeStore } from "../code/store.js";
import type { PageSource, Translator } from "../code/translator.js";
import type { GuestCpu } from "../core/guest-cpu.js";
import { type IrBlock, isReturn, type Node } from "../ir/node.js";
import { Op } from "../ir/ops.js";
import { leaveWritesToExits } from "../passes/dead-writes.js";
import { ENGINE_STATE } from "../state/layout.js";
import type { LookupTables } from "../tlb/lookup-tables.js";
import { JumpTargets } from "./jump-targets.js";
import { joinStraightCode, type Part, partsOf } from "./straight-code.js";

/** Where control can go from a block of a region. */
export type Edge =
  /** To another block of the region; `stub` is the page-crossing link whose conditions must hold, 0 for none. */
  | { readonly kind: "inside"; readonly target: RegionBlock; readonly stub: number; readonly word: number }
  /** Out of it, to wherever the link word leads. */
  | { readonly kind: "outside"; readonly word: number };

/** A block of a region: what it was translated from (the first block, if it has several parts), its IR and its ways out. */
export interface RegionBlock {
  readonly block: Block;
  /** It, and what follows it without a branch. */
  readonly parts: readonly Part[];
  readonly ir: IrBlock;
  /** Virtual distance in bytes of its page from the page of the region's entry. */
  readonly delta: number;
  /**
   * jump: one, branch: taken and other; return: where calls of the region return to; other indirect jump: where it
   * led before; none for other ends.
   */
  edges: Edge[];
  /** The instruction that has to be left to the cold tier, with all that follows; -1 if there is none. */
  readonly stop: number;
  /** It has `fp` operations. */
  readonly hasFloats: boolean;
  /** Found by `analyse`: place in reverse postorder, -1 before. */
  position: number;
  /** Position of the immediate dominator. */
  dominator: number;
  /** Target of a back edge. */
  loop: boolean;
  /** Target of two forward edges or more. */
  merge: boolean;
  /** Blocks that this one immediately dominates and that are merges, by descending position. */
  merges: RegionBlock[];
  /** Label of its loop, or of the block it follows. */
  label: number;
}

/** A region before it is compiled: blocks[0] is the entry. */
export interface Region {
  readonly blocks: readonly RegionBlock[];
  /** Instructions in all of them: what one pass without a repeated block costs at most. */
  readonly instructions: number;
}

/** Guest instructions and blocks in a region. */
const MAX_INSTRUCTIONS = 220;
const MAX_BLOCKS = 48;
/** A block joins if it was hot, or entered at least this fraction of the times that made the entry hot. */
const COLD_FRACTION = 8;
const MAX_RETURNS = 4;

/** Operations that the hot tier leaves to the cold one, with the rest of their block; `shortcuts`: there are any. */
function isLeftToCold(n: Node, shortcuts: boolean): boolean {
  const { op } = n;
  if (op === Op.get || op === Op.set) return n.field?.offset === ENGINE_STATE.fpFlags;
  return op === Op.call || op === Op.dispatch || (op === Op.shortcut && !shortcuts);
}

const lastOf = ({ ir }: RegionBlock): Node => ir.nodes.at(-1) as Node;

/** Does the block end with an indirect jump that is no return? */
function jumpsAnywhere(block: RegionBlock): boolean {
  const last = lastOf(block);
  return last.op === Op.jumpIndirect && !isReturn(last) && !changesCode(block);
}

/** Does the jump at its end lead to another code context? All of a region is code of one. */
const changesCode = ({ ir }: RegionBlock): boolean => ir.nodes.some((n) => n.op === Op.selectCode);

/** An edge that no link word is for: the jump compares its target. */
const unlinked = (target: RegionBlock): Edge => ({ kind: "inside", target, stub: 0, word: 0 });

/** Is the code that of these blocks? */
function isCutInto(ir: IrBlock, blocks: readonly Block[]): boolean {
  const parts = partsOf(blocks);
  const [{ block, first }] = parts.slice(-1) as [Part];
  const starts = parts.every((part) => ir.offsets[part.first] === part.block.start);
  return starts && ir.offsets.length === first + block.instructions && ir.end === block.end;
}

/** Grows a region from a hot block along links that have been followed. */
export class RegionGrower {
  private readonly code: CodeStore;
  private readonly source: PageSource;
  private readonly translator: Translator;
  private readonly shortcuts: boolean;
  private readonly targets: JumpTargets;

  /** `shortcuts`: the engine has them. */
  constructor(
    code: CodeStore,
    lookup: LookupTables,
    source: PageSource,
    translator: Translator,
    shortcuts: boolean,
  ) {
    this.shortcuts = shortcuts;
    this.code = code;
    this.source = source;
    this.translator = translator;
    this.targets = new JumpTargets(code, lookup);
  }

  /** `page`: virtual address of the entry's page. Undefined if the entry itself cannot be compiled. */
  grow(entry: Block, cpu: GuestCpu, page: bigint): Region | undefined {
    const first = this.read(entry, 0, cpu);
    if (first === undefined || first.stop === 0) return undefined;
    const found = new Map<Block, RegionBlock>([[entry, first]]);
    const queue = [first];
    const limit = Math.max(1, Math.floor(this.code.threshold(entry) / COLD_FRACTION));
    let instructions = entry.instructions;
    const wanted = (block: Block): boolean =>
      !block.dead &&
      !block.step &&
      block.mode === entry.mode &&
      (block.hot || this.code.entries(block) >= limit) &&
      found.size < MAX_BLOCKS &&
      instructions + block.instructions <= MAX_INSTRUCTIONS;
    const join = (block: Block, delta: number): RegionBlock | undefined => {
      const known = found.get(block);
      if (known !== undefined) return known.delta === delta ? known : undefined;
      if (!wanted(block)) return undefined;
      const added = this.read(block, delta, cpu);
      if (added === undefined) return undefined;
      found.set(block, added);
      queue.push(added);
      instructions += block.instructions;
      return added;
    };
    const returns: RegionBlock[] = [];
    for (let i = 0; i < queue.length; i++) {
      const source = queue[i] as RegionBlock;
      if (source.stop >= 0) continue;
      this.addEdges(source, join);
      if (jumpsAnywhere(source)) this.addTargets(source, entry, page, join);
      const site = this.returnSite(source);
      const joined = site && join(site, source.delta);
      if (joined !== undefined && !returns.includes(joined)) returns.push(joined);
    }
    for (const block of queue)
      if (block.stop < 0 && isReturn(lastOf(block)))
        block.edges = returns.slice(0, MAX_RETURNS).map(unlinked);
    return { blocks: joinStraightCode(queue, (chain) => this.readAll(chain, cpu)), instructions };
  }

  private edge(
    source: RegionBlock,
    offset: number,
    word: number,
    join: (block: Block, delta: number) => RegionBlock | undefined,
  ): Edge {
    const linked = this.code.linked(word);
    if (linked === undefined) return { kind: "outside", word };
    const target = join(linked.block, source.delta + Math.floor(offset / 4096) * 4096);
    return target === undefined
      ? { kind: "outside", word }
      : { kind: "inside", target, stub: linked.stub, word };
  }

  /** Read a block's code again as IR. */
  private read(block: Block, delta: number, cpu: GuestCpu): RegionBlock | undefined {
    const ir = this.lift(block, cpu);
    // The same bytes give the same block; anything else would be a bug, and must not run.
    if (ir === undefined || ir.offsets.length !== block.instructions || ir.end !== block.end)
      return undefined;
    return this.regionBlock([block], ir, delta);
  }

  /** Read blocks that follow each other as one. */
  private readAll(chain: readonly RegionBlock[], cpu: GuestCpu): RegionBlock | undefined {
    const [head, tail] = [chain[0] as RegionBlock, chain.at(-1) as RegionBlock];
    const { block, delta } = head;
    this.source.page = block.page * 4096;
    this.source.nextPage = -1;
    const ir = this.translator.liftAll(cpu, this.source, block.start, tail.block.end, block.mode);
    const blocks = chain.map((part) => part.block);
    if (ir === undefined || !isCutInto(ir, blocks)) return undefined;
    const whole = this.regionBlock(blocks, ir, delta);
    whole.edges = tail.edges;
    return whole;
  }

  private regionBlock(blocks: readonly Block[], ir: IrBlock, delta: number): RegionBlock {
    let stop = -1;
    let hasFloats = false;
    for (const n of ir.nodes) {
      if (n.op === Op.fp) hasFloats = true;
      if (!isLeftToCold(n, this.shortcuts)) continue;
      stop = n.insn;
      break;
    }
    leaveWritesToExits(ir, stop);
    return {
      block: blocks[0] as Block,
      parts: partsOf(blocks),
      ir,
      delta,
      edges: [],
      stop,
      hasFloats,
      position: -1,
      dominator: 0,
      loop: false,
      merge: false,
      merges: [],
      label: 0,
    };
  }

  private lift(block: Block, cpu: GuestCpu): IrBlock | undefined {
    this.source.page = block.page * 4096;
    this.source.nextPage = block.secondPage < 0 ? -1 : block.secondPage * 4096;
    return this.translator.lift(cpu, this.source, block.start, block.mode, false);
  }

  /** Edges to the static targets of a block's end, by the words that link them. The order is that of lowering. */
  private addEdges(
    source: RegionBlock,
    join: (block: Block, delta: number) => RegionBlock | undefined,
  ): void {
    const { block, edges } = source;
    const end = lastOf(source);
    const last = block.address + block.length * 4 - 16;
    if (end.op === Op.branch)
      edges.push(this.edge(source, end.lo, last + 8, join), this.edge(source, end.hi, last + 12, join));
    else if (end.op === Op.jump || end.op === Op.poll) edges.push(this.edge(source, end.lo, last + 12, join));
  }

  /** Edges to where an indirect jump led before, what was entered most often first. */
  private addTargets(
    source: RegionBlock,
    entry: Block,
    page: bigint,
    join: (block: Block, delta: number) => RegionBlock | undefined,
  ): void {
    const { code } = this;
    const targets = this.targets.of(source.block, entry, page);
    targets.sort((a, b) => code.entries(b.block) - code.entries(a.block));
    for (const { block, delta } of targets) {
      const joined = join(block, delta);
      if (joined !== undefined) source.edges.push(unlinked(joined));
    }
  }

  /**
   * The block behind a call, which puts its address into a register or on a stack: the one that is linked to nothing
   * but that the callee returns to.
   */
  private returnSite(source: RegionBlock): Block | undefined {
    const { block, ir } = source;
    const end = lastOf(source);
    if ((end.op !== Op.jump && end.op !== Op.jumpIndirect) || changesCode(source)) return undefined;
    const isNext = (value: Node | null): boolean => value?.op === Op.pc && value.lo === ir.end;
    const isCall = ir.nodes.some(
      (n) => n.insn === end.insn && ((n.op === Op.set && isNext(n.a)) || (n.op === Op.store && isNext(n.b))),
    );
    if (!isCall || ir.end >= 4096) return undefined;
    return this.code.find(block.page, ir.end | (block.mode << 12), false);
  }
}
