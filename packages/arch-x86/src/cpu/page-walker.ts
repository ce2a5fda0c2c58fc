import {
  type PageWalker,
  TableCacheReader,
  WALK_CACHES,
  WALKED,
  WindowReader,
  wasm,
} from "@hypercraft/engine";
import { ENTRY, LARGE_RESERVED, LARGE_RESERVED_GIB, PSE_RESERVED } from "./paging-entry.js";
import { DATA_CONTEXT } from "./selectable-contexts.js";
import { emitEpt, SECOND_STAGE } from "./vmx/ept-walker.js";
import { GUEST_PAGE } from "./vmx/guest-pages.js";

const { br, either, i32, i64, loop, ret, select, seq, when } = wasm;
type Expr = wasm.Expr;

/**
 * What a walk in WebAssembly has to know besides the window of RAM: byte offsets in the walker's own part of a core's
 * memory.
 */
export const WALK_RECORD = {
  /** i32: 0 when walks are JavaScript's, else bits of `WALK_FLAGS`. */
  flags: 0,
  /** i32: as in `PagingMode`. */
  levels: 4,
  /** i64: page number of the first table. */
  root: 8,
  /** i64: bits that no entry of eight bytes may have. */
  reserved: 16,
  /** Four i64: the page-directory-pointer-table entries of PAE. */
  pdptes: 24,
  /** i32: EPT, as `SECOND_STAGE`; i64 page number of its root. */
  second: 56,
  secondRoot: 64,
  /** i64: number of the APIC-access page, accesses to which are JavaScript's; -1 without one. */
  apicPage: 72,
} as const;
const RECORD_BYTES = 80;

export const WALK_FLAGS = { on: 1, writeProtect: 2, largePages: 4, globalOnly: 16 } as const;

/** log2 of what a table of level 2 is for. */
const GIB = 30;
const GIVE_UP = ret(i64.const(-1n));
const { P, RW, US, A, D, PS, G } = ENTRY;

/**
 * The walk of `Mmu.translate` for loads and stores, where all entries have their accessed bits and everything lies in
 * the window. Faults and bits that have to be set are left to JavaScript.
 */
