import { Status } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";

const OPERATIONS = { inval: 0, clean: 1, flush: 2, zero: 4 } as const;
const CBIE = 0x10n;
const CBCFE = 0x40n;
const CBZE = 0x80n;
const MODES = [
  ["M", 3, 0],
  ["HS", 1, 0],
  ["U", 0, 0],
  ["VS", 1, 1],
  ["VU", 0, 1],
] as const;

function open(): FakeMachine {
  const machine = fakeMachine();
  machine.hart.writeCsr("pmpaddr0", -1n);
  machine.hart.writeCsr("pmpcfg0", 0x1fn);
  return machine;
}

describe("cache-block operations", () => {
  it("are allowed by menvcfg, henvcfg and senvcfg as the CMO chapter's pseudocode has it", () => {
    for (const [operation, bit] of [
      ["inval", CBIE],
      ["clean", CBCFE],
      ["flush", CBCFE],
      ["zero", CBZE],
    ] as const) {
      for (const [mode, priv, v] of MODES) {
        for (let enables = 0; enables < 8; enables++) {
          const [m, h, s] = [(enables & 1) !== 0, (enables & 2) !== 0, (enables & 4) !== 0];
          const { hart } = open();
          hart.writeCsr("menvcfg", m ? bit : ~bit & 0xf1n);
          hart.writeCsr("henvcfg", h ? bit : ~bit & 0xf1n & (operation === "inval" ? ~0x20n : ~0n));
          hart.writeCsr("senvcfg", s ? bit : ~bit & 0xf1n & (operation === "inval" ? ~0x20n : ~0n));
          if (!m && operation === "inval") hart.writeCsr("menvcfg", 0xc1n);
          let cause = 0n;
          if ((mode !== "M" && !m) || (mode === "U" && !s)) cause = 2n;
          else if ((mode === "VS" && !h) || (mode === "VU" && !(h && s))) cause = 22n;
          hart.setMode(priv, v);
          const status = hart.helper(Helper.cacheBlock, OPERATIONS[operation], RAM + 0x100, 0, 0, 0);
          expect([operation, mode, enables, hart.readCsr("mcause")]).toEqual([
            operation,
            mode,
            enables,
            cause,
          ]);
          expect(status).toBe(cause === 0n ? Status.next : Status.trap);
        }
      }
    }
  });

  it("CBO.ZERO clears the 64 bytes around the address", () => {
    const { hart, core } = open();
    core.bytes.fill(0xff, 0, 256);
    hart.helper(Helper.cacheBlock, OPERATIONS.zero, (RAM + 0x5f) | 0, 0, 0, 0);
    expect([...core.bytes.subarray(0, 256)].map((b) => b !== 0)).toEqual(
      Array.from({ length: 256 }, (_, i) => i < 64 || i >= 128),
    );
    expect(core.written).toEqual([[64, 64]]);
  });

  it("CBO.ZERO of a device or of memory without one PMP entry faults as a store, at the address given", () => {
    const { hart } = open();
    expect(hart.helper(Helper.cacheBlock, OPERATIONS.zero, 0x1000_0013, 0, 0, 0)).toBe(Status.trap);
    expect([hart.readCsr("mcause"), hart.readCsr("mtval")]).toEqual([7n, 0x1000_0013n]);
    // A locked entry of 32 bytes within the block.
    hart.writeCsr("pmpaddr0", (BigInt(RAM + 0x100) >> 2n) | 3n);
    hart.writeCsr("pmpcfg0", 0x9fn);
    expect(hart.helper(Helper.cacheBlock, OPERATIONS.zero, (RAM + 0x104) | 0, 0, 0, 0)).toBe(Status.trap);
    expect(hart.readCsr("mcause")).toBe(7n);
  });

  it("are illegal where they are not implemented", () => {
    for (const operation of Object.values(OPERATIONS)) {
      const { hart } = fakeMachine({ features: { zicbom: false, zicboz: false } });
      hart.helper(Helper.cacheBlock, operation, RAM | 0, 0, 0, 0);
      expect(hart.readCsr("mcause")).toBe(2n);
    }
  });
});
