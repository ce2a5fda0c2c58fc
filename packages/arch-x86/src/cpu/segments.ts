import type { CoreApi } from "@hypercraft/engine";
import { RIGHTS } from "./control-bits.js";
import { type Descriptor, isReadable, isWritableData } from "./descriptor.js";
import { READ_LIMITS, SEGMENTS, Seg, type SegmentFields, WRITE_LIMITS } from "./state.js";

const LIMIT_4G = -1;
const ACCESSED_DATA = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed;
/** What goes with the limit and the code's size. */
const SIZES = RIGHTS.available | RIGHTS.big | RIGHTS.granularity;
/** Rights of every segment in virtual-8086 mode. */
const VIRTUAL_8086 = ACCESSED_DATA | RIGHTS.dpl;

/** The segment registers' hidden parts, and what is derived from them. */
export class Segments {
  private readonly core: CoreApi;

  constructor(core: CoreApi) {
    this.core = core;
  }

  /**
   * Load a register in real or virtual-8086 mode. Real mode keeps limit and rights as they are ("unreal mode"); of CS it
   * makes data.
   */
  loadReal(number: number, selector: number, virtual8086: boolean): void {
    const { core } = this;
    const fields = SEGMENTS[number] as SegmentFields;
    core.set(fields.selector, selector & 0xffff, 0);
    core.set(fields.base, (selector & 0xffff) << 4, 0);
    if (virtual8086) {
      core.set(fields.limit, 0xffff, 0);
      core.set(fields.rights, VIRTUAL_8086, 0);
    } else if (number === Seg.cs)
      core.set(fields.rights, ACCESSED_DATA | (core.lo(fields.rights) & SIZES), 0);
    else if ((core.lo(fields.rights) & RIGHTS.unusable) !== 0) core.set(fields.rights, ACCESSED_DATA, 0);
    this.derive(number);
  }

  /** Load a register with a descriptor. */
  load(number: number, selector: number, { base, limit, rights }: Descriptor): void {
    this.set(SEGMENTS[number] as SegmentFields, selector, base, 0, limit, rights);
    this.derive(number);
  }

  /** Load CS or SS with a segment that begins at 0 and ends at 4 GiB, whose rights say that it can be used. */
  loadFlat(number: typeof Seg.cs | typeof Seg.ss, selector: number, rights: number): void {
    const { core } = this;
    this.set(SEGMENTS[number] as SegmentFields, selector, 0, 0, LIMIT_4G, rights);
    core.set(READ_LIMITS[number]!, LIMIT_4G, 0);
    core.set(WRITE_LIMITS[number]!, LIMIT_4G, number === Seg.cs ? -1 : 0);
  }

  /** Load any register, LDTR and TR too. */
  set(
    fields: SegmentFields,
    selector: number,
    base: number,
    baseHigh: number,
    limit: number,
    rights: number,
  ): void {
    const { core } = this;
    core.set(fields.selector, selector & 0xffff, 0);
    core.set(fields.base, base | 0, baseHigh | 0);
    core.set(fields.limit, limit | 0, 0);
    core.set(fields.rights, rights, 0);
  }

  /** A null selector: nothing can be accessed through it. FS and GS keep their bases, which WRMSR may have set. */
  loadNull(number: number, selector: number): void {
    const { core } = this;
    const fields = SEGMENTS[number] as SegmentFields;
    core.set(fields.selector, selector & 0xffff, 0);
    core.set(fields.base, 0, 0);
    core.set(fields.rights, (core.lo(fields.rights) & RIGHTS.dpl) | RIGHTS.unusable, 0);
    this.derive(number);
  }

  /** A return to an outer level takes a segment away: the selector and the rights go, the base stays. */
  nullify(number: number): void {
    const { core } = this;
    const fields = SEGMENTS[number] as SegmentFields;
    core.set(fields.selector, 0, 0);
    core.set(fields.rights, (core.lo(fields.rights) & RIGHTS.dpl) | RIGHTS.unusable, 0);
    this.derive(number);
  }

  /** The DPL of SS is the CPL, also where SS is null. */
  setStackPrivilege(cpl: number): void {
    const { core } = this;
    const { rights } = SEGMENTS[Seg.ss] as SegmentFields;
    core.set(rights, (core.lo(rights) & ~RIGHTS.dpl) | (cpl << RIGHTS.dplShift), 0);
  }

  /** Work out how far a segment reaches without asking. */
  derive(number: number): void {
    const { core } = this;
    const { limit, rights } = SEGMENTS[number] as SegmentFields;
    const d = { low: 0, high: 0, base: 0, limit: 0, rights: core.lo(rights) };
    const usable = (d.rights & (RIGHTS.unusable | RIGHTS.present)) === RIGHTS.present;
    const down = (d.rights & (RIGHTS.code | RIGHTS.expandDown)) === RIGHTS.expandDown;
    const plain = usable && !down;
    const reach = core.lo(limit);
    const put = (field: (typeof READ_LIMITS)[number], allowed: boolean) =>
      allowed ? core.set(field, reach, 0) : core.set(field, -1, -1);
    put(READ_LIMITS[number]!, plain && isReadable(d));
    put(WRITE_LIMITS[number]!, plain && isWritableData(d));
  }

  /** Work everything out anew. */
  deriveAll(): void {
    for (let number = 0; number < SEGMENTS.length; number++) this.derive(number);
  }

  /** CS, DS, ES and SS all start at 0, end at 4 GiB and can be used: what CodeMode.flat says. */
  get flat(): boolean {
    const { core } = this;
    for (const number of [Seg.es, Seg.cs, Seg.ss, Seg.ds]) {
      const { base } = SEGMENTS[number] as SegmentFields;
      if (core.lo(base) !== 0) return false;
      const limits = number === Seg.cs ? READ_LIMITS : WRITE_LIMITS;
      const limit = limits[number]!;
      if (core.lo(limit) !== LIMIT_4G || core.hi(limit) !== 0) return false;
    }
    return true;
  }

  /** Is an access of some bytes at an offset within the segment, and of a kind that it allows? */
  allows(number: number, offset: number, bytes: number, write: boolean): boolean {
    const { core } = this;
    const fields = SEGMENTS[number] as SegmentFields;
    const rights = core.lo(fields.rights);
    if ((rights & (RIGHTS.unusable | RIGHTS.present)) !== RIGHTS.present) return false;
    const d = { low: 0, high: 0, base: 0, limit: 0, rights };
    if (!(write ? isWritableData(d) : isReadable(d))) return false;
    const limit = core.lo(fields.limit) >>> 0;
    const last = offset + bytes - 1;
    if ((rights & (RIGHTS.code | RIGHTS.expandDown)) !== RIGHTS.expandDown) return last <= limit;
    return offset > limit && last <= ((rights & RIGHTS.big) !== 0 ? 0xffff_ffff : 0xffff);
  }
}
