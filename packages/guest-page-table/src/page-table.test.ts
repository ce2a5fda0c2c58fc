import { ACCESS_FLAGS, ALL_FLAGS, MappingFlags } from "@hypercraft/guest-page-table-entry";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { PagingError } from "./error.js";
import type { PageTableFormat } from "./format.js";
import {
  aarch64Stage1,
  aarch64Stage2,
  aarch64Stage2Format,
  ept,
  riscvFormat,
  sv39,
  sv39x4,
  sv48,
  sv48x4,
  sv57,
  sv57x4,
  x86_64,
} from "./formats/index.js";
import { FramePool } from "./frame-pool.js";
import { type PageSize, PageSize as Size } from "./mapping.js";
import { PageTable64 } from "./page-table.js";
import { translateBySpec } from "./spec-walk.test-support.js";

const { READ, WRITE, EXECUTE } = MappingFlags;
const FORMATS = [
  ...[x86_64, ept, aarch64Stage1, aarch64Stage2, aarch64Stage2Format(34, 2), aarch64Stage2Format(48, 0)],
  ...[sv39, sv48, sv57, sv39x4, sv48x4, sv57x4, riscvFormat(3, { svpbmt: true })],
];

/** Memory above 4 GiB whose frames hold garbage whenever they are handed out. */
class GarbagePool extends FramePool {
  override allocFrame(): number | undefined {
    return this.garbage(super.allocFrame(), 1);
  }

  override allocFrames(count: number): number | undefined {
    return this.garbage(super.allocFrames(count), count);
  }

  private garbage(pa: number | undefined, count: number): number | undefined {
    if (pa !== undefined) this.words.fill(0xdead_beef, this.wordIndex(pa), this.wordIndex(pa) + 1024 * count);
    return pa;
  }
}

function garbagePool(frames: number): FramePool {
  return new GarbagePool(new Uint32Array(frames * 1024), 0x12_3456_0000);
}

/** The code of the PagingError that an operation throws, or its result. */
function outcome<T>(operation: () => T): T | string {
  try {
    return operation();
  } catch (error) {
    if (error instanceof PagingError) return error.code;
    throw error;
  }
}

interface ModelPage {
  readonly pages: number;
  readonly frame: number;
  readonly flags: number;
}

/** What a page table does, as a map from first page numbers to pages. */
class Model {
  readonly map = new Map<number, ModelPage>();
  readonly format: PageTableFormat;
  readonly sizes: number[];

  constructor(format: PageTableFormat) {
    this.format = format;
    this.sizes = format.levels.filter(({ leaf }) => leaf).map(({ shift }) => 2 ** (shift - 12));
  }

  at(page: number): [number, ModelPage] | undefined {
    for (const [start, entry] of this.map)
      if (page >= start && page < start + entry.pages) return [start, entry];
    return undefined;
  }

  conflict(page: number, pages: number): string | undefined {
    const found = this.at(page);
    if (found && found[1].pages > pages) return "MappedToHugePage";
    for (const start of this.map.keys()) if (start >= page && start < page + pages) return "AlreadyMapped";
    return undefined;
  }

  put(page: number, frame: number, pages: number, flags: number): string | undefined {
    const conflict = this.conflict(page, pages);
    if (!conflict) this.map.set(page, { pages, frame, flags: this.format.pte.effectiveFlags(flags) });
    return conflict;
  }

  mapRegion(
    page: number,
    frame: number,
    count: number,
    flags: number,
    allowHuge: boolean,
  ): string | undefined {
    const pieces: [number, number, number][] = [];
    for (let done = 0; done < count; ) {
      const fits = (pages: number) =>
        (allowHuge || pages === 1) &&
        (page + done) % pages === 0 &&
        (frame + done) % pages === 0 &&
        count - done >= pages;
      const pages = this.sizes.find(fits)!;
      const conflict = this.conflict(page + done, pages);
      if (conflict) return conflict;
      pieces.push([page + done, frame + done, pages]);
      done += pages;
    }
    for (const piece of pieces) this.put(...piece, flags);
    return undefined;
  }

