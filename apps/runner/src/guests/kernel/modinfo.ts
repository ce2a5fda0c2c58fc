import { GuestError } from "../errors.js";

/** What a kernel module says of itself in its `.modinfo` section. */
export interface ModuleInfo {
  readonly name: string;
  /** Modules that must be loaded before it. */
  readonly depends: readonly string[];
  /** Modules or aliases that should be loaded before it where they exist (`softdep=pre:`). */
  readonly softPre: readonly string[];
  readonly aliases: readonly string[];
}

const SECTION_HEADER = 64;

/** Reads `.modinfo` of a 64-bit little-endian module. Throws `BadKernel` when it is not one. */
export function readModuleInfo(file: string, module: Uint8Array): ModuleInfo {
  const section = elfSection(module, ".modinfo");
  if (section === undefined) throw new GuestError("BadKernel", `${file} is not a 64-bit kernel module`);
  const pairs = new TextDecoder("latin1")
    .decode(section)
    .split("\0")
    .map((pair): [string, string] => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
  const values = (key: string): string[] => pairs.filter(([name]) => name === key).map(([, value]) => value);
  return {
    name: moduleName(values("name")[0] ?? file),
    depends: values("depends")
      .flatMap((list) => list.split(",").filter((name) => name !== ""))
      .map(moduleName),
    softPre: values("softdep").flatMap(softPre),
    aliases: values("alias"),
  };
}

/** A module's name as the kernel spells it: of a path's last part, without suffixes, with underscores. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.replace(/\.ko(?:\.(?:xz|gz|zst))?$/, "").replaceAll("-", "_");
}

/** The words between `pre:` and the next keyword of a softdep line (modprobe.d(5)). */
function softPre(line: string): string[] {
  const names: string[] = [];
  let before = false;
  for (const word of line.split(/\s+/)) {
    if (word === "pre:" || word === "post:") before = word === "pre:";
    else if (before && word !== "") names.push(word);
  }
  return names;
}

/** Content of an ELF64 little-endian section, or undefined when the file has none of that name. */
function elfSection(file: Uint8Array, wanted: string): Uint8Array | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 64 || view.getUint32(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    return undefined;
  const table = Number(view.getBigUint64(0x28, true));
  const count = view.getUint16(0x3c, true);
  const namesIndex = view.getUint16(0x3e, true);
  if (namesIndex >= count || table + count * SECTION_HEADER > file.length) return undefined;
  const content = (index: number): Uint8Array => {
    const header = table + index * SECTION_HEADER;
    const offset = Number(view.getBigUint64(header + 0x18, true));
    return file.subarray(offset, offset + Number(view.getBigUint64(header + 0x20, true)));
  };
  const names = new TextDecoder("latin1").decode(content(namesIndex));
  for (let index = 0; index < count; index++) {
    const at = view.getUint32(table + index * SECTION_HEADER, true);
    if (names.startsWith(`${wanted}\0`, at)) return content(index);
  }
  return undefined;
}
