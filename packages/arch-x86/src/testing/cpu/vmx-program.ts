import { Gpr } from "../../cpu/state.js";
import { VmcsField as F } from "../../cpu/vmx/fields.js";
import type { OperandChoices } from "../../isa/encode.js";
import { assemble } from "../user-program.js";
import { type Changes, GUEST_CODE, HOST_ENTRY, validVmcs } from "./vmx-guest.js";
import { CODE, VMCS_REGION, VMXON_REGION, type VmxRig } from "./vmx-rig.js";

// A hypervisor of a few instructions that sets up all of VMX by itself and lets a guest run, exit by exit.

/** Where the reasons of the exits are written to, 8 bytes each. */
export const EXIT_LOG = 0x40_0000;
const FIELDS = 0x31_0000;
const POINTERS = 0x32_0000;
const POWER = 0x604;
const FEATURE_CONTROL = 0x3a;
const LOCKED_WITH_VMX = 5;
const VMXE = 0x2000;
const NE = 0x20;
const JZ = "j 4";
const JNZ = "j 5";
const { rax, rcx, rdx, rbx, rsi, rdi } = Gpr;
/** The hypervisor's own: the guest leaves them alone. */
const [LENGTH, IP, FIELD, LOG, LEFT] = [9, 10, 11, 12, 13];

/** Instructions in a row. */
class Code {
  readonly bytes: number[] = [];

  add(name: string, choices: OperandChoices = {}): this {
    this.bytes.push(...assemble(name, choices));
    return this;
  }

  constant(register: number, value: number): this {
    return this.add("mov Ev, Iz", { operandSize: 8, rm: register, immediates: [value] });
  }

  /** A jump to where there were `to` bytes. */
  jump(name: string, to: number): this {
    const size = assemble(name).length;
    return this.add(name, { immediates: [to - this.bytes.length - size] });
  }

  setBits(control: number, bits: number): this {
    return this.add("mov Rq, C", { reg: control, rm: rax })
      .add("or Ev, Iz", { operandSize: 8, rm: rax, immediates: [bits] })
      .add("mov C, Rq", { reg: control, rm: rax });
  }

  field(register: number, field: number): this {
    return this.constant(FIELD, field).add("vmread Eq, Gq", { rm: register, reg: FIELD });
  }
}

/** From 64-bit mode to the guest's first instruction. */
function setUp(fields: number, exits: number): number[] {
  const code = new Code()
    .setBits(4, VMXE)
    .setBits(0, NE)
    .constant(rcx, FEATURE_CONTROL)
    .constant(rax, LOCKED_WITH_VMX)
    .constant(rdx, 0)
    .add("wrmsr")
    .constant(rbx, POINTERS)
    .add("vmxon Mq", { rm: { base: rbx } })
    .add("vmclear Mq", { rm: { base: rbx, displacement: 8 } })
    .add("vmptrld Mq", { rm: { base: rbx, displacement: 8 } })
    .constant(rsi, FIELDS)
    .constant(rdi, fields);
  const next = code.bytes.length;
  return code
    .add("mov Gv, Ev", { operandSize: 8, reg: rcx, rm: { base: rsi } })
    .add("vmwrite Gq, Eq", { reg: rcx, rm: { base: rsi, displacement: 8 } })
    .add("add Ev, Iz", { operandSize: 8, rm: rsi, immediates: [16] })
    .add("dec Ev", { operandSize: 8, rm: rdi })
    .jump(JNZ, next)
    .constant(LOG, EXIT_LOG)
    .constant(LEFT, exits)
    .add("vmlaunch").bytes;
}

/** Log the exit and go on behind the instruction; after the last one turn the machine off. */
function handler(): { readonly code: number[]; readonly entry: number } {
  const code = new Code().constant(rdx, POWER).add("out dx, zAX");
  const entry = code.bytes.length;
  code
    .constant(FIELD, F.EXIT_REASON)
    .add("vmread Eq, Gq", { rm: { base: LOG }, reg: FIELD })
    .add("add Ev, Iz", { operandSize: 8, rm: LOG, immediates: [8] })
    .add("dec Ev", { operandSize: 8, rm: LEFT })
    .jump(JZ, 0)
    .field(LENGTH, F.EXIT_INSTRUCTION_LENGTH)
    .field(IP, F.GUEST_RIP)
    .add("add Gv, Ev", { operandSize: 8, reg: IP, rm: LENGTH })
    .add("vmwrite Gq, Eq", { reg: FIELD, rm: IP })
    .add("vmresume");
  return { code: code.bytes, entry };
}

/** Put the hypervisor and its guest in memory, and the processor at the hypervisor's first instruction. */
export function loadHypervisor(
  rig: VmxRig,
  guest: readonly number[],
  exits: number,
  changes: Changes = {},
): void {
  const { code, entry } = handler();
  const fields = new Map<number, number | bigint>([
    ...validVmcs(),
    [F.HOST_RIP, HOST_ENTRY + entry],
    ...Object.entries(changes).map(([field, value]) => [Number(field), value] as const),
  ]);
  for (const [i, [field, value]] of [...fields].entries()) {
    rig.write64(FIELDS + 16 * i, BigInt(field));
    rig.write64(FIELDS + 16 * i + 8, BigInt(value));
  }
  rig.write64(POINTERS, BigInt(VMXON_REGION));
  rig.write64(POINTERS + 8, BigInt(VMCS_REGION));
  rig.ram.set(setUp(fields.size, exits), CODE);
  rig.ram.set(code, HOST_ENTRY);
  rig.ram.set(guest, GUEST_CODE);
  rig.core.setPc(CODE, 0);
}
