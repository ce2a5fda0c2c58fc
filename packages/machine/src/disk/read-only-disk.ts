import type { BlockBackEnd } from "./back-end.js";

/** The same storage without the right to write. */
export function readOnlyDisk(disk: BlockBackEnd): BlockBackEnd {
  return {
    size: disk.size,
    readOnly: true,
    read: (offset, target) => disk.read(offset, target),
    write() {
      throw new Error("this disk is read-only");
    },
    flush() {},
  };
}
