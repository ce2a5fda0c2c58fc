import type { PageSource } from "../code/translator.js";
import { RESUME } from "../cold/micro-ops.js";
import type { GuestCpu } from "../core/guest-cpu.js";
import type { HotModules } from "../hot/compiler.js";
import type { EmitPlan } from "../hot/emit/emission.js";
import type { FunctionWriter } from "../hot/function-writer.js";
import type { Place, RegionNotes } from "../hot/notes.js";
import type { Region, RegionBlock } from "../hot/region.js";
import { partAt } from "../hot/straight-code.js";
import { printInstructions } from "../ir/print.js";
import { ENGINE_STATE } from "../state/layout.js";
import { JUMP_CACHE_ENTRIES, JUMP_CACHE_ENTRY_BYTES } from "../tlb/geometry.js";
import { disassembleBody, type WasmLine, type WasmNames } from "../wasm/disassemble.js";
import { withNames } from "../wasm/name-section.js";
import type { ListingRow, RegionListing } from "./listing.js";

/** A region just emitted, and what is known about it. */
export interface Emitted {
  readonly region: Region;
  /** Virtual address of the entry's page. */
  readonly page: bigint;
  readonly cpu: GuestCpu;
  readonly source: PageSource;
  readonly plan: EmitPlan;
  readonly notes: RegionNotes;
  readonly code: FunctionWriter;
  readonly modules: HotModules;
}

/** Put side by side what a region was made from and what became of it. */
export function listRegion(emitted: Emitted): RegionListing {
  const { region, code, notes, modules } = emitted;
  const functions = modules.functionNames([emitted.code]);
  const body = code.out.view().slice();
  const wasm = disassembleBody(body, namesOf(emitted));
  const rows = new Rows(emitted);
  notes.places.forEach((place, i) => {
    const end = notes.places[i + 1]?.offset ?? body.length;
    rows.add(
      place,
      wasm.filter(({ offset }) => offset >= place.offset && offset < end),
    );
  });
  const entry = region.blocks[0] as RegionBlock;
  return {
    entry: rows.address(entry, 0),
    // Blocks that nothing leads to any more, once edges were cut, are not in the function.
    blocks: rows.list.filter(({ kind, text }) => kind === "block" && text !== undefined).length,
    instructions: rows.list.filter(({ bytes }) => bytes !== undefined).length,
    codeBytes: body.length,
    rows: rows.list,
    module: withNames(modules.encode([{ code, index: 0 }]), {
      functions: [...functions, "region"],
      locals: { function: functions.length, names: notes.locals },
    }),
  };
}

class Rows {
  readonly list: ListingRow[] = [];
  private readonly emitted: Emitted;
  private readonly headed = new Set<RegionBlock>();
  /** IR text of the blocks seen so far, and how many of their instructions are in the list. */
  private readonly seen = new Map<RegionBlock, { readonly ir: readonly string[][]; shown: number }>();

  constructor(emitted: Emitted) {
    this.emitted = emitted;
  }

  address(block: RegionBlock, insn: number): bigint {
    return BigInt.asUintN(64, this.pageOf(block) + BigInt(block.ir.offsets[insn] as number));
  }

  private pageOf({ delta }: RegionBlock): bigint {
    return this.emitted.page + BigInt(delta);
  }

  add({ block, insn }: Place, lines: readonly WasmLine[]): void {
    const wasm = lines.map(({ depth, text }) => "  ".repeat(depth) + text);
    if (block === undefined) {
      const [entry] = this.emitted.region.blocks;
      this.list.push({ kind: "frame", pc: this.address(entry as RegionBlock, 0), ir: [], wasm });
    } else if (insn < 0) {
      const heading = this.heading(block);
      if (wasm.length === 0 && heading.text === undefined) return;
      this.list.push({ kind: "block", pc: this.address(block, 0), ...heading, ir: [], wasm });
    } else this.instruction(block, insn, wasm);
  }

  private instruction(block: RegionBlock, insn: number, wasm: readonly string[]): void {
    const known = this.blockOf(block);
    if (insn < known.shown) {
      if (wasm.length === 0) return;
      this.list.push({ kind: "instruction", pc: this.address(block, insn), ir: [], wasm });
      return;
    }
    // What emits nothing has no place of its own, and what is left to the interpreter with the rest of the block.
    while (known.shown < insn) this.source(block, known.shown++, known.ir, []);
    this.source(block, known.shown++, known.ir, wasm);
    if (insn !== block.stop) return;
    while (known.shown < block.ir.offsets.length) this.source(block, known.shown++, known.ir, []);
  }

