import { type Engine, formatListing, type RegionListing, RegionWatch } from "../index.js";

/**
 * What the hot tier makes of the code from one address up to another, as text: guest code, IR after all passes,
 * WebAssembly. Of the first region that holds the first instruction, which `run` has to make. Throws an Error if none
 * was made.
 */
export function compiledCode(engine: Engine, from: number, to: number, run: () => void): string {
  let found: RegionListing | undefined;
  engine.regionWatch = new RegionWatch({
    pcs: [BigInt(from)],
    onRegion: (listing) => {
      found ??= listing;
    },
  });
  run();
  if (found === undefined) throw new Error(`the code at 0x${from.toString(16)} was not compiled`);
  const rows = found.rows.filter(({ kind, pc }) => kind !== "frame" && pc >= from && pc < to);
  // Not the title, which tells of the whole region.
  const [, ...lines] = formatListing({ ...found, rows }).split("\n");
  return lines.join("\n");
}
