/** What a loader must know of an architecture to tell right files from wrong ones. */
export interface ImageArchitecture {
  /** Name as messages use it. */
  readonly name: string;
  /** `e_machine` of its ELF files. */
  readonly elfMachine: number;
  readonly elfBits: 32 | 64;
}

export const RISCV64: ImageArchitecture = { name: "riscv64", elfMachine: 243, elfBits: 64 };
export const RISCV32: ImageArchitecture = { name: "riscv32", elfMachine: 243, elfBits: 32 };
export const AARCH64: ImageArchitecture = { name: "aarch64", elfMachine: 183, elfBits: 64 };
export const X86_64: ImageArchitecture = { name: "x86-64", elfMachine: 62, elfBits: 64 };

/** Other machines a user is likely to hand in by mistake (gABI, e_machine). */
const OTHERS: readonly ImageArchitecture[] = [
  { name: "i386", elfMachine: 3, elfBits: 32 },
  { name: "arm", elfMachine: 40, elfBits: 32 },
  { name: "loongarch64", elfMachine: 258, elfBits: 64 },
  { name: "ppc64", elfMachine: 21, elfBits: 64 },
  { name: "s390x", elfMachine: 22, elfBits: 64 },
];

/** Name of an ELF machine, for messages. */
export function elfMachineName(machine: number, bits: 32 | 64): string {
  const known = [RISCV64, RISCV32, AARCH64, X86_64, ...OTHERS];
  const found = known.find((one) => one.elfMachine === machine && one.elfBits === bits);
  return found?.name ?? `${bits}-bit machine ${machine}`;
}
