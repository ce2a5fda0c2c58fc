// Address translation straight from the manual's algorithm, in exact arithmetic and without any cleverness:
// the measure for the MMU.

export type PlainAccess = "read" | "write" | "rmw" | "fetch" | "executeRead" | "cacheBlock";

export interface PlainRegime {
  /** 39, 48, 57, or 0 for Bare. */
  readonly sv: number;
  readonly root: bigint;
  readonly user: boolean;
  readonly sum: boolean;
  /** MXR of the level the first stage belongs to: sstatus or vsstatus. */
  readonly mxr: boolean;
  readonly adue: boolean;
  /** Two stages: 39, 48, 57 for the x4 schemes, 0 for Bare, undefined for one stage. */
  readonly guestSv: number | undefined;
  readonly guestRoot: bigint;
  /** MXR of sstatus, which counts for both stages. */
  readonly hostMxr: boolean;
  readonly guestAdue: boolean;
}

export interface PlainMemory {
  /** The 8 bytes at an address, or undefined where there is no memory or it may not be read. */
  read(address: bigint): bigint | undefined;
  /** False where memory may not be written. */
  write(address: bigint, value: bigint): boolean;
}

export type PlainResult =
  | { readonly kind: "ok"; readonly physical: bigint }
  | { readonly kind: "page" }
  | { readonly kind: "access" }
  | { readonly kind: "guestPage"; readonly address: bigint; readonly pseudo: number };

class Stop extends Error {
  readonly result: PlainResult;
  constructor(result: PlainResult) {
    super(result.kind);
    this.result = result;
  }
}

const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n;
const stores = (access: PlainAccess): boolean => access === "write" || access === "rmw";

export function plainTranslate(m: PlainMemory, r: PlainRegime, access: PlainAccess, va: bigint): PlainResult {
  try {
    const gpa = r.sv === 0 ? va : firstStage(m, r, access, va);
    const physical = r.guestSv === undefined ? gpa : secondStage(m, r, access, gpa, 0);
    return { kind: "ok", physical };
  } catch (stop) {
    if (stop instanceof Stop) return stop.result;
    throw stop;
  }
}

function firstStage(m: PlainMemory, r: PlainRegime, access: PlainAccess, va: bigint): bigint {
  const pageFault = (): never => {
    throw new Stop({ kind: "page" });
  };
  const signExtended = BigInt.asUintN(64, BigInt.asIntN(r.sv, va));
  if (signExtended !== va) pageFault();
  const levels = (r.sv - 12) / 9;
  let a = r.root << 12n;
  for (let i = levels - 1; i >= 0; i--) {
    const vpn = (va >> BigInt(12 + 9 * i)) & 511n;
    const at = a + vpn * 8n;
    const where = r.guestSv === undefined ? at : secondStage(m, r, "read", at, 0x3000);
    const pte = m.read(where);
    if (pte === undefined) throw new Stop({ kind: "access" });
    if (!valid(pte)) pageFault();
    if (!bit(pte, 1) && !bit(pte, 3)) {
      if (bit(pte, 4) || bit(pte, 6) || bit(pte, 7)) pageFault();
      a = ((pte >> 10n) & ((1n << 44n) - 1n)) << 12n;
      continue;
    }
    if (i > 0 && ((pte >> 10n) & ((1n << BigInt(9 * i)) - 1n)) !== 0n) pageFault();
    const u = bit(pte, 4);
    if (r.user && !u) pageFault();
    if (!r.user && u && (!r.sum || access === "fetch")) pageFault();
    if (!allowed(pte, access, r.mxr || r.hostMxr)) pageFault();
    if (!bit(pte, 6) || (stores(access) && !bit(pte, 7))) {
      if (!r.adue) pageFault();
      if (r.guestSv !== undefined) secondStage(m, r, "write", at, 0x3020);
      if (!m.write(where, pte | 64n | (stores(access) ? 128n : 0n))) throw new Stop({ kind: "access" });
    }
    return joined(pte, va, i);
  }
  return pageFault();
}

function secondStage(
  m: PlainMemory,
  r: PlainRegime,
  access: PlainAccess,
  gpa: bigint,
  pseudo: number,
): bigint {
  const fault = (): never => {
    throw new Stop({ kind: "guestPage", address: gpa, pseudo });
  };
  const sv = r.guestSv!;
  if (sv === 0) return gpa;
  if (gpa >> BigInt(sv + 2) !== 0n) fault();
  const levels = (sv - 12) / 9;
  let a = r.guestRoot << 12n;
  for (let i = levels - 1; i >= 0; i--) {
    const vpn = (gpa >> BigInt(12 + 9 * i)) & (i === levels - 1 ? 2047n : 511n);
    const at = a + vpn * 8n;
    const pte = m.read(at);
    if (pte === undefined) throw new Stop({ kind: "access" });
    if (!valid(pte)) fault();
    if (!bit(pte, 1) && !bit(pte, 3)) {
      if (bit(pte, 4) || bit(pte, 6) || bit(pte, 7)) fault();
      a = ((pte >> 10n) & ((1n << 44n) - 1n)) << 12n;
      continue;
    }
    if (i > 0 && ((pte >> 10n) & ((1n << BigInt(9 * i)) - 1n)) !== 0n) fault();
    if (!bit(pte, 4)) fault();
    // Accesses of a walk are not explicit loads.
    if (!allowed(pte, access, r.hostMxr && pseudo === 0)) fault();
    if (!bit(pte, 6) || (stores(access) && !bit(pte, 7))) {
      if (!r.guestAdue) fault();
      if (!m.write(at, pte | 64n | (stores(access) ? 128n : 0n))) throw new Stop({ kind: "access" });
    }
    return joined(pte, gpa, i);
  }
  return fault();
}

/** V is set, no reserved combination of R and W, none of bits 63..54. */
function valid(pte: bigint): boolean {
  if (!bit(pte, 0)) return false;
  if (!bit(pte, 1) && bit(pte, 2)) return false;
  return pte >> 54n === 0n;
}

function allowed(pte: bigint, access: PlainAccess, mxr: boolean): boolean {
  const [r, w, x] = [bit(pte, 1), bit(pte, 2), bit(pte, 3)];
  switch (access) {
    case "read":
    case "cacheBlock":
      return r || (mxr && x);
    case "write":
      return w;
    case "rmw":
      return r && w;
    case "fetch":
    case "executeRead":
      return x;
  }
}

function joined(pte: bigint, address: bigint, level: number): bigint {
  const low = (1n << BigInt(12 + 9 * level)) - 1n;
  const ppn = (pte >> 10n) & ((1n << 44n) - 1n);
  return ((ppn << 12n) & ~low) | (address & low);
}
