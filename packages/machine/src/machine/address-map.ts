import { MachineError, range } from "../errors.js";

/** A range of physical addresses of a board, with `count` equal slots if there are several. */
export interface AddressRange {
  readonly name: string;
  readonly base: number;
  /** Size in bytes, of one slot if there are several. */
  readonly size: number;
  readonly count?: number;
}

/** A board's memory map as data. */
export type AddressMap = readonly AddressRange[];

/**
 * Looks a range up and gives the address of one slot.
 * @throws MachineError `NotFound` for a name or slot the map does not have.
 */
export function slotOf(
  map: AddressMap,
  name: string,
  index = 0,
): { readonly base: number; readonly size: number } {
  const found = map.find((one) => one.name === name);
  if (found === undefined) throw new MachineError("NotFound", `the address map has no '${name}'`);
  if (index < 0 || index >= (found.count ?? 1)) {
    throw new MachineError(
      "NotFound",
      `the address map has ${found.count ?? 1} of '${name}', not a number ${index}`,
    );
  }
  return { base: found.base + index * found.size, size: found.size };
}

/** @throws MachineError `Overlap` naming both ranges. */
export function checkAddressMap(map: AddressMap): void {
  const total = (one: AddressRange) => one.size * (one.count ?? 1);
  const sorted = [...map].sort((a, b) => a.base - b.base);
  sorted.forEach((one, index) => {
    const next = sorted[index + 1];
    if (next === undefined || one.base + total(one) <= next.base) return;
    const [first, second] = [range(one.base, total(one)), range(next.base, total(next))];
    throw new MachineError("Overlap", `'${next.name}' at ${second} overlaps '${one.name}' at ${first}`);
  });
}
