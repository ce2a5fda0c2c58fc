import { describe, expect, test } from "vitest";
import { aarch64Stage1Pte } from "./aarch64-stage1.js";
import { aarch64Stage2Pte } from "./aarch64-stage2.js";
import { setRawEntry } from "./entry.js";
import { eptPte } from "./ept.js";
import { MappingFlags } from "./flags.js";
import type { Access, GenericPte } from "./pte.js";
import { riscvGStagePte, riscvPte, riscvStage1Pte } from "./riscv.js";
import { x86_64Pte } from "./x86-64.js";

const { READ, WRITE, EXECUTE, USER } = MappingFlags;
const read: Access = { kind: "read" };
const write: Access = { kind: "write" };
const execute: Access = { kind: "execute" };
const asUser = (access: Access): Access => ({ ...access, user: true });

/** What denies the access on a path of one table entry and one leaf, as `field@level`, or "allowed". */
function denied(pte: GenericPte, leaf: bigint | number, access: Access, table?: bigint): string {
  const words = new Uint32Array(4);
  pte.newTable(words, 0, 0x1000);
  if (table !== undefined) setRawEntry(words, 0, table);
  if (typeof leaf === "number") pte.newPage(words, 2, 0x2000, leaf, false);
  else setRawEntry(words, 2, leaf);
  const denial = pte.denies(words, [0, 2], access);
  return denial ? `${denial.field}@${denial.level}` : "allowed";
}

describe("RISC-V", () => {
  const pte = riscvStage1Pte;
  test.each([
    [READ, read, "allowed"],
    [READ, write, "W@1"],
    [READ, execute, "X@1"],
    [EXECUTE, read, "R@1"],
    [EXECUTE, { ...read, executableIsReadable: true }, "allowed"],
    [READ, asUser(read), "U@1"],
    [READ | USER, read, "U@1"],
    [READ | USER, { ...read, supervisorUserData: true }, "allowed"],
    [EXECUTE | USER, { ...execute, supervisorUserData: true }, "U@1"],
    [EXECUTE | USER, asUser(execute), "allowed"],
  ] as const)("flags %i, %o: %s", (flags, access, expected) => {
    expect(denied(pte, flags, access)).toBe(expected);
  });

  test("A and D deny only where hardware does not set them", () => {
    const readWriteAccessed = 0x47n;
    expect(denied(pte, 0x07n, read)).toBe("A@1");
    expect(denied(pte, readWriteAccessed, read)).toBe("allowed");
    expect(denied(pte, readWriteAccessed, write)).toBe("D@1");
    expect(denied(pte, readWriteAccessed, { ...write, hardwareAccessedDirty: true })).toBe("allowed");
  });

  test("the G-stage needs U in every leaf and looks at no privilege", () => {
    expect(denied(riscvGStagePte, READ, read)).toBe("allowed");
    expect(denied(riscvGStagePte, READ, asUser(read))).toBe("allowed");
    expect(denied(riscvGStagePte, 0xc3n, read)).toBe("U@1");
  });
});

describe("x86-64", () => {
  const pte = x86_64Pte;
  const readOnlyTable = 0x1005n;
  const supervisorTable = 0x1003n;
  test.each([
    [READ | WRITE, write, undefined, "allowed"],
    [READ, write, undefined, "R/W@1"],
    [READ, { ...write, supervisorWriteProtect: false }, undefined, "allowed"],
    [READ | WRITE, write, readOnlyTable, "R/W@0"],
    [READ | USER, asUser(write), undefined, "R/W@1"],
    [READ | USER, { ...asUser(write), supervisorWriteProtect: false }, undefined, "R/W@1"],
    [READ, asUser(read), undefined, "U/S@1"],
    [READ | USER, asUser(read), supervisorTable, "U/S@0"],
    [READ, execute, undefined, "XD@1"],
    [READ | EXECUTE, execute, 0x8000_0000_0000_1007n, "XD@0"],
    [EXECUTE | USER, execute, undefined, "allowed"],
    [EXECUTE | USER, { ...execute, supervisorUserCode: false }, undefined, "U/S@1"],
    [EXECUTE | USER, { ...execute, supervisorUserCode: false }, supervisorTable, "allowed"],
    [READ | USER, { ...read, supervisorUserData: false }, undefined, "U/S@1"],
  ] as const)("flags %i, %o, table %s: %s", (flags, access, table, expected) => {
    expect(denied(pte, flags, access, table)).toBe(expected);
  });
});

test.each([
  [READ | WRITE, write, undefined, "allowed"],
  [READ, write, undefined, "W@1"],
  [READ | WRITE, execute, undefined, "X@1"],
  [READ | WRITE, write, 0x1005n, "W@0"],
  [EXECUTE, read, undefined, "R@1"],
  [READ, asUser(read), undefined, "allowed"],
] as const)("EPT: flags %i, %o, table %s: %s", (flags, access, table, expected) => {
  expect(denied(eptPte, flags, access, table)).toBe(expected);
});

