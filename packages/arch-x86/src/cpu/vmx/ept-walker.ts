import { PageCacheReader, WALK_CACHES, WindowReader, wasm } from "@hypercraft/engine";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { EPT_ENTRY } from "./ept.js";
import { GUEST_PAGE } from "./guest-pages.js";

const { br, i32, i64, loop, ret, select, when } = wasm;

/** In the record of a walk: there is EPT, and accesses mark its entries. */
export const SECOND_STAGE = { on: 1, flags: 2 } as const;

const { read, write, execute, large, accessed, dirty } = EPT_ENTRY;
const GIVE_UP = ret(i64.const(-1n));
const LEVELS = 4;
/** Memory types of leaves that exist, a bit each: uncacheable, write-combining, -through, -protected, -back. */
const MEMORY_TYPES = 0b0111_0011;
/** Bits of an entry that names a table which have to be 0, and the address bits that there are not. */
const TABLE_RESERVED = 0x78;
const ADDRESS_RESERVED = (1n << 52n) - (1n << BigInt(PHYSICAL_BITS));

/**
 * `ept(page: i64, memory: i32) -> i64`: what is remembered of a guest-physical page (`GUEST_PAGE`), -1 to give up: as
 * `Ept.translate` where entries have the accessed bits that they need. `record`: where behind `memory` are i32
 * `SECOND_STAGE` and i64 page number of the root.
 */
export function emitEpt(
  module: wasm.ModuleBuilder,
  record: { readonly second: number; readonly secondRoot: number },
): wasm.Callable {
  const f = module.func("ept", ["i64", "i32"], "i64");
  const [page, memory] = [f.arg(0), f.arg(1)];
  const window = new WindowReader(f, memory, WALK_CACHES.window);
  const known = new PageCacheReader(f, page, memory, WALK_CACHES.guestPages);
  const [shift, rights, marks, low] = [f.local("i64"), f.local("i32"), f.local("i32"), f.local("i32")];
  const [entry, table] = [f.local("i64"), f.local("i64")];
  /** Bits of a page number that a leaf of this level does not translate. */
  const inLeaf = i64.sub(i64.shl(1n, shift), 1n);
  const next = i64.and(i64.shr_u(entry, 12), (1n << 40n) - 1n);
  const has = (bits: number): wasm.Expr => i32.and(low, bits);
  const rwx = read | write | execute;
  return f.body(
    known.find(),
    marks.set(select("i32", i32.and(i32.load(memory, record.second), SECOND_STAGE.flags), accessed, 0)),
    rights.set(i32.const(rwx)),
    shift.set(i64.const(BigInt(9 * LEVELS))),
    when(i64.ne(i64.shr_u(page, shift), 0n), [GIVE_UP]),
    table.set(i64.load(memory, record.secondRoot)),
    loop((again) => [
      shift.set(i64.sub(shift, 9n)),
      window.enter(table),
      entry.set(
        i64.load(i32.add(window.host, i32.shl(i32.and(i32.wrap_i64(i64.shr_u(page, shift)), 511), 3))),
      ),
      low.set(i32.wrap_i64(entry)),
      // Absent; writable and not readable; addresses that there are not; to be marked.
      when(i32.eqz(has(rwx)), [GIVE_UP]),
      when(i32.eq(has(read | write), write), [GIVE_UP]),
      when(i64.ne(i64.and(entry, ADDRESS_RESERVED), 0n), [GIVE_UP]),
      when(i32.ne(i32.and(low, marks), marks), [GIVE_UP]),
      rights.set(i32.and(rights, low)),
      when(i32.and(i64.ne(shift, 0n), i32.eqz(has(large))), [
        when(has(TABLE_RESERVED), [GIVE_UP]),
        table.set(next),
        br(again),
      ]),
    ]),
    // A leaf: not of 512 GiB, aligned, of a memory type that there is.
    when(i64.gt_u(shift, 18n), [GIVE_UP]),
    when(i64.ne(i64.and(next, inLeaf), 0n), [GIVE_UP]),
    when(i32.eqz(i32.and(i32.shr_u(MEMORY_TYPES, i32.and(i32.shr_u(low, 3), 7)), 1)), [GIVE_UP]),
    when(i32.or(i32.eqz(marks), has(dirty)), [rights.set(i32.or(rights, GUEST_PAGE.dirty))]),
    entry.set(
      i64.or(
        i64.shl(i64.or(next, i64.and(page, inLeaf)), BigInt(GUEST_PAGE.shift)),
        i64.extend_i32_u(rights),
      ),
    ),
    known.remember(entry),
    entry,
  );
}
