import { type CoreApi, type Field, Status } from "@hypercraft/engine";
import { FLAGS, GPR, Gpr } from "./state.js";

// REP MOVS and REP STOS where nobody could tell single elements from a run of them: all that lie in the present pages
// are moved at once. Each still counts as an instruction. The last one is left to the instruction itself, which so ends
// and goes on as always.

/** What the lifter packs into the helper's constant. */
export interface StringRun {
  /** Bytes of an element. */
  readonly bytes: number;
  /** MOVS rather than STOS. */
  readonly moves: boolean;
  /** Addresses have 64 bits rather than 32. */
  readonly wide: boolean;
}

const MOVES = 0x10;
const WIDE = 0x20;
const PAGE = 4096;

export function packStringRun({ bytes, moves, wide }: StringRun): number {
  return bytes | (moves ? MOVES : 0) | (wide ? WIDE : 0);
}

const [RCX, RSI, RDI, RAX] = [Gpr.rcx, Gpr.rsi, Gpr.rdi, Gpr.rax].map((index) => GPR[index] as Field) as [
  Field,
  Field,
  Field,
  Field,
];

/** Elements from an address on, or back from it, within its page; 0 if the first is not. */
function withinPage(address: number, bytes: number, backwards: boolean): number {
  const offset = address & (PAGE - 1);
  if (backwards) return offset + bytes > PAGE ? 0 : Math.floor(offset / bytes) + 1;
  return Math.floor((PAGE - offset) / bytes);
}

/** Elements until the run would read what it has written; `ahead`: by how many bytes the destination is ahead of the source. */
function untilOverlap(ahead: number, bytes: number): number {
  return ahead > 0 ? Math.floor(ahead / bytes) : PAGE;
}

/** Carry out what there is of a run, but for its last element: that one and whatever is left are the instruction's. */
export function stringRun(core: CoreApi, constant: number): Status {
  if (!core.singleStep) moveRun(core, constant);
  return Status.next;
}

function moveRun(core: CoreApi, constant: number): void {
  const bytes = constant & 15;
  const moves = (constant & MOVES) !== 0;
  const wide = (constant & WIDE) !== 0;
  const backwards = core.lo(FLAGS.direction) !== 0;
  const high = (field: Field): number => (wide ? core.hi(field) : 0);
  const left = (high(RCX) >>> 0) * 2 ** 32 + (core.lo(RCX) >>> 0);
  let count = Math.min(left - 1, core.budget, withinPage(core.lo(RDI), bytes, backwards));
  if (moves) count = Math.min(count, withinPage(core.lo(RSI), bytes, backwards));
  if (count < 1) return;
  const target = core.locate(true, core.lo(RDI), high(RDI));
  if (target < 0) return;
  if (moves) {
    const source = core.locate(false, core.lo(RSI), high(RSI));
    if (source < 0) return;
    const ahead = backwards ? source - target : target - source;
    count = Math.min(count, untilOverlap(ahead, bytes));
    if (count < 1) return;
    move(core, target, source, count * bytes, backwards ? (count - 1) * bytes : 0);
    advance(core, RSI, wide, backwards ? -count * bytes : count * bytes);
  } else fill(core, target - (backwards ? (count - 1) * bytes : 0), bytes, count);
  advance(core, RDI, wide, backwards ? -count * bytes : count * bytes);
  advance(core, RCX, wide, -count);
  core.charge(count);
}

/** `before`: bytes of the run in front of the present elements. */
function move({ bytes }: CoreApi, target: number, source: number, length: number, before: number): void {
  bytes.copyWithin(target - before, source - before, source - before + length);
}

/** `count` elements of the accumulator's low `size` bytes. */
function fill(core: CoreApi, start: number, size: number, count: number): void {
  const { bytes } = core;
  const element = [core.lo(RAX), core.hi(RAX)];
  const byteOf = (i: number): number => ((element[i >> 2] as number) >>> (8 * (i & 3))) & 0xff;
  const first = byteOf(0);
  let same = true;
  for (let i = 0; i < size; i++) {
    bytes[start + i] = byteOf(i);
    same &&= byteOf(i) === first;
  }
  const end = start + size * count;
  if (same) {
    bytes.fill(first, start, end);
    return;
  }
  for (let done = size; start + done < end; done *= 2)
    bytes.copyWithin(start + done, start, start + Math.min(done, end - start - done));
}

function advance(core: CoreApi, field: Field, wide: boolean, by: number): void {
  const lo = (core.lo(field) >>> 0) + by;
  core.set(field, lo | 0, wide ? core.hi(field) + Math.floor(lo / 2 ** 32) : 0);
}
