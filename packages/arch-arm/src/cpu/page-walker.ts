import {
  PageCacheReader,
  type PageWalker,
  TableCacheReader,
  WALK_CACHES,
  WALKED,
  WindowReader,
  wasm,
} from "@hypercraft/engine";

const { br, either, i32, i64, loop, ret, select, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** A `TableRange` as a walk in WebAssembly has it: byte offsets of i32, and of the base as i64. */
export const RANGE = {
  /** log2 of the input size, 0 for what cannot be walked. */
  inputBits: 0,
  topByteIgnored: 4,
  /** log2 of the granule. */
  grain: 8,
  /** log2 of what an entry of the first table stands for, and of the largest block. */
  startShift: 12,
  blockShift: 16,
  outputBits: 20,
  base: 24,
} as const;
const RANGE_BYTES = 32;

/** What a walk in WebAssembly has to know: byte offsets in the walker's own part of a core's memory. */
export const WALK_RECORD = {
  /** i32: `WALK_FLAGS`. */
  flags: 0,
  /** i32: bit n is set where MAIR_ELx makes attribute n Device memory. */
  deviceAttributes: 4,
  /** The halves of the address space, and the second stage. */
  low: 8,
  high: 8 + RANGE_BYTES,
  guest: 8 + 2 * RANGE_BYTES,
} as const;
const RECORD_BYTES = 8 + 3 * RANGE_BYTES;

export const WALK_FLAGS = { stage1: 1, stage2: 2, user: 4, el2: 8 } as const;

/** Data contexts at EL1 besides the first: with PAN, and unprivileged. */
const WITH_PAN = 1;
const UNPRIVILEGED = 2;

const VALID = 1;
const TABLE_OR_PAGE = 2;
const AP_EL0 = 1 << 6;
const AP_READ_ONLY = 1 << 7;
const AF = 1 << 10;
const S2AP_READ = 1 << 6;
const S2AP_WRITE = 1 << 7;
const MEM_ATTR_NORMAL = 3 << 4;
/** APTable and the other limits for all below a table, in the upper half of its descriptor. */
const HIERARCHY = 0xf800_0000;
const APTABLE_READ_ONLY = 1 << 30;
const APTABLE_NO_EL0 = 1 << 29;
/** XN in a leaf of the second stage, and where `Stage2` keeps it. */
const XN = 1n << 54n;
const XN_KEPT_SHIFT = 54n - 12n;
const ADDRESS = 0x0000_ffff_ffff_f000n;
/** What a table of level 2 is for, with pages of 4 KiB. */
const GIB = 30;
const GIVE_UP = ret(i64.const(-1n));

/** One walk of tables in the window: what both stages have in common. */
class Walk {
  readonly pte: Local;
  /** log2 of what an entry of the present level stands for. */
  readonly shift: Local;
  /** Address of the present entry. */
  readonly entry: Local;
  readonly input: Local;
  /** Where the `TableRange` is. */
  readonly range: Local;
  readonly window: WindowReader;
  private readonly memory: Local;

  constructor(f: wasm.FunctionBuilder, memory: Local) {
    this.memory = memory;
    this.window = new WindowReader(f, memory, WALK_CACHES.window);
    this.pte = f.local("i64");
    this.shift = f.local("i32");
    this.entry = f.local("i64");
    this.input = f.local("i64");
    this.range = f.local("i32");
  }

  word(field: "flags" | "deviceAttributes"): Expr {
    return i32.load(this.memory, WALK_CACHES.own + WALK_RECORD[field]);
  }
  flag(bits: number): Expr {
    return i32.and(this.word("flags"), bits);
  }
  of(field: keyof typeof RANGE): Expr {
    return i32.load(this.range, RANGE[field]);
  }
  chooseRange(which: "low" | "high" | "guest"): Expr {
    return i32.add(this.memory, WALK_CACHES.own + WALK_RECORD[which]);
  }
  has(bits: number): Expr {
    return i32.and(i32.wrap_i64(this.pte), bits);
  }

  /** The first entry: the only index that is not of one table's size. */
  start(): Expr {
    return seq(
      this.shift.set(this.of("startShift")),
      this.entry.set(
        i64.add(
          i64.load(this.range, RANGE.base),
          i64.shl(i64.shr_u(this.input, i64.extend_i32_u(this.shift)), 3),
        ),
      ),
    );
  }

  /** Address of the byte in a table of the present level that stands for the input. */
  get index(): Expr {
    const mask = i32.sub(i32.shl(1, i32.sub(this.of("grain"), 3)), 1);
    const index = i32.and(i32.wrap_i64(i64.shr_u(this.input, i64.extend_i32_u(this.shift))), mask);
    return i32.shl(index, 3);
  }

  /** Give up on an address that is too large for the output size. */
  private limit(address: Local): Expr {
    return when(i64.ne(i64.shr_u(address, i64.extend_i32_u(this.of("outputBits"))), 0n), [GIVE_UP]);
  }

  /** `pte` was read: give up on what is not valid; `table` is done if it points to another table, whose address `entry` is. */
  descend(next: wasm.Label, table: readonly Expr[]): Expr {
    const { entry, shift } = this;
    return seq(
      when(i32.eqz(this.has(VALID)), [GIVE_UP]),
      when(
        i32.eq(shift, this.of("grain")),
        [when(i32.eqz(this.has(TABLE_OR_PAGE)), [GIVE_UP])],
        [
          when(
            this.has(TABLE_OR_PAGE),
            [
              entry.set(i64.and(this.pte, i64.and(ADDRESS, this.above(this.of("grain"))))),
              this.limit(entry),
              shift.set(i32.sub(shift, i32.sub(this.of("grain"), 3))),
              ...table,
              entry.set(i64.add(entry, i64.extend_i32_u(this.index))),
              br(next),
            ],
            [when(i32.gt_u(shift, this.of("blockShift")), [GIVE_UP])],
          ),
        ],
      ),
    );
  }

  /** Bits from one on. */
  above(shift: Expr): Expr {
    return i64.shl(-1n, i64.extend_i32_u(shift));
  }

  /** Of a leaf that was accessed before: `entry` becomes the output address of the input. */
  leaf(): Expr {
    const { entry } = this;
    return seq(
      when(i32.eqz(this.has(AF)), [GIVE_UP]),
      entry.set(i64.and(this.pte, i64.and(ADDRESS, this.above(this.shift)))),
      this.limit(entry),
      entry.set(i64.or(entry, i64.and(this.input, i64.xor(this.above(this.shift), -1n)))),
    );
  }
}

/** `stage2(page: i64, memory: i32) -> i64`: what `Stage2` keeps of the page, -1 to give up. */
function emitSecondStage(module: wasm.ModuleBuilder): wasm.Callable {
  const f = module.func("stage2", ["i64", "i32"], "i64");
  const [page, memory] = [f.arg(0), f.arg(1)];
  const w = new Walk(f, memory);
  const known = new PageCacheReader(f, page, memory, WALK_CACHES.guestPages);
  return f.body(
    known.find(),
    w.range.set(w.chooseRange("guest")),
    when(i32.eqz(w.of("inputBits")), [GIVE_UP]),
    w.input.set(i64.shl(page, 12)),
    when(i64.ne(i64.shr_u(w.input, i64.extend_i32_u(w.of("inputBits"))), 0n), [GIVE_UP]),
    w.start(),
    loop((next) => [
      w.window.enter(i64.shr_u(w.entry, 12)),
      w.pte.set(i64.load(i32.add(w.window.host, i32.and(i32.wrap_i64(w.entry), 0xfff)))),
      w.descend(next, []),
    ]),
    w.leaf(),
    w.pte.set(
      i64.or(
        i64.shl(i64.shr_u(w.entry, 12), 16),
        i64.or(i64.and(w.pte, 0xffcn), i64.shr_u(i64.and(w.pte, XN), XN_KEPT_SHIFT)),
      ),
    ),
    known.remember(w.pte),
    w.pte,
  );
}

/**
 * The walk of both stages as `Mmu.translate` does it for loads and stores, where everything lies in the window and is
 * Normal memory that was accessed before. Faults and Device memory are left to JavaScript.
 */
function emitWalk(module: wasm.ModuleBuilder): wasm.Callable {
  const secondStage = emitSecondStage(module);
  const f = module.func("walk", ["i64", "i32", "i32"], "i64");
  const [va, selected, memory] = [f.arg(0), f.arg(1), f.arg(2)];
  const w = new Walk(f, memory);
  const tables = new TableCacheReader(f, memory, WALK_CACHES.tables);
  const upper = f.local("i32");
  const address = f.local("i64");
  const found = f.local("i64");
  const host = f.local("i32");
  const known = f.local("i32");
  const hierarchy = f.local("i32");
  const el0 = f.local("i32");
  const rights = f.local("i32");
  const shift = f.local("i32");
  const unused = f.local("i64");

  /** Give up unless both the page that `found` is about and its right to be read are there. */
  const throughStage2 = (page: Expr): Expr =>
    seq(
      found.set(secondStage.call(page, memory)),
      when(i64.lt_s(found, 0n), [GIVE_UP]),
      when(i32.eqz(i32.and(i32.wrap_i64(found), MEM_ATTR_NORMAL)), [GIVE_UP]),
    );

  const read = seq(
    when(i32.eqz(known), [
      found.set(i64.shr_u(w.entry, 12)),
      when(w.flag(WALK_FLAGS.stage2), [
        throughStage2(i64.shr_u(w.entry, 12)),
        when(i32.eqz(i32.and(i32.wrap_i64(found), S2AP_READ)), [GIVE_UP]),
        found.set(i64.shr_u(found, 16)),
      ]),
      w.window.enter(found),
      host.set(w.window.host),
      // A table of 4 KiB is a page of the second stage too; the first one may be smaller.
      when(i32.eq(w.shift, 21), [
        when(i32.and(i32.eq(w.of("grain"), 12), i32.ne(w.of("startShift"), 21)), [
          tables.remember(host, hierarchy),
        ]),
      ]),
    ]),
    known.set(i32.const(0)),
    w.pte.set(i64.load(i32.add(host, i32.and(i32.wrap_i64(w.entry), 0xfff)))),
  );

  const firstStage = seq(
    // What is above the input has to be zeros or ones; a tag is no part of it.
    when(i32.eqz(w.of("inputBits")), [GIVE_UP]),
    unused.set(i64.sub(64n, i64.extend_i32_u(w.of("inputBits")))),
    w.input.set(i64.shr_u(i64.shl(address, unused), unused)),
    when(
      i64.ne(i64.or(w.input, i64.and(select("i64", upper, -1n, 0n), w.above(w.of("inputBits")))), address),
      [GIVE_UP],
    ),
    tables.find(i64.shr_u(address, GIB)),
    hierarchy.set(i32.const(0)),
    known.set(i32.and(tables.known, i32.eq(w.of("grain"), 12))),
    when(
      known,
      [
        w.shift.set(i32.const(21)),
        host.set(tables.host),
        hierarchy.set(tables.more),
        w.entry.set(i64.extend_i32_u(w.index)),
      ],
      [w.start()],
    ),
    loop((next) => [
      read,
      w.descend(next, [
        hierarchy.set(i32.or(hierarchy, i32.and(i32.wrap_i64(i64.shr_u(w.pte, 32)), HIERARCHY))),
      ]),
    ]),
    w.leaf(),
    when(i32.and(w.word("deviceAttributes"), i32.shl(1, i32.and(i32.shr_u(i32.wrap_i64(w.pte), 2), 7))), [
      GIVE_UP,
    ]),
    el0.set(
      i32.and(
        i32.ne(w.has(AP_EL0), 0),
        i32.eqz(i32.or(i32.and(hierarchy, APTABLE_NO_EL0), w.flag(WALK_FLAGS.el2))),
      ),
    ),
    // User accesses need what EL0 may access, those with PAN what it may not.
    rights.set(
      either(
        "i32",
        i32.or(w.flag(WALK_FLAGS.user), i32.eq(selected, UNPRIVILEGED)),
        [el0],
        [i32.eqz(i32.and(el0, i32.eq(selected, WITH_PAN)))],
      ),
    ),
    when(i32.eqz(rights), [GIVE_UP]),
    rights.set(
      select(
        "i32",
        i32.or(w.has(AP_READ_ONLY), i32.and(hierarchy, APTABLE_READ_ONLY)),
        WALKED.readable,
        WALKED.readable | WALKED.writable,
      ),
    ),
    // As in `Mmu`: TLBI forgets whole pages of any granule, and is not told of blocks that tagged addresses found.
    when(i32.ne(w.shift, w.of("grain")), [when(i64.ne(address, va), [GIVE_UP]), shift.set(w.shift)]),
    found.set(i64.shr_u(w.entry, 12)),
  );
  return f.body(
    upper.set(i32.and(i32.wrap_i64(i64.shr_u(va, 55)), i32.eqz(w.flag(WALK_FLAGS.el2)))),
    w.range.set(select("i32", upper, w.chooseRange("high"), w.chooseRange("low"))),
    address.set(va),
    when(w.of("topByteIgnored"), [
      address.set(either("i64", upper, [i64.or(va, -1n << 56n)], [i64.and(va, (1n << 56n) - 1n)])),
    ]),
    rights.set(i32.const(WALKED.readable | WALKED.writable)),
    shift.set(i32.const(12)),
    found.set(i64.shr_u(address, 12)),
    when(w.flag(WALK_FLAGS.stage1), [firstStage]),
    when(w.flag(WALK_FLAGS.stage2), [
      throughStage2(found),
      rights.set(
        i32.and(
          rights,
          i32.or(
            select("i32", i32.and(i32.wrap_i64(found), S2AP_READ), WALKED.readable, 0),
            select("i32", i32.and(i32.wrap_i64(found), S2AP_WRITE), WALKED.writable, 0),
          ),
        ),
      ),
      found.set(i64.shr_u(found, 16)),
    ]),
    w.window.enter(found),
    i64.or(i64.extend_i32_u(w.window.host), i64.extend_i32_u(i32.or(i32.shl(shift, WALKED.shift), rights))),
  );
}

/** The walk of AArch64's tables in WebAssembly, for the engine that runs its PEs. */
export const ARM_PAGE_WALKER: PageWalker = {
  coreBytes: WALK_CACHES.own + RECORD_BYTES,
  emit: emitWalk,
};
