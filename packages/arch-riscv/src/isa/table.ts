import { type Declaration, InstructionTable, supportMatrix } from "@hypercraft/engine";
import { a } from "./a.js";
import { c } from "./c.js";
import { d } from "./d.js";
import { f } from "./f.js";
import { h } from "./h.js";
import type { RiscvBuilder } from "./lifter.js";
import { m } from "./m.js";
import { OPERANDS } from "./operands.js";
import { privileged } from "./privileged.js";
import { rv64i } from "./rv64i.js";
import { svinval } from "./svinval.js";
import { zba } from "./zba.js";
import { zbb } from "./zbb.js";
import { zbs } from "./zbs.js";
import { zicbo } from "./zicbo.js";
import { zicsr } from "./zicsr.js";
import { zifencei } from "./zifencei.js";
import { zihintpause } from "./zihintpause.js";

const declarations: readonly Declaration<RiscvBuilder>[] = [
  ...rv64i,
  ...m,
  ...a,
  ...f,
  ...d,
  ...c,
  ...zicsr,
  ...zifencei,
  ...zihintpause,
  ...zba,
  ...zbb,
  ...zbs,
  ...zicbo,
  ...privileged,
  ...svinval,
  ...h,
];

/** Every instruction of the hart: RV64GC with the bit-manipulation, cache-block and hypervisor extensions. */
export const riscvInstructions = new InstructionTable(declarations, OPERANDS);

/** Supported instructions by extension. Zicntr has none of its own: its counters are read as CSRs. */
export const riscvSupport = supportMatrix(riscvInstructions);