  private heading(block: RegionBlock): { text?: string } {
    if (this.headed.has(block)) return {};
    this.headed.add(block);
    return { text: `block ${hex(this.address(block, 0))}` };
  }

  private blockOf(block: RegionBlock) {
    let known = this.seen.get(block);
    if (known === undefined) {
      known = { ir: printInstructions(block.ir, { used: true, page: this.pageOf(block) }), shown: 0 };
      this.seen.set(block, known);
    }
    return known;
  }

  private source(block: RegionBlock, insn: number, ir: readonly string[][], wasm: readonly string[]): void {
    const { cpu, source } = this.emitted;
    const pc = this.address(block, insn);
    const start = block.ir.offsets[insn] as number;
    const end = block.ir.offsets[insn + 1] ?? block.ir.end;
    source.page = block.block.page * 4096;
    source.nextPage = block.block.secondPage < 0 ? -1 : block.block.secondPage * 4096;
    const bytes = Uint8Array.from({ length: end - start }, (_, i) => source.u8(start + i));
    const text = cpu.disassemble?.(source, start, pc, block.block.mode) ?? "";
    this.list.push({ kind: "instruction", pc, bytes, text, ir: ir[insn] ?? [], wasm });
  }
}

/** Names of what generated code refers to by numbers. */
function namesOf(emitted: Emitted): WasmNames {
  const { plan, notes, modules } = emitted;
  const { constants, addresses } = knownNumbers(emitted);
  const jumps = plan.jumpCache + JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_BYTES;
  const functions = modules.functionNames([emitted.code]);
  return {
    local: (index) => notes.locals.get(index),
    global: (index) => ["fpFlags", "fpModes"][index],
    function: (index) => functions[index],
    constant: (value) => constants.get(value),
    address(address, offset) {
      if (address !== undefined) return addresses.get(address);
      if (offset < plan.jumpCache || offset >= jumps) return undefined;
      return offset === plan.jumpCache ? "jumps" : `jumps+${offset - plan.jumpCache}`;
    },
    labels: true,
  };
}

function knownNumbers({ region, plan, page, cpu }: Emitted) {
  /** Results of the region: where the interpreter goes on. */
  const constants = new Map<number, string>();
  const addresses = new Map<number, string>();
  const at = (block: RegionBlock, offset: number): string =>
    hex(BigInt.asUintN(64, page + BigInt(block.delta + offset)));
  region.blocks.forEach((block, i) => {
    block.ir.offsets.forEach((offset, insn) => {
      const { block: part, first } = partAt(block, insn);
      // The entry's own micro-ops were replaced by the call of the region: its copy stands for it.
      const moved = i === 0 && first === 0 ? plan.entryCopy - part.address : 0;
      constants.set(
        (plan.code.instructionAddress(part, insn - first) + moved) | RESUME,
        `interpret ${at(block, offset)}`,
      );
    });
    for (const { block: part } of block.parts) constants.set(part.address, `enter ${at(block, part.start)}`);
    const end = block.ir.nodes.at(-1);
    block.edges.forEach((edge, other) => {
      if (edge.word === 0 || end === undefined) return;
      const target = at(block, other === 0 ? end.lo : end.hi);
      addresses.set(edge.word, `link ${target}`);
      if (edge.kind === "outside" || edge.stub === 0) return;
      for (const [part, what] of STUB_PARTS) addresses.set(edge.stub + part, `link ${target} ${what}`);
    });
  });
  constants.set(plan.entryCopy, "enter, interpreted");
  for (const { offset, name } of cpu.layout.fields.values()) addresses.set(plan.state + offset, name);
  for (const [name, offset] of Object.entries(ENGINE_STATE))
    if (!addresses.has(plan.state + offset)) addresses.set(plan.state + offset, name);
  return { constants, addresses };
}

/** What is where in the stub of a link to another page; see `CodeStore.link`. */
const STUB_PARTS = [
  [4, "target"],
  [16, "generation"],
  [24, "page"],
] as const;

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}
