// What of a comparison depends on the architecture.

export interface BenchArchitecture {
  /** As our command line has it. */
  readonly name: string;
  /** Name of the benchmark program's build in guests/. */
  readonly program: string;
  /** The pulled guest that it runs in. */
  readonly guest: string;
  /** QEMU's command, and its board that ours is made after. */
  readonly qemu: string;
  readonly board: readonly string[];
  /** Whether a kernel in bare mode needs firmware. */
  readonly needsFirmware: boolean;
}

export const ARCHITECTURES: readonly BenchArchitecture[] = [
  {
    name: "riscv64",
    program: "riscv64",
    guest: "debian-riscv64",
    qemu: "qemu-system-riscv64",
    board: ["-M", "virt"],
    needsFirmware: true,
  },
  {
    name: "arm64",
    program: "aarch64",
    guest: "debian-arm64",
    qemu: "qemu-system-aarch64",
    board: ["-M", "virt", "-cpu", "cortex-a53"],
    needsFirmware: false,
  },
  {
    name: "x86-64",
    program: "x86_64",
    guest: "debian-amd64",
    qemu: "qemu-system-x86_64",
    board: ["-M", "q35", "-cpu", "max"],
    needsFirmware: false,
  },
];
