import { expect, test } from "vitest";
import type { Tier } from "../core/engine.js";
import { toy } from "../testing/toy-cpu.js";
import { loadToy, ORIGIN, runToy, type ToyProgram } from "../testing/toy-listing.js";
import type { RegionListing } from "./listing.js";
import { RegionWatch } from "./region-watch.js";

/** Two loops of r2 rounds, each ended by its own branch; behind them what runs once. */
const LOOPS: ToyProgram = {
  code: [
    toy("addi", 1, 1, 1),
    toy("bltu", 1, 2, -1),
    toy("addi", 3, 3, 1),
    toy("bltu", 3, 2, -1),
    toy("addi", 4, 4, 1),
    toy("halt"),
    toy("addi", 5, 5, 1),
  ],
  registers: { 2: 100n },
};
const at = (index: number): bigint => BigInt(ORIGIN + 4 * index);

function watched(program: ToyProgram, tier: Tier, pcs?: readonly bigint[], all = false) {
  const { engine, core } = loadToy(program, tier);
  const listings: RegionListing[] = [];
  const watch = new RegionWatch({ all, ...(pcs && { pcs }), onRegion: (listing) => listings.push(listing) });
  engine.regionWatch = watch;
  runToy(core);
  return { listings, unlisted: watch.unlisted(engine), regions: engine.hot?.statistics.regions };
}

const holds = ({ rows }: RegionListing, pc: bigint): boolean =>
  rows.some((row) => row.kind === "instruction" && row.pc === pc);

test("without addresses every region is listed, and each is a module that the host accepts", () => {
  const { listings, regions } = watched(LOOPS, "hot");
  expect(listings.length).toBe(regions);
  for (const { module } of listings) expect(WebAssembly.validate(module)).toBe(true);
});

test("an address in the middle of a block selects the first region that holds it, or all", () => {
  const { listings, unlisted } = watched(LOOPS, "hot", [at(3)]);
  expect(listings).toHaveLength(1);
  expect(holds(listings[0] as RegionListing, at(3))).toBe(true);
  expect(unlisted).toEqual([]);
  const every = watched(LOOPS, "hot").listings.filter((listing) => holds(listing, at(3)));
  expect(watched(LOOPS, "hot", [at(3)], true).listings.length).toBe(every.length);
});

/** Instructions that emit nothing of their own: a jump to where nobody else goes, a register set to itself. */
const SILENT: ToyProgram = {
  code: [
    toy("addi", 1, 1, 1),
    toy("jump", 2),
    toy("halt"),
    toy("add", 4, 15, 15),
    toy("li", 4, 0, 1),
    toy("bltu", 1, 2, -5),
    toy("halt"),
  ],
  registers: { 2: 100n },
};

test.each([
  ["loops", LOOPS],
  ["what emits nothing", SILENT],
])("every instruction is in a listing once, with its text and its code: %s", (_, program) => {
  for (const listing of watched(program, "hot").listings) {
    const sources = listing.rows.filter(({ bytes }) => bytes !== undefined);
    expect(new Set(sources.map(({ pc }) => pc)).size).toBe(sources.length);
    expect(sources.length).toBe(listing.instructions);
    if (program === SILENT && listing.entry === at(0))
      expect(sources.map(({ pc }) => pc)).toEqual([0, 1, 3, 4, 5].map(at));
    for (const { text } of sources) expect(text).not.toBe("");
    const lines = listing.rows.flatMap(({ wasm }) => wasm);
    expect(lines.join("\n")).not.toContain("unknown opcode");
    expect(lines.filter((line) => /^ *(block|loop|if)/.test(line)).length).toBe(
      lines.filter((line) => /^ *end/.test(line)).length,
    );
  }
});

test("what was not compiled is told with the reason", () => {
  const { unlisted } = watched(LOOPS, "hot", [at(0), at(4), at(6), 0x8000n]);
  expect(unlisted).toEqual([
    { pc: at(4), why: "cold", executions: 1 },
    { pc: at(6), why: "unreached", executions: 0 },
    { pc: 0x8000n, why: "unseen", executions: 0 },
  ]);
  const cold = watched(LOOPS, "cold", [at(0)]).unlisted;
  expect(cold).toMatchObject([{ pc: at(0), why: "cold" }]);
  // 100 rounds; where a slice ends, an entry may count that leaves the block to single steps.
  expect(cold[0]?.executions).toBeGreaterThanOrEqual(95);
  expect(cold[0]?.executions).toBeLessThanOrEqual(105);
});

test("a block that begins with what is left to the interpreter is refused", () => {
  const program = { code: [toy("count", 3), toy("addi", 1, 1, 1), toy("bltu", 1, 2, -2), toy("halt")] };
  const { listings, unlisted } = watched({ ...program, registers: { 2: 100n } }, "hot", [at(1)]);
  expect(listings).toEqual([]);
  expect(unlisted).toMatchObject([{ pc: at(1), why: "refused" }]);
});