function emitWalk(module: wasm.ModuleBuilder): wasm.Callable {
  const ept = emitEpt(module, {
    second: WALK_CACHES.own + WALK_RECORD.second,
    secondRoot: WALK_CACHES.own + WALK_RECORD.secondRoot,
  });
  const f = module.func("walk", ["i64", "i32", "i32"], "i64");
  const [va, selected, memory] = [f.arg(0), f.arg(1), f.arg(2)];
  const window = new WindowReader(f, memory, WALK_CACHES.window);
  const tables = new TableCacheReader(f, memory, WALK_CACHES.tables);
  const [level, shift, rights, host, known] = (["i32", "i32", "i32", "i32", "i32"] as const).map((type) =>
    f.local(type),
  ) as [wasm.Local, wasm.Local, wasm.Local, wasm.Local, wasm.Local];
  const entry = f.local("i64");
  const table = f.local("i64");
  const page = f.local("i64");
  const found = f.local("i64");
  const word = (field: keyof typeof WALK_RECORD): Expr =>
    i32.load(memory, WALK_CACHES.own + WALK_RECORD[field]);
  const flag = (bit: number): Expr => i32.and(word("flags"), bit);
  const low = i32.wrap_i64(entry);
  const has = (bits: number): Expr => i32.and(low, bits);
  const needs = (bits: number): Expr => when(i32.ne(has(bits), bits), [GIVE_UP]);
  const nothingAbove4G = when(i64.ne(i64.shr_u(va, 32), 0n), [GIVE_UP]);

  /** What EPT has for a page, in `found`. */
  const behind = (number: Expr): Expr =>
    seq(found.set(ept.call(number, memory)), when(i64.lt_s(found, 0n), [GIVE_UP]));
  const foundHas = (bits: number): Expr => i32.eq(i32.and(i32.wrap_i64(found), bits), bits);
  /** Go to a table of the guest; where EPT marks entries, that is a write. */
  const enterTable = (number: Expr): Expr =>
    seq(
      found.set(number),
      when(word("second"), [
        behind(found),
        when(
          i32.eqz(
            either(
              "i32",
              i32.and(word("second"), SECOND_STAGE.flags),
              [foundHas(GUEST_PAGE.write | GUEST_PAGE.dirty)],
              [foundHas(GUEST_PAGE.read)],
            ),
          ),
          [GIVE_UP],
        ),
        found.set(i64.shr_u(found, GUEST_PAGE.shift)),
      ]),
      window.enter(found),
    );

  /** Tables of eight bytes an entry, from `level` and `table` on. */
  const walkWide = loop((next) => [
    when(i32.eqz(known), [
      enterTable(table),
      host.set(window.host),
      when(i32.eq(level, 2), [tables.remember(host, rights)]),
    ]),
    known.set(i32.const(0)),
    shift.set(i32.add(i32.mul(level, 9), 3)),
    entry.set(
      i64.load(i32.add(host, i32.shl(i32.and(i32.wrap_i64(i64.shr_u(va, i64.extend_i32_u(shift))), 511), 3))),
    ),
    needs(P | A),
    when(i64.ne(i64.and(entry, i64.load(memory, WALK_CACHES.own + WALK_RECORD.reserved)), 0n), [GIVE_UP]),
    rights.set(i32.and(rights, low)),
    when(i32.ne(level, 1), [
      when(i32.eqz(has(PS)), [
        table.set(i64.and(i64.shr_u(entry, 12), (1n << 40n) - 1n)),
        level.set(i32.sub(level, 1)),
        br(next),
      ]),
      when(i32.eq(level, 4), [GIVE_UP]),
      when(has(LARGE_RESERVED), [GIVE_UP]),
      when(i32.eq(level, 3), [when(has(LARGE_RESERVED_GIB), [GIVE_UP])]),
    ]),
    page.set(
      i64.or(
        i64.and(i64.and(i64.shr_u(entry, 12), (1n << 40n) - 1n), i64.xor(inPage(), -1n)),
        i64.and(i64.shr_u(va, 12), inPage()),
      ),
    ),
  ]);
  /** Bits of a page number that a leaf of this size does not translate. */
  function inPage(): Expr {
    return i64.sub(i64.shl(1n, i64.extend_i32_u(i32.sub(shift, 12))), 1n);
  }

  const begin = seq(
    tables.find(i64.shr_u(va, GIB)),
    known.set(tables.known),
    level.set(i32.const(2)),
    when(
      known,
      [host.set(tables.host), rights.set(tables.more)],
      [
        when(
          i32.eq(word("levels"), 4),
          [table.set(i64.load(memory, WALK_CACHES.own + WALK_RECORD.root)), level.set(i32.const(4))],
          [
            entry.set(
              i64.load(
                i32.add(memory, i32.shl(i32.wrap_i64(i64.shr_u(va, GIB)), 3)),
                WALK_CACHES.own + WALK_RECORD.pdptes,
              ),
            ),
            needs(P),
            table.set(i64.and(i64.shr_u(entry, 12), (1n << 40n) - 1n)),
          ],
        ),
      ],
    ),
  );

  const walkNarrow = seq(
    nothingAbove4G,
    enterTable(i64.load(memory, WALK_CACHES.own + WALK_RECORD.root)),
    entry.set(i64.load32_u(i32.add(window.host, i32.shl(i32.shr_u(i32.wrap_i64(va), 22), 2)))),
    needs(P | A),
    rights.set(low),
    when(
      i32.and(i32.ne(has(PS), 0), i32.ne(flag(WALK_FLAGS.largePages), 0)),
      [
        when(has(PSE_RESERVED), [GIVE_UP]),
        shift.set(i32.const(22)),
        // Bits 20:13 are bits 39:32 of the address.
        page.set(
          i64.or(
            i64.or(
              i64.shl(i64.and(i64.shr_u(entry, 13), 0xffn), 20n),
              i64.and(i64.shr_u(entry, 12), 0xf_fc00n),
            ),
            i64.and(i64.shr_u(va, 12), 0x3ffn),
          ),
        ),
      ],
      [
        enterTable(i64.shr_u(entry, 12)),
        entry.set(
          i64.load32_u(i32.add(window.host, i32.shl(i32.and(i32.shr_u(i32.wrap_i64(va), 12), 0x3ff), 2))),
        ),
        needs(P | A),
        rights.set(i32.and(rights, low)),
        shift.set(i32.const(12)),
        page.set(i64.shr_u(entry, 12)),
      ],
    ),
  );

  /** Without paging every address of 32 bits is physical. */
  const unpaged = seq(
    nothingAbove4G,
    page.set(i64.shr_u(va, 12n)),
    shift.set(i32.const(12)),
    rights.set(i32.const(WALKED.readable | WALKED.writable)),
  );
  const user = i32.eq(selected, DATA_CONTEXT.user);
  const permitted = either(
    "i32",
    i32.and(rights, US),
    // SMAP keeps the supervisor out.
    [i32.ne(selected, DATA_CONTEXT.barred)],
    [
      either(
        "i32",
        i32.and(i32.eq(selected, DATA_CONTEXT.barred), i32.ne(flag(WALK_FLAGS.globalOnly), 0)),
        [i32.ne(has(G), 0)],
        [i32.eqz(user)],
      ),
    ],
  );
  const writable = i32.and(
    i32.or(i32.ne(i32.and(rights, RW), 0), i32.eqz(i32.or(user, flag(WALK_FLAGS.writeProtect)))),
    i32.ne(has(D), 0),
  );

  return f.body(
    when(i32.eqz(word("flags")), [GIVE_UP]),
    // Each of these is to be looked at.
    when(i32.eq(selected, DATA_CONTEXT.checked), [GIVE_UP]),
    rights.set(i32.const(RW | US)),
    when(
      i32.eqz(word("levels")),
      [unpaged],
      [
        when(
          i32.eq(word("levels"), 2),
          [walkNarrow],
          [
            when(
              i32.eq(word("levels"), 4),
              [when(i64.ne(i64.shr_s(i64.shl(va, 16n), 16n), va), [GIVE_UP])],
              [nothingAbove4G],
            ),
            begin,
            walkWide,
          ],
        ),
        when(i32.eqz(permitted), [GIVE_UP]),
        rights.set(select("i32", writable, WALKED.readable | WALKED.writable, WALKED.readable)),
      ],
    ),
    when(word("second"), [
      behind(page),
      page.set(i64.shr_u(found, GUEST_PAGE.shift)),
      when(i32.eqz(foundHas(GUEST_PAGE.read)), [GIVE_UP]),
      when(i32.eqz(foundHas(GUEST_PAGE.write | GUEST_PAGE.dirty)), [
        rights.set(i32.and(rights, WALKED.readable)),
      ]),
    ]),
    when(i64.eq(page, i64.load(memory, WALK_CACHES.own + WALK_RECORD.apicPage)), [GIVE_UP]),
    window.enter(page),
    i64.or(i64.extend_i32_u(window.host), i64.extend_i32_u(i32.or(i32.shl(shift, WALKED.shift), rights))),
  );
}

/** The page walk of x86-64 in WebAssembly, for the engine that runs its processors. */
export const X86_PAGE_WALKER: PageWalker = {
  coreBytes: WALK_CACHES.own + RECORD_BYTES,
  emit: emitWalk,
};