describe("AArch64 stage 1", () => {
  const pte = aarch64Stage1Pte;
  const table = (bit: number) => 0x1003n | (1n << BigInt(bit));
  test.each([
    [READ, read, undefined, "allowed"],
    [READ, write, undefined, "AP[2]@1"],
    [READ, asUser(read), undefined, "AP[1]@1"],
    [READ | USER, read, undefined, "allowed"],
    [READ | USER, { ...read, supervisorUserData: false }, undefined, "AP[1]@1"],
    [EXECUTE, execute, undefined, "allowed"],
    [EXECUTE, asUser(execute), undefined, "UXN@1"],
    [EXECUTE | USER, execute, undefined, "PXN@1"],
    [EXECUTE | USER, asUser(execute), undefined, "allowed"],
    [READ | WRITE, write, table(62), "APTable[1]@0"],
    [READ | USER, asUser(read), table(61), "APTable[0]@0"],
    [READ | USER, read, table(61), "allowed"],
    [EXECUTE, execute, table(59), "PXNTable@0"],
    [EXECUTE | USER, asUser(execute), table(60), "UXNTable@0"],
  ] as const)("flags %i, %o, table %s: %s", (flags, access, tableEntry, expected) => {
    expect(denied(pte, flags, access, tableEntry)).toBe(expected);
  });

  test("what EL0 may write, EL1 does not execute even with PXN = 0", () => {
    expect(denied(pte, 0x747n, execute)).toBe("AP[1]@1");
  });

  test("AF = 0 denies unless hardware sets it; DBM makes a clean page writable", () => {
    expect(denied(pte, 0x303n, read)).toBe("AF@1");
    expect(denied(pte, 0x303n, { ...read, hardwareAccessedDirty: true })).toBe("allowed");
    const cleanWritable = 0x787n | (1n << 51n);
    expect(denied(pte, cleanWritable, write)).toBe("AP[2]@1");
    expect(denied(pte, cleanWritable, { ...write, hardwareAccessedDirty: true })).toBe("allowed");
  });
});

test.each([
  [READ | WRITE | EXECUTE, execute, "allowed"],
  [READ, write, "S2AP[1]@1"],
  [WRITE, read, "S2AP[0]@1"],
  [WRITE, write, "allowed"],
  [READ | WRITE, execute, "XN[1]@1"],
  [EXECUTE, read, "S2AP[0]@1"],
] as const)("AArch64 stage 2: flags %i, %o: %s", (flags, access, expected) => {
  expect(denied(aarch64Stage2Pte, flags, access)).toBe(expected);
});

test("AArch64 stage 2: AF = 0 denies", () => {
  expect(denied(aarch64Stage2Pte, 0x3ffn, read)).toBe("AF@1");
});

describe("malformed entries", () => {
  test.each([
    [riscvStage1Pte, 0x5n, "leaf", 12, "W"],
    [riscvStage1Pte, 0x1n, "leaf", 12, "R"],
    [riscvStage1Pte, 1n << 54n, "leaf", 12, "reserved"],
    [riscvStage1Pte, (1n << 63n) | 3n, "leaf", 12, "N"],
    [riscvStage1Pte, (1n << 61n) | 3n, "leaf", 12, "PBMT"],
    [riscvPte({ svpbmt: true }), (3n << 61n) | 3n, "leaf", 12, "PBMT"],
    [riscvPte({ svpbmt: true }), (1n << 61n) | 1n, "table", 21, "PBMT"],
    [riscvStage1Pte, 0x41n, "table", 21, "A"],
    [riscvStage1Pte, 0x81n, "table", 21, "D"],
    [riscvStage1Pte, 0x11n, "table", 21, "U"],
    [riscvStage1Pte, (1n << 18n) | 3n, "leaf", 21, "PPN"],
    [x86_64Pte, 0x81n, "table", 39, "PS"],
    [x86_64Pte, (1n << 13n) | 0x81n, "leaf", 21, "address"],
    [eptPte, 0x2n, "leaf", 12, "W"],
    [eptPte, 0x87n, "table", 39, "reserved"],
    [eptPte, 0x17n, "leaf", 12, "memory type"],
    [eptPte, 0x1000_10b7n, "leaf", 21, "address"],
    [aarch64Stage1Pte, 0x705n, "leaf", 12, "NON_BLOCK"],
    [aarch64Stage2Pte, 0x7fdn, "table", 39, "NON_BLOCK"],
  ] as const)("row %#", (pte, raw, kind, shift, field) => {
    const words = new Uint32Array(2);
    setRawEntry(words, 0, raw);
    expect(pte.malformed(words, 0, kind, shift)?.field).toBe(field);
  });

  test("the PAT bit of a large x86 page is no address bit", () => {
    const words = new Uint32Array(2);
    setRawEntry(words, 0, (1n << 12n) | 0x81n);
    expect(x86_64Pte.malformed(words, 0, "leaf", 21)).toBeUndefined();
  });
});
