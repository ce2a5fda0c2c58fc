import {
  PageCacheReader,
  type PageWalker,
  TableCacheReader,
  WALK_CACHES,
  WALKED,
  WindowReader,
  wasm,
} from "@hypercraft/engine";
import {
  PTE_A,
  PTE_D,
  PTE_LEAF_ONLY,
  PTE_R,
  PTE_RESERVED_SHIFT,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
} from "./paging.js";

const { br, either, i32, i64, loop, ret, select, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/**
 * What a walk in WebAssembly has to know besides the window of RAM, which is open to S- and U-mode: byte offsets of the
 * regime of loads and stores in the walker's own part of a core's memory.
 */
export const WALK_RECORD = {
  /** i32: 0 when walks are JavaScript's, else `WALK_ON` and perhaps `WALK_USER`. */
  flags: 0,
  /** i32: levels of the first stage, 0 for Bare; i64 page number of its root. */
  levels: 4,
  root: 8,
  /** i32: levels of the second stage, 0 for Bare or none; i64 page number of its root. */
  guestLevels: 16,
  guestRoot: 24,
} as const;
const RECORD_BYTES = 32;

export const WALK_ON = 1;
export const WALK_USER = 2;

const RW = PTE_R | PTE_W;
const RX = PTE_R | PTE_X;
const WD = PTE_W | PTE_D;
const EVERYTHING = PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D | PTE_V;
/** log2 of what a table of level 1 is for. */
const GIB = 30;
const GIVE_UP = ret(i64.const(-1n));

type Field = keyof typeof WALK_RECORD;

/** One walk of tables in the window: what both stages have in common. */
class Walk {
  readonly level: Local;
  readonly table: Local;
  readonly pte: Local;
  readonly window: WindowReader;
  private readonly memory: Local;

  constructor(f: wasm.FunctionBuilder, memory: Local) {
    this.memory = memory;
    this.window = new WindowReader(f, memory, WALK_CACHES.window);
    this.level = f.local("i32");
    this.table = f.local("i64");
    this.pte = f.local("i64");
  }

  word(field: Field): Expr {
    return i32.load(this.memory, WALK_CACHES.own + WALK_RECORD[field]);
  }
  wide(field: Field): Expr {
    return i64.load(this.memory, WALK_CACHES.own + WALK_RECORD[field]);
  }
  has(bits: number): Expr {
    return i32.and(i32.wrap_i64(this.pte), bits);
  }

  /** Bits of a page number that a leaf of this level does not translate. */
  get inLeaf(): Expr {
    return i64.sub(i64.shl(1n, this.width), 1n);
  }
  /** Bits of a page number that the levels below this one translate. */
  get width(): Expr {
    return i64.extend_i32_u(i32.mul(this.level, 9));
  }
  /** Page number that a leaf gives to `page`. */
  leafPage(page: Expr): Expr {
    return i64.or(i64.shr_u(this.pte, 10), i64.and(page, this.inLeaf));
  }

  /** Read the entry `index` of a table in host memory, and give up on all that no table may hold. */
  read(host: Expr, index: Expr): Expr {
    return seq(
      this.pte.set(i64.load(i32.add(host, i32.shl(index, 3)))),
      when(i32.eqz(this.has(PTE_V)), [GIVE_UP]),
      when(i32.eq(this.has(RW), PTE_W), [GIVE_UP]),
      when(i64.ne(i64.shr_u(this.pte, PTE_RESERVED_SHIFT), 0n), [GIVE_UP]),
    );
  }

  /** The entry is a pointer: go down, or give up. */
  down(): Expr {
    return seq(
      when(this.has(PTE_LEAF_ONLY), [GIVE_UP]),
      when(i32.eqz(this.level), [GIVE_UP]),
      this.table.set(i64.shr_u(this.pte, 10)),
    );
  }

  /** Give up on a leaf that is not aligned to its size. */
  aligned(): Expr {
    return when(i64.ne(i64.and(i64.shr_u(this.pte, 10), this.inLeaf), 0n), [GIVE_UP]);
  }
}

/** `gstage(page: i64, memory: i32) -> i64`: page number * 256 + low byte of the leaf, -1 to give up. As `GStage.translate`. */
function emitSecondStage(module: wasm.ModuleBuilder): wasm.Callable {
  const f = module.func("gstage", ["i64", "i32"], "i64");
  const [page, memory] = [f.arg(0), f.arg(1)];
  const index = f.local("i64");
  const w = new Walk(f, memory);
  const known = new PageCacheReader(f, page, memory, WALK_CACHES.guestPages);
  return f.body(
    known.find(),
    w.level.set(w.word("guestLevels")),
    // The root has two bits of index more.
    when(i64.ne(i64.shr_u(page, i64.add(w.width, 2n)), 0n), [GIVE_UP]),
    w.table.set(w.wide("guestRoot")),
    index.set(i64.shr_u(page, i64.sub(w.width, 9n))),
    loop((next) => [
      w.level.set(i32.sub(w.level, 1)),
      w.window.enter(i64.add(w.table, i64.shr_u(index, 9))),
      w.read(w.window.host, i32.and(i32.wrap_i64(index), 511)),
      when(i32.eqz(w.has(RX)), [
        w.down(),
        index.set(i64.and(i64.shr_u(page, i64.sub(w.width, 9n)), 511n)),
        br(next),
      ]),
    ]),
    w.aligned(),
    when(i32.ne(w.has(PTE_U | PTE_A), PTE_U | PTE_A), [GIVE_UP]),
    w.pte.set(i64.or(i64.shl(w.leafPage(page), 8), i64.and(w.pte, 0xffn))),
    known.remember(w.pte),
    w.pte,
  );
}

/**
 * The walk of both stages as `Mmu.translate` does it for loads and stores, where entries have their A bits (and D to
 * be writable) already and everything lies in the window. MXR, M-mode and faults are left to JavaScript.
 */
function emitWalk(module: wasm.ModuleBuilder): wasm.Callable {
  const secondStage = emitSecondStage(module);
  const f = module.func("walk", ["i64", "i32", "i32"], "i64");
  const [va, sum, memory] = [f.arg(0), f.arg(1), f.arg(2)];
  const w = new Walk(f, memory);
  const page = f.local("i64");
  const found = f.local("i64");
  const leaf = f.local("i32");
  const tables = new TableCacheReader(f, memory, WALK_CACHES.tables);
  const host = f.local("i32");
  const known = f.local("i32");
  const unused = f.local("i64");
  const user = i32.and(w.word("flags"), WALK_USER);

  /** Where the table is, for the guest's behind the second stage. */
  const hostTable = seq(
    found.set(w.table),
    when(w.word("guestLevels"), [
      found.set(secondStage.call(w.table, memory)),
      when(i64.lt_s(found, 0n), [GIVE_UP]),
      when(i32.eqz(i32.and(i32.wrap_i64(found), PTE_R)), [GIVE_UP]),
      found.set(i64.shr_u(found, 8)),
    ]),
    w.window.enter(found),
    host.set(w.window.host),
  );
  const firstStage = seq(
    // The address must sign-extend from its highest translated bit.
    unused.set(i64.sub(52n, w.width)),
    when(i64.ne(i64.shr_s(i64.shl(va, unused), unused), va), [GIVE_UP]),
    w.table.set(w.wide("root")),
    tables.find(i64.shr_u(va, GIB)),
    known.set(tables.known),
    when(known, [w.level.set(i32.const(1)), host.set(tables.host)]),
    loop((next) => [
      when(i32.eqz(known), [
        w.level.set(i32.sub(w.level, 1)),
        hostTable,
        when(i32.eq(w.level, 1), [tables.remember(host)]),
      ]),
      known.set(i32.const(0)),
      w.read(host, i32.and(i32.wrap_i64(i64.shr_u(page, w.width)), 511)),
      when(i32.eqz(w.has(RX)), [w.down(), br(next)]),
    ]),
    w.aligned(),
    when(i32.eqz(w.has(PTE_A)), [GIVE_UP]),
    // U-mode needs U pages; S-mode may use them with SUM.
    when(i32.eqz(either("i32", w.has(PTE_U), [i32.or(user, sum)], [i32.eqz(user)])), [GIVE_UP]),
    leaf.set(i32.wrap_i64(w.pte)),
    page.set(w.leafPage(page)),
  );
  return f.body(
    when(i32.eqz(w.word("flags")), [GIVE_UP]),
    page.set(i64.shr_u(va, 12)),
    leaf.set(i32.const(EVERYTHING)),
    w.level.set(w.word("levels")),
    when(w.level, [firstStage]),
    when(w.word("guestLevels"), [
      found.set(secondStage.call(page, memory)),
      when(i64.lt_s(found, 0n), [GIVE_UP]),
      leaf.set(i32.and(leaf, i32.wrap_i64(found))),
      page.set(i64.shr_u(found, 8)),
    ]),
    w.window.enter(page),
    i64.or(
      i64.extend_i32_u(w.window.host),
      i64.extend_i32_u(
        i32.or(
          i32.shl(i32.add(i32.mul(w.level, 9), 12), WALKED.shift),
          i32.or(
            select("i32", i32.and(leaf, PTE_R), WALKED.readable, 0),
            select("i32", i32.eq(i32.and(leaf, WD), WD), WALKED.writable, 0),
          ),
        ),
      ),
    ),
  );
}

/** The page walk of RISC-V in WebAssembly, for the engine that runs its harts. */
export const RISCV_PAGE_WALKER: PageWalker = {
  coreBytes: WALK_CACHES.own + RECORD_BYTES,
  emit: emitWalk,
};
