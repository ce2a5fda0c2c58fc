import { type Shortcuts, shortcutExport } from "../core/shortcuts.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import type { Field } from "../state/layout.js";
import { ByteWriter } from "../wasm/bytes.js";
import { VALTYPE_BYTE, type ValType } from "../wasm/opcodes.js";
import { type FloatEmitter, NO_FLOATS } from "./float.js";
import { FloatCalls, type HostFloats } from "./float-calls.js";
import type { FunctionWriter } from "./function-writer.js";

/** What compiled regions import besides memory and the region table. */
export interface HotImports {
  readonly memory: WebAssembly.Memory;
  readonly memoryPages: number;
  readonly shared: boolean;
  readonly regions: WebAssembly.Table;
  /** Exports of the interpreter: `mulh_u`, `flags`, `modes` where there are any, and `fp.*`. */
  readonly interpreter: WebAssembly.Exports;
  /** Host floating point may stand in where it is exact. */
  readonly hostFloats: HostFloats | false;
  /** What the interpreter has of them is exported. */
  readonly shortcuts?: Shortcuts | undefined;
  /** The guest has a flag for denormal operands that are not flushed. */
  readonly denormalFlag: boolean;
}

/** How a region calls shortcuts. */
export interface ShortcutCalls {
  /** The fields that each of them reads or writes, by number. */
  readonly fields: readonly (readonly Field[])[];
  /** Function index of number 0. */
  readonly first: number;
}

/** Type 0 is that of regions. */
export const REGION_TYPE = 0;
/** Function 0 is the high product; the floating-point functions and the shortcuts follow. */
export const MUL_HIGH = 0;

interface ImportedFunction {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly result: ValType;
}

/** Puts finished regions into modules, and their functions into the table. */
export class HotModules {
  readonly float: FloatEmitter;
  /** What regions call of shortcuts; undefined without any. */
  readonly shortcuts: ShortcutCalls | undefined;
  private readonly imports: HotImports;
  private readonly functions: readonly ImportedFunction[];
  /** Globals that modules with floating point import, all of them i32. */
  private readonly globals: readonly string[];
  /** The module being written, and its section; used again and again. */
  private readonly out = new ByteWriter(65536);
  private readonly body = new ByteWriter(65536);
  /** Beginnings of modules by the number of functions they import. */
  private readonly heads = new Map<number, Uint8Array>();

  constructor(imports: HotImports) {
    this.imports = imports;
    const functions: ImportedFunction[] = [{ name: "mulh_u", params: ["i64", "i64"], result: "i64" }];
    const floats = "flags" in imports.interpreter;
    const takesRounding: boolean[] = [];
    /** By number of the function: its index, where the engine has it. */
    const indexes: number[] = [];
    for (const f of floats ? SOFT_FUNCTIONS : []) {
      const name = `fp.${f.name}`;
      const imported = imports.interpreter[name] as CallableFunction | undefined;
      if (imported === undefined) continue;
      const rounds = imported.length > f.args.length;
      takesRounding[f.index] = rounds;
      indexes[f.index] = functions.length;
      functions.push({ name, params: [...f.args, ...(rounds ? (["i32"] as const) : [])], result: f.result });
    }
    const { shortcuts } = imports;
    this.shortcuts = shortcuts && {
      fields: shortcuts.list.map(({ fields }) => fields),
      first: functions.length,
    };
    for (const { name } of shortcuts?.list ?? [])
      functions.push({ name: shortcutExport(name), params: ["i32", "i64", "i64"], result: "i32" });
    this.functions = functions;
    this.globals = ["flags", "modes"].filter((name) => name in imports.interpreter);
    this.float = floats
      ? noted(
          new FloatCalls(
            (sub) => indexes[sub] as number,
            takesRounding,
            this.globals.length > 1,
            imports.hostFloats,
            imports.denormalFlag,
          ),
        )
      : NO_FLOATS;
  }

  /** Compile functions in one module and put them into the region table at the given indices. Gives the module's bytes. */
  install(list: readonly { readonly code: FunctionWriter; readonly index: number }[]): number {
    const bytes = this.encode(list);
    const { memory, regions, interpreter } = this.imports;
    const module = new WebAssembly.Module(bytes);
    new WebAssembly.Instance(module, {
      e: { m: memory, t: regions },
      i: interpreter as unknown as WebAssembly.ModuleImports,
    });
    return bytes.length;
  }

