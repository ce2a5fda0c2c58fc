// A machine with a device of one's own, and a guest of eight instructions that uses it.
import { riscvInstructions, X_NAMES } from "@hypercraft/arch-riscv";
import { DeterministicClock, type FdtContext, mmioNode } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";

/** Reading gives the square of what was written last. */
class Squarer {
  #value = 0;
  read = (): number => this.#value ** 2;
  write(_offset: number, _width: number, value: number): void {
    this.#value = value;
  }
  fdt = (context: FdtContext) => mmioNode("squarer", ["example,squarer"], context);
}

const insn = (name: string, operands = {}) => riscvInstructions.named(name).encode(operands);
const x = (name: string) => X_NAMES.indexOf(name);
const [t0, a0, a7] = [x("t0"), x("a0"), x("a7")];
const program = Uint32Array.of(
  insn("lui", { rd: t0, upper: 0x5000_0000 }),
  insn("addi", { rd: a0, imm: 9 }),
  insn("sw", { rs1: t0, rs2: a0 }), // an exit, served by the device
  insn("lw", { rd: a0, rs1: t0 }), // another: a0 = 81, which is "Q"
  insn("addi", { rd: a7, imm: 1 }), // SBI: console putchar
  insn("ecall"),
  insn("addi", { rd: a7, imm: 8 }), // SBI: shutdown
  insn("ecall"),
);
const machine = await createRiscvVirt({
  kernel: { name: "program", bytes: new Uint8Array(program.buffer) },
  console: { write: (bytes) => console.log(`guest: ${new TextDecoder().decode(bytes)}`), read: () => -1 },
  clock: new DeterministicClock(10),
  extend: (builder) => builder.device("squarer", { base: 0x5000_0000, size: 4 }, () => new Squarer()),
});
console.log(await machine.run(), machine.statistics().exits.byKind);
