/** Thrown by the parsers below: says what is wrong with a value, and the caller adds where it stands. */
export class ValueError extends Error {}

const UNITS: Readonly<Record<string, number>> = { "": 0, K: 1, M: 2, G: 3, T: 4 };
/** Node's timers count to 2^31 - 1 ms. */
const LONGEST_SECONDS = 2_147_483;

/** Bytes: a number with K, M or G (powers of 1024) behind it. */
export function parseSize(text: string): number {
  const match = /^(\d+)([KMGT]?)(?:iB)?$/i.exec(text.trim());
  const size = match === null ? Number.NaN : Number(match[1]) * 1024 ** UNITS[match[2]!.toUpperCase()]!;
  if (!Number.isSafeInteger(size) || size === 0)
    throw new ValueError(`"${text}" is not a size (a number of bytes, or one with K, M or G, as 512M)`);
  return size;
}

/** A physical address, in hexadecimal with 0x or in decimal. */
export function parseAddress(text: string): number {
  const address = /^(?:0x[\da-f]+|\d+)$/i.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(address))
    throw new ValueError(`"${text}" is not an address (hexadecimal as 0x80200000, or decimal)`);
  return address;
}

/** A virtual address of 64 bits, in hexadecimal with 0x or in decimal. */
function parseVirtualAddress(text: string): bigint {
  const isNumber = /^(?:0x[\da-f]+|\d+)$/i.test(text.trim());
  if (!isNumber || BigInt(text) >= 1n << 64n)
    throw new ValueError(`"${text}" is not a virtual address (hexadecimal as 0x80200000, or decimal)`);
  return BigInt(text);
}

/** Virtual addresses and the words `all` and `wat`, with commas between them. */
export function parseRegionChoice(text: string): {
  readonly pcs: readonly bigint[];
  readonly all: boolean;
  readonly wat: boolean;
} {
  const words = text.split(",").map((word) => word.trim());
  const pcs = words.filter((word) => word !== "all" && word !== "wat").map(parseVirtualAddress);
  if (pcs.length === 0) throw new ValueError(`"${text}" names no virtual address`);
  return { pcs, all: words.includes("all"), wat: words.includes("wat") };
}

/** A positive count; K, M and G are powers of 1000. */
export function parseCount(text: string): number {
  const match = /^(\d+)([KMG]?)$/i.exec(text.trim());
  const count = match === null ? Number.NaN : Number(match[1]) * 1000 ** UNITS[match[2]!.toUpperCase()]!;
  if (!Number.isSafeInteger(count) || count === 0)
    throw new ValueError(`"${text}" is not a positive number (K, M and G may follow, as 50M)`);
  return count;
}

/** A positive number of seconds, in milliseconds. */
export function parseSeconds(text: string): number {
  const seconds = /^\d*\.?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(seconds > 0)) throw new ValueError(`"${text}" is not a positive number of seconds`);
  if (seconds > LONGEST_SECONDS)
    throw new ValueError(`${text} seconds are over the limit of ${LONGEST_SECONDS}`);
  return Math.ceil(seconds * 1000);
}

/** A JavaScript regular expression in which ^ and $ match at line ends. */
export function parseRegExp(text: string): RegExp {
  try {
    return new RegExp(text, "m");
  } catch (error) {
    const [, reason] = /:\s*([^:]*)$/.exec((error as Error).message.split("\n", 1)[0]!) ?? [];
    throw new ValueError(`"${text}" is not a regular expression: ${reason ?? "syntax error"}`);
  }
}

/** One of some words. */
export function parseChoice<const W extends string>(text: string, words: readonly W[]): W {
  const found = words.find((word) => word === text);
  if (found === undefined) throw new ValueError(`"${text}" is not one of ${words.join(", ")}`);
  return found;
}

/** Words with commas between them. */
export function parseChoices<const W extends string>(text: string, words: readonly W[]): ReadonlySet<W> {
  return new Set(text.split(",").map((word) => parseChoice(word.trim(), words)));
}

/** Two positive integers `N/M`, or one `N` for `N/1`. */
export function parseRatio(text: string): readonly [number, number] {
  const match = /^(\d{1,4})(?:\/(\d{1,4}))?$/.exec(text.trim());
  const parts = [Number(match?.[1]), Number(match?.[2] ?? 1)] as const;
  if (match === null || parts.some((part) => part < 1 || part > 1000))
    throw new ValueError(`"${text}" is not a ratio (N or N/M, each from 1 to 1000)`);
  return parts;
}

/** `FILE@ADDRESS`; the file's name may have an @ in it. */
export function parseLoad(text: string): { readonly path: string; readonly address: number } {
  const at = text.lastIndexOf("@");
  if (at <= 0) throw new ValueError(`"${text}" is not FILE@ADDRESS`);
  return { path: text.slice(0, at), address: parseAddress(text.slice(at + 1)) };
}

const DISK_MODES = ["rw", "ro", "overlay"] as const;
export type DiskMode = (typeof DISK_MODES)[number];

/** `FILE`, `FILE,ro` or `FILE,overlay`; a comma that no mode follows belongs to the name. */
export function parseDisk(text: string): { readonly path: string; readonly mode: DiskMode } {
  const match = /^(.+),(rw|ro|overlay)$/s.exec(text);
  if (match !== null) return { path: match[1]!, mode: match[2] as DiskMode };
  if (text === "") throw new ValueError("a disk needs a file");
  return { path: text, mode: "rw" };
}

/** Where to save a snapshot: after a number of instructions, or when the console shows something. */
export type SnapshotPoint = { readonly instructions: number } | { readonly pattern: RegExp };

/** A count is a number of instructions, anything else a regular expression. */
export function parseSnapshotPoint(text: string): SnapshotPoint {
  return /^\d+[KMG]?$/i.test(text.trim())
    ? { instructions: parseCount(text) }
    : { pattern: parseRegExp(text) };
}
