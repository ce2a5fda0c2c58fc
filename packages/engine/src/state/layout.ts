/** Width of a state field as the IR sees it. */
export type FieldType = "i32" | "i64" | "v128";

/** One named piece of vCPU state. `offset` is in bytes from the start of the state. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
}

const SIZE: Record<FieldType, number> = { i32: 4, i64: 8, v128: 16 };

/**
 * Bytes at the start of every state that belong to the engine. The offsets are part of the contract
 * between the micro-op interpreter, the execution loop and the generated code; nobody else reads them.
 */
export const ENGINE_STATE = {
  /** i64: virtual address of the page the running block lies in. */
  pcBase: 0,
  /** i64: always zero; operand of micro-ops that need a constant zero. */
  zero: 8,
  /** i64: virtual address of the access that left the interpreter. */
  accessAddress: 16,
  /** i64: upper half of the value seen by a load-reserved of 16 bytes. */
  reservedHigh: 24,
  /** i64: context id, the low 12 bits of every TLB tag. */
  dataContext: 32,
  /** i32: instructions left in the slice. */
  budget: 40,
  /** i32: address of the micro-op that left the interpreter. */
  microOp: 44,
  /** i32: address of the block that `microOp` is in. */
  block: 52,
  /** i32: address of the TLB bank of the current data context. */
  tlb: 56,
  /** i32: address of what refills of the TLB without JavaScript need, 0 where there are none. */
  walk: 60,
  /** i32: not zero when the dispatcher has something to look at (an interrupt, a stop). */
  attention: 104,
  /** i64: host address of the load reservation, -1 when there is none. */
  reservation: 64,
  /** i64: value seen by the load-reserved. */
  reservedValue: 72,
  /** i64: virtual program counter, valid outside the interpreter. */
  pc: 80,
  /** i32: accumulated floating-point flags, in the engine's numbering; inside the interpreter they live in a global. */
  fpFlags: 96,
  /** i32: how often accesses that a compiled region checks together were not on one page, and the block where it happened last. */
  twoPages: 116,
  twoPagesAt: 120,
  /** The data contexts that guest code chooses from (`select_context`), `DATA_CONTEXTS` of 16 bytes each: i64 id | i32 TLB bank. */
  contexts: 128,
  /** v128: value to be stored, or the answer to a load; the low half of it if the access is narrower. */
  accessValue: 192,
  /** Temporaries of the running block: 64 of 8 bytes, and 32 of 16 bytes. */
  temporaries: 208,
  vectorTemporaries: 720,
  // The code context that is selected: `CODE_CONTEXT_BYTES` from `codeMode` on.
  /** i32: mode bits of code, shifted left by 12. */
  codeMode: 1232,
  /** i32: mapping generation under which code may be linked. */
  generation: 1236,
  /** i32: the same for pages that are mapped alike in every address space of the regime. */
  globalGeneration: 1240,
  /** i32: id of the address space code is fetched from, and of what is alike in all of its regime. */
  fetchContext: 1244,
  globalFetchContext: 1248,
  /** i32: which of `codeContexts` it is. */
  codeContext: 1252,
  /** The code contexts that guest code chooses from (`select_code`), `CODE_CONTEXTS` of them in the same form. */
  codeContexts: 1256,
  /** Pages that compiled code found last, `PAGE_SLOTS` of them: i64 virtual address or `NO_PAGE` | i32 host address. */
  pages: 1304,
} as const;

/** Data contexts that guest code can choose from. */
export const DATA_CONTEXTS = 4;
/** The same of code contexts. */
export const CODE_CONTEXTS = 2;
export const CODE_CONTEXT_BYTES = 24;
export const PAGE_SLOTS = 8;
export const PAGE_SLOT_BYTES = 16;
/**
 * No access is within a page of it: no architecture has such addresses, virtual or physical, whatever it ignores of
 * their upper bits.
 */
export const NO_PAGE = { lo: 0, hi: 0x0180_0000 } as const;
export const TEMPORARY_COUNT = 64;
export const VECTOR_TEMPORARY_COUNT = 32;
/** Where fields of architectures begin. */
export const FIRST_ARCH_OFFSET = ENGINE_STATE.pages + PAGE_SLOTS * PAGE_SLOT_BYTES;
/** Micro-op operands are 16-bit byte offsets. */
export const MAX_STATE_BYTES = 65536;

/**
 * Declares the state of one architecture's vCPU, so that generated code, snapshots, debuggers and
 * tests all read it by name. Fields never overlap; parts of a field are reached with insert/extract.
 */
export class StateLayout {
  readonly fields = new Map<string, Field>();
  private next = FIRST_ARCH_OFFSET;

  /** The program counter: engine-owned, architecturally visible, so it is a field of every layout. */
  readonly pc: Field = { name: "pc", type: "i64", offset: ENGINE_STATE.pc };
  /** Floating-point flags accumulated by `fp.*` operations (bits: 1 inexact, 2 underflow, 4 overflow, 8 divide by zero, 16 invalid, 32 denormal operand). */
  readonly fpFlags: Field = { name: "fpFlags", type: "i32", offset: ENGINE_STATE.fpFlags };

  constructor() {
    this.fields.set("pc", this.pc);
    this.fields.set("fpFlags", this.fpFlags);
  }

  /** Bytes one vCPU's state takes, engine part included. */
  get size(): number {
    return Math.ceil(this.next / 64) * 64;
  }

  field(name: string, type: FieldType): Field {
    if (this.fields.has(name)) throw new Error(`state field ${name} is declared twice`);
    // Eight-byte slots even for i32, so that every operand offset names one value.
    const size = Math.max(8, SIZE[type]);
    const offset = Math.ceil(this.next / size) * size;
    if (offset + size > MAX_STATE_BYTES)
      throw new RangeError(`state field ${name} does not fit in ${MAX_STATE_BYTES} bytes`);
    this.next = offset + size;
    const field: Field = { name, type, offset };
    this.fields.set(name, field);
    return field;
  }

  i64(name: string): Field {
    return this.field(name, "i64");
  }

  i32(name: string): Field {
    return this.field(name, "i32");
  }

  /** `count` fields named `name0`, `name1`, ... */
  array(name: string, type: FieldType, count: number): readonly Field[] {
    return Array.from({ length: count }, (_, i) => this.field(`${name}${i}`, type));
  }
}
