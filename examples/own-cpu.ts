// An instruction set of one's own on the engine: four registers and four instructions of four bytes,
// `operation | register << 8 | signed immediate << 16`.
import {
  Access,
  type CodeSource,
  type Core,
  Engine,
  type GuestCpu,
  type IrBuilder,
  StateLayout,
  Status,
  Translated,
  type Translation,
} from "@hypercraft/engine";

const layout = new StateLayout();
const registers = layout.array("r", "i64", 4);
const ADDI = 0; // r += immediate
const SUM = 1; // r0 += r
const BNEZ = 2; // branch if r is not zero
const HALT = 3;

class TinyCpu implements GuestCpu {
  readonly layout = layout;
  readonly core: Core;
  constructor(core: Core) {
    this.core = core;
  }

  /** What an instruction means, said once: all else follows from the operations emitted here. */
  lift(b: IrBuilder, code: CodeSource, offset: number): number {
    const word = code.u16(offset);
    const immediate = (code.u16(offset + 2) << 16) >> 16;
    const [r0, r] = [registers[0]!, registers[(word >> 8) & 3]!];
    const operation = word & 0xff;
    if (operation === ADDI) b.set(r, b.i64.add(b.get(r), b.i64.const(immediate)));
    else if (operation === SUM) b.set(r0, b.i64.add(b.get(r0), b.get(r)));
    else if (operation === BNEZ) {
      b.branch(b.i64.ne(b.get(r), b.i64.const(0)), offset + immediate, offset + 4);
    } else {
      b.call(HALT, 0);
      b.dispatch(offset + 4);
    }
    return 4;
  }

  /** Addresses are physical ones, and all pages are the guest's. */
  translate(_access: Access, lo: number, _hi: number, _size: number, out: Translation): Translated {
    Object.assign(out, {
      physical: lo >>> 0,
      readable: true,
      writable: true,
      cacheable: true,
      pageShift: 12,
    });
    return Translated.ok;
  }
  translateFetch(lo: number, hi: number, out: Translation): Translated {
    return this.translate(Access.fetch, lo, hi, 4, out);
  }
  /** HALT, the only helper here, ends the run. */
  helper(): Status {
    this.core.exit = "halted";
    this.core.setPc(this.core.pcLo() + 4, 0);
    return Status.exit;
  }

  codeMode = () => 0;
  takeInterrupt = () => false;
  // No instruction of this CPU loads or stores.
  misaligned = () => Status.next;
  physicalAccess = () => Status.next;
}

const MIB = 1 << 20;
const memory = new WebAssembly.Memory({ initial: 272, maximum: 272 }); // 17 MiB
const engine = new Engine({
  memory,
  arena: { offset: 0, size: 16 * MIB }, // the engine's; guest RAM follows
  ram: { ramOffset: (physical) => (physical < MIB ? 16 * MIB + physical : -1) },
});
const core = engine.createCore();
core.attach(new TinyCpu(core));

const insn = (operation: number, register = 0, immediate = 0) =>
  operation | (register << 8) | (immediate << 16);
const program = [insn(SUM, 1), insn(ADDI, 1, -1), insn(BNEZ, 1, -8), insn(HALT)];
new Int32Array(memory.buffer, 16 * MIB).set(program);
core.setBig(registers[1]!, 1_000_000n);
core.setPc(0, 0);
console.log(core.run(1_000), core.instructions(), core.big(registers[1]!)); // exact: 333 rounds and one instruction
console.log(core.run(10_000_000), core.instructions(), core.big(registers[0]!));
