import type { Tier } from "@hypercraft/engine";
import type { ConformanceAdapter, GuestOp, GuestProgram } from "@hypercraft/hypercraft/testing";
import { rigAdapter } from "@hypercraft/hypercraft/testing/rig";
import type { X86GuestVCpu } from "../../hypervisor/guest-vcpu.js";
import { le, wrmsr } from "../code-bytes.js";
import { CODE, createRig, createRigVm, type Rig, TABLES, type X86Vm } from "./rig.js";

// The conformance kit's programs as 64-bit code, and the hosts they run on.

/** R12 to R15, and RBX for addresses. */
const SCRATCH = [12, 13, 14, 15] as const;
const RBX = 3;
const PROGRAM_BYTES = 0x1_0000;
const entryOf = (program: number): number => CODE + program * PROGRAM_BYTES;

/** Tables of the programs: a GDT with 64-bit code and with data, an IDT whose vectors all lead to one handler. */
const GDT = 0x4000;
const IDT = 0x5000;
const HANDLER = 0x6000;
const POINTERS = 0x6100;
const STACK = 0x8000;
const CODE_SELECTOR = 8;
const DATA_SELECTOR = 16;

/** Vectors of the timer, and of the kit's interrupts. */
const TIMER = 0x40;
const IPI = 0x50;

const wide = (value: bigint): number[] => [...le(Number(value & 0xffff_ffffn)), ...le(Number(value >> 32n))];

/** REX with W, R and B, and ModRM of a register and [rbx]. */
const rex = (reg: number, base: number): number => 0x48 | (reg >> 3 ? 4 : 0) | (base >> 3 ? 1 : 0);
const atRbx = (reg: number): number => ((reg & 7) << 3) | RBX;
const movImmediate = (reg: number, value: bigint): number[] => [
  rex(0, reg),
  0xb8 | (reg & 7),
  ...wide(value),
];
const movRegister = (to: number, from: number): number[] => [
  rex(from, to),
  0x89,
  0xc0 | ((from & 7) << 3) | (to & 7),
];
/** `mov dx, port; mov al, value; out dx, ax`. */
const out = (port: number, value: number): number[] => [
  ...[0x66, 0xba, ...le(port, 2), 0xb8, ...le(value), 0x66, 0xef],
];

/** Opcodes behind REX.W that load and extend to 64 bits. */
const LOADS = {
  1: { false: [0x0f, 0xb6], true: [0x0f, 0xbe] },
  2: { false: [0x0f, 0xb7], true: [0x0f, 0xbf] },
  4: { false: [0x8b], true: [0x63] },
  8: { false: [0x8b], true: [0x8b] },
} as const;

function load(reg: number, width: 1 | 2 | 4 | 8, signed: boolean): number[] {
  // MOV of 32 bits clears the upper half by itself.
  const prefix = width === 4 && !signed ? rex(reg, 0) & ~8 : rex(reg, 0);
  return [prefix, ...LOADS[width][`${signed}`], atRbx(reg)];
}

function store(reg: number, width: 1 | 2 | 4 | 8): number[] {
  const narrow = rex(reg, 0) & ~8;
  if (width === 1) return [narrow, 0x88, atRbx(reg)];
  return [...(width === 2 ? [0x66] : []), width === 8 ? rex(reg, 0) : narrow, 0x89, atRbx(reg)];
}

/** Registers of a hypercall's arguments: RDI, RSI, RDX. */
const ARGUMENTS = [7, 6, 2] as const;

