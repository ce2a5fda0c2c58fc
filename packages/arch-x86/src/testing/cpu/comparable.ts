/** Exceptions with a selector as error code; its bit 0, EXT, QEMU sets for interrupts only. */
const SELECTOR_ERRORS = ["a", "b", "c", "d"];

/** What of a case's words is compared with QEMU's: not EXT, nor P with RSVD. */
export function comparable(words: readonly string[] | undefined): string[] {
  if (words === undefined) return ["missing"];
  // Vectors and error codes of long mode are quads.
  const width = words[1] === "0" && words[3] === "0" ? 2 : 1;
  return words.map((text, i) => {
    if (i === width && SELECTOR_ERRORS.includes(words[0] as string)) return without(text, 1);
    // A reserved bit is in an entry that is present.
    const faulted = words[i - width] === "e" && words[i - 2 * width] !== "e";
    const reserved = faulted && (Number.parseInt(text, 16) & 8) !== 0;
    if (reserved) return hex(Number.parseInt(text, 16) | 1);
    return text;
  });
}

const without = (text: string, bits: number): string => hex((Number.parseInt(text, 16) & ~bits) >>> 0);
const hex = (value: number): string => value.toString(16);
