import { Access } from "./guest-cpu.js";

/** Stops before a load or store of any of these bytes. */
export interface Watchpoint {
  /** First byte, virtual. */
  readonly address: bigint;
  /** Bytes, 1 or more. */
  readonly length: number;
  readonly on: "read" | "write" | "access";
}

/** Watchpoints of a core, in the form that accesses are compared with. */
export class Watchpoints {
  private list: readonly Watchpoint[] = [];
  private readonly pages = new Set<bigint>();

  get all(): readonly Watchpoint[] {
    return this.list;
  }

  get none(): boolean {
    return this.list.length === 0;
  }

  set(list: readonly Watchpoint[]): void {
    this.list = [...list];
    this.pages.clear();
    for (const { address, length } of list) {
      for (let page = address >> 12n; page <= (address + BigInt(length) - 1n) >> 12n; page++)
        this.pages.add(page);
    }
  }

  /** Accesses of this page have to be looked at one by one. */
  hasPage(lo: number, hi: number): boolean {
    return this.pages.has(wide(lo, hi) >> 12n);
  }

  /** The first watched byte that an access touches, undefined if there is none. */
  hit(access: Access, lo: number, hi: number, size: number): bigint | undefined {
    const first = wide(lo, hi);
    const end = first + BigInt(size);
    for (const { address, length, on } of this.list) {
      if (address >= end || address + BigInt(length) <= first) continue;
      const reads = access === Access.read || access === Access.rmw;
      const writes = access === Access.write || access === Access.rmw;
      if (on === "access" || (on === "read" && reads) || (on === "write" && writes))
        return firstOf(address, first);
    }
    return undefined;
  }
}

/** The later of two addresses (Math.max takes no bigint). */
function firstOf(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function wide(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}
