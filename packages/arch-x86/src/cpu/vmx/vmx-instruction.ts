/** The instructions of VMX by the number that the lifter passes. */
export const VmxInstruction = {
  vmcall: 0,
  vmclear: 1,
  vmlaunch: 2,
  vmptrld: 3,
  vmptrst: 4,
  vmread: 5,
  vmresume: 6,
  vmwrite: 7,
  vmxoff: 8,
  vmxon: 9,
  invept: 10,
  invvpid: 11,
  vmfunc: 12,
} as const;
export type VmxInstruction = (typeof VmxInstruction)[keyof typeof VmxInstruction];

/** In what is passed above the instruction's number: ModRM.rm is the register in the bits below. */
export const REGISTER_FORM = 16;
/** Where that begins. */
export const OPERANDS_SHIFT = 4;
