import {
  Access,
  type CodeSource,
  type Core,
  Engine,
  type GuestCpu,
  type IrBuilder,
  Status,
  type Tier,
  Translated,
  type Translation,
} from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { packMode } from "../cpu/mode.js";
import { frm, riscvLayout } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import {
  buildUserProgram,
  readRecords,
  type UserCase,
  type UserExecutor,
  type UserState,
} from "./user-program.js";

// User-level cases on the engine, with the least CPU model that can run them: flat memory, user mode, and the
// floating-point CSRs.

const ARENA = 16 << 20;
const RAM = 32 << 20;
const PAGE = 65536;
const BUDGET = 100_000_000;
const FFLAGS = 0x001;
const FRM = 0x002;
const FCSR = 0x003;

class UserCpu implements GuestCpu {
  readonly layout = riscvLayout;
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  codeMode(): number {
    return packMode({
      privilege: 0,
      virtual: false,
      fpOn: true,
      fpDirty: true,
      frm: this.core.lo(frm),
      cboZero: false,
    });
  }

  lift(builder: IrBuilder, source: CodeSource, offset: number, mode: number): number {
    return liftInstruction(builder, source, offset, mode);
  }

  translateFetch(lo: number, hi: number, out: Translation): Translated {
    return this.translate(Access.fetch, lo, hi, 4, out);
  }

  translate(_access: Access, lo: number, _hi: number, _size: number, out: Translation): Translated {
    out.physical = lo >>> 0;
    out.readable = true;
    out.writable = true;
    out.cacheable = true;
    out.pageShift = 12;
    return Translated.ok;
  }

  misaligned(_access: Access, lo: number): Status {
    return this.fail(`misaligned access to 0x${(lo >>> 0).toString(16)}`);
  }

  physicalAccess(_access: Access, physical: number): Status {
    return this.fail(`access to 0x${physical.toString(16)}`);
  }

  helper(id: number, constant: number, aLo: number): Status {
    const { core } = this;
    const csr = constant & 0xfff;
    switch (id) {
      case Helper.ecall:
        core.exit = "ecall";
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

  takeInterrupt(): boolean {
    return false;
  }

  private fail(why: string): typeof Status.exitBefore {
    this.core.exit = `${why} at 0x${(this.core.pcLo() >>> 0).toString(16)}`;
    return Status.exitBefore;
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

/** A program of cases on an engine of its own, to be run in slices. */
export interface EngineUser {
  readonly engine: Engine;
  readonly core: Core;
  /** Run at most so many instructions; true when the program has ended. Throws an Error for any other end. */
  run(budget: number): boolean;
  /** The states in the cases' records. */
  states(): readonly UserState[];
}

/** Load the program of the cases. A small arena has little room for code. Throws a RangeError if it is too large for the memory. */
export function createEngineUser(
  cases: readonly UserCase[],
  tier: Tier = "auto",
  arenaSize: number = ARENA,
): EngineUser {
  const program = buildUserProgram(cases);
  const pages = (ARENA + RAM) / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: arenaSize },
    ram: { ramOffset: (physical) => (physical < RAM ? ARENA + physical : -1) },
    floatingPoint: { nan: "canonical", tininess: "after" },
    tier,
  });
  if (program.base + program.image.length > RAM) throw new RangeError("too many cases for the memory");
  engine.bytes.set(program.image, ARENA + program.base);
  const core = engine.createCore();
  core.attach(new UserCpu(core));
  core.setPc(program.base, 0);
  return {
    engine,
    core,
    run: (budget) => {
      const end = core.run(budget);
      if (end === "budget") return false;
      if (end === "exit" && core.exit === "ecall") return true;
      throw new Error(`the program ended by ${end}: ${String(core.exit)}`);
    },
    states: () => readRecords(engine.bytes.subarray(ARENA + program.base), cases.length),
  };
}

/** Runs all cases in one go on one of the engine's execution tiers. */
export function runOnTier(tier: Tier): UserExecutor {
  return (cases) => {
    const program = createEngineUser(cases, tier);
    if (!program.run(BUDGET)) throw new Error(`the program does not end within ${BUDGET} instructions`);
    return program.states();
  };
}

/** Runs all cases in one go on the engine. */
export const runOnEngine: UserExecutor = runOnTier("auto");
