import { Access, newTranslation, Translated } from "@hypercraft/engine";
import {
  FramePool,
  MappingFlags,
  PageTable64,
  sv39,
  sv39x4,
  sv48,
  sv48x4,
  sv57,
  sv57x4,
} from "@hypercraft/guest-page-table";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import { MPP_SHIFT, MPRV } from "./status-bits.js";

// Tables that guest-page-table writes, walked by the hart.

const RAM_BYTES = 1 << 20;
const { READ, WRITE, EXECUTE } = MappingFlags;
const FIRST = { sv39, sv48, sv57 };
const SECOND = { sv39x4, sv48x4, sv57x4 };

function machine(mpv: bigint): FakeMachine {
  const made = fakeMachine({ mode: "bare" }, RAM_BYTES);
  made.hart.writeCsr("pmpaddr0", -1n);
  made.hart.writeCsr("pmpcfg0", 0x1fn);
  made.hart.writeCsr("mstatus", BigInt(MPRV | (1 << MPP_SHIFT)) | (mpv << 39n));
  return made;
}

const pool = ({ core }: FakeMachine): FramePool => new FramePool(new Uint32Array(core.words.buffer), RAM);

/** Where the hart translates a load to, undefined for a fault. */
function physical({ hart }: FakeMachine, address: bigint): { at: number; shift: number } | undefined {
  const out = newTranslation();
  const mstatus = hart.readCsr("mstatus");
  const [lo, hi] = [Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n))];
  const status = hart.translate(Access.read, lo, hi, 1, out);
  hart.setMode(3, 0);
  hart.writeCsr("mstatus", mstatus);
  return status === Translated.ok ? { at: out.physical, shift: out.pageShift } : undefined;
}

const region = fc.record({
  page: fc.bigInt({ min: 0n, max: (1n << 27n) - 1n }),
  to: fc.integer({ min: 0, max: 2 ** 24 }),
  pages: fc.integer({ min: 1, max: 1200 }),
  aligned: fc.boolean(),
});

describe("tables of guest-page-table", () => {
  it.each(Object.keys(FIRST) as (keyof typeof FIRST)[])("are what the hart walks: %s", (name) => {
    const format = FIRST[name];
    const bits = BigInt(name.slice(2));
    fc.assert(
      fc.property(fc.array(region, { minLength: 1, maxLength: 4 }), fc.boolean(), (regions, high) => {
        const made = machine(0n);
        const table = PageTable64.tryNew(format, pool(made));
        made.hart.writeCsr("satp", format.token(table.rootPaddr));
        const upper = high ? (1n << bits) - (1n << 39n) : 0n;
        const canonical = (a: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(Number(bits), a | upper));
        const asked: bigint[] = [];
        for (const { page, to, pages, aligned } of regions) {
          const start = canonical((aligned ? page & ~511n : page) << 12n);
          try {
            table.mapRegion(start, (aligned ? to & ~511 : to) * 4096, pages * 4096, READ | WRITE);
          } catch {
            // It meets another region or leaves the address space: the table says what is mapped.
          }
          for (const offset of [
            0n,
            0x1fn,
            BigInt(pages) * 2048n,
            BigInt(pages) * 4096n - 1n,
            BigInt(pages) * 4096n,
          ])
            asked.push(BigInt.asUintN(64, start + offset));
        }
        for (const address of asked) {
          const expected = canonical(address) === address ? table.translate(address) : undefined;
          const found = physical(made, address);
          expect(found?.at).toBe(expected);
          if (found !== undefined) expect(2 ** found.shift).toBe(table.query(address).size);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each(Object.keys(SECOND) as (keyof typeof SECOND)[])("are what the hart walks: %s", (name) => {
    const format = SECOND[name];
    const bits = BigInt(name.slice(2, 4)) + 2n;
    fc.assert(
      fc.property(
        fc.array(region, { minLength: 1, maxLength: 4 }),
        fc.bigInt({ min: 0n, max: 3n }),
        (regions, top) => {
          const made = machine(1n);
          const table = PageTable64.tryNew(format, pool(made));
          made.hart.writeCsr("hgatp", format.token(table.rootPaddr, 5));
          expect(made.hart.readCsr("hgatp")).toBe(format.token(table.rootPaddr, 5));
          for (const { page, to, pages, aligned } of regions) {
            // Addresses up to the last of the 41, 50 or 59 bits: nothing is an alias of anything.
            const start =
              (top << (bits - 2n)) | (((aligned ? page & ~511n : page) << 12n) & ((1n << 38n) - 1n));
            try {
              table.mapRegion(start, (aligned ? to & ~511 : to) * 4096, pages * 4096, READ | WRITE | EXECUTE);
            } catch {
              // As above.
            }
            for (const offset of [0n, 0x1fn, BigInt(pages) * 2048n, BigInt(pages) * 4096n]) {
              const address = start + offset;
              expect(physical(made, address)?.at).toBe(table.translate(address));
              expect(physical(made, address | (1n << bits))).toBeUndefined();
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("work as both stages at once", () => {
    const made = machine(1n);
    const frames = pool(made);
    const second = PageTable64.tryNew(sv39x4, frames);
    made.hart.writeCsr("hgatp", sv39x4.token(second.rootPaddr, 1));
    // The guest sees the upper half of RAM at its own 1 GiB, and keeps its tables there.
    const half = RAM_BYTES / 2;
    const guestBase = 0x4000_0000;
    second.mapRegion(guestBase, RAM + half, half, READ | WRITE | EXECUTE);
    const guestWords = new Uint32Array(made.core.words.buffer, half, half / 8);
    const first = PageTable64.tryNew(sv48, new FramePool(guestWords, guestBase));
    made.hart.writeCsr("vsatp", sv48.token(first.rootPaddr));
    const data = guestBase + half / 2;
    first.map(0xffff_8000_1234_5000n, data, 4096, READ);
    first.map(0x0000_7fff_0000_0000n, 0x9000_0000, 4096, READ);
    expect(physical(made, 0xffff_8000_1234_5678n)?.at).toBe(RAM + half + half / 2 + 0x678);
    // Mapped by the guest to what the host has not given it.
    expect(physical(made, 0x0000_7fff_0000_0008n)).toBeUndefined();
    expect([made.hart.readCsr("mcause"), made.hart.readCsr("mtval2")]).toEqual([21n, 0x9000_0008n >> 2n]);
    expect(made.hart.readCsr("mtinst")).toBe(0n);
  });
});
