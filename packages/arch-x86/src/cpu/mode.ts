// What decides what code means besides its bytes. The engine keys code by a small number: every combination that is
// met gets the next one.

/** The modes a block is translated under. */
export interface CodeMode {
  /** Default operand and address size: CS.D, or 64-bit mode. */
  readonly bits: 16 | 32 | 64;
  /** Bytes of the stack pointer: SS.B, 8 in 64-bit mode. */
  readonly stack: 2 | 4 | 8;
  /** CS, DS, ES and SS start at 0, end at 4 GiB and may be read and written: no checks are needed. */
  readonly flat: boolean;
  /** Current privilege level. */
  readonly cpl: 0 | 1 | 2 | 3;
  /** CR0.PE. */
  readonly protectedMode: boolean;
  /** RFLAGS.VM. */
  readonly virtual8086: boolean;
  /** EFER.LMA: 64-bit or compatibility mode. */
  readonly longMode: boolean;
  /** CPL is at most IOPL: CLI and STI are allowed. */
  readonly interruptsAllowed: boolean;
  /** CR0.EM, CR0.MP and CR0.TS. */
  readonly emulated: boolean;
  readonly monitored: boolean;
  readonly taskSwitched: boolean;
  /** CR4.OSFXSR. */
  readonly sse: boolean;
  /** CR4.FSGSBASE. */
  readonly baseAccess: boolean;
  /** MXCSR.RC: 0 nearest, 1 down, 2 up, 3 to zero. */
  readonly rounding: 0 | 1 | 2 | 3;
  readonly flushToZero: boolean;
  readonly denormalsAreZero: boolean;
  /** Some SIMD floating-point exception is not masked. */
  readonly unmasked: boolean;
  /** Overflow, underflow are not. */
  readonly trapOverflow: boolean;
  readonly trapUnderflow: boolean;
}

const BITS = [16, 32, 64] as const;
const STACKS = [2, 4, 8] as const;

/** The flags of a mode in the order of their bits, from bit 8 on. */
const SWITCHES = [
  ...["flat", "protectedMode", "virtual8086", "longMode", "interruptsAllowed", "emulated", "monitored"],
  ...["taskSwitched", "sse", "baseAccess", "flushToZero", "denormalsAreZero", "unmasked"],
  ...["trapOverflow", "trapUnderflow"],
] as const satisfies readonly (keyof CodeMode)[];

/** Where a mode packed into one number has its parts: the bit of each switch, and the lowest of the others. */
export const PACKED = {
  ...{ bits: 0, stack: 2, cpl: 4, rounding: 6 },
  ...(Object.fromEntries(SWITCHES.map((name, i) => [name, 1 << (8 + i)])) as Record<
    (typeof SWITCHES)[number],
    number
  >),
} as const;

/** All of a mode in one number. */
export function packMode(mode: CodeMode): number {
  let packed = BITS.indexOf(mode.bits) | (STACKS.indexOf(mode.stack) << PACKED.stack);
  packed |= (mode.cpl << PACKED.cpl) | (mode.rounding << PACKED.rounding);
  for (const name of SWITCHES) if (mode[name]) packed |= PACKED[name];
  return packed;
}

function unpack(packed: number): CodeMode {
  const switches = Object.fromEntries(SWITCHES.map((name) => [name, (packed & PACKED[name]) !== 0]));
  return {
    ...(switches as Record<(typeof SWITCHES)[number], boolean>),
    bits: BITS[packed & 3] as CodeMode["bits"],
    stack: STACKS[(packed >> PACKED.stack) & 3] as CodeMode["stack"],
    cpl: ((packed >> PACKED.cpl) & 3) as CodeMode["cpl"],
    rounding: ((packed >> PACKED.rounding) & 3) as CodeMode["rounding"],
  };
}

/** The engine has twelve bits for it. */
const MAX_MODES = 4096;

/** Modes met in this process, by the number the engine knows them by; and those numbers. */
const modes: CodeMode[] = [];
const numbers = new Map<number, number>();

/** The number of a mode, 0..4095. Throws RangeError when there are more, which no guest brings about by itself. */
export const modeNumber = (mode: CodeMode): number => packedModeNumber(packMode(mode));

/** The same of a packed mode: what processors ask at every change of privilege. */
export function packedModeNumber(packed: number): number {
  const known = numbers.get(packed);
  if (known !== undefined) return known;
  if (modes.length === MAX_MODES) throw new RangeError("more than 4096 modes of code");
  numbers.set(packed, modes.length);
  return modes.push(unpack(packed)) - 1;
}

/** The mode with a number that `modeNumber` gave. */
export function modeOf(number: number): CodeMode {
  return modes[number] as CodeMode;
}

/** 64-bit user code with everything allowed and masked: what a program of an operating system runs in. */
export const USER_64: CodeMode = {
  bits: 64,
  stack: 8,
  flat: true,
  cpl: 3,
  protectedMode: true,
  virtual8086: false,
  longMode: true,
  interruptsAllowed: false,
  emulated: false,
  monitored: true,
  taskSwitched: false,
  sse: true,
  baseAccess: false,
  rounding: 0,
  flushToZero: false,
  denormalsAreZero: false,
  unmasked: false,
  trapOverflow: false,
  trapUnderflow: false,
};

/** The same of a 32-bit system. */
export const USER_32: CodeMode = { ...USER_64, bits: 32, stack: 4, longMode: false };

// A builder that has met no mode yet knows number 0.
modeNumber(USER_64);
