import { type CoreApi, type PageCache, WalkCaches } from "@hypercraft/engine";

/** In what is remembered of a page, below the number of the host's: rights as entries have them, and these. */
export const GUEST_PAGE = {
  read: 1,
  write: 2,
  execute: 4,
  /** It can be written without an entry being marked as dirty by that. */
  dirty: 8,
  /** Code at addresses of users, where that is told apart. */
  executeUser: 16,
  /** From this bit on: the number of the host's page. */
  shift: 8,
} as const;

const PAGE = 4096;

/**
 * Guest-physical translations, as a processor may keep them until INVEPT (SDM volume 3, 29.4): those of one root, shared
 * with the walk in WebAssembly. Only successful ones: what is added to a structure needs no INVEPT.
 */
export class GuestPages {
  private readonly cache: PageCache;
  private root = -1;
  // What `find` found.
  host = 0;
  rights = 0;

  constructor(core: CoreApi) {
    this.cache = WalkCaches.guestPages(core.walkWords);
  }

  /** Translations are of this root, a physical address with the EPT pointer's flags. */
  select(root: number): void {
    if (root === this.root) return;
    this.root = root;
    this.cache.flush();
  }

  /** Forget all. */
  forget(): void {
    this.root = -1;
    this.cache.flush();
  }

  /** Is the page of an address known? Then `host` is the host's address of it, and `rights` what may be done. */
  find(physical: number): boolean {
    const { cache } = this;
    if (!cache.find(Math.floor(physical / PAGE))) return false;
    this.rights = cache.lo & 0xff;
    this.host = (cache.hi * 0x100_0000 + (cache.lo >>> GUEST_PAGE.shift)) * PAGE + (physical % PAGE);
    return true;
  }

  remember(physical: number, host: number, rights: number): void {
    const page = Math.floor(host / PAGE);
    this.cache.remember(
      Math.floor(physical / PAGE),
      (page << GUEST_PAGE.shift) | rights | 0,
      Math.floor(page / 0x100_0000),
    );
  }
}
