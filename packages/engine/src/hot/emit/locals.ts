import { Op } from "../../ir/ops.js";
import { FieldNumbers } from "../../state/field-numbers.js";
import type { Field } from "../../state/layout.js";
import type { FunctionWriter } from "../function-writer.js";
import type { RegionNotes } from "../notes.js";
import type { RegionBlock } from "../region.js";

/** Locals of the guest registers in the region being written; one is written at a time. */
const registerLocals = new FieldNumbers();
/** Which of them were noted as written. */
const notedWrites = new FieldNumbers();

/** The locals that all code of a region shares: what every region needs, and the guest registers it uses. */
export class RegionLocals {
  /** Instructions that may still be executed. */
  readonly budget: number;
  /** Address of the data context's bank of the TLB. */
  readonly tlb: number;
  /** TLB or jump cache entry just found; on the way out, the block that is left. */
  readonly entry: number;
  /** What the region returns. */
  readonly result: number;
  /** Low bits of TLB tags: the data context. */
  readonly context: number;
  /** Virtual address being accessed or jumped to. */
  readonly va: number;
  /** Where on its page an access is. */
  readonly offset: number;
  /** Virtual address of the entry's page, and of the page of the block that is left. */
  readonly page: number;
  readonly base: number;
  /** Guest registers, which are state fields. */
  readonly registers: ReadonlyMap<Field, number>;
  /** Those that the shared exit has to store. */
  readonly written: readonly Field[];

  constructor(w: FunctionWriter, blocks: readonly RegionBlock[], floats: ReadonlySet<Field>) {
    this.budget = w.local("i32");
    this.tlb = w.local("i32");
    this.entry = w.local("i32");
    this.result = w.local("i32");
    this.context = w.local("i64");
    this.va = w.local("i64");
    this.offset = w.local("i64");
    this.page = w.local("i64");
    this.base = w.local("i64");
    const fields: Field[] = [];
    const written: Field[] = [];
    registerLocals.clear();
    notedWrites.clear();
    for (const block of blocks) noteFields(block, fields, written);
    const typeOf = (field: Field) => (floats.has(field) ? "f64" : field.type);
    this.registers = new Map(fields.map((field) => [field, w.local(typeOf(field))]));
    for (const [field, local] of this.registers) registerLocals.set(field, local);
    this.written = written;
  }

  /** The local of a field that the region uses. */
  register(field: Field | null): number {
    return registerLocals.get(field as Field);
  }

  /** Tell who reads the code what they are called. */
  name({ locals }: RegionNotes): void {
    const { budget, tlb, entry, result, context, va, offset, page, base } = this;
    for (const [name, local] of Object.entries({
      budget,
      tlb,
      entry,
      result,
      context,
      va,
      offset,
      page,
      base,
    }))
      locals.set(local, name);
    for (const [{ name }, local] of this.registers) locals.set(local, name);
  }
}

/** Note the fields that a block reads or writes, and those it writes. */
function noteFields({ ir, stop }: RegionBlock, fields: Field[], written: Field[]): void {
  for (const n of ir.nodes) {
    if (stop >= 0 && n.insn >= stop) return;
    if (n.pending !== null)
      for (const { field } of n.pending) {
        note(registerLocals, field, fields);
        note(notedWrites, field, written);
      }
    if ((n.op !== Op.get && n.op !== Op.set) || n.field === null) continue;
    note(registerLocals, n.field, fields);
    if (n.op === Op.set) note(notedWrites, n.field, written);
  }
}

function note(noted: FieldNumbers, field: Field, list: Field[]): void {
  if (noted.get(field) >= 0) return;
  noted.set(field, list.length);
  list.push(field);
}
