import { type CodeSource, type Core, type IrBuilder, Status } from "@hypercraft/engine";
import { FlatUserCpu, SYSTEM_CALL } from "@hypercraft/engine/testing/flat-user";
import { tierExecutor } from "@hypercraft/engine/testing/user-executors";
import { Fault } from "../cpu/fault.js";
import { Helper } from "../cpu/helper-ids.js";
import { depositBits, divideSigned, divideUnsigned, extractBits } from "../cpu/integer-helpers.js";
import { type CodeMode, packedModeNumber, packMode, USER_32, USER_64 } from "../cpu/mode.js";
import { packedSimdMode, readMxcsr, writeMxcsr } from "../cpu/mxcsr.js";
import { X86_SHORTCUTS } from "../cpu/shortcuts.js";
import { settleSimdExceptions } from "../cpu/simd-exceptions.js";
import { GPR, Gpr, RFLAGS, x86Layout } from "../cpu/state.js";
import { stringRun } from "../cpu/string-runs.js";
import { X87Helpers } from "../cpu/x87/helpers.js";
import { disassembleAt, liftInstruction } from "../isa/lift.js";
import { userPrograms, userPrograms32 } from "./user-program.js";

// User-level cases on the engine: a flat CPU in 64-bit mode.

export const FLOATING_POINT = { nan: "propagate-x86", tininess: "after" } as const;

/** Linux's of 32-bit programs. */
const SYSTEM_CALL_VECTOR = 0x80;
/** Operating systems enter their programs so. */
const INTERRUPTS_ENABLED = 0x200;
/** XCR0. */
const X87_AND_SSE = 3n;

export class UserCpu extends FlatUserCpu {
  override readonly layout = x86Layout;
  private readonly x87: X87Helpers;

  private readonly base: CodeMode;

  constructor(core: Core, base: CodeMode = USER_64) {
    super(core);
    this.base = base;
    core.set(RFLAGS, INTERRUPTS_ENABLED, 0);
    this.x87 = new X87Helpers({
      core,
      skip: (bytes) => this.skip(bytes),
      extendedControl: () => X87_AND_SSE,
      modeChanged: () => {},
    });
  }

  readonly disassemble = disassembleAt;

  private skip(bytes: number): typeof Status.redispatch {
    this.core.setPc(this.core.pcLo() + bytes, this.core.pcHi());
    return Status.redispatch;
  }

  override codeMode(): number {
    return packedModeNumber(packMode(this.base) | packedSimdMode(this.core));
  }

  override lift(builder: IrBuilder, source: CodeSource, offset: number, mode: number): number {
    return liftInstruction(builder, source, offset, mode);
  }

  override helper(
    id: number,
    constant: number,
    low: number,
    high: number,
    bLow: number,
    bHigh: number,
  ): Status {
    const { core } = this;
    switch (id) {
      case Helper.depositBits:
      case Helper.extractBits: {
        const operation = id === Helper.depositBits ? depositBits : extractBits;
        this.setResult(operation(wide(low, high), wide(bLow, bHigh)));
        return Status.next;
      }
      case Helper.stringRun:
        return stringRun(core, constant);
      case Helper.divideWide: {
        const divide = (constant & 0x100) !== 0 ? divideSigned : divideUnsigned;
        const result = divide(core.big(GPR[Gpr.rdx]!), core.big(GPR[Gpr.rax]!), wide(bLow, bHigh));
        if (result === undefined) return this.fail("#DE");
        core.setBig(GPR[Gpr.rax]!, result.quotient);
        core.setBig(GPR[Gpr.rdx]!, result.remainder);
        core.setPc(core.pcLo() + (constant & 0xff), core.pcHi());
        return Status.redispatch;
      }
      case Helper.storeWord: {
        const at = core.ramOffset(bLow >>> 0);
        core.bytes.set([bHigh, bHigh >>> 8], at);
        core.ramWritten(at, 2);
        return Status.next;
      }
      case Helper.skip:
        return this.skip(constant);
      case Helper.syscall:
        core.exit = SYSTEM_CALL;
        core.setPc(core.pcLo() + 2, core.pcHi());
        return Status.exit;
      case Helper.softwareInterrupt:
        if ((constant & 0xff) !== SYSTEM_CALL_VECTOR) return this.fail(`interrupt ${constant & 0xff}`);
        core.exit = SYSTEM_CALL;
        core.setPc(core.pcLo() + 2, core.pcHi());
        return Status.exit;
      case Helper.loadMxcsr:
        writeMxcsr(core, low);
        return Status.next;
      case Helper.simdExceptions:
        return settleSimdExceptions(core, low) ? this.fail("#XM") : Status.next;
      case Helper.storeMxcsr:
        core.setResult(readMxcsr(core), 0);
        return Status.next;
    }
    try {
      const status = this.x87.run(id, constant, low, high, bLow, bHigh);
      return status ?? this.fail(`helper ${id} with ${constant}`);
    } catch (error) {
      if (error instanceof Fault) return this.fail(`exception ${error.vector}`);
      throw error;
    }
  }

  private setResult(value: bigint): void {
    this.core.setResult(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }
}

function wide(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** The same of 32-bit code. */
export const runOnTier32 = tierExecutor(userPrograms32, {
  cpu: (core) => new UserCpu(core, USER_32),
  floatingPoint: FLOATING_POINT,
  shortcuts: X86_SHORTCUTS,
});

/** Runs all cases in one go on one of the engine's execution tiers. */
export const runOnTier = tierExecutor(userPrograms, {
  cpu: (core) => new UserCpu(core),
  floatingPoint: FLOATING_POINT,
  shortcuts: X86_SHORTCUTS,
});
