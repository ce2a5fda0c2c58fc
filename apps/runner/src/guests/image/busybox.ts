/**
 * Names of the applets in a busybox binary, from its own sorted name table (libbb's `applet_names`), or
 * an empty list when the table cannot be recognised: the guest then installs its links by itself.
 */
export function busyboxApplets(binary: Uint8Array): string[] {
  const bytes = Buffer.from(binary.buffer, binary.byteOffset, binary.byteLength);
  const start = bytes.indexOf("[\0[[\0", 0, "latin1");
  if (start < 0) return [];
  const end = bytes.indexOf("\0\0", start, "latin1");
  const names = bytes.toString("latin1", start, end).split("\0");
  const plausible =
    names.length > 10 && names.includes("sh") && names.every((name) => /^[!-~]{1,31}$/.test(name));
  const sorted = names.every((name, index) => index === 0 || (names[index - 1] ?? "") < name);
  return plausible && sorted ? names.filter((name) => !name.includes("/")) : [];
}
