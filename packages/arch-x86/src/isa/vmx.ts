import { Helper } from "../cpu/helper-ids.js";
import { OPERANDS_SHIFT, REGISTER_FORM, VmxInstruction } from "../cpu/vmx/vmx-instruction.js";
import type { X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// The instructions of VMX: SDM volume 3, chapter 31. Their work is the CPU model's.

const insn = x86("VMX");

type Lift = (b: X86Builder) => void;

const plain =
  (instruction: VmxInstruction): Lift =>
  (b) => {
    b.ir.call(Helper.vmxCheck, instruction);
    b.callAndDispatch(Helper.vmx, instruction);
  };

/** An operand in memory; `write`: it is stored to. What there is to check comes before its segment is. */
const pointing =
  (instruction: VmxInstruction, write = false): Lift =>
  (b) => {
    b.ir.call(Helper.vmxCheck, instruction);
    b.callAndDispatch(Helper.vmx, instruction, b.address(0, write));
  };

/** INVEPT and INVVPID: a type, and a descriptor in memory. */
const invalidating =
  (instruction: VmxInstruction): Lift =>
  (b) => {
    b.ir.call(Helper.vmxCheck, instruction);
    b.callAndDispatch(Helper.vmx, instruction, b.raw(0), b.address(1));
  };

/** VMREAD and VMWRITE: a register or memory, and the field's number. */
const accessing =
  (instruction: VmxInstruction, rm: 0 | 1): Lift =>
  (b) => {
    const writes = rm === 0;
    b.ir.call(Helper.vmxCheck, instruction);
    const field = b.raw(1 - rm);
    if (b.isMemory(rm)) return b.callAndDispatch(Helper.vmx, instruction, b.address(rm, writes), field);
    const operands = REGISTER_FORM | b.register(rm);
    b.callAndDispatch(Helper.vmx, instruction | (operands << OPERANDS_SHIFT), b.raw(rm), field);
  };

const LONG = { in64: "only", size64: "f64" } as const;
const LEGACY = { in64: "not" } as const;
const { vmread, vmwrite } = VmxInstruction;

export const vmx: readonly X86Declaration<X86Builder>[] = [
  insn("vmcall", "0F 01 C1", plain(VmxInstruction.vmcall)),
  insn("vmlaunch", "0F 01 C2", plain(VmxInstruction.vmlaunch)),
  insn("vmresume", "0F 01 C3", plain(VmxInstruction.vmresume)),
  insn("vmfunc", "NP 0F 01 D4", plain(VmxInstruction.vmfunc)),
  insn("vmxoff", "0F 01 C4", plain(VmxInstruction.vmxoff)),
  insn("vmptrld Mq", "NP 0F C7 /6", pointing(VmxInstruction.vmptrld)),
  insn("vmclear Mq", "66 0F C7 /6", pointing(VmxInstruction.vmclear)),
  insn("vmxon Mq", "F3 0F C7 /6", pointing(VmxInstruction.vmxon)),
  insn("vmptrst Mq", "NP 0F C7 /7", pointing(VmxInstruction.vmptrst, true)),
  insn("vmread Eq, Gq", "NP 0F 78 /r", accessing(vmread, 0), LONG),
  insn("vmread Ed, Gd", "NP 0F 78 /r", accessing(vmread, 0), LEGACY),
  insn("vmwrite Gq, Eq", "NP 0F 79 /r", accessing(vmwrite, 1), LONG),
  insn("vmwrite Gd, Ed", "NP 0F 79 /r", accessing(vmwrite, 1), LEGACY),
  insn("invept Gq, Mdq", "66 0F 38 80 /r", invalidating(VmxInstruction.invept)),
  insn("invvpid Gq, Mdq", "66 0F 38 81 /r", invalidating(VmxInstruction.invvpid)),
];
