/** What identifies an address space. */
interface Space {
  readonly id: number;
  readonly guest: boolean;
  readonly asid: number;
  readonly vmid: number;
  readonly words: readonly number[];
  /** Next space with the same hash. */
  next: Space | undefined;
}

/** Spaces kept at once; ASIDs and roots come and go, and a space takes a few ids of the engine. */
const LIMIT = 4096;

/**
 * Small numbers for address spaces. The whole registers make the identity, not the ASID alone, so that even
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

  /**
   * The id of an address space, made if it is new: of the host's or a guest's regime, with its ASID and VMID as fences
   * name them, and the registers (halves, int32) that it depends on.
   */
  id(guest: boolean, asid: number, vmid: number, words: readonly number[]): number {
    let hash = (Math.imul(asid, 17) + Math.imul(vmid, 7) + (guest ? 1 : 0)) | 0;
    for (let i = 0; i < words.length; i++) hash = (Math.imul(hash, 31) + (words[i] as number)) | 0;
    const head = this.byHash.get(hash);
    for (let s = head; s !== undefined; s = s.next) {
      if (s.asid === asid && s.vmid === vmid && s.guest === guest && alike(s.words, words)) return s.id;
    }
    const id = this.first + this.byId.length;
    const space: Space = { id, guest, asid, vmid, words: [...words], next: head };
    this.byHash.set(hash, space);
    this.byId.push(space);
    const others = this.byAsid.get(asid);
    if (others === undefined) this.byAsid.set(asid, [id]);
    else others.push(id);
    return id;
  }

  /** Is this a space of that regime with the ASID and the VMID? -1 stands for any. */
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

function alike(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
