import { ByteWriter } from "./bytes.js";

export interface ModuleNames {
  /** By function index. */
  readonly functions: readonly string[];
  /** Of the locals of one function. */
  readonly locals: { readonly function: number; readonly names: ReadonlyMap<number, string> };
}

/** A module with a name section (core specification, appendix "Custom Sections"), which must not have one yet. */
export function withNames(module: Uint8Array, { functions, locals }: ModuleNames): Uint8Array<ArrayBuffer> {
  const section = new ByteWriter();
  section.name("name");
  subsection(section, 1, (out) => writeMap(out, [...functions.entries()]));
  subsection(section, 2, (out) => {
    out.u32(1);
    out.u32(locals.function);
    writeMap(
      out,
      [...locals.names].sort(([a], [b]) => a - b),
    );
  });
  const out = new ByteWriter();
  out.append(module);
  out.u8(0);
  out.u32(section.length);
  out.append(section.view());
  return out.view().slice();
}

function subsection(section: ByteWriter, id: number, write: (out: ByteWriter) => void): void {
  const body = new ByteWriter();
  write(body);
  section.u8(id);
  section.u32(body.length);
  section.append(body.view());
}

function writeMap(out: ByteWriter, entries: readonly (readonly [number, string])[]): void {
  out.u32(entries.length);
  for (const [index, name] of entries) {
    out.u32(index);
    out.name(name);
  }
}
