import { ByteWriter } from "./bytes.js";
import { VALTYPE_BYTE, type ValType } from "./opcodes.js";
import { type Expr, expr, type Label, operand, type Val } from "./ops.js";

/** A local variable or parameter; itself an expression that reads it. */
export interface Local extends Expr {
  readonly type: ValType;
  readonly index: number;
  set(value: Val): Expr;
  tee(value: Val): Expr;
}

/** A mutable global; itself an expression that reads it. */
export interface Global extends Expr {
  readonly type: ValType;
  readonly index: number;
  set(value: Val): Expr;
}

/** Anything callable: a function of the module or an import. */
export interface Callable {
  readonly params: readonly ValType[];
  readonly result: ValType | "void";
  call(...args: readonly Val[]): Expr;
}

function makeLocal(type: ValType, index: number): Local {
  const access = (opcode: number, result: ValType | "void", value?: Val): Expr => {
    const v = value === undefined ? undefined : operand(type, value);
    return expr(result, (sink) => {
      v?.write(sink);
      sink.out.u8(opcode);
      sink.out.u32(index);
    });
  };
  const read = access(0x20, type);
  return {
    type,
    index,
    write: read.write,
    set: (v) => access(0x21, "void", v),
    tee: (v) => access(0x22, type, v),
  };
}

/** One function under construction: declare locals, then give it a body. */
export class FunctionBuilder implements Callable {
  readonly args: readonly Local[];
  private readonly locals: ValType[] = [];
  private statements: readonly Expr[] | undefined;

  readonly name: string;
  readonly params: readonly ValType[];
  readonly result: ValType | "void";
  private readonly indexOf: () => number;

  constructor(name: string, params: readonly ValType[], result: ValType | "void", indexOf: () => number) {
    this.name = name;
    this.params = params;
    this.result = result;
    this.indexOf = indexOf;
    this.args = params.map(makeLocal);
  }

  /** A parameter as a local. */
  arg(index: number): Local {
    const local = this.args[index];
    if (local === undefined) throw new RangeError(`${this.name} has no parameter ${index}`);
    return local;
  }

  local(type: ValType): Local {
    this.locals.push(type);
    return makeLocal(type, this.params.length + this.locals.length - 1);
  }

  /** The statements; the last one leaves the result, or every path returns. */
  body(...statements: readonly Expr[]): this {
    this.statements = statements;
    return this;
  }

  call(...args: readonly Val[]): Expr {
    return callOf(this, this.indexOf, args);
  }

