import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeCore } from "../testing/cpu/fake-core.js";
import { PMP_R, PMP_W, PMP_X, Pmp } from "./pmp.js";
import { pmpaddr } from "./state.js";

/** The manual's text, entry by entry and byte by byte, in exact arithmetic. */
class PlainPmp {
  readonly config: number[] = new Array(16).fill(0);
  readonly address: bigint[] = new Array(16).fill(0n);

  private matches(entry: number, byte: bigint): boolean {
    const top = this.address[entry]! << 2n;
    switch ((this.config[entry]! >> 3) & 3) {
      case 1: {
        const bottom = entry === 0 ? 0n : this.address[entry - 1]! << 2n;
        return bottom <= byte && byte < top;
      }
      case 2:
        return byte >> 2n === this.address[entry];
      case 3: {
        // yyy...y0111...1: the trailing ones and the zero above them do not take part.
        let ignored = 1n;
        for (let a = this.address[entry]!; (a & 1n) === 1n; a >>= 1n) ignored++;
        return byte >> (2n + ignored) === this.address[entry]! >> ignored;
      }
      default:
        return false;
    }
  }

  permissions(at: bigint, size: number, machine: boolean): number {
    const bytes = Array.from({ length: size }, (_, i) => at + BigInt(i));
    for (let entry = 0; entry < 16; entry++) {
      const hits = bytes.filter((byte) => this.matches(entry, byte)).length;
      if (hits === 0) continue;
      if (hits < size) return 0;
      const config = this.config[entry]!;
      return machine && (config & 0x80) === 0 ? 7 : config & 7;
    }
    return machine ? 7 : 0;
  }
}

const halves = (value: bigint): [number, number] => [
  Number(BigInt.asIntN(32, value)),
  Number(BigInt.asIntN(32, value >> 32n)),
];

const pack = (bytes: readonly number[]): bigint =>
  bytes.reduce((value, byte, i) => value | (BigInt(byte) << BigInt(8 * i)), 0n);

const setUp = (config: readonly number[], addresses: readonly bigint[]) => {
  const pmp = new Pmp(new FakeCore(64));
  const plain = new PlainPmp();
  for (const [i, address] of addresses.entries()) {
    pmp.writeAddress(i, ...halves(address));
    plain.address[i] = address;
  }
  pmp.writeConfig(0, ...halves(pack(config.slice(0, 8))));
  pmp.writeConfig(1, ...halves(pack(config.slice(8))));
  for (let i = 0; i < 16; i++) plain.config[i] = pmp.config(i);
  return { pmp, plain };
};

const find = (pmp: Pmp, at: number, size: number, machine: boolean): number =>
  pmp.find(at, at - (at % 4096), size, machine);

// Addresses close together, so that entries meet and overlap.
const nearAddress = fc.integer({ min: 0, max: 0x1000 }).map((words) => BigInt(0x2000_0000 + words));
const configByte = fc.integer({ min: 0, max: 255 });

