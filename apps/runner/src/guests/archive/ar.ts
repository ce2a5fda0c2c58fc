import { GuestError } from "../errors.js";
import type { RandomAccess } from "./random-access.js";

/** A member of a Unix `ar` archive (deb(5) uses the common format without long names). */
export interface ArMember {
  readonly name: string;
  /** Offset of the content in the archive, in bytes. */
  readonly offset: number;
  readonly size: number;
}

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;

/** Lists the members in archive order; throws `BadArchive` when the archive is not one or is cut short. */
export async function readAr(source: RandomAccess): Promise<ArMember[]> {
  const latin1 = new TextDecoder("latin1");
  if (source.size < MAGIC.length || latin1.decode(await source.read(0, MAGIC.length)) !== MAGIC) {
    throw new GuestError("BadArchive", "not an ar archive");
  }
  const members: ArMember[] = [];
  let at = MAGIC.length;
  while (at + HEADER_BYTES <= source.size) {
    const header = latin1.decode(await source.read(at, HEADER_BYTES));
    const sizeText = header.slice(48, 58).trim();
    if (header.slice(58) !== "`\n" || !/^\d+$/.test(sizeText)) {
      throw new GuestError("BadArchive", `broken ar header at byte ${at}`);
    }
    const size = Number(sizeText);
    const offset = at + HEADER_BYTES;
    if (offset + size > source.size) throw new GuestError("BadArchive", "ar archive is cut short");
    // System V archives end a name with a slash, BSD ones pad it with spaces; deb(5) allows both.
    members.push({ name: header.slice(0, 16).trimEnd().replace(/\/$/, ""), offset, size });
    at = offset + size + (size % 2);
  }
  return members;
}
