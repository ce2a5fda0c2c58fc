import type { Tier } from "@hypercraft/engine";
import type { ConformanceAdapter, GuestOp, GuestProgram } from "@hypercraft/hypercraft/testing";
import { rigAdapter } from "@hypercraft/hypercraft/testing/rig";
import type { ArmVCpu } from "../../hypervisor/vcpu.js";
import { REDISTRIBUTOR_SIZE } from "../../interrupts/gicv3.js";
import { assemble } from "./assembler.js";
import { type ArmVm, createRig, createRigVm, GICD, GICR, RAM, type Rig } from "./rig.js";

// The conformance kit's programs as A64 code, and the hosts they run on.

/** x19 to x22. */
const SCRATCH = ["x19", "x20", "x21", "x22"] as const;
const PROGRAM_BYTES = 0x1_0000;
const entryOf = (program: number): number => RAM + program * PROGRAM_BYTES;
const NS_PER_TICK = 16;

const VIRTUAL_TIMER = 27;
/** The SGI that the kit's interrupts are. */
const SGI = 3;

const SYSTEM_OFF = 0x8400_0008;
const SYSTEM_RESET = 0x8400_0009;
const CPU_OFF = 0x8400_0002;
const CPU_ON = 0xc400_0003;

const call = (...values: readonly (number | bigint)[]): string[] => [
  ...values.map((value, i) => `li x${i}, ${value}`),
  "hvc #0",
];

const LOADS = {
  1: { false: "ldrb w9, [x9]", true: "ldrsb x9, [x9]" },
  2: { false: "ldrh w9, [x9]", true: "ldrsh x9, [x9]" },
  4: { false: "ldr w9, [x9]", true: "ldrsw x9, [x9]" },
  8: { false: "ldr x9, [x9]", true: "ldr x9, [x9]" },
} as const;
const STORES = { 1: "strb w", 2: "strh w", 4: "str w", 8: "str x" } as const;

function lines(step: GuestOp, index: number): string[] {
  switch (step.op) {
    case "set":
      return [`li ${SCRATCH[step.reg]}, ${step.value}`];
    case "add":
      return [`add ${SCRATCH[step.reg]}, ${SCRATCH[step.reg]}, #${step.value}`];
    case "load": {
      const register = SCRATCH[step.reg];
      const text = LOADS[step.width][`${step.signed}`].replace(/9,/, `${register.slice(1)},`);
      return [`li x9, ${step.address}`, text];
    }
    case "store":
      return [`li x9, ${step.address}`, `${STORES[step.width]}${SCRATCH[step.reg].slice(1)}, [x9]`];
    case "hypercall":
      return [
        ...step.args.map((value, i) => `li x${i}, ${value}`),
        `hvc #${step.nr}`,
        `mov ${SCRATCH[step.result]}, x0`,
      ];
    case "wait":
      return WAIT;
    case "setTimer":
      // One tick more: the present one has begun already.
      return [
        "mrs x9, CNTVCT_EL0",
        `li x10, ${Math.ceil(step.delayNs / NS_PER_TICK) + 1}`,
        "add x9, x9, x10",
        "msr CNTV_CVAL_EL0, x9",
        "li x9, 1",
        "msr CNTV_CTL_EL0, x9",
      ];
    case "cpuUp":
      return [
        ...call(CPU_ON, step.target, entryOf(step.program), step.arg),
        `mov ${SCRATCH[step.result]}, x0`,
      ];
    case "cpuDown":
      return call(CPU_OFF);
    case "ipi":
      return [`li x9, ${(SGI << 24) | (1 << step.target)}`, "msr ICC_SGI1R_EL1, x9"];
    case "shutdown":
      return call(SYSTEM_OFF);
    case "reset":
      return call(SYSTEM_RESET);
    case "nop":
      return ["nop"];
    case "spin":
      return [`spin${index}: b spin${index}`];
  }
}

/** Wait with interrupts masked, and take what comes by hand: whatever it was, the timer is switched off. */
const WAIT = [
  "li x9, 0xff",
  "msr ICC_PMR_EL1, x9",
  "li x9, 1",
  "msr ICC_IGRPEN1_EL1, x9",
  "wfi",
  "mrs x9, ICC_IAR1_EL1",
  "msr CNTV_CTL_EL0, xzr",
  "msr ICC_EOIR1_EL1, x9",
];

function compile(program: GuestProgram, index: number): Uint8Array {
  return assemble(program.flatMap(lines).join("\n"), entryOf(index)).bytes;
}

/** The distributor and redistributors as firmware would leave them: group 1 on, the timer's PPI and the SGI enabled. */
function enableInterrupts({ mmio, vcpus }: ArmVm): void {
  mmio.write(GICD, 4, 2);
  for (const { vcpuId } of vcpus) {
    const redistributor = GICR + vcpuId * REDISTRIBUTOR_SIZE;
    const frame = redistributor + REDISTRIBUTOR_SIZE / 2;
    mmio.write(redistributor + 0x14, 4, 0);
    mmio.write(frame + 0x80, 4, 0xffff_ffff);
    mmio.write(frame + 0x100, 4, (1 << VIRTUAL_TIMER) | (1 << SGI));
  }
}

/** AArch64 under the conformance kit of the contracts, all code run by one tier of the engine. */
export function armAdapter(tier: Tier): ConformanceAdapter<ArmVCpu> {
  return rigAdapter<ArmVCpu>({
    arch: "aarch64",
    layout: { ram: RAM + 0x10_0000, ramSize: 0x1_0000, device: 0x1000_0000, hole: 0x2000_0000 },
    scratch: [19, 20, 21, 22],
    zeroRegister: 31,
    argRegister: 0,
    ipiVector: SGI,
    unsupported: ["failure"],
    entryOf,
    compile,
    createRig: () => createRig(undefined, tier),
    createVm(rig, entries, options) {
      const vm = createRigVm(rig as Rig, entries, { ...options, gic: 3 });
      enableInterrupts(vm);
      return vm;
    },
  });
}
