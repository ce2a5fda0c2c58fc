import { describe, expect, it } from "vitest";
import { EmbeddedGuestError, embeddedGuest, embeddedGuestArchs } from "./index.js";

describe.each([
  { arch: "riscv64", machine: 243, load: 0x8020_0000 },
  { arch: "aarch64", machine: 183, load: 0x4020_0000 },
  { arch: "x86_64", machine: 62, load: 0x20_0000 },
] as const)("embeddedGuest of $arch", ({ arch, machine, load }) => {
  it("is an executable ELF file for the architecture", () => {
    const bytes = embeddedGuest(arch);
    const view = new DataView(bytes.buffer);
    expect(view.getUint32(0)).toBe(0x7f454c46);
    expect([bytes[4], bytes[5]]).toEqual([2, 1]); // 64 bits, little endian
    expect(view.getUint16(16, true)).toBe(2); // executable
    expect(view.getUint16(18, true)).toBe(machine);
    expect(view.getBigUint64(24, true)).toBe(BigInt(load)); // entry: physical, where the image begins
  });

  it("has one contiguous image at one physical address, within 2 MiB", () => {
    const view = new DataView(embeddedGuest(arch).buffer);
    const table = Number(view.getBigUint64(32, true));
    const count = view.getUint16(56, true);
    const headers = Array.from({ length: count }, (_, i) => table + 56 * i);
    const loaded = headers.filter((at) => view.getUint32(at, true) === 1); // PT_LOAD
    let next = load;
    for (const at of loaded) {
      const physical = Number(view.getBigUint64(at + 24, true));
      expect(physical).toBe(Math.ceil(next / 4096) * 4096);
      expect(view.getBigUint64(at + 16, true)).toBe(BigInt(physical - load) + 0xffff_ffff_8020_0000n);
      next = physical + Number(view.getBigUint64(at + 40, true));
    }
    expect(loaded).toHaveLength(3);
    expect(next).toBeLessThanOrEqual(load + 0x20_0000);
  });
});

describe("embeddedGuest", () => {
  it("gives every caller a copy", () => {
    const [mine, yours] = [embeddedGuest("riscv64"), embeddedGuest("riscv64")];
    mine.fill(0);
    expect(yours[0]).toBe(0x7f);
  });

  it("refuses an architecture that it has no guest for", () => {
    const ask = () => embeddedGuest("pdp11" as "riscv64");
    expect(ask).toThrow(EmbeddedGuestError);
    expect(ask).toThrow('no embedded guest for "pdp11": have riscv64, aarch64, x86_64');
    expect(() => embeddedGuest("toString" as "riscv64")).toThrow(EmbeddedGuestError);
    expect(embeddedGuestArchs).toEqual(["riscv64", "aarch64", "x86_64"]);
  });
});
