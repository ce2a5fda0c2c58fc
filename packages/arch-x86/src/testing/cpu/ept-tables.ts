import type { VmxRig } from "./vmx-rig.js";

// Extended page tables that map the first GiB as it is: its first 2 MiB as pages of 4 KiB, the rest as ones of 2 MiB.

const RWX = 7n;
const WRITE_BACK = 6n << 3n;
const LARGE = 0x80n;

export interface EptTables {
  /** The EPT pointer. */
  readonly pointer: bigint;
  /** Address of the entry of a page of 4 KiB. */
  page(address: number): number;
}

/** Write four tables. `more`: bits that all entries have besides. */
export function putEpt(rig: VmxRig, root: number, more = 0n): EptTables {
  const at = (level: number) => root + 0x1000 * (4 - level);
  rig.write64(at(4), BigInt(at(3)) | RWX | more);
  rig.write64(at(3), BigInt(at(2)) | RWX | more);
  for (let i = 0; i < 512; i++) {
    rig.write64(at(2) + 8 * i, BigInt(i * 0x20_0000) | RWX | WRITE_BACK | LARGE | more);
    rig.write64(at(1) + 8 * i, BigInt(i * 0x1000) | RWX | WRITE_BACK | more);
  }
  rig.write64(at(2), BigInt(at(1)) | RWX | more);
  return { pointer: BigInt(root) | 0x1en, page: (address) => at(1) + 8 * (address >> 12) };
}
