import { type CodeSource, type Core, type IrBuilder, Status, type Tier } from "@hypercraft/engine";
import { FlatUserCpu, SYSTEM_CALL } from "@hypercraft/engine/testing/flat-user";
import {
  createEngineUser as createOf,
  type EngineUser,
  tierExecutor,
} from "@hypercraft/engine/testing/user-executors";
import { RISCV_FLOATING_POINT } from "../cpu/create-hart.js";
import { Helper } from "../cpu/helper-ids.js";
import { packMode } from "../cpu/mode.js";
import { frm, riscvLayout } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { type UserCase, type UserState, userPrograms } from "./user-program.js";

// User-level cases on the engine: a flat CPU in user mode with the floating-point CSRs.

const FFLAGS = 0x001;
const FRM = 0x002;
const FCSR = 0x003;

class UserCpu extends FlatUserCpu {
  override readonly layout = riscvLayout;

  override codeMode(): number {
    return packMode({
      privilege: 0,
      virtual: false,
      fpOn: true,
      fpDirty: true,
      frm: this.core.lo(frm),
      cboZero: false,
    });
  }

  override lift(builder: IrBuilder, source: CodeSource, offset: number, mode: number): number {
    return liftInstruction(builder, source, offset, mode);
  }

  override helper(id: number, constant: number, aLo: number): Status {
    const { core } = this;
    const csr = constant & 0xfff;
    switch (id) {
      case Helper.ecall:
        core.exit = SYSTEM_CALL;
        core.setPc(core.pcLo() + 4, core.pcHi());
        return Status.exit;
      case Helper.fenceI:
        return Status.next;
      case Helper.csrRead:
        core.setResult(this.read(csr), 0);
        return Status.next;
      case Helper.csrWrite:
        this.write(csr, aLo);
        return Status.next;
      case Helper.csrExchange: {
        const old = this.read(csr);
        this.write(csr, [aLo, aLo, old | aLo, old & ~aLo][constant >> 12] as number);
        core.setResult(old, 0);
        return Status.next;
      }
      default:
        return this.fail(`helper ${id}`);
    }
  }

  private read(csr: number): number {
    const flags = this.core.lo(riscvLayout.fpFlags);
    const rounding = this.core.lo(frm);
    return csr === FFLAGS ? flags : csr === FRM ? rounding : flags | (rounding << 5);
  }

  private write(csr: number, value: number): void {
    if (csr === FFLAGS || csr === FCSR) this.core.set(riscvLayout.fpFlags, value & 0x1f, 0);
    if (csr === FRM) this.core.set(frm, value & 7, 0);
    if (csr === FCSR) this.core.set(frm, (value >> 5) & 7, 0);
  }
}

const OPTIONS = {
  cpu: (core: Core) => new UserCpu(core),
  floatingPoint: RISCV_FLOATING_POINT,
} as const;

/** Load the program of the cases. A small arena has little room for code. Throws a RangeError if it is too large for the memory. */
export const createEngineUser = (
  cases: readonly UserCase[],
  tier: Tier = "auto",
  arenaSize?: number,
): EngineUser<UserState> =>
  createOf(userPrograms, cases, { ...OPTIONS, tier, ...(arenaSize === undefined ? {} : { arenaSize }) });

/** Runs all cases in one go on one of the engine's execution tiers. */
export const runOnTier = tierExecutor(userPrograms, OPTIONS);
