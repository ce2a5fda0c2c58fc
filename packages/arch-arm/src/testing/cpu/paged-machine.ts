import { X } from "../../cpu/state.js";
import { assemble } from "../vm/assembler.js";
import { BareMachine, type BareMachineOptions, type BarePe, RAM } from "./bare-machine.js";

/** Where the program is at EL1: its upper half is all of RAM, as it lies at `RAM`, for EL1 alone. */
const UPPER = 0xffff_ff80_0000_0000n;

// Offsets in RAM: the program, its vectors, the upper half's table and those of address spaces.
const VECTORS = 0x2000;
const UPPER_TABLE = 0x1_0000;
const SPACES = 0x2_0000;
const SPACE_BYTES = 0x4000;

export const LEAF = {
  valid: 3n,
  block: 1n,
  user: 1n << 6n,
  readOnly: 1n << 7n,
  device: 1n << 2n,
  af: 1n << 10n,
  notGlobal: 1n << 11n,
} as const;
const NORMAL = LEAF.af | (3n << 8n);

/** What ended a run: the program's WFI, or an exception to EL1. */
export type Ended = "wfi" | { readonly syndrome: bigint; readonly address: bigint; readonly from: bigint };

/**
 * PEs at EL1 with the MMU on: 39 bits of addresses, pages of 4 KiB, Normal memory as attribute 0 and Device-nGnRnE as 1.
 * Programs are short ones by name; each ends with WFI.
 */
export class PagedMachine {
  readonly machine: BareMachine;
  private readonly labels: ReadonlyMap<string, number>;

  constructor(programs: Readonly<Record<string, string>>, options: BareMachineOptions = {}) {
    const source = Object.entries(programs).map(([name, text]) => `${name}:\n${text}\nwfi`);
    const { bytes, labels } = assemble(source.join("\n"), RAM);
    if (bytes.length > VECTORS) throw new RangeError("too many programs");
    this.labels = labels;
    const wfi = new Uint32Array(0x800 / 4).fill(0xd503207f);
    const words = new Uint32Array(bytes.buffer.slice(0, bytes.length & ~3));
    this.machine = new BareMachine({ 0: words, [VECTORS]: wfi }, { ramBytes: 4 << 20, ...options });
    // A GiB from RAM on as one block.
    this.machine.write(UPPER_TABLE + 8, BigInt(RAM) | NORMAL | LEAF.block);
    for (const { pe } of this.machine.pes) {
      const registers: Readonly<Record<string, bigint>> = {
        MAIR_EL1: 0x00ffn,
        // 39 bits in both halves, 4 KiB, 44 bits out, 16 bits of ASID.
        TCR_EL1: 25n | (25n << 16n) | (2n << 30n) | (4n << 32n) | (1n << 36n),
        TTBR1_EL1: BigInt(RAM + UPPER_TABLE),
        VBAR_EL1: UPPER + BigInt(RAM + VECTORS),
      };
      for (const [name, value] of Object.entries(registers)) pe.writeSystem(name, value);
      this.space(pe, 0, 1);
      pe.writeSystem("SCTLR_EL1", 1n | (1n << 16n) | (1n << 18n) | (1n << 23n));
      pe.setLevel(1, 1);
    }
  }

  pe(index = 0): BarePe {
    return this.machine.pes[index] as BarePe;
  }

  /** Give a PE the address space of a number, with an ASID. */
  space(pe: BarePe["pe"], which: number, asid: number): void {
    pe.writeSystem("TTBR0_EL1", BigInt(RAM + SPACES + which * SPACE_BYTES) | (BigInt(asid) << 48n));
  }

  /** Where the descriptor of an address below 1 GiB is: of a page, or of 2 MiB. Tables on the way are made. */
  entry(which: number, address: number, level: 2 | 3 = 3): number {
    const first = SPACES + which * SPACE_BYTES;
    this.machine.write(first, BigInt(RAM + first + 0x1000) | LEAF.valid);
    const second = first + 0x1000 + (address >>> 21) * 8;
    if (level === 2) return second;
    const table = first + 0x2000 + ((address >>> 21) & 1) * 0x1000;
    this.machine.write(second, BigInt(RAM + table) | LEAF.valid);
    return table + ((address >>> 12) & 511) * 8;
  }

  /** Map a page to an offset in RAM. */
  map(which: number, address: number, offset: number, attributes = 0n): void {
    this.machine.write(this.entry(which, address), BigInt(RAM + offset) | NORMAL | attributes | LEAF.valid);
  }

  /** Map 2 MiB. */
  mapBlock(which: number, address: number, offset: number, attributes = 0n): void {
    this.machine.write(
      this.entry(which, address, 2),
      BigInt(RAM + offset) | NORMAL | attributes | LEAF.block,
    );
  }

  /** Address of a program, or of a label in one, in the upper half. */
  address(label: string): bigint {
    return UPPER + BigInt(this.labels.get(label) as number);
  }

  /** Run a program with x0 and perhaps x1 at the level the PE has. */
  run(program: string, x0: bigint, x1?: bigint, index = 0): Ended {
    const { core, pe } = this.pe(index);
    const level = pe.el;
    core.setBig(X[0]!, x0);
    if (x1 !== undefined) core.setBig(X[1]!, x1);
    const at = level === 2 ? this.address(program) - UPPER : this.address(program);
    core.setPc(Number(BigInt.asIntN(32, at)), Number(BigInt.asIntN(32, at >> 32n)));
    const end = core.run(10_000);
    if (end !== "exit") throw new Error(`${program} ended by ${end}`);
    const [from, vectors] = [core.big(pe.layout.pc), UPPER + BigInt(RAM + VECTORS)];
    if (from < vectors || from > vectors + 0x800n) return "wfi";
    const ended = {
      syndrome: pe.readSystem("ESR_EL1"),
      address: pe.readSystem("FAR_EL1"),
      from: pe.readSystem("ELR_EL1"),
    };
    pe.setLevel(level, 1);
    return ended;
  }

  x(register: number, index = 0): bigint {
    return this.pe(index).core.big(X[register]!);
  }
}
