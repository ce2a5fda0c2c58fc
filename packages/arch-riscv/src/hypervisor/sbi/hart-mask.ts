/**
 * Harts selected by a mask and the id its bit 0 stands for (section 3.1): a base of all ones selects every
 * hart. Undefined when the mask names a hart that does not exist.
 */
export function selectHarts(
  mask: bigint,
  base: bigint,
  hartIds: readonly number[],
): readonly number[] | undefined {
  if (BigInt.asUintN(64, base) === 0xffff_ffff_ffff_ffffn) return hartIds;
  const selected: number[] = [];
  for (let bits = BigInt.asUintN(64, mask), bit = 0n; bits !== 0n; bits >>= 1n, bit++) {
    if ((bits & 1n) === 0n) continue;
    const id = base + bit;
    const found = hartIds.find((hartId) => BigInt(hartId) === id);
    if (found === undefined) return undefined;
    selected.push(found);
  }
  return selected;
}
