/** Files as loaders meet them, made by hand from the formats' documents. */

export interface SegmentSpec {
  readonly paddr: number | bigint;
  readonly vaddr?: number | bigint;
  readonly bytes: Uint8Array;
  readonly memorySize?: number;
  readonly flags?: number;
  /** Default PT_LOAD. */
  readonly type?: number;
}

export interface ElfSpec {
  readonly machine?: number;
  readonly bits?: 32 | 64;
  readonly type?: number;
  readonly entry?: number | bigint;
  readonly segments?: readonly SegmentSpec[];
}

/** An ELF executable without sections. */
export function elfFile(spec: ElfSpec = {}): Uint8Array {
  const bits = spec.bits ?? 64;
  const wide = bits === 64;
  const segments = spec.segments ?? [{ paddr: 0x8000_0000, bytes: Uint8Array.of(1, 2, 3, 4) }];
  const [headerSize, programSize] = wide ? [64, 56] : [52, 32];
  const dataAt = headerSize + programSize * segments.length;
  const file = new Uint8Array(dataAt + segments.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  view.setUint16(16, spec.type ?? 2, true);
  view.setUint16(18, spec.machine ?? 243, true);
  view.setUint32(20, 1, true);
  const word = (at: number, value: number | bigint) => {
    if (wide) view.setBigUint64(at, BigInt(value), true);
    else view.setUint32(at, Number(value), true);
  };
  word(24, spec.entry ?? 0x8000_0000);
  word(wide ? 32 : 28, headerSize);
  view.setUint16(wide ? 54 : 42, programSize, true);
  view.setUint16(wide ? 56 : 44, segments.length, true);
  let offset = dataAt;
  segments.forEach(({ paddr, vaddr, bytes, memorySize, flags, type = 1 }, index) => {
    const at = headerSize + programSize * index;
    view.setUint32(at, type, true);
    view.setUint32(at + (wide ? 4 : 24), flags ?? 7, true);
    word(at + (wide ? 8 : 4), offset);
    word(at + (wide ? 16 : 8), vaddr ?? paddr);
    word(at + (wide ? 24 : 12), paddr);
    word(at + (wide ? 32 : 16), bytes.length);
    word(at + (wide ? 40 : 20), memorySize ?? bytes.length);
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}

export interface LinuxSpec {
  readonly arch?: "riscv" | "arm64";
  readonly textOffset?: number;
  readonly imageSize?: number;
  readonly fileSize?: number;
  /** Adds an EFI stub header with one section of this many bytes. */
  readonly efiSection?: number;
}

/** A flat Linux kernel. */
export function linuxKernel(spec: LinuxSpec = {}): Uint8Array {
  const file = new Uint8Array(spec.fileSize ?? 4096);
  const view = new DataView(file.buffer);
  view.setBigUint64(8, BigInt(spec.textOffset ?? (spec.arch === "arm64" ? 0 : 0x20_0000)), true);
  view.setBigUint64(16, BigInt(spec.imageSize ?? 0x1_0000), true);
  if (spec.arch === "arm64") {
    file.set(new TextEncoder().encode("ARM\x64"), 0x38);
  } else {
    file.set(new TextEncoder().encode("RISCV\0\0\0RSC\x05"), 0x30);
    view.setUint32(0x20, 2, true);
  }
  if (spec.efiSection !== undefined) {
    file.set(new TextEncoder().encode("MZ"));
    view.setUint32(0x3c, 0x40, true);
    file.set(new TextEncoder().encode("PE\0\0"), 0x40);
    view.setUint16(0x46, 1, true);
    view.setUint16(0x54, 0x70, true);
    const section = 0x40 + 24 + 0x70;
    view.setUint32(section + 16, spec.efiSection - 0x1000, true);
    view.setUint32(section + 20, 0x1000, true);
  }
  return file;
}

/** gzip by the platform's own compressor. */
export async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