function bytes(step: GuestOp): number[] {
  switch (step.op) {
    case "set":
      return movImmediate(SCRATCH[step.reg], step.value);
    case "add": {
      const reg = SCRATCH[step.reg];
      return [rex(0, reg), 0x81, 0xc0 | (reg & 7), ...le(step.value)];
    }
    case "load":
      return [
        ...movImmediate(RBX, BigInt(step.address)),
        ...load(SCRATCH[step.reg], step.width, step.signed),
      ];
    case "store":
      return [...movImmediate(RBX, BigInt(step.address)), ...store(SCRATCH[step.reg], step.width)];
    case "hypercall":
      return [
        ...step.args.flatMap((value, i) => movImmediate(ARGUMENTS[i]!, value)),
        ...[0xb8, ...le(step.nr), 0x0f, 0x01, 0xc1],
        ...movRegister(SCRATCH[step.result], 0),
      ];
    case "wait":
      // sti; hlt; cli
      return [0xfb, 0xf4, 0xfa];
    case "setTimer":
      // One-shot, undivided: a count each nanosecond, and one more for the one that has begun.
      return [
        ...wrmsr(0x832, TIMER),
        ...wrmsr(0x83e, 0b1011),
        ...(step.delayNs < 2 ** 32 ? wrmsr(0x838, step.delayNs + 1) : divided(step.delayNs)),
      ];
    case "shutdown":
      return out(0x604, 0x2000);
    case "reset":
      return out(0xcf9, 6);
    case "nop":
      return [0x90];
    case "spin":
      return [0xeb, 0xfe];
    default:
      throw new Error(`${step.op} is nothing that x86 asks a hypervisor for`);
  }
}

/** A count for each 128 ns. */
const divided = (delayNs: number): number[] => [
  ...wrmsr(0x83e, 0b1010),
  ...wrmsr(0x838, Math.ceil(delayNs / 128) + 1),
];

/** From 32-bit protected mode to 64-bit mode with interrupts by a local APIC in x2APIC mode. `at`: where it is. */
function prologue(at: number): number[] {
  const code = [
    ...[0x0f, 0x01, 0x15, ...le(POINTERS), 0x0f, 0x01, 0x1d, ...le(POINTERS + 8)],
    ...[0xb8, ...le(0x20), 0x0f, 0x22, 0xe0],
    ...[0xb8, ...le(TABLES), 0x0f, 0x22, 0xd8],
    ...wrmsr(0xc000_0080, 0x100),
    ...[0xb8, ...le(0x8000_0011), 0x0f, 0x22, 0xc0],
  ];
  code.push(0xea, ...le(at + code.length + 7), CODE_SELECTOR, 0);
  const enable = [...wrmsr(0x1b, 0xfee0_0d00), ...wrmsr(0x80f, 0x1ff)];
  return [...code, 0xbc, ...le(STACK), ...enable];
}

function compile(program: GuestProgram, index: number): Uint8Array {
  return Uint8Array.from([...prologue(entryOf(index)), ...program.flatMap(bytes)]);
}

/** What the programs find in RAM besides page tables. */
function writeTables({ memory }: X86Vm): void {
  memory?.writeU64(GDT + CODE_SELECTOR, 0x00af_9b00_0000_ffffn);
  memory?.writeU64(GDT + DATA_SELECTOR, 0x00cf_9300_0000_ffffn);
  for (let vector = 0; vector < 256; vector++)
    memory?.writeU64(IDT + 16 * vector, 0x0000_8e00_0000_0000n | BigInt((CODE_SELECTOR << 16) | HANDLER));
  // The end of the interrupt, and IRETQ.
  memory?.write(HANDLER, Uint8Array.from([...wrmsr(0x80b, 0), 0x48, 0xcf]));
  for (const [i, base] of [GDT, IDT].entries())
    memory?.write(POINTERS + 8 * i, Uint8Array.from([0xff, 0x0f, ...le(base)]));
}

/** x86-64 under the conformance kit of the contracts, all code run by one tier of the engine. */
export function x86Adapter(tier: Tier): ConformanceAdapter<X86GuestVCpu> {
  return rigAdapter<X86GuestVCpu>({
    arch: "x86_64",
    layout: { ram: CODE + 0x10_0000, ramSize: 0x1_0000, device: 0x1000_0000, hole: 0x2000_0000 },
    scratch: SCRATCH,
    ipiVector: IPI,
    shutdownExit: "portWrite",
    // Processors start others by messages of their local APICs, which are not the hypervisor's to answer.
    unsupported: ["cpuUp", "cpuDown", "ipi", "failure"],
    entryOf,
    compile,
    createRig: () => createRig(undefined, tier),
    createVm(rig, entries, options) {
      const vm = createRigVm(rig as Rig, entries, options);
      writeTables(vm);
      return vm;
    },
  });
}
