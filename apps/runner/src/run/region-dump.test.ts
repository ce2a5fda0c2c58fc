import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { type RegionListing, RegionWatch, type Unlisted } from "@hypercraft/engine";
import { BufferConsole } from "@hypercraft/hypercraft";
import { DeterministicClock } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";
import { afterAll, describe, expect, test } from "vitest";
import { FakeProcess } from "../../test/fake-io.js";
import type { RegionDumpConfig } from "../config/run-config.js";
import { RegionDump } from "./region-dump.js";
import { loadToText } from "./wabt.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-dump-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A region that does nothing, in an empty module. */
const LISTING: RegionListing = {
  entry: 0x1000n,
  blocks: 1,
  instructions: 1,
  codeBytes: 1,
  rows: [
    { kind: "instruction", pc: 0x1000n, bytes: Uint8Array.of(1, 0), text: "nop", ir: [], wasm: ["nop"] },
  ],
  module: Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
};
const ONE: RegionDumpConfig = { pcs: [0x1000n], all: false, wat: false };
const machine = (...fates: readonly Unlisted[]) => ({ unlistedRegions: () => fates });

function dump(
  config: RegionDumpConfig,
  control: ConstructorParameters<typeof RegionDump>[1] = {},
  load?: typeof loadToText,
) {
  const { stderr } = new FakeProcess();
  const made = new RegionDump(config, control, { stderr }, load);
  return { made, stderr };
}

test("listings are printed as they come", async () => {
  const { made, stderr } = dump(ONE);
  made.watch.compiled(LISTING);
  expect(stderr.text).toMatch(/^region at 0x1000: 1 block.*\n.*\n.*\n0x1000 {2}01 00 {2}nop \| +\| nop\n\n$/);
  const before = stderr.text;
  await made.finish(machine());
  expect(stderr.text).toBe(before);
});

test("listings go to a file instead, and what was not compiled does not", async () => {
  const file = { name: "dump", path: join(folder, "dump") };
  const { made, stderr } = dump(ONE, { dumpFile: file });
  made.watch.compiled(LISTING);
  await made.finish(machine({ pc: 0x2000n, why: "unseen", executions: 0 }));
  expect(readFileSync(file.path, "utf8")).toMatch(/^region at 0x1000: /);
  expect(stderr.text).toMatch(/^hypercraft: --dump-region: 0x2000 was never compiled: [^\n]+\n$/);
});

test.each<[Unlisted["why"], "auto" | "cold" | "hot" | undefined, number, RegExp]>([
  ["unseen", undefined, 0, /never compiled: no code of its page was executed/],
  ["unreached", "auto", 0, /never compiled: other code of its page was executed, but no instruction there/],
  ["cold", undefined, 1, /executed about once, too rarely; --tier hot compiles early/],
  ["cold", "auto", 37, /executed about 37 times, too rarely; --tier hot compiles early/],
  ["cold", "hot", 2, /executed about 2 times$/m],
  ["cold", "cold", 5, /executed about 5 times; with --tier cold nothing is/],
  [
    "refused",
    "auto",
    2000,
    /about 2000 times, in a block whose first instruction is left to the interpreter/,
  ],
])("code that was not compiled: %s with --tier %s", async (why, tier, executions, message) => {
  const { made, stderr } = dump(ONE, tier === undefined ? {} : { tier });
  await made.finish(machine({ pc: 0x1000n, why, executions }));
  expect(stderr.text).toMatch(/^hypercraft: --dump-region: 0x1000 was never compiled: /);
  expect(stderr.text).toMatch(message);
});

test("the module's text follows at the end, or how to get it", async () => {
  const wat = { ...ONE, wat: true };
  const found = dump(wat, {}, async () => (module) => `(module of ${module.length} bytes)`);
  found.made.watch.compiled(LISTING);
  await found.made.finish(machine());
  expect(found.stderr.text).toMatch(/nop\n\n;; region at 0x1000\n\(module of 8 bytes\)\n$/);
  const missing = dump(wat, {}, async () => undefined);
  missing.made.watch.compiled(LISTING);
  await missing.made.finish(machine());
  expect(missing.stderr.text).toMatch(
    /nop\n\nhypercraft: the text of modules needs the npm package wabt: npm install wabt\n$/,
  );
});

/** An instruction without what the two texts write differently: labels, names of numbers, alignments, comments. */
function comparable(line: string): string {
  const text = line
    .replace(/;;.*|\(;.*?;\)/g, "")
    .replace(/ align=\d+/, "")
    .replace(/0x([\da-f]+)\.?([\da-f]*)p([+-]\d+)/, (_, whole, fraction, exponent) =>
      String(Number.parseInt(whole + fraction, 16) * 2 ** (Number(exponent) - 4 * fraction.length)),
    )
    .trim();
  if (/^(block|loop|if|br|br_if|call|global\.\w+)\b/.test(text)) return text.split(" ")[0] as string;
  return text;
}

const toText = await loadToText();

describe.skipIf(toText === undefined)("against wabt", () => {
  test("listings have the same instructions in the same order", async () => {
    const listings: RegionListing[] = [];
    const guest = await createRiscvVirt({
      ...{ kernel: { name: "embedded guest", bytes: embeddedGuest("riscv64") }, append: "selftest" },
      ...{ memory: 16 << 20, console: new BufferConsole(), clock: new DeterministicClock(10), tier: "hot" },
      regionWatch: new RegionWatch({ onRegion: (listing) => listings.push(listing) }),
    });
    expect(await guest.run()).toMatchObject({ kind: "shutdown" });
    expect(listings.length).toBeGreaterThan(50);
    for (const { module, rows, entry } of listings) {
      expect(WebAssembly.validate(module)).toBe(true);
      const theirs = (toText?.(module, { fold: false }) ?? "").split("\n");
      const start = theirs.findIndex((line) => line.includes("(func $region"));
      const body = theirs
        .slice(start + 1)
        .filter((line) => line.startsWith("    ") && !line.includes("(local "));
      // The last one has the function's parenthesis behind it.
      const expected = [...body.slice(0, -1), body.at(-1)?.slice(0, -1) ?? ""].map(comparable);
      const ours = rows.flatMap(({ wasm }) => wasm).map(comparable);
      expect(ours.length, `region at 0x${entry.toString(16)}`).toBe(expected.length);
      const different = ours.flatMap((line, i) => {
        // A number that has a name here is only a number there, and an offset of zero nothing.
        const opcode = line.replace(/ (offset=)?<.*>$/, "");
        const theirs = opcode === line ? expected[i] : expected[i]?.split(" ")[0];
        return theirs === opcode ? [] : [{ line, theirs: expected[i] }];
      });
      expect(different).toEqual([]);
    }
  });

  test("a folded module names registers", async () => {
    const { made, stderr } = dump({ ...ONE, wat: true });
    made.watch.compiled(LISTING);
    await made.finish(machine());
    expect(stderr.text).toContain(";; region at 0x1000\n(module");
  });
});
