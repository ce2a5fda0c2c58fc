import { Access, newTranslation, Translated } from "@hypercraft/engine";
import {
  aarch64Stage1Format,
  aarch64Stage2Format,
  FramePool,
  MappingFlags,
  PageTable64,
} from "@hypercraft/guest-page-table";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { atLevel, type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-machine.js";

// Tables that guest-page-table writes, walked by the PE.

const RAM_BYTES = 1 << 20;
const { READ, WRITE, EXECUTE } = MappingFlags;

const pool = ({ core }: FakeMachine): FramePool => new FramePool(new Uint32Array(core.words.buffer), RAM);

/** A PE at EL1 with a first stage of so many bits in both halves, or none. */
function machine(bits: number | undefined): FakeMachine {
  const made = fakeMachine({}, RAM_BYTES);
  const { pe } = made;
  const size = BigInt(64 - (bits ?? 48));
  pe.writeSystem("TCR_EL1", size | (size << 16n) | (2n << 30n) | (5n << 32n));
  // Attribute n of guest-page-table's entries: any of them as Normal memory.
  pe.writeSystem("MAIR_EL1", (1n << 64n) - 1n);
  pe.writeSystem("SCTLR_EL1", bits === undefined ? 0n : 1n);
  return made;
}

/** Where a load of EL1 leads, undefined for a fault. */
function physical(made: FakeMachine, address: bigint): { at: number; shift: number } | undefined {
  const out = newTranslation();
  atLevel(made, 1);
  const [lo, hi] = [Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n))];
  const translated = made.pe.translate(Access.read, lo, hi, 1, out);
  return translated === Translated.ok ? { at: out.physical, shift: out.pageShift } : undefined;
}

const region = fc.record({
  page: fc.bigInt({ min: 0n, max: (1n << 27n) - 1n }),
  to: fc.integer({ min: 0, max: 2 ** 24 }),
  pages: fc.integer({ min: 1, max: 1200 }),
  aligned: fc.boolean(),
});
const offsets = (pages: number): bigint[] => [
  ...[0n, 0x1fn],
  ...[BigInt(pages) * 2048n, BigInt(pages) * 4096n - 1n, BigInt(pages) * 4096n],
];

describe("tables of guest-page-table are what the PE walks", () => {
  test.each([48, 39, 32, 30])("first stage, %i bits", (bits) => {
    const format = aarch64Stage1Format(bits);
    fc.assert(
      fc.property(fc.array(region, { minLength: 1, maxLength: 4 }), fc.boolean(), (regions, high) => {
        const made = machine(bits);
        const table = PageTable64.tryNew(format, pool(made));
        made.pe.writeSystem(high ? "TTBR1_EL1" : "TTBR0_EL1", format.token(table.rootPaddr, 3));
        const input = (1n << BigInt(bits)) - 1n;
        const upper = high ? BigInt.asUintN(64, ~input) : 0n;
        const asked: bigint[] = [];
        for (const { page, to, pages, aligned } of regions) {
          const start = (((aligned ? page & ~511n : page) << 12n) & input) | upper;
          try {
            table.mapRegion(start, (aligned ? to & ~511 : to) * 4096, pages * 4096, READ | WRITE);
          } catch {
            // It meets another region or leaves the address space: the table says what is mapped.
          }
          for (const offset of offsets(pages)) asked.push(BigInt.asUintN(64, start + offset));
        }
        for (const address of asked) {
          const inHalf = (address & ~input) === upper;
          const found = physical(made, address);
          expect(found?.at).toBe(inHalf ? table.translate(address) : undefined);
          if (found !== undefined) expect(2 ** found.shift).toBe(table.query(address).size);
        }
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    [40, 1],
    [44, 0],
    [39, 1],
    [42, 1],
    [34, 2],
    [30, 2],
  ] as const)("second stage, %i bits from level %i", (bits, level) => {
    const format = aarch64Stage2Format(bits, level);
    fc.assert(
      fc.property(
        fc.array(region, { minLength: 1, maxLength: 4 }),
        fc.bigInt({ min: 0n, max: 15n }),
        (regions, top) => {
          const made = machine(undefined);
          const { pe } = made;
          const table = PageTable64.tryNew(format, pool(made));
          pe.writeSystem("VTCR_EL2", BigInt(64 - bits) | (BigInt(2 - level) << 6n) | (4n << 16n));
          pe.writeSystem("VTTBR_EL2", format.token(table.rootPaddr, 5));
          pe.writeSystem("HCR_EL2", 1n);
          const input = (1n << BigInt(bits)) - 1n;
          for (const { page, to, pages, aligned } of regions) {
            // Addresses up to the last bit: nothing is an alias of anything.
            const start = ((top << BigInt(bits - 4)) ^ ((aligned ? page & ~511n : page) << 12n)) & input;
            try {
              table.mapRegion(start, (aligned ? to & ~511 : to) * 4096, pages * 4096, READ | WRITE | EXECUTE);
            } catch {
              // As above.
            }
            for (const offset of offsets(pages)) {
              const address = start + offset;
              const mapped = address <= input ? table.translate(address) : undefined;
              expect(physical(made, address)?.at).toBe(mapped);
              expect(physical(made, address | (1n << BigInt(bits)))).toBeUndefined();
            }
            // A table may be changed where it said no before; what was known is forgotten otherwise.
            pe.tlb.dropGuest(5);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("and work as both stages at once", () => {
    const made = machine(48);
    const { pe, core } = made;
    const format = aarch64Stage2Format(40, 1);
    const second = PageTable64.tryNew(format, pool(made));
    pe.writeSystem("VTCR_EL2", 24n | (1n << 6n) | (4n << 16n));
    pe.writeSystem("VTTBR_EL2", format.token(second.rootPaddr, 1));
    pe.writeSystem("HCR_EL2", 1n);
    // The guest sees the upper half of RAM at its own 1 GiB * 2, and keeps its tables there.
    const half = RAM_BYTES / 2;
    const guestBase = 0x8000_0000;
    second.mapRegion(guestBase, RAM + half, half, READ | WRITE | EXECUTE);
    const stage1 = aarch64Stage1Format(48);
    const words = new Uint32Array(core.words.buffer, half, half / 8);
    const first = PageTable64.tryNew(stage1, new FramePool(words, guestBase));
    pe.writeSystem("TTBR0_EL1", stage1.token(first.rootPaddr));
    const data = guestBase + half / 2;
    first.map(0x1234_5000n, data, 4096, READ);
    first.map(0x7fff_0000_0000n, 0x9_0000_0000, 4096, READ);
    expect(physical(made, 0x1234_5678n)?.at).toBe(RAM + half + half / 2 + 0x678);
    // Mapped by the guest to what the host has not given it.
    expect(physical(made, 0x7fff_0000_0008n)).toBeUndefined();
    expect(pe.readSystem("HPFAR_EL2")).toBe((0x9_0000_0000n >> 12n) << 4n);
    expect(pe.readSystem("FAR_EL2")).toBe(0x7fff_0000_0008n);
  });
});
