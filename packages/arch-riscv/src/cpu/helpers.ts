import { Status } from "@hypercraft/engine";
import { Cause } from "./causes.js";
import { WAIT_EXIT } from "./exit.js";
import type { RiscvHart } from "./hart.js";
import { Helper } from "./helper-ids.js";
import { H, M } from "./state.js";
import { HSTATUS, TW } from "./status-bits.js";

const ECALL = [Cause.ecallU, Cause.ecallS, 0, Cause.ecallM];

/** What the lifter's calls do (helper-ids.ts). */
export function runHelper(
  hart: RiscvHart,
  id: number,
  constant: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): Status {
  switch (id) {
    case Helper.csrRead:
      return hart.csrAccess.read(constant & 0xfff);
    case Helper.csrWrite:
      return hart.csrAccess.write(constant & 0xfff, aLo, aHi);
    case Helper.csrExchange:
      return hart.csrAccess.exchange(constant & 0xfff, constant >>> 12, aLo, aHi);
    case Helper.sstatusExchange:
      return hart.csrAccess.exchangeStatus(constant & 3, constant >>> 2, bLo, bHi);
    case Helper.ecall:
      return hart.traps.raise(hart.v !== 0 && hart.priv === 1 ? Cause.ecallVS : ECALL[hart.priv]!, 0, 0);
    case Helper.sret:
      return hart.traps.sret();
    case Helper.mret:
      return hart.traps.mret();
    case Helper.sfenceVma:
      return hart.fences.sfenceVma(constant, aLo, aHi, bLo);
    case Helper.hfenceVvma:
      return hart.fences.hfenceVvma(constant, aLo, aHi, bLo);
    case Helper.hfenceGvma:
      return hart.fences.hfenceGvma(constant, bLo);
    case Helper.fpDirty:
      hart.status.markFpDirty();
      return Status.next;
    case Helper.fpUse:
      if (!hart.status.fpOn) return hart.traps.illegal();
      if (constant !== 0) hart.status.markFpDirty();
      return Status.next;
    case Helper.wfi:
      return waitForInterrupt(hart);
    case Helper.hypervisorLoad:
      return hart.hypervisorAccess.load(constant, aLo, aHi);
    case Helper.hypervisorStore:
      return hart.hypervisorAccess.store(constant & 15, aLo, aHi, bLo, bHi);
    case Helper.cacheBlock:
      return hart.cacheBlocks.execute(constant, aLo, aHi);
    case Helper.fenceI:
      // Code follows the memory it was made from; the block ends, and that is all.
      return Status.next;
    case Helper.trap:
      return hart.traps.raise(constant, aLo, aHi);
    case Helper.ebreak:
      return hart.traps.raise(Cause.breakpoint, aLo, aHi);
    case Helper.illegal:
      return hart.traps.raise(Cause.illegalInstruction, aLo, aHi);
    default:
      throw new RangeError(`no helper ${id}`);
  }
}

/** WFI (machine chapter; TW, VTW): the hart waits for an interrupt that is enabled in mie, whoever it is for. */
function waitForInterrupt(hart: RiscvHart): Status {
  const { core, priv, v, traps, interrupts, timers } = hart;
  if (priv !== 3) {
    if ((core.lo(M.status) & TW) !== 0) return traps.illegal();
    if (v !== 0 && (priv === 0 || (core.lo(H.status) & HSTATUS.VTW) !== 0)) return traps.virtualInstruction();
    if (priv === 0) return traps.illegal();
  }
  timers.sampleAndUpdate();
  if (interrupts.wakeUp) return Status.next;
  // The hart goes on behind the WFI, which has no compressed form.
  const next = core.pcLo() + 4;
  core.setPc(next | 0, core.pcHi() + (next === 0 ? 1 : 0));
  core.exit = WAIT_EXIT;
  return Status.exit;
}