  /** Names of the functions that a module of these regions imports, by index. */
  functionNames(list: readonly FunctionWriter[]): readonly string[] {
    return this.functionsFor(list).map(({ name }) => name);
  }

  /** Imports cost time with every module, and few need the floating-point functions, or even the shortcuts. */
  private functionsFor(list: readonly FunctionWriter[]): readonly ImportedFunction[] {
    const { functions, shortcuts } = this;
    if (list.some((code) => code.usesShortcuts)) return functions;
    return functions.slice(0, list.some((code) => code.usesFloats) ? shortcuts?.first : 1);
  }

  /** A module of these functions. */
  encode(
    list: readonly { readonly code: FunctionWriter; readonly index: number }[],
  ): Uint8Array<ArrayBuffer> {
    const functions = this.functionsFor(list.map(({ code }) => code));
    const { out } = this;
    out.reset();
    out.append(this.headOf(functions));
    this.section(3, (s) => {
      s.u32(list.length);
      for (let i = 0; i < list.length; i++) s.u32(REGION_TYPE);
    });
    this.section(9, (s) => {
      s.u32(list.length);
      list.forEach(({ index }, i) => {
        s.u8(0);
        s.u8(0x41);
        s.s32(index);
        s.u8(0x0b);
        s.u32(1);
        s.u32(functions.length + i);
      });
    });
    this.section(0, (s) => {
      s.name("metadata.code.branch_hint");
      s.u32(list.length);
      list.forEach(({ code }, i) => {
        code.encodeHints(s, functions.length + i);
      });
    });
    this.section(10, (s) => {
      s.u32(list.length);
      for (const { code } of list) code.encode(s);
    });
    return out.view().slice();
  }

  /** What modules that import these functions begin with: there are only a few different ones. */
  private headOf(functions: readonly ImportedFunction[]): Uint8Array {
    const known = this.heads.get(functions.length);
    if (known !== undefined) return known;
    const { out } = this;
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.u8(byte);
    this.section(1, (s) => {
      s.u32(1 + functions.length);
      writeType(s, [], "i32");
      for (const { params, result } of functions) writeType(s, params, result);
    });
    this.section(2, (s) => this.writeImports(s, functions));
    const head = out.view().slice();
    this.heads.set(functions.length, head);
    out.reset();
    return head;
  }

  private writeImports(s: ByteWriter, functions: readonly ImportedFunction[]): void {
    const { imports, globals } = this;
    const floats = functions.length > 1;
    s.u32(2 + functions.length + (floats ? globals.length : 0));
    s.name("e");
    s.name("m");
    s.u8(2);
    s.u8(imports.shared ? 3 : 1);
    s.u32(imports.memoryPages);
    s.u32(imports.memoryPages);
    s.name("e");
    s.name("t");
    s.u8(1);
    s.u8(0x70);
    s.u8(0);
    s.u32(0);
    functions.forEach(({ name }, i) => {
      s.name("i");
      s.name(name);
      s.u8(0);
      s.u32(1 + i);
    });
    if (!floats) return;
    for (const name of globals) {
      s.name("i");
      s.name(name);
      s.u8(3);
      s.u8(VALTYPE_BYTE.i32);
      s.u8(1);
    }
  }

  private section(id: number, write: (s: ByteWriter) => void): void {
    const { out, body } = this;
    body.reset();
    write(body);
    out.u8(id);
    out.u32(body.length);
    out.append(body.view());
  }
}

/** Makes a note in functions that use floating point. */
function noted(calls: FloatEmitter): FloatEmitter {
  return {
    form: (n) => calls.form(n),
    enter(w) {
      w.usesFloats = true;
      return calls.enter(w);
    },
  };
}

function writeType(s: ByteWriter, params: readonly ValType[], result: ValType): void {
  s.u8(0x60);
  s.u32(params.length);
  for (const p of params) s.u8(VALTYPE_BYTE[p]);
  s.u8(1);
  s.u8(VALTYPE_BYTE[result]);
}
