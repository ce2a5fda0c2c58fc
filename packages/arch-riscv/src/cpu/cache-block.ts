import { newTranslation, Status } from "@hypercraft/engine";
import { Fault, Need } from "./access.js";
import { Cause } from "./causes.js";
import { CACHE_BLOCK_BYTES } from "./features.js";
import type { RiscvHart } from "./hart.js";
import { PMP_W } from "./pmp.js";
import { H, M, S } from "./state.js";
import { ENVCFG } from "./status-bits.js";

const INVAL = 0;
const ZERO = 4;

/**
 * CBO.INVAL, CLEAN, FLUSH and ZERO (CMO chapter). There are no caches, so all but ZERO only check their
 * right to do what they do not do.
 */
export class CacheBlocks {
  private readonly hart: RiscvHart;
  private readonly at = newTranslation();

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  /** Operation: 0 inval, 1 clean, 2 flush, 4 zero. */
  execute(operation: number, lo: number, hi: number): Status {
    const { core, traps, mmu, contexts, pmp } = this.hart;
    const refused = this.refused(operation);
    if (refused !== 0) return traps.refuse(refused);
    const r = contexts.currentData();
    const need = operation === ZERO ? Need.write : Need.cacheBlock;
    const fault = mmu.translate(r, need, lo, hi, 1, this.at);
    if (fault !== Fault.none) return traps.memoryFault(fault, need, lo, hi, r.guest);
    if (operation !== ZERO) return Status.next;
    const inBlock = lo & (CACHE_BLOCK_BYTES - 1);
    const block = this.at.physical - inBlock;
    const offset = core.ramOffset(block);
    // The whole block is written, so all of it must lie in one PMP entry.
    const allowed = pmp.find(block, this.at.physical - (lo & 0xfff), CACHE_BLOCK_BYTES, r.machine) & PMP_W;
    if (offset < 0 || allowed === 0) return traps.memoryFault(Fault.access, need, lo, hi, r.guest);
    core.bytes.fill(0, offset, offset + CACHE_BLOCK_BYTES);
    core.ramWritten(offset, CACHE_BLOCK_BYTES);
    return Status.next;
  }

  /** CBO.ZERO is allowed in the present mode. */
  get mayZero(): boolean {
    return this.refused(ZERO) === 0;
  }

  /** Cause of the exception that the xenvcfg registers demand, 0 for none. */
  private refused(operation: number): number {
    const { core, priv, v, features } = this.hart;
    if (operation === ZERO ? !features.zicboz : !features.zicbom) return Cause.illegalInstruction;
    if (priv === 3) return 0;
    const mask = operation === ZERO ? ENVCFG.CBZE : operation === INVAL ? ENVCFG.CBIE : ENVCFG.CBCFE;
    if ((core.lo(M.envcfg) & mask) === 0) return Cause.illegalInstruction;
    if (v !== 0 && (core.lo(H.envcfg) & mask) === 0) return Cause.virtualInstruction;
    if (priv !== 0 || (core.lo(S.envcfg) & mask) !== 0) return 0;
    return v !== 0 ? Cause.virtualInstruction : Cause.illegalInstruction;
  }
}
