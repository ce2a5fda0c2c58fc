import { MachineError } from "../errors.js";
import { elfMachineName, type ImageArchitecture } from "./architecture.js";

/** A loadable part of an ELF file. */
export interface ElfSegment {
  readonly physicalAddress: number;
  readonly virtualAddress: bigint;
  /** Bytes from the file; the rest up to `memorySize` is zero. */
  readonly bytes: Uint8Array;
  readonly memorySize: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
}

export interface ElfSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: bigint;
}

/** A note: what some linker or kernel says about the file. */
export interface ElfNote {
  /** Whose note it is; `type` means something to them. */
  readonly name: string;
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface ElfFile {
  readonly name: string;
  readonly machine: number;
  readonly bits: 32 | 64;
  /** Address of the first instruction as the file has it. */
  readonly entry: bigint;
  /** The same as a physical address. */
  readonly physicalEntry: number;
  /** Loadable segments that occupy memory, in the order of the file. */
  readonly segments: readonly ElfSegment[];
  readonly symbols: ElfSymbols;
  readonly notes: readonly ElfNote[];
  /** What the file asks for to be loaded by: programs that are linked dynamically, and some kernels. */
  readonly interpreter: string | undefined;
}

const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_NOTE = 4;
const SHT_SYMTAB = 2;
const STT_FUNC = 2;
const STT_SECTION = 3;
const STT_FILE = 4;
const MAX_SEGMENTS = 4096;

/** Whether the bytes start like an ELF file. */
export function looksLikeElf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
  );
}

/** Whether a little-endian ELF file is for a machine, by `e_machine` and class. */
export function elfIs(bytes: Uint8Array, machine: number, bits: 32 | 64): boolean {
  return (
    bytes[4] === bits / 32 && bytes[5] === 1 && bytes[18] === (machine & 0xff) && bytes[19] === machine >> 8
  );
}

/**
 * Reads an ELF executable.
 * @param name what messages call it, usually the file name.
 * @param expected refuse other machines.
 * @throws MachineError `BadImage`, `Truncated` or `WrongArchitecture`.
 */
export function readElf(bytes: Uint8Array, name: string, expected?: ImageArchitecture): ElfFile {
  return new ElfReader(bytes, name).read(expected);
}

/** Symbols of an ELF file, read when first asked for. */
export class ElfSymbols {
  readonly #load: () => ElfSymbol[];
  #byName: Map<string, ElfSymbol> | undefined;
  /** Functions and labels by ascending address. */
  #sorted: ElfSymbol[] | undefined;

  constructor(load: () => ElfSymbol[]) {
    this.#load = load;
  }

  /** The symbol of that name; of several the first. */
  get(name: string): ElfSymbol | undefined {
    if (this.#byName === undefined) {
      this.#byName = new Map();
      for (const symbol of this.#all()) {
        if (!this.#byName.has(symbol.name)) this.#byName.set(symbol.name, symbol);
      }
    }
    return this.#byName.get(name);
  }

  /** The symbol an address lies in or behind, and the distance: for reports and traces. */
  at(address: bigint): { readonly symbol: ElfSymbol; readonly offset: bigint } | undefined {
    const sorted = this.#all();
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = sorted[low - 1];
    return symbol === undefined ? undefined : { symbol, offset: address - symbol.address };
  }

  get size(): number {
    return this.#all().length;
  }

  #all(): ElfSymbol[] {
    this.#sorted ??= this.#load().sort((a, b) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : 0,
    );
    return this.#sorted;
  }
}

/** Field offsets that differ between ELFCLASS32 and ELFCLASS64. */
interface ElfClass {
  readonly bits: 32 | 64;
  readonly headerSize: number;
  readonly programSize: number;
  readonly sectionSize: number;
  readonly symbolSize: number;
}

const CLASSES: readonly ElfClass[] = [
  { bits: 32, headerSize: 52, programSize: 32, sectionSize: 40, symbolSize: 16 },
  { bits: 64, headerSize: 64, programSize: 56, sectionSize: 64, symbolSize: 24 },
];

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

