import type { ListingRow, RegionListing } from "./listing.js";

const HEADINGS = ["guest", "IR", "WebAssembly"] as const;
const GAP = " | ";
/** Columns are as wide as their contents, and no wider than this: a line that is longer moves its neighbours. */
const WIDEST = [64, 64] as const;

/** What of a listing is shown. */
export interface FormatOptions {
  /** Code around the blocks as well: loading and storing registers (default). */
  readonly frame?: boolean;
}

/** A listing as text in three columns, ending with a line feed. */
export function formatListing(listing: RegionListing, { frame = true }: FormatOptions = {}): string {
  const { entry, blocks, instructions, codeBytes } = listing;
  const title =
    `region at ${hex(entry)}: ${plural(blocks, "block")}, ${plural(instructions, "instruction")}, ` +
    `${codeBytes} bytes of WebAssembly`;
  const mostBytes = Math.max(0, ...listing.rows.map(({ bytes }) => bytes?.length ?? 0));
  const lines = listing.rows
    .filter(({ kind }) => frame || kind !== "frame")
    .flatMap((row) => rowLines(row, mostBytes));
  const width = (column: 0 | 1): number => {
    const lengths = lines.map((line) => line[column].length).filter((length) => length <= WIDEST[column]);
    return Math.max(HEADINGS[column].length, ...lengths);
  };
  const widths = [width(0), width(1)] as const;
  const columns = ([guest, ir, wasm]: Line): string =>
    [guest.padEnd(widths[0]), ir.padEnd(widths[1]), wasm].join(GAP).trimEnd();
  const rule = columns(["-".repeat(widths[0]), "-".repeat(widths[1]), "-".repeat(HEADINGS[2].length)]);
  return `${[title, columns([...HEADINGS]), rule, ...lines.map(columns)].join("\n")}\n`;
}

type Line = readonly [guest: string, ir: string, wasm: string];

function rowLines(row: ListingRow, mostBytes: number): Line[] {
  const { ir, wasm } = row;
  const guest = guestText(row, mostBytes);
  const count = Math.max(guest === "" ? 0 : 1, ir.length, wasm.length);
  return Array.from({ length: count }, (_, i): Line => [i === 0 ? guest : "", ir[i] ?? "", wasm[i] ?? ""]);
}

function guestText({ pc, bytes, text = "" }: ListingRow, mostBytes: number): string {
  if (bytes === undefined) return text;
  return `${hex(pc)}  ${bytesText(bytes).padEnd(3 * mostBytes - 1)}  ${text}`;
}

/** In the order of memory, whatever the architecture makes of it. */
function bytesText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
