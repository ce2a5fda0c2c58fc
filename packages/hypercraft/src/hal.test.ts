import { GuestPageTable, PageTableReader, sv39x4 } from "@hypercraft/guest-page-table";
import { describe, expect, it } from "vitest";
import { PAGE_SIZE } from "./address.js";
import { InstructionClock } from "./clock.js";
import { MemoryHal, pagingOf } from "./hal.js";

const code = (name: string) => expect.objectContaining({ code: name });
const clock = new InstructionClock();

function hal(pages: number) {
  const memory = { buffer: new ArrayBuffer((pages + 1) * PAGE_SIZE) };
  return new MemoryHal({ memory, clock, base: 0x8000_0000, offset: PAGE_SIZE });
}

describe("MemoryHal", () => {
  it("hands out frames of its RAM and takes them back", () => {
    const host = hal(8);
    expect(host.allocPage()).toBe(0x8000_0000);
    expect(host.allocPage()).toBe(0x8000_1000);
    host.deallocPage(0x8000_0000);
    expect(host.allocPage()).toBe(0x8000_0000);
    expect(() => host.deallocPage(0x8000_5000)).toThrow(code("BadState"));
    expect(() => host.deallocPage(0x7000_0000)).toThrow(code("OutOfRange"));
    expect(() => host.deallocPage(0x8000_0800)).toThrow(code("InvalidParam"));
  });

  it("aligns several frames to their number unless told otherwise", () => {
    const host = hal(32);
    host.allocPage();
    expect(host.allocPages(4)).toBe(0x8000_4000);
    expect(host.allocPages(3)).toBe(0x8000_8000);
    expect(host.allocPages(3, 1)).toBe(0x8000_1000);
    expect(host.allocPages(64)).toBeUndefined();
    host.deallocPages(0x8000_4000, 4);
    expect(host.allocPages(4)).toBe(0x8000_4000);
  });

  it("never hands out address 0", () => {
    const memory = { buffer: new ArrayBuffer(2 * PAGE_SIZE) };
    const host = new MemoryHal({ memory, clock, base: 0 });
    expect(host.allocPage()).toBe(PAGE_SIZE);
    expect(host.allocPage()).toBeUndefined();
  });

  it("translates between physical addresses and host memory", () => {
    const host = hal(2);
    expect(host.physToVirt(0x8000_1234)).toBe(0x2234);
    expect(host.virtToPhys(0x2234)).toBe(0x8000_1234);
    for (const pa of [0x7fff_ffff, 0x8000_2000, 0x1000])
      expect(() => host.physToVirt(pa)).toThrow(code("OutOfRange"));
    for (const va of [0, PAGE_SIZE - 1, 3 * PAGE_SIZE])
      expect(() => host.virtToPhys(va)).toThrow(code("OutOfRange"));
  });

  it("refuses RAM that is not whole pages or not in the memory", () => {
    const memory = { buffer: new ArrayBuffer(4 * PAGE_SIZE) };
    const make = (part: object) => new MemoryHal({ memory, clock, base: 0x8000_0000, ...part });
    expect(() => make({ base: 0x8000_0001 })).toThrow(code("InvalidParam"));
    expect(() => make({ offset: 12 })).toThrow(code("InvalidParam"));
    expect(() => make({ size: 100 })).toThrow(code("InvalidParam"));
    expect(() => make({ size: 5 * PAGE_SIZE })).toThrow(code("OutOfRange"));
    expect(make({ size: 3 * PAGE_SIZE }).size).toBe(3 * PAGE_SIZE);
  });

  it("carries a real second-stage table, and gets every frame back", () => {
    const host = hal(64);
    const before = host.frames.freeFrames;
    const paging = pagingOf(host);
    const table = new GuestPageTable(sv39x4, paging, 5);
    const readWrite = 3;
    table.map(0x9000_0000, 0x8001_0000, readWrite);
    expect(table.translate(0x9000_0123)).toBe(0x8001_0123);
    // The bytes in host memory are the table: another reader of the same memory finds the same.
    const root = Number(table.token & ((1n << 44n) - 1n)) * PAGE_SIZE;
    expect(root % (4 * PAGE_SIZE)).toBe(0);
    expect(new PageTableReader(sv39x4, paging, root).translate(0x9000_0123)).toBe(0x8001_0123);
    expect(host.frames.freeFrames).toBeLessThan(before);
    table.dispose();
    expect(host.frames.freeFrames).toBe(before);
  });

  it("tells page tables where there is no RAM, and when there are no frames", () => {
    const host = hal(2);
    const paging = pagingOf(host);
    expect(paging.wordIndex(0x8000_1000)).toBe(2048);
    expect(paging.wordIndex(0x9000_0000)).toBe(-1);
    expect(paging.allocFrames(4)).toBeUndefined();
    expect(() => new GuestPageTable(sv39x4, paging)).toThrow(expect.objectContaining({ code: "NoMemory" }));
  });
});
