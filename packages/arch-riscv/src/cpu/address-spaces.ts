/** What identifies an address space: for V=0 satp, for V=1 vsatp and hgatp. */
interface Space {
  readonly id: number;
  readonly guest: boolean;
  readonly asid: number;
  readonly vmid: number;
  readonly atpLo: number;
  readonly atpHi: number;
  readonly gatpLo: number;
  readonly gatpHi: number;
  /** Next space with the same hash. */
  next: Space | undefined;
}

/** Spaces kept at once; ASIDs and roots come and go, and a space takes a few ids of the engine. */
const LIMIT = 4096;

/**
 * Small numbers for address spaces. The whole register makes the identity, not the ASID alone, so that even
 * software that forgets a fence sees what it wrote; a fence for an ASID drops all spaces which have it.
 */
export class AddressSpaces {
  private readonly byHash = new Map<number, Space>();
  private readonly byId: (Space | undefined)[] = [];
  private readonly byAsid = new Map<number, number[]>();
  private readonly first: number;

  /** Ids start at `first`; those below belong to the caller. */
  constructor(first: number) {
    this.first = first;
  }

  /** True when the caller should drop everything and `clear`. */
  get full(): boolean {
    return this.byId.length >= LIMIT;
  }

  /** The id of an address space, made if it is new. For V=0 the gatp is zero. */
  id(guest: boolean, atpLo: number, atpHi: number, gatpLo: number, gatpHi: number): number {
    const hash =
      (Math.imul(atpLo, 31) + atpHi + Math.imul(gatpLo, 17) + Math.imul(gatpHi, 7) + (guest ? 1 : 0)) | 0;
    const head = this.byHash.get(hash);
    for (let s = head; s !== undefined; s = s.next) {
      if (s.atpLo !== atpLo || s.atpHi !== atpHi || s.gatpLo !== gatpLo) continue;
      if (s.gatpHi === gatpHi && s.guest === guest) return s.id;
    }
    const id = this.first + this.byId.length;
    const asid = (atpHi >>> 12) & 0xffff;
    const vmid = (gatpHi >>> 12) & 0x3fff;
    const space: Space = { id, guest, asid, vmid, atpLo, atpHi, gatpLo, gatpHi, next: head };
    this.byHash.set(hash, space);
    this.byId.push(space);
    const alike = this.byAsid.get(asid);
    if (alike === undefined) this.byAsid.set(asid, [id]);
    else alike.push(id);
    return id;
  }

  /** Is this a space of V=0 (`guest` false) with the ASID, or of V=1 with VMID and ASID? -1 stands for any. */
  matches(id: number, guest: boolean, asid: number, vmid: number): boolean {
    const space = this.byId[id - this.first];
    if (space === undefined || space.guest !== guest) return false;
    return (asid < 0 || space.asid === asid) && (vmid < 0 || space.vmid === vmid);
  }

  /** Ids of the spaces with an ASID. */
  withAsid(asid: number): readonly number[] {
    return this.byAsid.get(asid) ?? [];
  }

  /** Forget all spaces; their ids will be used again, so the engine must have dropped them. */
  clear(): void {
    this.byHash.clear();
    this.byAsid.clear();
    this.byId.length = 0;
  }
}