  unmapRegion(page: number, count: number): string | undefined {
    const starts: number[] = [];
    for (let done = 0; done < count; ) {
      const found = this.at(page + done);
      if (!found) return "NotMapped";
      const [start, { pages }] = found;
      if (start !== page + done || count - done < pages) return "MappedToHugePage";
      starts.push(start);
      done += pages;
    }
    for (const start of starts) this.map.delete(start);
    return undefined;
  }
}

function canonical(format: PageTableFormat, page: number): bigint {
  const address = BigInt(page) * 4096n;
  const negative = format.addressRule === "sign" && address >= 1n << BigInt(format.inputBits - 1);
  return negative ? address + (1n << 64n) - (1n << BigInt(format.inputBits)) : address;
}

describe.each(FORMATS.map((format) => ({ name: format.name, format })))("$name", ({ format }) => {
  const inputPages = 2 ** (format.inputBits - 12);
  const outputPages = 2 ** (format.outputBits - 12);
  const sizes = new Model(format).sizes;
  const flags = fc.integer({ min: 1, max: ALL_FLAGS }).filter((value) => (value & ACCESS_FLAGS) !== 0);
  const size = fc.constantFrom(...sizes);
  // Few places, each near an edge of some level's entries, so that operations meet.
  const places = [0, inputPages / 2, inputPages - 2 * sizes[0]!, 2 ** 27, 2 ** 27 + 2 ** 18].filter(
    (p) => p < inputPages,
  );
  const offsets = fc.array(fc.tuple(size, fc.integer({ min: 0, max: 2 })), { minLength: 0, maxLength: 2 });
  const page = fc
    .tuple(fc.constantFrom(...places), offsets)
    .map(([place, steps]) => steps.reduce((sum, [pages, times]) => sum + pages * times, place))
    .filter((value) => value < inputPages);
  const frame = fc
    .tuple(fc.constantFrom(0, outputPages / 2, outputPages - 2 * sizes[0]!, 0x8_0000), offsets)
    .map(([place, steps]) => steps.reduce((sum, [pages, times]) => sum + pages * times, place))
    .filter((value) => value < outputPages);
  const count = fc.tuple(size, fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 20 }));
  const regionPages = count.map(([pages, times, more]) => Math.min(pages, 512) * times + more);
  const operation = fc.oneof(
    fc.record({ kind: fc.constant("map" as const), page, frame, size, flags }),
    fc.record({
      kind: fc.constant("mapRegion" as const),
      page,
      frame,
      count: regionPages,
      flags,
      huge: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("unmap" as const), page }),
    fc.record({ kind: fc.constant("unmapRegion" as const), page, count: regionPages }),
    fc.record({
      kind: fc.constant("update" as const),
      page,
      frame: fc.option(frame),
      flags: fc.option(flags),
    }),
    fc.record({ kind: fc.constant("query" as const), page, offset: fc.integer({ min: 0, max: 4095 }) }),
    fc.record({ kind: fc.constant("prune" as const) }),
  );
  type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

  /** The address in a random one of its two public forms. */
  function address(value: number, offset = 0): number | bigint {
    const exact = canonical(format, value) + BigInt(offset);
    return exact < 2n ** 53n && value % 2 === 0 ? Number(exact) : exact;
  }

  function crossesEnd(start: number, pages: number): boolean {
    const half = format.addressRule === "sign" && start < inputPages / 2 ? inputPages / 2 : inputPages;
    return start + pages > half;
  }

  function applyBoth(table: PageTable64, model: Model, op: Operation): void {
    switch (op.kind) {
      case "map": {
        const misaligned = op.page % op.size !== 0 || op.frame % op.size !== 0;
        const expected = misaligned ? "NotAligned" : model.put(op.page, op.frame, op.size, op.flags);
        const bytes = (op.size * 4096) as PageSize;
        expect(outcome(() => table.map(address(op.page), op.frame * 4096, bytes, op.flags))).toBe(expected);
        return;
      }
      case "mapRegion": {
        const outside = crossesEnd(op.page, op.count) || op.frame + op.count > outputPages;
        const mapped = () => model.mapRegion(op.page, op.frame, op.count, op.flags, op.huge);
        const expected = outside ? "OutOfRange" : mapped();
        const run = () =>
          table.mapRegion(address(op.page), op.frame * 4096, op.count * 4096, op.flags, op.huge);
        expect(outcome(run)).toBe(expected);
        return;
      }
      case "unmap": {
        const found = model.at(op.page);
        const expected = found ? { paddr: found[1].frame * 4096, size: found[1].pages * 4096 } : "NotMapped";
        if (found) model.map.delete(found[0]);
        expect(outcome(() => table.unmap(address(op.page)))).toEqual(expected);
        return;
      }
      case "unmapRegion": {
        const outside = crossesEnd(op.page, op.count);
        const expected = outside ? "OutOfRange" : model.unmapRegion(op.page, op.count);
        expect(outcome(() => table.unmapRegion(address(op.page), op.count * 4096))).toBe(expected);
        return;
      }
      case "update": {
        const found = model.at(op.page);
        const misaligned = found && op.frame !== null && op.frame % found[1].pages !== 0;
        const expected = !found ? "NotMapped" : misaligned ? "NotAligned" : found[1].pages * 4096;
        const change = {
          ...(op.frame === null ? {} : { paddr: op.frame * 4096 }),
          ...(op.flags === null ? {} : { flags: op.flags }),
        };
        expect(outcome(() => table.update(address(op.page), change))).toBe(expected);
        if (!found || misaligned) return;
        const newFlags = op.flags === null ? found[1].flags : format.pte.effectiveFlags(op.flags);
        model.map.set(found[0], { ...found[1], frame: op.frame ?? found[1].frame, flags: newFlags });
        return;
      }
      case "query": {
        const found = model.at(op.page);
        const paddr = found && (found[1].frame + op.page - found[0]) * 4096 + op.offset;
        const expected = found ? { paddr, flags: found[1].flags, size: found[1].pages * 4096 } : "NotMapped";
        expect(outcome(() => table.query(address(op.page, op.offset)))).toEqual(expected);
        expect(table.translate(address(op.page, op.offset))).toBe(paddr);
        return;
      }
      case "prune":
        table.prune();
    }
  }

  test("behaves as a plain map from pages to pages, and hardware would read the same", () => {
    const pool = garbagePool(256);
    const before = pool.available;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const table = PageTable64.tryNew(format, pool);
        const model = new Model(format);
        for (const op of operations) applyBoth(table, model, op);

        const walked: [bigint, ModelPage][] = [];
        table.walk(({ isLeaf, address, size, paddr, flags }) => {
          if (isLeaf) walked.push([address, { pages: size / 4096, frame: paddr / 4096, flags }]);
        });
        const expected = [...model.map].sort(([a], [b]) => a - b);
        expect(walked).toEqual(expected.map(([start, entry]) => [canonical(format, start), entry]));
        for (const [start, { pages, frame }] of expected) {
          for (const inside of [0, pages - 1]) {
            const physical = translateBySpec(
              format.name,
              pool,
              table.rootPaddr,
              canonical(format, start + inside),
            );
            expect(physical).toBe(BigInt(frame + inside) * 4096n);
          }
        }
        for (const start of places) {
          if (model.at(start)) continue;
          const physical = translateBySpec(format.name, pool, table.rootPaddr, canonical(format, start));
          expect(physical).toBeUndefined();
        }

        expect(pool.available).toBe(before - table.frameCount);
        for (const start of model.map.keys()) table.unmap(address(start));
        table.prune();
        expect(table.frameCount).toBe(format.rootPages);
        table.dispose();
        expect(pool.available).toBe(before);
      }),
      { numRuns: 40 },
    );
  });

  test("refuses addresses beyond its input and output bits", () => {
    const table = PageTable64.tryNew(format, garbagePool(16));
    const { inputBits, outputBits, addressRule } = format;
    const edge = 2n ** BigInt(inputBits);
    const outside = [
      ...[-1, -1n, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, edge, 2n ** 64n, edge * 2n],
      // Sign-extended addresses, where the format extends by zeros; and the first one of the hole, where by the sign.
      addressRule === "zero" ? 2n ** 64n - 4096n : edge / 2n,
    ].filter((value) => !(addressRule === "zero-or-one" && value === edge / 2n));
    for (const value of outside) {
      expect([value, outcome(() => table.map(value, 0, Size.Size4K, READ))]).toEqual([value, "OutOfRange"]);
      expect(outcome(() => table.query(value))).toBe("OutOfRange");
    }
    expect(outcome(() => table.map(0, 2 ** outputBits, Size.Size4K, READ))).toBe("OutOfRange");
    expect(outcome(() => table.mapRegion(0, 2 ** outputBits - 4096, 8192, READ))).toBe("OutOfRange");
    expect(table.frameCount).toBe(format.rootPages);
  });

  test("runs out of memory without changing a mapping", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), page, (spare, somewhere) => {
        const depth = format.levels.length - 1;
        const pool = garbagePool(format.rootPages + 3 + depth + spare);
        const table = PageTable64.tryNew(format, pool);
        const first = somewhere === 0 ? 0 : Math.min(somewhere, inputPages - 1);
        table.map(canonical(format, first), 0x1000, Size.Size4K, READ);
        const far = first < inputPages / 4 ? inputPages / 4 : 0;
        const bytes = 512 * 4096 * 8;
        const result = outcome(() => table.mapRegion(canonical(format, far), 0x1000, bytes, READ, false));
        expect(result).toBe("NoMemory");
        let leaves = 0;
        table.walk(({ isLeaf }) => {
          leaves += isLeaf ? 1 : 0;
        });
        expect(leaves).toBe(1);
      }),
      { numRuns: 20 },
    );
  });
});

