import { PHYSICAL_BITS } from "../paging-entry.js";

const EPT_UNCACHEABLE = 0n;
const EPT_WRITE_BACK = 6n;
const EPT_RESERVED = 0xf80n;

/** What an entry takes as EPT pointer: memory type, four levels, reserved bits. */
export function isEptPointer(eptp: bigint): boolean {
  const type = eptp & 7n;
  const levels = ((eptp >> 3n) & 7n) + 1n;
  return (
    (type === EPT_UNCACHEABLE || type === EPT_WRITE_BACK) &&
    levels === 4n &&
    (eptp & EPT_RESERVED) === 0n &&
    eptp >> BigInt(PHYSICAL_BITS) === 0n
  );
}
