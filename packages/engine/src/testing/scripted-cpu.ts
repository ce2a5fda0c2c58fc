import type { Core } from "../core/core.js";
import {
  type Access,
  type CodeSource,
  type GuestCpu,
  Status,
  Translated,
  type Translation,
} from "../core/guest-cpu.js";
import type { IrBuilder } from "../ir/builder.js";
import type { StateLayout } from "../state/layout.js";

/** What one instruction means: emits it at a page offset. */
export type Script = (b: IrBuilder, offset: number) => void;

/** The word of the instruction that ends the run. */
export const SCRIPT_HALT = 0xffff;
const HALT = 1;

/**
 * A CPU whose instructions are whatever a test writes: a word of code is the number of one in a list. Addresses are
 * physical ones; where there is no RAM, accesses go to a device that gives their address back.
 */
export class ScriptedCpu implements GuestCpu {
  readonly layout: StateLayout;
  readonly core: Core;
  /** Accesses of devices: kind, address, size, value. */
  readonly accesses: [Access, number, number, bigint][] = [];
  /** Virtual addresses of misaligned accesses: the run ended there. */
  readonly misalignments: number[] = [];
  /** Their virtual addresses. */
  readonly addresses: number[] = [];
  devicesInPieces = false;
  private readonly scripts: readonly Script[];

  constructor(core: Core, layout: StateLayout, scripts: readonly Script[]) {
    this.core = core;
    this.layout = layout;
    this.scripts = scripts;
  }

  codeMode = () => 0;
  takeInterrupt = () => false;

  lift(b: IrBuilder, source: CodeSource, offset: number): number {
    const script = this.scripts[source.u16(offset)];
    if (script !== undefined) {
      script(b, offset);
    } else {
      b.call(HALT, 0);
      b.dispatch(offset + 4);
    }
    return 4;
  }

  translate(_access: Access, lo: number, _hi: number, _size: number, out: Translation): Translated {
    out.physical = lo >>> 0;
    out.readable = out.writable = out.cacheable = true;
    out.pageShift = 12;
    return Translated.ok;
  }
  translateFetch(lo: number, hi: number, out: Translation): Translated {
    return this.translate(3, lo, hi, 4, out);
  }

  misaligned(_access: Access, lo: number): Status {
    this.misalignments.push(lo >>> 0);
    return this.halt();
  }

  physicalAccess(
    access: Access,
    physical: number,
    size: number,
    lo: number,
    hi: number,
    vaLo: number,
  ): Status {
    this.addresses.push(vaLo);
    this.accesses.push([access, physical, size, (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)]);
    this.core.setAnswer(physical, ~physical);
    return Status.next;
  }

  helper(): Status {
    return this.halt();
  }

  private halt(): Status {
    this.core.exit = "halt";
    this.core.setPc(this.core.pcLo() + 4, this.core.pcHi());
    return Status.exit;
  }
}