describe("one table", () => {
  let table: PageTable64;
  beforeEach(() => {
    table = PageTable64.tryNew(sv39, garbagePool(64));
  });

  test("refuses what is not aligned, unknown sizes and flags that allow nothing", () => {
    expect(outcome(() => table.map(0x1004, 0, Size.Size4K, READ))).toBe("NotAligned");
    expect(outcome(() => table.map(0x1000, 8, Size.Size4K, READ))).toBe("NotAligned");
    expect(outcome(() => table.map(0x20_1000, 0, Size.Size2M, READ))).toBe("NotAligned");
    expect(outcome(() => table.map(0x20_0000, 0x1000, Size.Size2M, READ))).toBe("NotAligned");
    expect(outcome(() => table.mapRegion(0x1000, 0, 100, READ))).toBe("NotAligned");
    expect(outcome(() => table.unmapRegion(0x1800, 4096))).toBe("NotAligned");
    expect(outcome(() => table.map(0, 0, Size.Size512G, READ))).toBe("InvalidPageSize");
    expect(outcome(() => table.map(0, 0, 8192 as PageSize, READ))).toBe("InvalidPageSize");
    expect(outcome(() => table.map(0, 0, Size.Size4K, MappingFlags.USER))).toBe("InvalidFlags");
    expect(outcome(() => table.map(0, 0, Size.Size4K, 32 | READ))).toBe("InvalidFlags");
    expect(outcome(() => table.mapRegion(0, 0, 4096, 0))).toBe("InvalidFlags");
    expect(outcome(() => table.map(0, -4096, Size.Size4K, READ))).toBe("OutOfRange");
    expect(outcome(() => table.mapRegion(0, 0, -4096, READ))).toBe("OutOfRange");
    expect(table.frameCount).toBe(1);
  });

  test("chooses page sizes by the alignment of both addresses", () => {
    const sizesOf = (pa: number) => {
      table.mapRegion(0x3fff_f000, pa, 0x4020_2000, READ);
      const sizes = new Map<number, number>();
      table.walk(({ isLeaf, size }) => {
        if (isLeaf) sizes.set(size, (sizes.get(size) ?? 0) + 1);
      });
      table.unmapRegion(0x3fff_f000, 0x4020_2000);
      return Object.fromEntries(sizes);
    };
    expect(sizesOf(0x7fff_f000)).toEqual({ [Size.Size4K]: 2, [Size.Size2M]: 1, [Size.Size1G]: 1 });
    expect(sizesOf(0x801f_f000)).toEqual({ [Size.Size4K]: 2, [Size.Size2M]: 513 });
  });

  test("maps a huge page over a table that maps nothing any more", () => {
    table.map(0x4020_3000, 0x1000, Size.Size4K, READ);
    expect(outcome(() => table.map(0x4000_0000, 0, Size.Size1G, READ))).toBe("AlreadyMapped");
    table.unmap(0x4020_3000);
    expect(table.frameCount).toBe(3);
    table.map(0x4000_0000, 0, Size.Size1G, READ | EXECUTE);
    expect(table.frameCount).toBe(1);
    expect(table.query(0x4020_3004)).toEqual({ paddr: 0x20_3004, flags: READ | EXECUTE, size: Size.Size1G });
  });

  test("unmapping a part of a huge page is refused, unmapping all of it is not", () => {
    table.map(0x4000_0000, 0, Size.Size2M, READ);
    expect(outcome(() => table.unmapRegion(0x4000_0000, 4096))).toBe("MappedToHugePage");
    expect(outcome(() => table.unmapRegion(0x4000_1000, 0x1f_f000))).toBe("MappedToHugePage");
    expect(outcome(() => table.map(0x4000_1000, 0, Size.Size4K, READ))).toBe("MappedToHugePage");
    expect(table.unmap(0x4012_3456)).toEqual({ paddr: 0, size: Size.Size2M });
    expect(outcome(() => table.unmap(0x4012_3456))).toBe("NotMapped");
  });

  test("unmapping a region finds a hole wherever it is", () => {
    for (let hole = 0; hole < 4; hole++) {
      table.mapRegion(0x1f_e000, 0, 4 * 4096, READ, false);
      table.unmap(0x1f_e000 + hole * 4096);
      expect(outcome(() => table.unmapRegion(0x1f_e000, 4 * 4096))).toBe("NotMapped");
      table.map(0x1f_e000 + hole * 4096, 0, Size.Size4K, READ);
      table.unmapRegion(0x1f_e000, 4 * 4096);
    }
  });

  test("a region does not reach over the hole between the halves of sign-extended addresses", () => {
    const lastOfLowerHalf = 2 ** 38 - 4096;
    expect(outcome(() => table.mapRegion(lastOfLowerHalf, 0, 8192, READ))).toBe("OutOfRange");
    expect(outcome(() => table.mapRegion(0xffff_ffff_ffff_f000n, 0, 8192, READ))).toBe("OutOfRange");
    table.mapRegion(lastOfLowerHalf, 0, 4096, READ);
    table.mapRegion(0xffff_ffff_ffff_f000n, 0x1000, 4096, READ);
    expect(table.translate(0xffff_ffff_ffff_ffffn)).toBe(0x1fff);
  });

  test("walk shows at most `limit` entries a table and leaves out what the visitor does not want", () => {
    table.mapRegion(0, 0, 5 * 4096, READ, false);
    table.map(0x4000_0000, 0x4000_0000, Size.Size1G, READ | WRITE);
    const shown: string[] = [];
    table.walk(({ level, index }) => shown.push(`${level}:${index}`), 2);
    expect(shown).toEqual(["0:0", "1:0", "2:0", "2:1", "0:1"]);
    shown.length = 0;
    table.walk(({ level, index, isLeaf }) => {
      shown.push(`${level}:${index}`);
      return isLeaf;
    });
    expect(shown).toEqual(["0:0", "0:1"]);
  });

  test("after dispose every operation is refused", () => {
    const pool = FramePool.ofSize(8, 0);
    const gone = PageTable64.tryNew(sv39, pool);
    gone.map(0x1000, 0x1000, Size.Size4K, READ);
    gone.dispose();
    gone.dispose();
    expect(pool.available).toBe(7);
    expect(outcome(() => gone.map(0x1000, 0x1000, Size.Size4K, READ))).toBe("Disposed");
    expect(outcome(() => gone.query(0x1000))).toBe("Disposed");
    expect(outcome(() => gone.unmapRegion(0x1000, 4096))).toBe("Disposed");
    expect(gone.frameCount).toBe(0);
  });

  test("a table for which there is no root is not made", () => {
    expect(outcome(() => PageTable64.tryNew(sv39, FramePool.ofSize(0, 0)))).toBe("NoMemory");
    // Four frames, but none of the places is aligned to 16 KiB.
    expect(outcome(() => PageTable64.tryNew(sv39x4, FramePool.ofSize(4, 0x1000)))).toBe("NoMemory");
    const single = {
      ...FramePool.ofSize(1, 0x1000),
      allocFrame: () => 0x1000,
      deallocFrame() {},
      wordIndex: () => 0,
    };
    expect(() => PageTable64.tryNew(sv39x4, single)).toThrow(TypeError);
  });
});
