/** A little-endian view of a file's or a structure's bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A command line as boot protocols want it: zero-terminated. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