class ElfReader {
  readonly #name: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #class: ElfClass = CLASSES[1]!;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#name = name;
  }

  read(expected: ImageArchitecture | undefined): ElfFile {
    if (!looksLikeElf(this.#bytes)) throw this.#bad("not an ELF file");
    this.#need(0, 16);
    const kind = CLASSES[this.#bytes[4]! - 1];
    if (kind === undefined) throw this.#bad(`ELF class ${this.#bytes[4]} is unknown`);
    this.#class = kind;
    if (this.#bytes[5] !== 1) throw this.#bad("big-endian ELF files are not supported");
    this.#need(0, kind.headerSize);
    const machine = this.#view.getUint16(18, true);
    const { bits } = kind;
    if (expected !== undefined && (machine !== expected.elfMachine || bits !== expected.elfBits)) {
      throw new MachineError(
        "WrongArchitecture",
        `${this.#name}: ELF file is for ${elfMachineName(machine, bits)}, this machine is ${expected.name}`,
      );
    }
    const type = this.#view.getUint16(16, true);
    if (type !== 2 && type !== 3) throw this.#bad(`ELF file of type ${type} is not an executable`);
    const interpreter = this.#interpreter();
    // Some kernels name one as well, but they are not linked for any address.
    if (type === 3 && interpreter !== undefined) throw this.#bad(dynamicallyLinked(interpreter));
    const entry = this.#word(24);
    const segments = this.#segments();
    return {
      name: this.#name,
      machine,
      bits,
      entry,
      physicalEntry: this.#physical(entry, segments),
      segments,
      symbols: new ElfSymbols(() => this.#symbols()),
      notes: this.#notes(),
      interpreter,
    };
  }

  /** A kernel's entry may be a virtual address: it is translated by the segment that holds it. */
  #physical(entry: bigint, segments: readonly ElfSegment[]): number {
    for (const { virtualAddress, physicalAddress, memorySize } of segments) {
      const offset = entry - virtualAddress;
      if (offset >= 0n && offset < BigInt(memorySize)) return physicalAddress + Number(offset);
    }
    return this.#number(entry, "entry point");
  }

  #segments(): ElfSegment[] {
    const wide = this.#class.bits === 64;
    const tableAt = this.#number(this.#word(wide ? 32 : 28), "program header offset");
    const entrySize = this.#view.getUint16(wide ? 54 : 42, true);
    const count = this.#view.getUint16(wide ? 56 : 44, true);
    if (count === 0) throw this.#bad("ELF file has nothing to load");
    if (entrySize < this.#class.programSize || count > MAX_SEGMENTS) {
      throw this.#bad("ELF file has a malformed program header table");
    }
    this.#need(tableAt, count * entrySize);
    const segments: ElfSegment[] = [];
    for (let index = 0; index < count; index++) {
      const segment = this.#segment(tableAt + index * entrySize, index);
      if (segment !== undefined) segments.push(segment);
    }
    if (segments.length === 0) throw this.#bad("ELF file has nothing to load");
    return segments;
  }

  #segment(at: number, index: number): ElfSegment | undefined {
    if (this.#view.getUint32(at, true) !== PT_LOAD) return undefined;
    const wide = this.#class.bits === 64;
    const flags = this.#view.getUint32(at + (wide ? 4 : 24), true);
    const field = (wideAt: number, narrowAt: number) => this.#word(at + (wide ? wideAt : narrowAt));
    const offset = this.#number(field(8, 4), `offset of segment ${index}`);
    const virtualAddress = field(16, 8);
    const physicalAddress = this.#number(field(24, 12), `address of segment ${index}`);
    const fileSize = this.#number(field(32, 16), `size of segment ${index}`);
    const memorySize = this.#number(field(40, 20), `size of segment ${index}`);
    if (memorySize === 0) return undefined;
    if (fileSize > memorySize) throw this.#bad(`segment ${index} has more bytes in the file than in memory`);
    this.#need(offset, fileSize);
    return {
      physicalAddress,
      virtualAddress,
      bytes: this.#bytes.subarray(offset, offset + fileSize),
      memorySize,
      readable: (flags & 4) !== 0,
      writable: (flags & 2) !== 0,
      executable: (flags & 1) !== 0,
    };
  }

  #notes(): ElfNote[] {
    const notes: ElfNote[] = [];
    for (const { bytes, alignment } of this.#extras(PT_NOTE))
      readNotes(bytes, alignment === 8 ? 8 : 4, notes);
    return notes;
  }

  #interpreter(): string | undefined {
    for (const { bytes } of this.#extras(PT_INTERP)) {
      const end = bytes.indexOf(0);
      return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
    }
    return undefined;
  }

  /** Segments that are not loaded, of a type. They are extras, as symbols are: what is damaged is left out. */
  *#extras(type: number): Generator<{ readonly bytes: Uint8Array; readonly alignment: number }> {
    const wide = this.#class.bits === 64;
    const tableAt = Number(this.#word(wide ? 32 : 28));
    const entrySize = this.#view.getUint16(wide ? 54 : 42, true);
    const count = this.#view.getUint16(wide ? 56 : 44, true);
    for (let index = 0; index < count; index++) {
      const at = tableAt + index * entrySize;
      if (at + this.#class.programSize > this.#bytes.length) return;
      if (this.#view.getUint32(at, true) !== type) continue;
      const from = Number(this.#word(at + (wide ? 8 : 4)));
      const size = Number(this.#word(at + (wide ? 32 : 16)));
      const alignment = Number(this.#word(at + (wide ? 48 : 28)));
      if (from + size <= this.#bytes.length)
        yield { bytes: this.#bytes.subarray(from, from + size), alignment };
    }
  }

  #symbols(): ElfSymbol[] {
    const sections = this.#sections();
    const table = sections.find(({ type }) => type === SHT_SYMTAB);
    const strings = table && sections[table.link];
    if (table === undefined || strings === undefined) return [];
    const wide = this.#class.bits === 64;
    const { symbolSize } = this.#class;
    const names = new NameReader(this.#bytes.subarray(strings.offset, strings.offset + strings.size));
    const symbols: ElfSymbol[] = [];
    for (let done = 0; done + symbolSize <= table.size; done += symbolSize) {
      const at = table.offset + done;
      const type = this.#view.getUint8(at + (wide ? 4 : 12)) & 15;
      const section = this.#view.getUint16(at + (wide ? 6 : 14), true);
      const name = names.at(this.#view.getUint32(at, true));
      // Undefined, section and file symbols, and the mapping symbols of Arm and RISC-V ($x, $d) name no place.
      if (section === 0 || type === STT_SECTION || type === STT_FILE || name === "") continue;
      if (type !== STT_FUNC && name.startsWith("$")) continue;
      symbols.push({
        name,
        address: this.#word(at + (wide ? 8 : 4)),
        size: this.#word(at + (wide ? 16 : 8)),
      });
    }
    return symbols;
  }

  /** Sections inside the file. Symbols are an extra: a damaged table is an empty one. */
  #sections(): Section[] {
    const wide = this.#class.bits === 64;
    const tableAt = Number(this.#word(wide ? 40 : 32));
    const entrySize = this.#view.getUint16(wide ? 58 : 46, true);
    const count = this.#view.getUint16(wide ? 60 : 48, true);
    const { length } = this.#bytes;
    if (entrySize < this.#class.sectionSize || tableAt + count * entrySize > length) return [];
    return Array.from({ length: count }, (_, index) => {
      const at = tableAt + index * entrySize;
      const offset = Number(this.#word(at + (wide ? 24 : 16)));
      const size = Number(this.#word(at + (wide ? 32 : 20)));
      const inside = offset + size <= length;
      return {
        type: inside ? this.#view.getUint32(at + 4, true) : 0,
        offset,
        size,
        link: this.#view.getUint32(at + (wide ? 40 : 24), true),
      };
    });
  }

  /** A word of the file's class. */
  #word(at: number): bigint {
    return this.#class.bits === 64
      ? this.#view.getBigUint64(at, true)
      : BigInt(this.#view.getUint32(at, true));
  }

  #number(value: bigint, what: string): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.#bad(`${what} 0x${value.toString(16)} is out of range`);
    return Number(value);
  }

  #need(offset: number, length: number): void {
    if (offset + length <= this.#bytes.length) return;
    throw new MachineError(
      "Truncated",
      `${this.#name}: ELF file is truncated: ${this.#bytes.length} of at least ${offset + length} bytes`,
    );
  }

  #bad(what: string): MachineError {
    return new MachineError("BadImage", `${this.#name}: ${what}`);
  }
}

/** What is wrong with such a file as a kernel. */
export function dynamicallyLinked(interpreter: string): string {
  return `is a dynamically linked program, which ${interpreter} loads, and no kernel`;
}

/** Notes of a segment: sizes of name and contents, type, and both, each aligned. */
function readNotes(bytes: Uint8Array, alignment: number, notes: ElfNote[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const aligned = (size: number) => Math.ceil(size / alignment) * alignment;
  let at = 0;
  while (at + 12 <= bytes.length) {
    const nameSize = view.getUint32(at, true);
    const size = view.getUint32(at + 4, true);
    const contents = aligned(at + 12 + nameSize);
    if (contents + size > bytes.length) return;
    const name = new TextDecoder().decode(bytes.subarray(at + 12, at + 12 + nameSize)).replace(/\0.*/s, "");
    const type = view.getUint32(at + 8, true);
    notes.push({ name, type, bytes: bytes.subarray(contents, contents + size) });
    at = aligned(contents + size);
  }
}

/** Zero-terminated names in a string table. */
class NameReader {
  readonly #table: Uint8Array;
  readonly #decoder = new TextDecoder();

  constructor(table: Uint8Array) {
    this.#table = table;
  }

  at(offset: number): string {
    const end = this.#table.indexOf(0, offset);
    return end < 0 ? "" : this.#decoder.decode(this.#table.subarray(offset, end));
  }
}
