import type { Tier } from "@hypercraft/engine";
import type { ConformanceAdapter, GuestOp, GuestProgram } from "@hypercraft/hypercraft/testing";
import { rigAdapter } from "@hypercraft/hypercraft/testing/rig";
import { VMM_CALL } from "../../hypervisor/sbi/constants.js";
import { GuestInterrupt, type RiscvVCpu } from "../../hypervisor/vcpu.js";
import { assemble } from "./assembler.js";
import { createRig, createRigVm, RAM, type Rig } from "./rig.js";
import { HSM, IPI, SRST, sbi, TIME } from "./sbi-text.js";

// The conformance kit's programs as RISC-V code, and the hosts they run on.

/** s2 to s5. */
const SCRATCH = ["s2", "s3", "s4", "s5"] as const;
const PROGRAM_BYTES = 0x1_0000;
const entryOf = (program: number): number => RAM + program * PROGRAM_BYTES;
const NS_PER_TICK = 100;

const LOADS = { 1: "lb", 2: "lh", 4: "lw", 8: "ld" } as const;
const STORES = { 1: "sb", 2: "sh", 4: "sw", 8: "sd" } as const;

function lines(step: GuestOp, index: number): string[] {
  switch (step.op) {
    case "set":
      return [`li ${SCRATCH[step.reg]}, ${step.value}`];
    case "add":
      return [`addi ${SCRATCH[step.reg]}, ${SCRATCH[step.reg]}, ${step.value}`];
    case "load": {
      const name = step.signed || step.width === 8 ? LOADS[step.width] : `${LOADS[step.width]}u`;
      return [`li t0, ${step.address}`, `${name} ${SCRATCH[step.reg]}, 0(t0)`];
    }
    case "store":
      return [`li t0, ${step.address}`, `${STORES[step.width]} ${SCRATCH[step.reg]}, 0(t0)`];
    case "hypercall":
      return [sbi(VMM_CALL, step.nr, ...step.args), `mv ${SCRATCH[step.result]}, a0`];
    case "wait":
      return wait(index);
    case "setTimer":
      // One tick more: the present one has begun already.
      return [
        "rdtime t0",
        `li t1, ${Math.ceil(step.delayNs / NS_PER_TICK) + 1}`,
        "add a0, t0, t1",
        sbi(TIME, 0),
      ];
    case "cpuUp":
      return [sbi(HSM, 0, step.target, entryOf(step.program), step.arg), `mv ${SCRATCH[step.result]}, a0`];
    case "cpuDown":
      return [sbi(HSM, 1)];
    case "ipi":
      return [sbi(IPI, 0, 1, step.target)];
    case "shutdown":
      return [sbi(SRST, 0, 0, step.failure ? 1 : 0)];
    case "reset":
      return [sbi(SRST, 0, 1, 0)];
    case "nop":
      return ["nop"];
    case "spin":
      return [`spin${index}: j spin${index}`];
  }
}

/** Wait with interrupts enabled one by one but masked as a whole, and take what comes by hand. */
function wait(index: number): string[] {
  return [
    "li t0, 0x222",
    "csrs sie, t0",
    "wfi",
    "csrr t0, sip",
    "csrci sip, 2",
    "andi t0, t0, 0x20",
    `beqz t0, awake${index}`,
    "li t0, -1",
    "csrw stimecmp, t0",
    `awake${index}:`,
  ];
}

function compile(program: GuestProgram, index: number): Uint8Array {
  return assemble(program.flatMap(lines).join("\n"), entryOf(index)).bytes;
}

/** RISC-V under the conformance kit of the contracts, all code run by one tier of the engine. */
export function riscvAdapter(tier: Tier): ConformanceAdapter<RiscvVCpu> {
  return rigAdapter<RiscvVCpu>({
    arch: "riscv64",
    layout: { ram: RAM + 0x10_0000, ramSize: 0x1_0000, device: 0x1000_0000, hole: 0x2000_0000 },
    scratch: [18, 19, 20, 21],
    zeroRegister: 0,
    argRegister: 11,
    ipiVector: GuestInterrupt.software,
    entryOf,
    compile,
    createRig: () => createRig(undefined, tier),
    createVm: (rig, entries, options) => createRigVm(rig as Rig, entries, options),
  });
}
