import type { Core } from "@hypercraft/engine";
import { createFlatUser } from "@hypercraft/engine/testing/flat-user";
import { type CodeMode, modeNumber, USER_64 } from "../cpu/mode.js";
import { GPR, Gpr, X87 } from "../cpu/state.js";
import { encode, rmKind } from "../isa/encode.js";
import { x86Instructions } from "../isa/table.js";
import { FLOATING_POINT, UserCpu } from "./engine-user.js";
import type { Row } from "./user-sequences.js";

// Each instruction of the table by itself, in any mode: how does it end?

const BASE = 0x2_0000;
const DATA = 0x4_0000;
const STEP = 32;

let mode: CodeMode = USER_64;

/** A processor whose mode is what `ending` was told. */
export class ModalCpu extends UserCpu {
  override codeMode(): number {
    return modeNumber(mode);
  }
}

export const rows = x86Instructions as readonly Row[];

const image = new Uint8Array(rows.length * STEP);
for (const row of rows) {
  if (row.options.in64 === "not") continue;
  const kind = rmKind(row);
  const rm = kind === "memory" ? { base: 3 } : 3;
  // SYSCALL behind it.
  image.set([...encode(row, { reg: 1, rm }), 0x0f, 0x05], row.index * STEP);
}

export const { core } = createFlatUser(
  { image, base: BASE },
  { cpu: (one: Core) => new ModalCpu(one), floatingPoint: FLOATING_POINT, tier: "cold" },
);

/** How an instruction ends in a mode, with a status of the floating-point unit. Memory operands are at RBX. */
export function ending(row: Row, change: Partial<CodeMode>, status = 0): string {
  mode = { ...USER_64, ...change };
  core.set(X87.status, status, 0);
  core.set(X87.used, 0, 0);
  core.setBig(GPR[Gpr.rbx]!, BigInt(DATA));
  core.setBig(GPR[Gpr.rdi]!, BigInt(DATA));
  core.setPc(BASE + row.index * STEP, 0);
  core.run(10);
  return String(core.exit).replace(/ at 0x.*$/, "");
}

export const DONE = "system call";
export const UD = "helper 0 with 0";
const raised = (vector: number) => `helper 1 with ${vector}`;
export const [NM, MF] = [raised(7), raised(16)] as const;
export const ERROR_SUMMARY = 0x80;

export const endings = (some: readonly Row[], change: Partial<CodeMode>, status = 0) =>
  Object.fromEntries(some.map((row) => [row.name, ending(row, change, status)]));
/** What they should be. */
export const all = (some: readonly Row[], end: (row: Row) => string) =>
  Object.fromEntries(some.map((row) => [row.name, end(row)]));
