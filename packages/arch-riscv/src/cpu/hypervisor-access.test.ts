import { Status } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";

const SIGNED = 16;
const EXECUTE = 32;
const ROOT = RAM + 0x8000;
/** Guest-physical addresses from 0 map to RAM by 4 KiB pages 0x1000, 0x3000, 0x2000 ... with these bits. */
function guest(flags: readonly bigint[]): FakeMachine {
  const machine = fakeMachine();
  const { hart, core } = machine;
  hart.writeCsr("pmpaddr0", -1n);
  hart.writeCsr("pmpcfg0", 0x1fn);
  hart.writeCsr("hgatp", (8n << 60n) | BigInt(ROOT / 4096));
  hart.writeCsr("hstatus", 1n << 8n);
  core.write64(ROOT, (BigInt(ROOT + 0x4000) >> 2n) | 1n);
  core.write64(ROOT + 0x4000, (BigInt(ROOT + 0x5000) >> 2n) | 1n);
  for (const [i, low] of flags.entries())
    core.write64(ROOT + 0x5000 + i * 8, (BigInt(RAM + [0x1000, 0x3000, 0x2000][i]!) >> 2n) | low);
  hart.setMode(1, 0);
  return machine;
}

const load = ({ hart, core }: FakeMachine, constant: number, at: number): bigint | undefined =>
  hart.helper(Helper.hypervisorLoad, constant, at, 0, 0, 0) === Status.next ? core.result : undefined;

