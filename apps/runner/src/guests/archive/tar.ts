import { GuestError } from "../errors.js";
import type { RandomAccess } from "./random-access.js";

export type TarEntryType = "file" | "directory" | "symlink" | "hardlink" | "other";

/** One entry of a tar archive; its content stays in the archive until {@link readTarFile} asks for it. */
export interface TarEntry {
  /** Path without a leading `./` or `/` and without a trailing slash. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Content's offset in the archive and length, in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Target of a symbolic or hard link. */
  readonly link: string;
}

const BLOCK = 512;
const utf8 = new TextDecoder();

/**
 * Lists a tar archive in the ustar, pax or old GNU form (long names and links, base-256 sizes).
 * Throws `BadArchive` on a checksum error or a cut-short archive.
 */
export async function readTar(source: RandomAccess): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  let longLink: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  let at = 0;
  while (at + BLOCK <= source.size) {
    const header = await source.read(at, BLOCK);
    if (header.every((byte) => byte === 0)) break;
    checkHeader(header, at);
    const offset = at + BLOCK;
    const kind = String.fromCharCode(header[156] ?? 0);
    const size = Number(pax.get("size") ?? numberField(header, 124, 12));
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (offset + size > source.size) throw new GuestError("BadArchive", "tar archive is cut short");

    if (kind === "L") longName = stringOf(await source.read(offset, size));
    else if (kind === "K") longLink = stringOf(await source.read(offset, size));
    else if (kind === "x") pax = parsePax(await source.read(offset, size));
    else if (kind !== "g") {
      entries.push({
        path: cleanPath(pax.get("path") ?? longName ?? ustarName(header)),
        type: entryType(kind),
        mode: numberField(header, 100, 8) & 0o7777,
        mtime: Math.floor(Number(pax.get("mtime") ?? numberField(header, 136, 12))),
        offset,
        size,
        link: pax.get("linkpath") ?? longLink ?? stringOf(header.subarray(157, 257)),
      });
      longName = undefined;
      longLink = undefined;
      pax = new Map();
    }
  }
  return entries;
}

/** Content of a regular file, following hard links inside the archive. */
export async function readTarFile(
  source: RandomAccess,
  entries: readonly TarEntry[],
  entry: TarEntry,
): Promise<Uint8Array> {
  if (entry.type === "file") return source.read(entry.offset, entry.size);
  const target = entry.type === "hardlink" ? cleanPath(entry.link) : undefined;
  const linked = entries.find((other) => other.path === target && other.type === "file");
  if (linked === undefined) throw new GuestError("BadArchive", `${entry.path} is not a regular file`);
  return source.read(linked.offset, linked.size);
}

function entryType(kind: string): TarEntryType {
  if (kind === "0" || kind === "\0" || kind === "7") return "file";
  if (kind === "1") return "hardlink";
  if (kind === "2") return "symlink";
  return kind === "5" ? "directory" : "other";
}

function cleanPath(path: string): string {
  return path.replace(/^(?:\.?\/)+/, "").replace(/\/+$/, "");
}

function stringOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function ustarName(header: Uint8Array): string {
  const name = stringOf(header.subarray(0, 100));
  // Old GNU archives ("ustar  ") keep times where POSIX ones ("ustar\0") keep the path's prefix.
  const posix = stringOf(header.subarray(257, 263)) === "ustar";
  const prefix = posix ? stringOf(header.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function numberField(header: Uint8Array, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  if (((field[0] ?? 0) & 0x80) === 0) {
    const text = stringOf(field).trim();
    if (!/^[0-7]*$/.test(text)) throw new GuestError("BadArchive", `broken number in a tar header: ${text}`);
    return text === "" ? 0 : Number.parseInt(text, 8);
  }
  // GNU base-256: big-endian, the top bit of the first byte is only the mark.
  return field.reduce((value, byte, index) => value * 256 + (index === 0 ? byte & 0x7f : byte), 0);
}

function checkHeader(header: Uint8Array, at: number): void {
  const expected = numberField(header, 148, 8);
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  if (sum !== expected) throw new GuestError("BadArchive", `broken tar header at byte ${at}`);
}

/** Pax records are `<length> <key>=<value>\n`, the length counting the whole record in bytes. */
function parsePax(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? 0 : Number(utf8.decode(bytes.subarray(at, space)));
    if (!(length > space - at) || at + length > bytes.length) {
      throw new GuestError("BadArchive", "broken pax header in a tar archive");
    }
    const record = utf8.decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}
