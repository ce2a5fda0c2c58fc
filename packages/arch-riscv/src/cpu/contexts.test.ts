import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";
import { MPP_SHIFT, MPRV, MXR, SUM } from "./status-bits.js";

const SV39 = 8n << 60n;
const asid = (value: bigint): bigint => value << 44n;

const keys = ({ core }: FakeMachine): [number, number] => [core.dataContext, core.codeContext];

/** Data and code context after a change, and whether anything was dropped for it. */
function after(machine: FakeMachine, change: () => void): { keys: [number, number]; drops: number } {
  const before = machine.core.drops;
  change();
  return { keys: keys(machine), drops: machine.core.drops - before };
}

function ready(): FakeMachine {
  const machine = fakeMachine();
  machine.hart.writeCsr("satp", SV39 | asid(1n) | 0x80010n);
  machine.hart.setMode(1, 0);
  return machine;
}

describe("contexts", () => {
  it("differ wherever a translation could, and come back without a flush", () => {
    const machine = ready();
    const { hart } = machine;
    const seen = new Map<string, string>();
    const visit = (name: string, change: () => void): void => {
      const { keys: now, drops } = after(machine, change);
      expect(drops).toBe(0);
      const data = `data ${now[0]}`;
      expect(seen.get(data) ?? name, `${name} shares a context`).toBe(name);
      seen.set(data, name);
    };
    for (let round = 0; round < 2; round++) {
      visit("HS", () => hart.setMode(1, 0));
      visit("HS, SUM", () => hart.writeCsr("sstatus", BigInt(SUM)));
      visit("HS, SUM and MXR", () => hart.writeCsr("sstatus", BigInt(SUM | MXR)));
      visit("HS, MXR", () => hart.writeCsr("sstatus", BigInt(MXR)));
      visit("U, MXR", () => hart.setMode(0, 0));
      visit("U", () => hart.writeCsr("sstatus", 0n));
      visit("VU", () => hart.setMode(0, 1));
      visit("VS", () => {
        hart.writeCsr("vsatp", SV39 | 0x80020n);
        hart.setMode(1, 1);
      });
      visit("VU with vsatp", () => hart.setMode(0, 1));
      hart.setMode(1, 1);
      visit("VS, vsstatus.SUM", () => hart.writeCsr("vsstatus", BigInt(SUM)));
      visit("VS, vsstatus.MXR", () => hart.writeCsr("vsstatus", BigInt(MXR)));
      visit("VS, sstatus.MXR", () => {
        hart.writeCsr("vsstatus", 0n);
        hart.writeCsr("sstatus", BigInt(MXR));
      });
      visit("VS with a second stage", () => {
        hart.writeCsr("sstatus", 0n);
        hart.writeCsr("hgatp", SV39 | 0x80040n);
      });
      hart.writeCsr("hgatp", 0n);
      visit("M", () => hart.setMode(3, 0));
      hart.setMode(1, 0);
      visit("HS, another ASID", () => hart.writeCsr("satp", SV39 | asid(2n) | 0x80010n));
      visit("HS, another root", () => hart.writeCsr("satp", SV39 | asid(1n) | 0x80011n));
      visit("HS, Bare", () => hart.writeCsr("satp", 0n));
      hart.writeCsr("satp", SV39 | asid(1n) | 0x80010n);
      hart.writeCsr("vsatp", 0n);
    }
  });

  it("do not multiply where nothing could differ", () => {
    const machine = ready();
    const { hart } = machine;
    hart.setMode(0, 0);
    const user = keys(machine);
    hart.writeCsr("sstatus", BigInt(SUM));
    expect(keys(machine)).toEqual(user);
    hart.writeCsr("satp", 0n);
    const bare = keys(machine);
    hart.setMode(1, 0);
    hart.writeCsr("sstatus", BigInt(MXR));
    expect(keys(machine)).toEqual(bare);
  });

  it("of code do not depend on SUM, MXR and MPRV, but on the address space and privilege", () => {
    const machine = ready();
    const { hart, core } = machine;
    const code = core.codeContext;
    hart.writeCsr("sstatus", BigInt(SUM | MXR));
    expect(core.codeContext).toBe(code);
    hart.setMode(0, 0);
    expect(core.codeContext).not.toBe(code);
    hart.setMode(3, 0);
    const machineCode = core.codeContext;
    hart.writeCsr("mstatus", BigInt(MPRV | (1 << MPP_SHIFT)));
    expect(core.codeContext).toBe(machineCode);
    expect(core.codeContext).not.toBe(core.dataContext);
  });

  it("of data follow MPRV, MPP and MPV", () => {
    const machine = ready();
    const { hart, core } = machine;
    const supervisor = core.dataContext;
    hart.setMode(1, 1);
    const guest = core.dataContext;
    hart.setMode(3, 0);
    const own = core.dataContext;
    const with_ = (mpp: number, mpv: bigint): number => {
      hart.writeCsr("mstatus", BigInt(MPRV | (mpp << MPP_SHIFT)) | (mpv << 39n));
      return core.dataContext;
    };
    expect(with_(1, 0n)).toBe(supervisor);
    expect(with_(1, 1n)).toBe(guest);
    expect(with_(3, 1n)).toBe(own);
    hart.writeCsr("mstatus", BigInt(1 << MPP_SHIFT));
    expect(core.dataContext).toBe(own);
  });

  it("are all dropped when PMP changes, and only then", () => {
    const machine = ready();
    expect(after(machine, () => machine.hart.writeCsr("pmpaddr0", 5n)).drops).toBe(1);
    expect(after(machine, () => machine.hart.writeCsr("pmpaddr0", 5n)).drops).toBe(0);
    expect(after(machine, () => machine.hart.writeCsr("pmpcfg0", 0x1fn)).drops).toBe(1);
    expect(machine.core.lastDrop).toBeUndefined();
  });

  it("survive thousands of address spaces", () => {
    const machine = ready();
    const { hart, core } = machine;
    const spaces = new Set<number>();
    for (let i = 0; i < 5000; i++) {
      hart.writeCsr("satp", SV39 | BigInt(0x80100 + i));
      spaces.add(core.dataContext);
    }
    expect(core.drops).toBeGreaterThan(0);
    expect(spaces.size).toBeLessThanOrEqual(4097);
    // Those after the drop are told apart again.
    hart.writeCsr("satp", SV39 | 0x80100n);
    const one = core.dataContext;
    hart.writeCsr("satp", SV39 | 0x80101n);
    expect(core.dataContext).not.toBe(one);
  });
});

