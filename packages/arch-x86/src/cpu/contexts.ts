import { AddressSpaces } from "@hypercraft/engine";
import { CR0, CR4, EFER as E, RFLAG } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import type { PagingMode } from "./mmu.js";
import { tableAddress } from "./mmu.js";
import { PACKED, packedModeNumber } from "./mode.js";
import { CODE_CONTEXT, DATA_CONTEXT } from "./selectable-contexts.js";
import { CR0 as CR0_FIELD, CR3, CR4 as CR4_FIELD, EFER, PDPTES, quickCalls, RFLAGS } from "./state.js";
import { WalkRecord } from "./walk-record.js";

// Context keys: address space * 16 + whose rights apply.
const PER_SPACE = 16;
const KEY_SUPERVISOR = 1;
/** Supervisor accesses that SMAP keeps out of user pages. */
const KEY_PROTECTED = 2;
const KEY_FETCH = 4;
const KEY_GLOBAL = 8;
/** The same where all that they come upon is global: of what all address spaces have in common. */
const KEY_SHARED = 11;
/** User accesses whose alignment is checked: nothing is remembered for it. */
const KEY_CHECKED = 6;

/** In packed modes (mode.ts): code and stack of 64 bits, without segments; the privilege. */
const PACKED_BITS = 0xf | PACKED.flat;
const PACKED_64 = 0xa | PACKED.flat;
const PACKED_CPL = 3 << PACKED.cpl;

/** Not behind EPT. */
const NO_ROOT = -1;
/** No root: what all address spaces of a mode have in common. */
const NO_PCID = -1;

/** Bits of CR4 that translation depends on. */
const CR4_TRANSLATION = CR4.PSE | CR4.PAE | CR4.PGE | CR4.SMEP | CR4.SMAP | CR4.PCIDE;

/**
 * What translation is done by at present, for the walker and as context keys for the engine. The registers that it
 * depends on tell address spaces apart; MOV to CR3 and INVLPG drop what the manual says.
 */
