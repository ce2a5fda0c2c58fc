import type { FdtNode } from "../fdt/node.js";

/** Last eight words of a PrimeCell's 4 KiB: peripheral and PrimeCell identification, a byte in each. */
const IDENTIFICATION = 0xfe0;
const PRIMECELL_ID = [0x0d, 0xf0, 0x05, 0xb1] as const;

/** The compatible string that makes an operating system look at the identification registers. */
export const PRIMECELL = "arm,primecell";

/**
 * The identification register at an offset, 0 where there is none.
 * @param peripheral UARTPeriphID0 to 3 or what the device's manual calls them.
 */
export function primecellIdentification(
  offset: number,
  peripheral: readonly [number, number, number, number],
): number {
  const index = (offset - IDENTIFICATION) >> 2;
  if (offset < IDENTIFICATION || (offset & 3) !== 0) return 0;
  return (index < 4 ? peripheral[index] : PRIMECELL_ID[index - 4]) ?? 0;
}

/** Sets `clocks` and `clock-names` of a PrimeCell's node: drivers ask for them by name, all are the same clock. */
export function primecellClocks(node: FdtNode, clock: FdtNode, ...names: string[]): FdtNode {
  return node.cells("clocks", ...names.map(() => clock)).string("clock-names", ...names);
}
