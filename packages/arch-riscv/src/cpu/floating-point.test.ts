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
            fpOn: host !== 0n && (v === 0 || guest !== 0n),
            fpDirty: host === 3n && (v === 0 || guest === 3n),
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
      expect(unpackMode(hart.codeMode()).fpDirty).toBe(true);
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