describe("HLV, HLVX and HSV", () => {
  it("extend by size and sign", () => {
    const machine = guest([0xdfn]);
    machine.core.write64(RAM + 0x1010, 0x8182_8384_8586_8788n);
    expect(load(machine, 1, 0x10)).toBe(0x88n);
    expect(load(machine, 1 | SIGNED, 0x10)).toBe(0xffff_ffff_ffff_ff88n);
    expect(load(machine, 2, 0x10)).toBe(0x8788n);
    expect(load(machine, 2 | SIGNED, 0x11)).toBe(0xffff_ffff_ffff_8687n);
    expect(load(machine, 4, 0x10)).toBe(0x8586_8788n);
    expect(load(machine, 4 | SIGNED, 0x10)).toBe(0xffff_ffff_8586_8788n);
    expect(load(machine, 8, 0x10)).toBe(0x8182_8384_8586_8788n);
    expect(load(machine, 4 | EXECUTE, 0x10)).toBe(0x8586_8788n);
  });

  it("cross pages, all or nothing", () => {
    const machine = guest([0xdfn, 0xdfn, 0x5bn]);
    const { hart, core } = machine;
    core.write64(RAM + 0x1ff8, 0x1122_3344_5566_7788n);
    core.write64(RAM + 0x3000, 0x99aa_bbcc_ddee_ff00n);
    expect(load(machine, 8, 0xffc)).toBe(0xddee_ff00_1122_3344n);
    hart.helper(Helper.hypervisorStore, 8, 0xffd, 0, 0x0403_0201, 0x0807_0605);
    expect(core.read64(RAM + 0x1ff8)).toBe(0x0302_0144_5566_7788n);
    expect(core.read64(RAM + 0x3000)).toBe(0x99aa_bb08_0706_0504n);
    expect(core.written.slice(-2)).toEqual([
      [0x1ffd, 3],
      [0x3000, 5],
    ]);
    // Page 2 is read-only: nothing of the first part is written.
    expect(hart.helper(Helper.hypervisorStore, 8, 0x1ffc, 0, -1, -1)).toBe(Status.trap);
    expect(core.read64(RAM + 0x3ff8)).toBe(0n);
    expect([hart.readCsr("mcause"), hart.readCsr("mtval"), hart.readCsr("mtval2")]).toEqual([
      23n,
      0x2000n,
      0x800n,
    ]);
  });

  it("use a root that is not aligned to 16 KiB where it is, though hgatp reads as if it were", () => {
    const machine = guest([0xdfn]);
    const { hart, core } = machine;
    core.write64(RAM + 0x1010, 0x55n);
    const unaligned = ROOT + 0x7000;
    core.write64(unaligned, core.read64(ROOT));
    hart.writeCsr("hgatp", (8n << 60n) | BigInt(unaligned / 4096));
    expect(hart.readCsr("hgatp")).toBe((8n << 60n) | (BigInt(unaligned / 4096) & ~3n));
    expect(load(machine, 1, 0x10)).toBe(0x55n);
  });

  it("report the part that faults, beyond bit 31 too", () => {
    const machine = guest([]);
    const { hart, core } = machine;
    // The last guest-physical page below 4 GiB is RAM; the next one is not mapped.
    core.write64(ROOT + 3 * 8, (BigInt(ROOT + 0x6000) >> 2n) | 1n);
    core.write64(ROOT + 0x6000 + 511 * 8, (BigInt(ROOT + 0x7000) >> 2n) | 1n);
    core.write64(ROOT + 0x7000 + 511 * 8, (BigInt(RAM + 0x1000) >> 2n) | 0xdfn);
    expect(load(machine, 8, 0xffff_fffc | 0)).toBeUndefined();
    expect([hart.readCsr("mcause"), hart.readCsr("mtval"), hart.readCsr("mtval2")]).toEqual([
      21n,
      0x1_0000_0000n,
      0x4000_0000n,
    ]);
  });

  it("HLVX asks for execute permission, and not for read permission", () => {
    // X only; R and W only.
    const machine = guest([0xd9n, 0xd7n]);
    expect(load(machine, 4 | EXECUTE, 0)).toBe(0n);
    expect(load(machine, 4, 0)).toBeUndefined();
    expect(machine.hart.readCsr("mcause")).toBe(21n);
    machine.hart.setMode(1, 0);
    expect(load(machine, 4 | EXECUTE, 0x1000)).toBeUndefined();
    expect(machine.hart.readCsr("mcause")).toBe(21n);
  });

  it("HLVX needs read and execute permission of PMP", () => {
    const machine = guest([0xdfn]);
    const { hart } = machine;
    // The page is execute-only memory.
    hart.setMode(3, 0);
    hart.writeCsr("pmpaddr1", -1n);
    hart.writeCsr("pmpaddr0", (BigInt(RAM + 0x1000) >> 2n) | 0x1ffn);
    hart.writeCsr("pmpcfg0", 0x1f1cn);
    hart.setMode(1, 0);
    expect(load(machine, 4 | EXECUTE, 0)).toBeUndefined();
    expect(hart.readCsr("mcause")).toBe(5n);
  });

  it("reach devices through the second stage", () => {
    const machine = guest([0xdfn]);
    machine.core.write64(ROOT + 0x5000, (0x1000_0000n >> 2n) | 0xdfn);
    machine.device = 0xabcd;
    expect(load(machine, 2 | SIGNED, 0x8)).toBe(0xffff_ffff_ffff_abcdn);
    machine.hart.helper(Helper.hypervisorStore, 4, 0xc, 0, 0x77, 0);
    expect(machine.log).toEqual(["r2 10000008", "w4 1000000c=77"]);
  });

  // Modes that may use them.
  it.each<[string, number, 0 | 1, bigint, bigint]>([
    ["M", 3, 0, 0n, 0n],
    ["HS", 1, 0, 0n, 0n],
    ["U, HU", 0, 0, 1n << 9n, 0n],
    ["U", 0, 0, 0n, 2n],
    ["VS", 1, 1, 1n << 9n, 22n],
    ["VU", 0, 1, 1n << 9n, 22n],
  ])("in %s", (_, priv, v, hu, cause) => {
    for (const helper of [Helper.hypervisorLoad, Helper.hypervisorStore]) {
      const { hart } = guest([0xdfn]);
      hart.writeCsr("hstatus", (1n << 8n) | hu);
      hart.setMode(priv, v);
      expect(hart.helper(helper, 4, 0, 0, 0, 0)).toBe(cause === 0n ? Status.next : Status.trap);
      expect(hart.readCsr("mcause")).toBe(cause);
    }
  });

  it("are illegal without the H extension", () => {
    const { hart } = fakeMachine({ features: { h: false } });
    hart.helper(Helper.hypervisorLoad, 4, 0, 0, 0, 0);
    expect(hart.readCsr("mcause")).toBe(2n);
  });
});