export class Contexts {
  readonly paging: PagingMode = {
    levels: 0,
    root: 0,
    pdptes: [],
    writeProtect: false,
    largePages: false,
    globalPages: false,
    executeDisable: false,
    smep: false,
    smap: false,
  };
  private readonly cpu: X86Cpu;
  private readonly walk: WalkRecord;
  private readonly spaces = new AddressSpaces(0);
  private readonly words: number[] = [];
  /** Root of the second stage by number of the address space. */
  private readonly roots: number[] = [];
  /** By number of the address space: supervisor code has come upon pages that are not global. */
  private readonly separate: boolean[] = [];
  /** Modes of code by context, as `mode.ts` packs them, -1 before the first one; and by their numbers. */
  private readonly packed: number[] = [-1, -1];
  private readonly modes: number[] = [0, 0];
  /** CR0.AM, RFLAGS.AC and ring 3: data accesses have to be aligned. */
  alignmentChecked = false;
  private space = 0;
  private common = 0;
  private valid = false;
  /** The engine knows of the contexts; and of one whose accesses have to be aligned. */
  private told = false;
  private checks = false;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
    this.walk = new WalkRecord(cpu.core);
  }

  /** A register that translation depends on changed; `modeChanged` has to follow. */
  invalidate(): void {
    this.valid = false;
  }

  /** A register that translation depends on changed. */
  refresh(): void {
    this.invalidate();
    this.cpu.modeChanged();
  }

  /** The privilege level, RFLAGS.AC or the mode of code changed, and nothing else. */
  modeChanged(packed: number): void {
    const { core, cpl } = this.cpu;
    if (this.spaces.full) this.clear();
    if (!this.valid) this.prepare();
    const user = cpl === 3;
    const code = user ? CODE_CONTEXT.user : CODE_CONTEXT.supervisor;
    const open = (core.lo(RFLAGS) & RFLAG.AC) !== 0;
    this.alignmentChecked = user && open && (core.lo(CR0_FIELD) & CR0.AM) !== 0;
    // A context that nobody uses would take others' place in the TLB.
    if (this.alignmentChecked && !this.checks) this.told = false;
    if (!this.told || this.packed[code] !== packed) this.tell(code, packed);
    const { supervisor, barred, user: own, checked } = DATA_CONTEXT;
    // STAC and CLAC switch between the first two in translated code.
    core.selectContexts(user ? (this.alignmentChecked ? checked : own) : open ? supervisor : barred, code);
  }

  /** Tell the engine of the contexts that code of this address space chooses from. */
  private tell(code: number, packed: number): void {
    const { core } = this.cpu;
    this.told = true;
    this.packed[code] = packed;
    core.set(quickCalls, this.prepareCalls(packed) ? 1 : 0, 0);
    const first = this.space * PER_SPACE;
    const supervisor = first + KEY_SUPERVISOR;
    const own = this.paging.smap ? supervisor + KEY_PROTECTED : supervisor;
    const { sharesPages } = this;
    const barred = sharesPages ? this.common * PER_SPACE + KEY_SHARED : own;
    this.checks = this.alignmentChecked;
    const checked = this.checks ? first + KEY_CHECKED : first;
    core.setDataContexts([supervisor, barred, first, checked], DATA_CONTEXT.supervisor);
    const contextOf = (which: number, rights: number) => {
      const key = first + KEY_FETCH + rights;
      const global = this.common * PER_SPACE + KEY_GLOBAL + rights;
      const known = this.packed[which] as number;
      const mode = packedModeNumber(known < 0 ? packed : known);
      this.modes[which] = mode;
      return { key, globalKey: this.common === this.space ? key : global, mode };
    };
    core.setCodeContexts(
      [contextOf(CODE_CONTEXT.supervisor, KEY_SUPERVISOR), contextOf(CODE_CONTEXT.user, 0)],
      code,
    );
    const { secondStage, line20, vmx } = this.cpu;
    const looks = { byHand: line20.masked, globalOnly: sharesPages, apicPage: vmx.apicAccess.page };
    this.walk.select(this.space, this.paging, looks, secondStage);
  }

  /**
   * Do supervisor accesses that SMAP keeps out of user pages have their translations in common with those of other
   * address spaces? As long as the pages are global, as those of operating systems are: then MOV to CR3 loses none.
   */
  private get sharesPages(): boolean {
    const { smap, globalPages, levels } = this.paging;
    return smap && globalPages && levels !== 0 && this.separate[this.space] !== true;
  }

  /** A data access translated, to a page that is global or not. */
  accessed(global: boolean): void {
    if (global || !this.sharesPages || this.cpu.core.selectedContext !== DATA_CONTEXT.barred) return;
    // This address space gets a context of its own, before the engine remembers the page.
    this.separate[this.space] = true;
    this.told = false;
    this.cpu.modeChanged();
  }

  /**
   * Can SYSCALL and SYSRET change between 64-bit code of the two rings by themselves? Then the other's mode is known:
   * all but the privilege is as now.
   */
  private prepareCalls(packed: number): boolean {
    const { packed: modes } = this;
    if ((packed & PACKED_BITS) !== PACKED_64) return false;
    const common = packed & ~(PACKED_CPL | PACKED.interruptsAllowed);
    const [supervisor, user] = [common | PACKED.interruptsAllowed, common | PACKED_CPL];
    if (packed === supervisor) modes[CODE_CONTEXT.user] = user;
    else if (packed === user) modes[CODE_CONTEXT.supervisor] = supervisor;
    else return false;
    return (this.cpu.core.lo(EFER) & E.SCE) !== 0;
  }

  /** Mode bits of the code that is executed, for the engine. */
  get codeMode(): number {
    return this.modes[this.cpu.core.selectedCode] as number;
  }

  private prepare(): void {
    const { core } = this.cpu;
    const cr0 = core.lo(CR0_FIELD);
    const cr4 = core.lo(CR4_FIELD);
    const efer = core.lo(EFER);
    const { paging: p, words } = this;
    words.length = 0;
    this.valid = true;
    this.told = false;
    p.writeProtect = (cr0 & CR0.WP) !== 0;
    p.largePages = (cr4 & CR4.PSE) !== 0;
    p.globalPages = (cr4 & CR4.PGE) !== 0;
    p.executeDisable = (efer & E.NXE) !== 0;
    p.smep = (cr4 & CR4.SMEP) !== 0;
    p.smap = (cr4 & CR4.SMAP) !== 0;
    p.levels = 0;
    const { memory } = this.cpu;
    memory.forget();
    const { secondStage } = this.cpu;
    words.push(secondStage?.key ?? 0, this.cpu.vmx.apicAccess.page);
    if ((cr0 & CR0.PG) === 0) {
      this.space = this.identify(NO_PCID);
      this.common = this.space;
      return;
    }
    const [lo, hi] = [core.lo(CR3), core.hi(CR3)];
    p.levels = (efer & E.LMA) !== 0 ? 4 : (cr4 & CR4.PAE) !== 0 ? 3 : 2;
    p.root = p.levels === 4 ? tableAddress(lo, hi) : (lo & ~0xfff) >>> 0;
    words.push(cr0 & CR0.WP, cr4 & CR4_TRANSLATION, efer & (E.NXE | E.LMA));
    this.common = this.identify(NO_PCID);
    if (p.levels === 3) {
      p.pdptes = PDPTES.map((field) => [core.lo(field), core.hi(field)] as const);
      for (const [entryLo, entryHi] of p.pdptes) words.push(entryLo, entryHi);
    }
    words.push(lo, hi);
    this.space = this.identify(this.pcid);
  }

  /** The number of the address space that `words` tell of. */
  private identify(pcid: number): number {
    const { vmx, secondStage } = this.cpu;
    const id = this.spaces.id(vmx.vpid !== 0, pcid, vmx.vpid, this.words);
    this.roots[id] = secondStage?.root ?? NO_ROOT;
    return id;
  }

  /** The current process-context identifier. */
  get pcid(): number {
    const { core } = this.cpu;
    return (core.lo(CR4_FIELD) & CR4.PCIDE) !== 0 ? core.lo(CR3) & 0xfff : 0;
  }

  /** Does guest code of the current privilege read and write like a user? */
  get userAccess(): boolean {
    return this.cpu.cpl === 3;
  }

  // --- Dropping ------------------------------------------------------------------------------

  /** Forget the address spaces of a PCID but for global pages, which live in others. */
  dropPcid(pcid: number): void {
    this.forgetPages();
    const { core } = this.cpu;
    const vpid = this.cpu.vmx.vpid;
    for (const id of this.spaces.withAsid(pcid))
      if (this.spaces.matches(id, vpid !== 0, pcid, vpid)) core.dropContextRange(id * PER_SPACE, PER_SPACE);
  }

  /** Forget what the current address space has of its own. */
  dropCurrent(): void {
    this.forgetPages();
    this.cpu.core.dropContextRange(this.space * PER_SPACE, PER_SPACE);
  }

  /** Forget all translations of the current VPID, global ones too. */
  dropAll(): void {
    const vpid = this.cpu.vmx.vpid;
    this.dropVpid(vpid);
  }

  /** Forget all translations of a VPID; 0 is the host's. */
  dropVpid(vpid: number): void {
    this.forgetPages();
    const { spaces } = this;
    this.cpu.core.dropContexts((key) => spaces.matches(Math.floor(key / PER_SPACE), vpid !== 0, -1, vpid));
  }

  /** Forget all translations of guests that have a VPID. */
  dropVpids(): void {
    this.forgetPages();
    const { spaces } = this;
    this.cpu.core.dropContexts((key) => spaces.matches(Math.floor(key / PER_SPACE), true, -1, -1));
  }

  /** Forget the address spaces behind EPT whose root satisfies the predicate. */
  dropSecondStage(predicate: (root: number) => boolean): void {
    this.forgetPages();
    const { roots } = this;
    this.cpu.core.dropContexts((key) => {
      const root = roots[Math.floor(key / PER_SPACE)] ?? NO_ROOT;
      return root !== NO_ROOT && predicate(root);
    });
  }

  /** Forget a page of all address spaces. */
  dropPage(lo: number, hi: number): void {
    this.forgetPages();
    this.cpu.core.dropPage(lo, hi);
  }

  /** Forget what is remembered of tables and pages besides the engine. */
  private forgetPages(): void {
    this.walk.forgetTables();
    this.cpu.memory.forget();
  }

  private clear(): void {
    this.spaces.clear();
    this.roots.length = 0;
    this.separate.length = 0;
    this.walk.forget();
    this.cpu.memory.forget();
    this.valid = false;
    this.cpu.core.dropContexts();
  }

  /** After the state was replaced: nothing known about the past holds. */
  reset(): void {
    this.cpu.vmx.guestPages.forget();
    this.clear();
    this.refresh();
  }
}
