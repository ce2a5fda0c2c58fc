import type { RegionBlock } from "./region.js";

/** From a byte of a region's code on, what it is for. */
export interface Place {
  /** Byte offset in the function's body. */
  readonly offset: number;
  /** The block it belongs to; undefined for the frame around all of them. */
  readonly block: RegionBlock | undefined;
  /** Index of the instruction in the block; -1 for the block's own head. */
  readonly insn: number;
}

/** What the emitter tells those who want to read its code. Nobody collects it otherwise. */
export class RegionNotes {
  readonly places: Place[] = [];
  /** Names of locals. */
  readonly locals = new Map<number, string>();
  /** What a number in the instruction at a byte offset stands for. */
  readonly numbers = new Map<number, string>();

  place(offset: number, block: RegionBlock | undefined, insn: number): void {
    const last = this.places.at(-1);
    if (last?.block === block && last?.insn === insn) return;
    this.places.push({ offset, block, insn });
  }
}
