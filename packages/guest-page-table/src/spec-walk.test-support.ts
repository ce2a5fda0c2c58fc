// Translation as the manuals write it down, in bigint and for one format after the other, to check the generic walker
// against. It shares nothing with it: no shapes, no entry formats.
import type { TableMemory } from "./paging.js";

type Load = (address: bigint) => bigint;

/** RISC-V privileged ISA, "Virtual Address Translation Process"; `rootBits` is 11 in the G-stage. */
function riscv(levels: number, rootBits: bigint, load: Load, root: bigint, va: bigint): bigint | undefined {
  let table = root;
  for (let i = levels - 1; i >= 0; i--) {
    const width = i === levels - 1 ? rootBits : 9n;
    const vpn = (va >> BigInt(12 + 9 * i)) & ((1n << width) - 1n);
    const pte = load(table + vpn * 8n);
    const ppn = (pte >> 10n) & 0xfff_ffff_ffffn;
    if ((pte & 1n) === 0n) return undefined;
    if ((pte & 0xen) !== 0n) {
      const offsetMask = (1n << BigInt(12 + 9 * i)) - 1n;
      return ((ppn << 12n) & ~offsetMask) | (va & offsetMask);
    }
    table = ppn << 12n;
  }
  return undefined;
}

/** Intel SDM 3A "4-Level Paging" and 3C "EPT Translation Mechanism": bits 47:39, 38:30, 29:21 and 20:12. */
function intel(present: bigint, load: Load, root: bigint, la: bigint): bigint | undefined {
  let table = root;
  for (const low of [39n, 30n, 21n, 12n]) {
    const entry = load(table | (((la >> low) & 0x1ffn) << 3n));
    if ((entry & present) === 0n) return undefined;
    const address = entry & 0xf_ffff_ffff_f000n;
    if (low === 12n || (low < 39n && (entry & 0x80n) !== 0n)) {
      const offset = la & ((1n << low) - 1n);
      return (address & ~((1n << low) - 1n)) | offset;
    }
    table = address;
  }
  return undefined;
}

/** Arm ARM D8.2, 4 KiB granule: bits 47:39, 38:30, 29:21 and 20:12 from the start level on, more of them at the start. */
function arm(
  inputBits: bigint,
  startLevel: number,
  load: Load,
  root: bigint,
  ia: bigint,
): bigint | undefined {
  let table = root;
  for (let level = startLevel; level <= 3; level++) {
    const low = [39n, 30n, 21n, 12n][level]!;
    const width = level === startLevel ? inputBits - low : 9n;
    const descriptor = load(table + ((ia >> low) & ((1n << width) - 1n)) * 8n);
    if ((descriptor & 1n) === 0n) return undefined;
    const address = descriptor & 0xffff_ffff_f000n;
    const bit1 = (descriptor & 2n) !== 0n;
    if (level === 3 ? bit1 : !bit1) {
      const offset = ia & ((1n << low) - 1n);
      return (address & ~((1n << low) - 1n)) | offset;
    }
    if (level === 3) return undefined;
    table = address;
  }
  return undefined;
}

/** Where hardware goes from an address through a table in memory; undefined where it finds nothing. */
export function translateBySpec(
  format: string,
  memory: TableMemory,
  rootPaddr: number,
  address: bigint,
): bigint | undefined {
  const load: Load = (pa) => {
    const frame = Number(pa >> 12n) * 4096;
    const index = memory.wordIndex(frame) + Number(pa & 0xfffn) / 4;
    return (BigInt(memory.words[index + 1]!) << 32n) | BigInt(memory.words[index]!);
  };
  const root = BigInt(rootPaddr);
  switch (format) {
    case "Sv39":
      return riscv(3, 9n, load, root, address);
    case "Sv48":
      return riscv(4, 9n, load, root, address);
    case "Sv57":
      return riscv(5, 9n, load, root, address);
    case "Sv39x4":
      return riscv(3, 11n, load, root, address);
    case "Sv48x4":
      return riscv(4, 11n, load, root, address);
    case "Sv57x4":
      return riscv(5, 11n, load, root, address);
    case "x86-64":
      return intel(1n, load, root, address);
    case "EPT":
      return intel(7n, load, root, address);
    case "AArch64 stage 1":
      return arm(48n, 0, load, root, address);
    case "AArch64 stage 2, 40 bits from level 1":
      return arm(40n, 1, load, root, address);
    case "AArch64 stage 2, 34 bits from level 2":
      return arm(34n, 2, load, root, address);
    case "AArch64 stage 2, 48 bits from level 0":
      return arm(48n, 0, load, root, address);
    default:
      throw new Error(`no specification walk for ${format}`);
  }
}