describe("Pmp", () => {
  it("agrees with the manual's rules on any entries and accesses", () => {
    const access = fc.record({
      at: fc.integer({ min: 0x8000_0000 - 64, max: 0x8000_4040 }),
      size: fc.constantFrom(1, 2, 4, 8),
      machine: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(configByte, { minLength: 16, maxLength: 16 }),
        fc.array(nearAddress, { minLength: 16, maxLength: 16 }),
        fc.array(access, { minLength: 1, maxLength: 40 }),
        (config, addresses, accesses) => {
          const { pmp, plain } = setUp(config, addresses);
          for (const { at, size, machine } of accesses) {
            if ((at % 4096) + size > 4096) continue;
            const expected = plain.permissions(BigInt(at), size, machine);
            expect(find(pmp, at, size, machine)).toBe(expected);
            if (!pmp.uniform) continue;
            // A uniform page: every access in it is like this one.
            const page = at - (at % 4096);
            for (const other of [page, page + 0x7fc, page + 4088])
              expect(plain.permissions(BigInt(other), 8, machine)).toBe(expected);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it("calls a page uniform exactly when one entry or none covers it", () => {
    fc.assert(
      fc.property(
        fc.array(configByte, { minLength: 16, maxLength: 16 }),
        fc.array(nearAddress, { minLength: 16, maxLength: 16 }),
        fc.integer({ min: 0, max: 3 }),
        (config, addresses, page) => {
          const { pmp, plain } = setUp(config, addresses);
          const at = 0x8000_0000 + page * 4096;
          find(pmp, at, 1, false);
          const inOne = plain.permissions(BigInt(at), 4096, false) !== 0;
          if (inOne) expect(pmp.uniform).toBe(true);
        },
      ),
    );
  });

  it("denies S and U everything when no entry matches, and M nothing", () => {
    const pmp = new Pmp(new FakeCore(64));
    expect(find(pmp, 0x8000_0000, 8, false)).toBe(0);
    expect(find(pmp, 0x8000_0000, 8, true)).toBe(PMP_R | PMP_W | PMP_X);
    expect(pmp.uniform).toBe(true);
  });

  it("reads all of a NAPOT range from the trailing ones", () => {
    // Table "NAPOT range encoding": yyyy...yyy0 8 bytes up to 0111...1111 for 2^56, all ones for 2^57.
    const { pmp } = setUp([0x1f], [(1n << 54n) - 1n]);
    expect(find(pmp, 2 ** 53 - 8, 8, false)).toBe(7);
    expect(find(setUp([0x19], [0x2000_0000n]).pmp, 0x8000_0007, 1, false)).toBe(1);
    expect(find(setUp([0x19], [0x2000_0000n]).pmp, 0x8000_0008, 1, false)).toBe(0);
    const half = setUp([0x19], [(1n << 31n) - 1n]).pmp;
    expect(find(half, 2 ** 34 - 1, 1, false)).toBe(1);
    expect(find(half, 2 ** 34, 1, false)).toBe(0);
    const lowHalfOnes = setUp([0x19], [(1n << 32n) - 1n]).pmp;
    expect(find(lowHalfOnes, 2 ** 35 - 1, 1, false)).toBe(1);
    expect(find(lowHalfOnes, 2 ** 35, 1, false)).toBe(0);
  });

  it("fails an access that only partly lies in the entry of highest priority", () => {
    // The manual's example: a 4-byte range at 0xC, an 8-byte access at 0x8.
    const { pmp } = setUp([0x17, 0x1f], [0x3n, (1n << 54n) - 1n]);
    expect(find(pmp, 0x8, 8, false)).toBe(0);
    expect(find(pmp, 0x8, 8, true)).toBe(0);
    expect(find(pmp, 0x8, 4, false)).toBe(7);
    expect(find(pmp, 0xc, 4, false)).toBe(7);
  });

  it("legalizes what is written: reserved bits read zero, W without R is not kept", () => {
    const pmp = new Pmp(new FakeCore(64));
    pmp.writeConfig(0, 0x62_60_02_7b | 0, -1 << 24);
    expect([0, 1, 2, 3].map((i) => pmp.config(i))).toEqual([0x1b, 0, 0, 0]);
    expect(pmp.config(7)).toBe(0x9f);
    const core = new FakeCore(64);
    new Pmp(core).writeAddress(3, -1, -1);
    expect(core.big(pmpaddr[3]!)).toBe((1n << 54n) - 1n);
  });

  it("ignores writes to locked entries, and to the base of a locked TOR entry", () => {
    const core = new FakeCore(64);
    const pmp = new Pmp(core);
    pmp.writeAddress(1, 0x100, 0);
    pmp.writeAddress(2, 0x200, 0);
    // Entry 2: locked TOR without permissions; entry 4 locked and off.
    pmp.writeConfig(0, 0x88 << 16, 0x80);
    expect(pmp.writeAddress(2, 0x300, 0)).toBe(false);
    expect(pmp.writeAddress(1, 0x300, 0)).toBe(false);
    expect(pmp.writeAddress(4, 0x300, 0)).toBe(false);
    expect(pmp.writeAddress(3, 0x300, 0)).toBe(true);
    expect(pmp.writeConfig(0, 0x1f1f_1f1f, 0x1f1f_1f1f)).toBe(true);
    expect([0, 1, 2, 3, 4, 5].map((i) => pmp.config(i))).toEqual([0x1f, 0x1f, 0x88, 0x1f, 0x80, 0x1f]);
    expect(core.big(pmpaddr[1]!)).toBe(0x100n);
    // Locked, it binds M-mode too; entries 0 and 1 match only near the bottom.
    expect(find(pmp, 0x410, 4, true)).toBe(0);
  });
});
