import { Status } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { fakeMachine } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";
import { unpackMode } from "./mode.js";

const FS = (value: bigint): bigint => value << 13n;
const SD = 1n << 63n;

describe("floating-point state", () => {
  it("is on only where every status register in effect says so, and dirty likewise", () => {
    const { hart } = fakeMachine();
    for (const host of [0n, 1n, 2n, 3n]) {
      for (const guest of [0n, 1n, 2n, 3n]) {
        for (const [priv, v] of [
          [0, 0],
          [1, 0],
          [3, 0],
          [0, 1],
          [1, 1],
        ] as const) {
          hart.writeCsr("mstatus", FS(host));
          hart.writeCsr("vsstatus", FS(guest));
          hart.writeCsr("frm", 3n);
          hart.writeCsr("mstatus", FS(host));
          hart.writeCsr("vsstatus", FS(guest));
          hart.setMode(priv, v);
          expect(unpackMode(hart.codeMode())).toEqual({
            privilege: priv,
            virtual: v === 1,
            // Kernels switch it at every trap: code of S-mode looks for itself.
            fpOn: priv !== 1 && host !== 0n && (v === 0 || guest !== 0n),
            fpDirty: priv !== 1 && host === 3n && (v === 0 || guest === 3n),
            frm: 3,
            cboZero: priv === 3,
          });
        }
      }
    }
  });

  it("becomes dirty in both registers when a guest writes it, in mstatus only otherwise", () => {
    for (const v of [0, 1] as const) {
      const { hart } = fakeMachine();
      hart.writeCsr("mstatus", FS(1n));
      hart.writeCsr("vsstatus", FS(2n));
      hart.setMode(1, v);
      expect(hart.helper(Helper.fpDirty, 0, 0, 0, 0, 0)).toBe(Status.next);
      expect(hart.readCsr("mstatus") & (SD | FS(3n))).toBe(SD | FS(3n));
      expect(hart.readCsr("vsstatus") & (SD | FS(3n))).toBe(v === 1 ? SD | FS(3n) : FS(2n));
      hart.setMode(0, v);
      expect(unpackMode(hart.codeMode()).fpDirty).toBe(true);
    }
  });

  it("is looked at by instructions in S-mode", () => {
    for (const writes of [0, 1]) {
      for (const [host, guest, v] of [
        [0n, 3n, 0],
        [1n, 0n, 0],
        [3n, 0n, 1],
        [2n, 1n, 1],
      ] as const) {
        const { hart } = fakeMachine();
        hart.writeCsr("mstatus", FS(host));
        hart.writeCsr("vsstatus", FS(guest));
        hart.setMode(1, v);
        const on = host !== 0n && (v === 0 || guest !== 0n);
        expect(hart.helper(Helper.fpUse, writes, 0, 0, 0, 0)).toBe(on ? Status.next : Status.trap);
        const dirty = FS(on && writes !== 0 ? 3n : host);
        expect(hart.readCsr("mstatus") & FS(3n)).toBe(dirty);
        if (v === 1 && on && writes !== 0) expect(hart.readCsr("vsstatus") & FS(3n)).toBe(FS(3n));
        else expect(hart.readCsr("vsstatus") & FS(3n)).toBe(FS(guest));
      }
    }
  });

  it("is reached through fflags, frm and fcsr", () => {
    const { hart, core } = fakeMachine();
    hart.writeCsr("mstatus", FS(1n));
    hart.writeCsr("fcsr", 0xffn);
    expect([hart.readCsr("fflags"), hart.readCsr("frm"), hart.readCsr("fcsr")]).toEqual([31n, 7n, 0xffn]);
    hart.writeCsr("fflags", 0x41n);
    hart.writeCsr("frm", 10n);
    expect(hart.readCsr("fcsr")).toBe(0x41n);
    expect(core.big(hart.layout.fpFlags)).toBe(1n);
    expect(hart.readCsr("mstatus") & SD).toBe(SD);
  });
});
