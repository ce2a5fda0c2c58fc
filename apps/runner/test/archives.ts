// Writers of the archive formats that the guest puller reads, for tests: small, and independent of the readers.
import { crc32 } from "node:zlib";

export interface TarInput {
  readonly path: string;
  readonly content?: string | Uint8Array;
  readonly type?: "0" | "1" | "2" | "5" | "L" | "K" | "x" | "g";
  readonly link?: string;
  readonly mode?: number;
  readonly mtime?: number;
  readonly prefix?: string;
}

export function makeTar(entries: readonly TarInput[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)]);
}

function tarEntry(entry: TarInput): Buffer {
  const content = Buffer.from(entry.content ?? "");
  const header = Buffer.alloc(512);
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, "0");
  header.write(entry.path, 0, 100);
  header.write(octal(entry.mode ?? 0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(content.length, 12), 124);
  header.write(octal(entry.mtime ?? 1_700_000_000, 12), 136);
  header.write("        ", 148);
  header.write(entry.type ?? "0", 156);
  header.write(entry.link ?? "", 157, 100);
  header.write("ustar\u000000", 257);
  header.write(entry.prefix ?? "", 345, 155);
  header.write(`${octal(sumOf(header), 7)}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

export function makeAr(members: readonly { name: string; content: Uint8Array }[]): Buffer {
  const parts: Buffer[] = [Buffer.from("!<arch>\n")];
  for (const { name, content } of members) {
    const fields = [name.padEnd(16), "0".padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
    parts.push(Buffer.from(`${fields.join("")}${String(content.length).padEnd(10)}\`\n`));
    parts.push(Buffer.from(content), Buffer.alloc(content.length % 2, "\n"));
  }
  return Buffer.concat(parts);
}

/** An .xz file (tukaani.org/xz/xz-file-format.txt) whose LZMA2 chunks are stored, not compressed. */
export function makeXz(content: Uint8Array): Buffer {
  const flags = Buffer.from([0x00, 0x01]); // check: CRC32
  const header = Buffer.concat([Buffer.from("fd377a585a00", "hex"), flags, crcOf(flags)]);
  // One filter, LZMA2 (0x21) with one property byte: a dictionary of 1 MiB.
  const blockFields = Buffer.from([0x02, 0x00, 0x21, 0x01, 0x10, 0x00, 0x00, 0x00]);
  const blockHeader = Buffer.concat([blockFields, crcOf(blockFields)]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < content.length; at += 65536) {
    const piece = Buffer.from(content.subarray(at, at + 65536));
    const control = Buffer.from([at === 0 ? 0x01 : 0x02, (piece.length - 1) >> 8, (piece.length - 1) & 0xff]);
    chunks.push(control, piece);
  }
  const packed = Buffer.concat([...chunks, Buffer.from([0])]);
  const unpadded = blockHeader.length + packed.length + 4;
  const block = Buffer.concat([blockHeader, padTo4(packed), crcOf(content)]);
  const records = Buffer.concat([Buffer.from([0x00, 0x01]), varint(unpadded), varint(content.length)]);
  const index = padTo4(records);
  const backward = Buffer.alloc(4);
  backward.writeUInt32LE((index.length + 4) / 4 - 1);
  const footer = Buffer.concat([backward, flags]);
  return Buffer.concat([header, block, index, crcOf(index), crcOf(footer), footer, Buffer.from("YZ")]);
}

function crcOf(bytes: Uint8Array): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(bytes));
  return crc;
}

function padTo4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** A 64-bit ELF object with one section besides the name table: `.modinfo`. */
export function makeModule(info: Readonly<Record<string, string | readonly string[]>>): Buffer {
  const pairs = Object.entries(info).flatMap(([key, values]) =>
    [values].flat().map((value) => `${key}=${value}\0`),
  );
  const modinfo = Buffer.from(pairs.join(""));
  const names = Buffer.from("\0.modinfo\0.shstrtab\0");
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", 0, "latin1");
  const table = 64 + modinfo.length + names.length;
  header.writeBigUInt64LE(BigInt(table), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(3, 0x3c);
  header.writeUInt16LE(2, 0x3e);
  const section = (name: number, offset: number, size: number): Buffer => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(name, 0);
    bytes.writeBigUInt64LE(BigInt(offset), 0x18);
    bytes.writeBigUInt64LE(BigInt(size), 0x20);
    return bytes;
  };
  return Buffer.concat([
    header,
    modinfo,
    names,
    section(0, 0, 0),
    section(1, 64, modinfo.length),
    section(10, 64 + modinfo.length, names.length),
  ]);
}
