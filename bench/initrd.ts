// An initramfs with one more file, without unpacking it: the kernel unpacks one cpio archive after another
// (Documentation/driver-api/early-userspace/buffer-format.rst).

/** Each archive begins at a multiple of this; zeros between two are skipped. */
const ALIGNMENT = 4;

/** An archive and another behind it; of equal names, the later file counts. */
export function appendArchive(initrd: Uint8Array, archive: Uint8Array): Uint8Array {
  const start = Math.ceil(initrd.length / ALIGNMENT) * ALIGNMENT;
  const both = new Uint8Array(start + archive.length);
  both.set(initrd);
  both.set(archive, start);
  return both;
}
