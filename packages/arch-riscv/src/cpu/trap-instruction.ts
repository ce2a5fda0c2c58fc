// Transformed instructions for mtinst and htinst (hypervisor chapter, "Transformed Instruction or
// Pseudoinstruction for mtinst or htinst").

const ADDRESS_OFFSET = 0x1f << 15;
const LOAD = 0x03;
const LOAD_FP = 0x07;
const STORE = 0x23;
const STORE_FP = 0x27;
const AMO = 0x2f;
const SYSTEM = 0x73;

/**
 * The transformed form of a load, store, AMO or virtual-machine access, compressed ones too, with the
 * distance of the faulting address from that of the access (0..7); 0 for every other instruction.
 */
export function transformInstruction(bits: number, addressOffset: number): number {
  if ((bits & 3) !== 3) {
    const expanded = expandAccess(bits & 0xffff);
    return expanded === 0 ? 0 : transformInstruction(expanded, addressOffset) & ~2;
  }
  const offset = (addressOffset & 0x1f) << 15;
  switch (bits & 0x7f) {
    case LOAD:
    case LOAD_FP:
      return (bits & 0x7fff) | offset;
    case STORE:
    case STORE_FP:
      return (bits & 0x01f0_707f) | offset;
    case AMO:
      return (bits & ~ADDRESS_OFFSET) | offset;
    case SYSTEM:
      return ((bits >>> 12) & 7) === 4 ? (bits & ~ADDRESS_OFFSET) | offset : 0;
    default:
      return 0;
  }
}

/** Number of the register that holds the base address of an access, and the immediate added to it. */
export function accessBase(bits: number): { readonly register: number; readonly immediate: number } {
  const full = (bits & 3) === 3 ? bits : expandAccess(bits & 0xffff);
  const register = (full >>> 15) & 31;
  switch (full & 0x7f) {
    case LOAD:
    case LOAD_FP:
      return { register, immediate: full >> 20 };
    case STORE:
    case STORE_FP:
      return { register, immediate: ((full >> 25) << 5) | ((full >>> 7) & 31) };
    default:
      return { register, immediate: 0 };
  }
}

const load = (opcode: number, size: number, rd: number, rs1: number, immediate: number): number =>
  (immediate << 20) | (rs1 << 15) | (size << 12) | (rd << 7) | opcode;
const store = (opcode: number, size: number, rs2: number, rs1: number, immediate: number): number =>
  ((immediate >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (size << 12) | ((immediate & 31) << 7) | opcode;

const field = (bits: number, at: number, width: number): number => (bits >>> at) & ((1 << width) - 1);

/** The 32-bit equivalent of a compressed load or store of RV64C; 0 for any other compressed instruction. */
export function expandAccess(c: number): number {
  const quadrant = c & 3;
  const funct3 = c >>> 13;
  const [W, D, SP] = [2, 3, 2];
  if (quadrant === 0) {
    const rs1 = field(c, 7, 3) + 8;
    const reg = field(c, 2, 3) + 8;
    const word = (field(c, 10, 3) << 3) | (field(c, 6, 1) << 2) | (field(c, 5, 1) << 6);
    const double = (field(c, 10, 3) << 3) | (field(c, 5, 2) << 6);
    if (funct3 === 1) return load(LOAD_FP, D, reg, rs1, double);
    if (funct3 === 2) return load(LOAD, W, reg, rs1, word);
    if (funct3 === 3) return load(LOAD, D, reg, rs1, double);
    if (funct3 === 5) return store(STORE_FP, D, reg, rs1, double);
    if (funct3 === 6) return store(STORE, W, reg, rs1, word);
    if (funct3 === 7) return store(STORE, D, reg, rs1, double);
  }
  if (quadrant === 2) {
    const rd = field(c, 7, 5);
    const rs2 = field(c, 2, 5);
    const loadWord = (field(c, 12, 1) << 5) | (field(c, 4, 3) << 2) | (field(c, 2, 2) << 6);
    const loadDouble = (field(c, 12, 1) << 5) | (field(c, 5, 2) << 3) | (field(c, 2, 3) << 6);
    const storeWord = (field(c, 9, 4) << 2) | (field(c, 7, 2) << 6);
    const storeDouble = (field(c, 10, 3) << 3) | (field(c, 7, 3) << 6);
    if (funct3 === 1) return load(LOAD_FP, D, rd, SP, loadDouble);
    if (funct3 === 2) return load(LOAD, W, rd, SP, loadWord);
    if (funct3 === 3) return load(LOAD, D, rd, SP, loadDouble);
    if (funct3 === 5) return store(STORE_FP, D, rs2, SP, storeDouble);
    if (funct3 === 6) return store(STORE, W, rs2, SP, storeWord);
    if (funct3 === 7) return store(STORE, D, rs2, SP, storeDouble);
  }
  return 0;
}