  /** Code section entry (5.5.13): size, locals, body. */
  encode(target: ByteWriter): void {
    if (this.statements === undefined) throw new Error(`function ${this.name} has no body`);
    const out = new ByteWriter();
    const groups: { type: ValType; count: number }[] = [];
    for (const type of this.locals) {
      const last = groups.at(-1);
      if (last?.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    out.u32(groups.length);
    for (const { type, count } of groups) {
      out.u32(count);
      out.u8(VALTYPE_BYTE[type]);
    }
    const labels: Label[] = [];
    for (const statement of this.statements) statement.write({ out, labels });
    out.u8(0x0b);
    target.u32(out.length);
    target.append(out.view());
  }
}

function callOf(
  callee: { params: readonly ValType[]; result: ValType | "void"; name: string },
  indexOf: () => number,
  args: readonly Val[],
): Expr {
  if (args.length !== callee.params.length)
    throw new TypeError(`${callee.name} takes ${callee.params.length} arguments, got ${args.length}`);
  const values = callee.params.map((type, i) => operand(type, args[i] as Val));
  return expr(callee.result, (sink) => {
    for (const value of values) value.write(sink);
    sink.out.u8(0x10);
    sink.out.u32(indexOf());
  });
}

interface Import {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

/** Builds one WebAssembly module: imports, functions, globals, exports, an imported memory. */
export class ModuleBuilder {
  private readonly types: { key: string; params: readonly ValType[]; result: ValType | "void" }[] = [];
  private readonly imports: Import[] = [];
  private readonly functions: FunctionBuilder[] = [];
  private readonly globals: ValType[] = [];
  private readonly exports: { name: string; fn: FunctionBuilder }[] = [];
  private readonly globalExports: { name: string; index: number }[] = [];
  private table: { module: string; name: string } | undefined;
  private memory:
    | { module: string; name: string; initial: number; maximum: number; shared: boolean }
    | undefined;

  /** Import a memory; sizes in 64 KiB pages. */
  importMemory(module: string, name: string, initial: number, maximum: number, shared = false): void {
    this.memory = { module, name, initial, maximum, shared };
  }

  importFunction(
    module: string,
    name: string,
    params: readonly ValType[],
    result: ValType | "void" = "void",
  ): Callable {
    const index = this.imports.length;
    this.imports.push({ module, name, type: this.typeIndex(params, result) });
    return { params, result, call: (...args) => callOf({ params, result, name }, () => index, args) };
  }

  /** Import a function table whose functions all have one type; `callIndirect` calls the one at an index. */
  importTable(
    module: string,
    name: string,
    params: readonly ValType[],
    result: ValType | "void",
  ): { callIndirect(index: Val, ...args: Val[]): Expr } {
    const type = this.typeIndex(params, result);
    this.table = { module, name };
    return {
      callIndirect: (index, ...args) => {
        const at = operand("i32", index);
        const values = params.map((t, i) => operand(t, args[i] as Val));
        return expr(result, (sink) => {
          for (const value of values) value.write(sink);
          at.write(sink);
          sink.out.u8(0x11);
          sink.out.u32(type);
          sink.out.u32(0);
        });
      },
    };
  }

  func(name: string, params: readonly ValType[], result: ValType | "void" = "void"): FunctionBuilder {
    const position = this.functions.length;
    const fn = new FunctionBuilder(name, params, result, () => this.imports.length + position);
    this.functions.push(fn);
    return fn;
  }

  /** A mutable global, zero at start. */
  global(type: ValType): Global {
    const index = this.globals.push(type) - 1;
    return {
      type,
      index,
      write: ({ out }) => {
        out.u8(0x23);
        out.u32(index);
      },
      set: (value) => {
        const v = operand(type, value);
        return expr("void", (sink) => {
          v.write(sink);
          sink.out.u8(0x24);
          sink.out.u32(index);
        });
      },
    };
  }

  exportGlobal(name: string, global: Global): void {
    this.globalExports.push({ name, index: global.index });
  }

  export(name: string, fn: FunctionBuilder): void {
    this.exports.push({ name, fn });
  }

  encode(): Uint8Array<ArrayBuffer> {
    const typeOf = this.functions.map((f) => this.typeIndex(f.params, f.result));
    const out = new ByteWriter();
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.u8(byte);
    section(out, 1, this.types.length, (s) => {
      for (const { params, result } of this.types) {
        s.u8(0x60);
        s.u32(params.length);
        for (const p of params) s.u8(VALTYPE_BYTE[p]);
        s.u32(result === "void" ? 0 : 1);
        if (result !== "void") s.u8(VALTYPE_BYTE[result]);
      }
    });
    section(out, 2, this.imports.length + (this.memory ? 1 : 0) + (this.table ? 1 : 0), (s) =>
      this.encodeImports(s),
    );
    section(out, 3, typeOf.length, (s) => {
      for (const t of typeOf) s.u32(t);
    });
    section(out, 6, this.globals.length, (s) => {
      for (const type of this.globals) {
        s.u8(VALTYPE_BYTE[type]);
        s.u8(1);
        operand(type, 0).write({ out: s, labels: [] });
        s.u8(0x0b);
      }
    });
    section(out, 7, this.exports.length + this.globalExports.length, (s) => {
      for (const { name, index } of this.globalExports) {
        s.name(name);
        s.u8(3);
        s.u32(index);
      }
      for (const { name, fn } of this.exports) {
        s.name(name);
        s.u8(0);
        s.u32(this.imports.length + this.functions.indexOf(fn));
      }
    });
    section(out, 10, this.functions.length, (s) => {
      for (const f of this.functions) f.encode(s);
    });
    return out.view().slice();
  }

  private encodeImports(s: ByteWriter): void {
    for (const { module, name, type } of this.imports) {
      s.name(module);
      s.name(name);
      s.u8(0);
      s.u32(type);
    }
    if (this.table !== undefined) {
      s.name(this.table.module);
      s.name(this.table.name);
      s.u8(1);
      s.u8(0x70);
      s.u8(0);
      s.u32(0);
    }
    if (this.memory === undefined) return;
    s.name(this.memory.module);
    s.name(this.memory.name);
    s.u8(2);
    s.u8(this.memory.shared ? 3 : 1);
    s.u32(this.memory.initial);
    s.u32(this.memory.maximum);
  }

  private typeIndex(params: readonly ValType[], result: ValType | "void"): number {
    const key = `${params.join()}>${result}`;
    const found = this.types.findIndex((t) => t.key === key);
    return found >= 0 ? found : this.types.push({ key, params, result }) - 1;
  }
}

function section(out: ByteWriter, id: number, count: number, write: (s: ByteWriter) => void): void {
  if (count === 0) return;
  const body = new ByteWriter();
  body.u32(count);
  write(body);
  out.u8(id);
  out.u32(body.length);
  out.append(body.view());
}