describe("fences", () => {
  /** Four spaces: of V=0 with ASIDs 1 and 2, of V=1 with VMIDs 3 and 4, ASID 1. */
  function spaces(): {
    machine: FakeMachine;
    data: Record<"one" | "two" | "guest3" | "guest4" | "bare" | "m", number>;
  } {
    const machine = fakeMachine();
    const { hart, core } = machine;
    const visit = (priv: number, v: 0 | 1, satp: bigint, hgatp: bigint): number => {
      hart.writeCsr(v === 1 ? "vsatp" : "satp", satp);
      hart.writeCsr("hgatp", hgatp);
      hart.setMode(priv, v);
      return core.dataContext;
    };
    const data = {
      one: visit(1, 0, SV39 | asid(1n) | 0x80010n, 0n),
      two: visit(0, 0, SV39 | asid(2n) | 0x80011n, 0n),
      guest4: visit(1, 1, SV39 | asid(1n) | 0x80010n, SV39 | asid(4n) | 0x80040n),
      guest3: visit(1, 1, SV39 | asid(1n) | 0x80010n, SV39 | asid(3n) | 0x80030n),
      bare: visit(1, 0, 0n, SV39 | asid(3n) | 0x80030n),
      m: visit(3, 0, 0n, SV39 | asid(3n) | 0x80030n),
    };
    return { machine, data };
  }

  const dropped = (run: (machine: FakeMachine) => number): string[] => {
    const { machine, data } = spaces();
    machine.core.lastDrop = () => false;
    expect(run(machine)).toBe(0);
    const drop = machine.core.lastDrop ?? (() => true);
    return Object.entries(data)
      .filter(([, key]) => drop(key))
      .map(([name]) => name);
  };
  const fence = (helper: number, operands: number, address: number, id: number) => (m: FakeMachine) =>
    m.hart.helper(helper, operands, address, 0, id, 0);

  it("SFENCE.VMA drops address spaces of its own V, by ASID or all", () => {
    expect(dropped(fence(Helper.sfenceVma, 0, 0, 0))).toEqual(["one", "two"]);
    expect(dropped(fence(Helper.sfenceVma, 2, 0, 1))).toEqual(["one"]);
    // Bits of rs2 above the ASID are ignored.
    expect(dropped(fence(Helper.sfenceVma, 2, 0, 0x7_0002))).toEqual(["two"]);
    const inGuest = (operands: number, id: number) =>
      dropped((m) => {
        m.hart.setMode(1, 1);
        return m.hart.helper(Helper.sfenceVma, operands, 0, 0, id, 0);
      });
    expect(inGuest(0, 0)).toEqual(["guest3"]);
    expect(inGuest(2, 1)).toEqual(["guest3"]);
    expect(inGuest(2, 2)).toEqual([]);
  });

  it("HFENCE.VVMA drops those of the current VMID, HFENCE.GVMA those of a VMID or all", () => {
    expect(dropped(fence(Helper.hfenceVvma, 0, 0, 0))).toEqual(["guest3"]);
    expect(dropped(fence(Helper.hfenceVvma, 2, 0, 1))).toEqual(["guest3"]);
    expect(dropped(fence(Helper.hfenceVvma, 2, 0, 9))).toEqual([]);
    expect(dropped(fence(Helper.hfenceGvma, 0, 0, 0))).toEqual(["guest4", "guest3"]);
    expect(dropped(fence(Helper.hfenceGvma, 2, 0, 4))).toEqual(["guest4"]);
    // An address does not narrow it: entries are not kept by guest-physical address.
    expect(dropped(fence(Helper.hfenceGvma, 3, 0x1000, 3))).toEqual(["guest3"]);
  });

  it("with an address drop that page", () => {
    const { machine } = spaces();
    machine.hart.helper(Helper.sfenceVma, 1, 0x1234_5678, -1, 0, 0);
    machine.hart.helper(Helper.hfenceVvma, 3, 0x1000, 0, 1, 0);
    expect(machine.core.droppedPages).toEqual([0xffff_ffff_1234_5678n, 0x1000n]);
  });

  it("make a changed second stage visible", () => {
    const machine = fakeMachine();
    const { hart, core } = machine;
    hart.writeCsr("pmpaddr0", -1n);
    hart.writeCsr("pmpcfg0", 0x1fn);
    const root = 0x8000_8000;
    hart.writeCsr("hgatp", SV39 | BigInt(root / 4096));
    core.write64(root, (0x8000_0000n >> 2n) | 0xdfn);
    core.write64(0x8000_0040, 0x1111n);
    const load = (): bigint => {
      hart.helper(Helper.hypervisorLoad, 8, 0x40, 0, 0, 0);
      return core.result;
    };
    expect(load()).toBe(0x1111n);
    core.write64(root, 0n);
    // Allowed, and what hardware does: the old translation until the fence.
    expect(load()).toBe(0x1111n);
    hart.helper(Helper.hfenceGvma, 0, 0, 0, 0, 0);
    load();
    expect(hart.readCsr("mcause")).toBe(21n);
  });

  // Rights: the mode, what else matters, and the exception.
  it.each<[string, number, number, 0 | 1, [string, bigint] | undefined, bigint]>([
    ["SFENCE.VMA in U", Helper.sfenceVma, 0, 0, undefined, 2n],
    ["SFENCE.VMA in VU", Helper.sfenceVma, 0, 1, undefined, 22n],
    ["SFENCE.VMA in HS, TVM", Helper.sfenceVma, 1, 0, ["mstatus", 1n << 20n], 2n],
    ["SFENCE.VMA in VS, VTVM", Helper.sfenceVma, 1, 1, ["hstatus", 1n << 20n], 22n],
    ["SFENCE.VMA in VS, TVM", Helper.sfenceVma, 1, 1, ["mstatus", 1n << 20n], 0n],
    ["SFENCE.VMA in HS, VTVM", Helper.sfenceVma, 1, 0, ["hstatus", 1n << 20n], 0n],
    ["HFENCE.VVMA in VS", Helper.hfenceVvma, 1, 1, undefined, 22n],
    ["HFENCE.VVMA in U", Helper.hfenceVvma, 0, 0, undefined, 2n],
    ["HFENCE.VVMA in HS, TVM", Helper.hfenceVvma, 1, 0, ["mstatus", 1n << 20n], 0n],
    ["HFENCE.GVMA in VU", Helper.hfenceGvma, 0, 1, undefined, 22n],
    ["HFENCE.GVMA in U", Helper.hfenceGvma, 0, 0, undefined, 2n],
    ["HFENCE.GVMA in HS, TVM", Helper.hfenceGvma, 1, 0, ["mstatus", 1n << 20n], 2n],
    ["HFENCE.GVMA in M, TVM", Helper.hfenceGvma, 3, 0, ["mstatus", 1n << 20n], 0n],
  ])("%s", (_, helper, priv, v, csr, cause) => {
    const { hart } = fakeMachine();
    if (csr !== undefined) hart.writeCsr(...csr);
    hart.setMode(priv, v);
    hart.helper(helper, 0, 0, 0, 0, 0);
    expect(hart.readCsr("mcause")).toBe(cause);
  });
});
