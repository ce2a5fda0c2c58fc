import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HostSpan, TranslatedGuestMemory } from "./guest-memory.js";

const outOfRange = expect.objectContaining({ code: "OutOfRange" });

/** Guest pages of 16 bytes at 0x1000: the first two adjacent in the host, the third elsewhere, a fourth missing. */
function scattered() {
  const memory = { buffer: new ArrayBuffer(256) };
  const pages = [64, 80, 16];
  const written: [number, number][] = [];
  const translate = (gpa: number): HostSpan | undefined => {
    const page = pages[Math.floor((gpa - 0x1000) / 16)];
    if (gpa < 0x1000 || page === undefined) return undefined;
    return { offset: page + (gpa % 16), length: 16 - (gpa % 16) };
  };
  const guest = new TranslatedGuestMemory({
    memory,
    translate,
    written: (offset, length) => written.push([offset, length]),
  });
  return { guest, host: new Uint8Array(memory.buffer), written };
}

describe("TranslatedGuestMemory", () => {
  it("writes through every piece and reports each", () => {
    const { guest, host, written } = scattered();
    guest.write(
      0x100e,
      Uint8Array.from({ length: 20 }, (_, i) => i + 1),
    );
    expect([...host.subarray(78, 96)]).toEqual(Array.from({ length: 18 }, (_, i) => i + 1));
    expect([...host.subarray(16, 18)]).toEqual([19, 20]);
    expect(written).toEqual([
      [78, 2],
      [80, 16],
      [16, 2],
    ]);
  });

  it("reads back what was written, as a copy", () => {
    const { guest, host } = scattered();
    guest.write(0x101c, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const bytes = guest.read(0x101c, 8);
    expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    host.fill(0);
    expect(bytes[0]).toBe(1);
    const target = new Uint8Array(8);
    guest.readInto(0x101c, target);
    expect([...target]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("is little endian at every width, aligned or not", () => {
    const { guest } = scattered();
    guest.writeU64(0x100d, 0xf1f2_f3f4_f5f6_f7f8n);
    expect(guest.readU64(0x100d)).toBe(0xf1f2_f3f4_f5f6_f7f8n);
    expect([guest.readU8(0x100d), guest.readU16(0x100d), guest.readU32(0x100d)]).toEqual([
      0xf8, 0xf7f8, 0xf5f6_f7f8,
    ]);
    guest.writeU32(0x1000, -2);
    guest.writeU16(0x1004, 0x1_2345);
    guest.writeU8(0x1006, 0x1ff);
    expect([...guest.read(0x1000, 8)]).toEqual([0xfe, 0xff, 0xff, 0xff, 0x45, 0x23, 0xff, 0]);
  });

  it("refuses ranges that are not all RAM, and writes nothing of them", () => {
    const { guest, host, written } = scattered();
    for (const [gpa, length] of [
      [0xfff, 2],
      [0x102f, 2],
      [0x2000, 1],
      [-1, 1],
      [4096.5, 1],
      [0x1000, 1e15],
    ] as const) {
      expect(guest.contains(gpa, length)).toBe(false);
      expect(() => guest.read(gpa, length)).toThrow(outOfRange);
    }
    expect(() => guest.write(0x102e, new Uint8Array(4).fill(9))).toThrow(outOfRange);
    expect(() => guest.writeU64(0x102a, -1n)).toThrow(outOfRange);
    expect(() => guest.readU16(0x102f)).toThrow(outOfRange);
    expect(host.every((byte) => byte === 0)).toBe(true);
    expect(written).toEqual([]);
  });

  it("takes empty ranges anywhere", () => {
    const { guest } = scattered();
    expect(guest.contains(0x5000, 0)).toBe(true);
    expect(guest.read(0x5000, 0)).toHaveLength(0);
  });

  it("agrees with a flat array", () => {
    const range = fc.tuple(fc.nat(47), fc.nat(20));
    fc.assert(
      fc.property(fc.array(fc.tuple(range, fc.nat(255)), { maxLength: 20 }), (writes) => {
        const { guest } = scattered();
        const flat = new Uint8Array(48);
        for (const [[start, length], byte] of writes) {
          const fits = start + length <= 48;
          expect(guest.contains(0x1000 + start, length)).toBe(fits || length === 0);
          if (!fits) continue;
          guest.write(0x1000 + start, new Uint8Array(length).fill(byte));
          flat.fill(byte, start, start + length);
        }
        expect([...guest.read(0x1000, 48)]).toEqual([...flat]);
      }),
    );
  });
});
