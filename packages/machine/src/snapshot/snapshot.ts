import type { ComponentState, GuestMemory, Plain } from "../contracts.js";
import { MachineError } from "../errors.js";

/** Bytes in a page of saved RAM. */
export const SNAPSHOT_PAGE = 4096;

/** Contents of one RAM region: the pages that are not zero. */
export interface RamContents {
  readonly name: string;
  /** Physical address and size in bytes. */
  readonly base: number;
  readonly size: number;
  /** Runs of pages: number of the first and count, ascending. */
  readonly runs: readonly (readonly [first: number, count: number])[];
  /** The bytes of each run. */
  readonly pages: readonly Uint8Array[];
}

/** A machine at one moment: architected state only, no caches. */
export interface Snapshot {
  /** What kind of machine it is, e.g. the board's name. A machine of another kind refuses it. */
  readonly machine: string;
  /** How the machine was configured, for whoever builds it again. */
  readonly config: Plain;
  /** State of each component by name: clock, CPUs, devices. */
  readonly components: Readonly<Record<string, ComponentState>>;
  readonly ram: readonly RamContents[];
}

/**
 * The contents of a RAM region that are not zero.
 * @param bytes the region; with `copy` the result stays as it is while the machine runs on.
 */
export function captureRam(
  region: { readonly name: string; readonly base: number; readonly size: number },
  bytes: Uint8Array,
  options: { readonly copy?: boolean } = {},
): RamContents {
  const runs: [number, number][] = [];
  const count = Math.ceil(region.size / SNAPSHOT_PAGE);
  for (let page = 0; page < count; page++) {
    if (isZero(bytes, page * SNAPSHOT_PAGE)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === page) last[1]++;
    else runs.push([page, 1]);
  }
  const pages = runs.map(([first, length]) => {
    const part = bytes.subarray(first * SNAPSHOT_PAGE, (first + length) * SNAPSHOT_PAGE);
    return options.copy ? new Uint8Array(part) : part;
  });
  return { name: region.name, base: region.base, size: region.size, runs, pages };
}

/** Puts saved contents into RAM, with zeros between. */
export function restoreRam(contents: RamContents, memory: GuestMemory): void {
  const { base, size } = contents;
  const zeros = new Uint8Array(Math.min(size, 256 * SNAPSHOT_PAGE));
  const clear = (from: number, to: number) => {
    for (let at = from; at < to; at += zeros.length) {
      memory.write(base + at, zeros.subarray(0, Math.min(zeros.length, to - at)));
    }
  };
  let done = 0;
  contents.runs.forEach(([first], index) => {
    const at = first * SNAPSHOT_PAGE;
    const bytes = contents.pages[index]!;
    clear(done, at);
    memory.write(base + at, bytes);
    done = at + bytes.length;
  });
  clear(done, size);
}

/** The component's state, which must be there. @throws MachineError `BadSnapshot`. */
export function componentState(snapshot: Snapshot, name: string): ComponentState {
  const state = Object.hasOwn(snapshot.components, name) ? snapshot.components[name] : undefined;
  if (state === undefined) throw new MachineError("BadSnapshot", `the snapshot has no '${name}'`);
  return state;
}

function isZero(bytes: Uint8Array, at: number): boolean {
  const length = Math.min(SNAPSHOT_PAGE, bytes.length - at);
  const start = bytes.byteOffset + at;
  if (start % 8 !== 0 || length % 8 !== 0) {
    return bytes.subarray(at, at + length).every((byte) => byte === 0);
  }
  const words = new Float64Array(bytes.buffer, start, length / 8);
  // A double equals zero for two bit patterns: all zero, and the sign bit alone.
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word !== 0 || Object.is(word, -0)) return false;
  }
  return true;
}
