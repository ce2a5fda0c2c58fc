// Programs for a whole processor: a frame of assembly around short cases. Every exception and every `int $0x30` of a
// case writes down the registers and the frame that the processor pushed; an exception then goes on with the next case.

/** A piece of assembly that runs at ring 0 with known registers and may end in an exception. */
export interface SystemCase {
  readonly name: string;
  readonly code: string;
}

/** What the dumps of a case begin with, the case's number in the low half. */
const MARK = 0xc0de;

/** The word that the dumps of a case begin with. */
export const markOf = (index: number): string => `0x${(MARK * 0x1_0000 + index).toString(16)}`;

/** The dumps of each case, in words; those of a program that stopped early end early. */
export function dumpsOf(list: readonly SystemCase[], output: Uint8Array): Map<string, string[]> {
  const words = new Uint32Array(output.slice(0, output.length & ~3).buffer);
  const found = new Map<string, string[]>();
  let present: string[] = [];
  for (const value of words) {
    const number = value & 0xffff;
    const name = value >>> 16 === MARK ? list[number]?.name : undefined;
    if (name === undefined) {
      present.push(value.toString(16));
      continue;
    }
    present = [];
    found.set(name, present);
  }
  return found;
}
