import { farJumps, farLong, farReturns } from "./far-transfer-cases.js";
import { fastCalls } from "./fast-call-cases.js";
import { brokenGates } from "./gate-cases.js";
import { addresses, compatibleCases } from "./long-mode-cases.js";
import { type PagingMode, pagingCases, pagingProgram } from "./paging-cases.js";
import { kernel, privileged, privilegedLong } from "./privilege-cases.js";
import type { SystemCase } from "./programs/case.js";
import { realProgram } from "./programs/real.js";
import { registers } from "./register-cases.js";
import { inspections, segmentLoads } from "./segment-cases.js";
import { reals, virtuals } from "./sixteen-bit-cases.js";
import { steps } from "./step-cases.js";
import { interrupted, strings } from "./string-cases.js";
import { long, program } from "./system-programs.js";

// Cases for `SystemProgram`s. What QEMU does not check (limits of segments, some reserved bits) is not among them.

const paging = (mode: PagingMode, count: number) => ({
  list: pagingCases(mode, count),
  program: (list: readonly SystemCase[]) => pagingProgram(mode, list),
});

/** Groups of cases, each a program. */
export const groups: Readonly<
  Record<string, { readonly list: readonly SystemCase[]; program(list: readonly SystemCase[]): string }>
> = {
  segments: { list: segmentLoads, program },
  privileges: { list: [...privileged, ...kernel], program },
  inspections: { list: inspections, program },
  "far jumps": { list: farJumps, program },
  "far returns": { list: farReturns, program },
  gates: { list: brokenGates, program },
  "32-bit paging": paging("32-bit", 200),
  "PAE paging": paging("PAE", 200),
  "4-level paging": paging("4-level", 300),
  steps: { list: steps, program },
  strings: { list: strings, program },
  "virtual-8086 mode": { list: virtuals, program },
  "real mode": { list: reals, program: realProgram },
  "long: repeated strings": { list: interrupted, program: long },
  "long: addresses": { list: addresses, program: long },
  "long: instructions": { list: privilegedLong, program: long },
  "long: registers": { list: registers, program: long },
  "long: fast calls": { list: fastCalls, program: long },
  "long: far transfers": { list: farLong, program: long },
  "long: compatibility mode": { list: compatibleCases, program: long },
};
