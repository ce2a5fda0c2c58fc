import { type CodeSource, type IrBuilder, Status } from "@hypercraft/engine";
import { FlatUserCpu, SYSTEM_CALL } from "@hypercraft/engine/testing/flat-user";
import { tierExecutor } from "@hypercraft/engine/testing/user-executors";
import { ARM_FLOATING_POINT } from "../cpu/create-pe.js";
import { Helper } from "../cpu/helper-ids.js";
import { floatMode, packMode, unpackMode } from "../cpu/mode.js";
import { readFpsr, writeFpsr } from "../cpu/registers/processor-state.js";
import { armLayout, FPCR } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { systemRegisterNumber } from "../isa/system-names.js";
import { userPrograms } from "./user-program.js";

// User-level cases on the engine: a flat CPU at EL0.

const FPCR_NUMBER = systemRegisterNumber("FPCR");
const FPSR = systemRegisterNumber("FPSR");

class UserCpu extends FlatUserCpu {
  override readonly layout = armLayout;

  override codeMode(): number {
    return packMode({ ...unpackMode(0), ...floatMode(this.core.lo(FPCR)) });
  }

  override lift(builder: IrBuilder, source: CodeSource, offset: number, mode: number): number {
    return liftInstruction(builder, source, offset, mode);
  }

  override helper(id: number, constant: number, lo: number): Status {
    const { core } = this;
    if (id === Helper.readSystem && constant === FPSR) {
      core.setResult(readFpsr(core), 0);
      return Status.next;
    }
    if (id === Helper.writeSystem && constant === FPSR) {
      writeFpsr(core, lo);
      return Status.next;
    }
    if (id === Helper.sendEvent) return Status.next;
    if (id === Helper.writeSystem && constant === FPCR_NUMBER) {
      core.set(FPCR, lo, 0);
      return Status.next;
    }
    if (id === Helper.clearExclusive) {
      core.clearReservation();
      return Status.next;
    }
    if (id !== Helper.svc) return this.fail(`helper ${id}`);
    core.exit = SYSTEM_CALL;
    core.setPc(core.pcLo() + 4, core.pcHi());
    return Status.exit;
  }
}

/** Runs all cases in one go on one of the engine's execution tiers. */
export const runOnTier = tierExecutor(userPrograms, {
  cpu: (core) => new UserCpu(core),
  floatingPoint: ARM_FLOATING_POINT,
});
