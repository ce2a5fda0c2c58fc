import type { Field } from "@hypercraft/engine";
import { Cause } from "./causes.js";
import type { RiscvHart } from "./hart.js";

/** One CSR. Values go through the table's `lo` and `hi`, so that nothing is allocated. */
export interface Csr {
  readonly number: number;
  readonly name: string;
  /** Put the value into the table's `lo`, `hi`. */
  readonly read: () => void;
  /** Bits 31..0 and 63..32 of the value written. */
  readonly write: (lo: number, hi: number) => void;
  /** The value that csrrs and csrrc modify, where it is not the one they read (mip). */
  readonly readForModify?: () => void;
  /** Cause of the exception that an access raises beyond what the number says; 0 for none. */
  readonly refuse?: () => number;
  /** V=1, access refused for its privilege: would HS-mode be refused too (with mstatus.TVM = 0)? */
  readonly refuseInHs?: () => boolean;
}

/** What the definitions of CSRs leave out. */
export type CsrDefinition = Omit<Csr, "number" | "name">;

const READ_ONLY = 3;
const nothing = (): void => {};

/**
 * All CSRs of a hart by number, as M-mode and HS-mode see them, and the VS CSRs that take the place of
 * supervisor ones when V=1 (hypervisor chapter, "Hypervisor and Virtual Supervisor CSRs").
 */
export class CsrTable {
  lo = 0;
  hi = 0;
  private readonly hart: RiscvHart;
  private readonly csrs: (Csr | undefined)[] = new Array(4096).fill(undefined);
  private readonly substitutes: (Csr | undefined)[] = new Array(4096).fill(undefined);
  private readonly numbers = new Map<string, number>();

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  // --- Definition ----------------------------------------------------------------------------

  define(number: number, name: string, definition: CsrDefinition): void {
    if (this.csrs[number] !== undefined) throw new Error(`CSR 0x${number.toString(16)} is defined twice`);
    this.csrs[number] = { number, name, ...definition };
    this.numbers.set(name, number);
  }

  /** A CSR that is a field of the state; `maskLo`, `maskHi` are the writable bits, the others read zero. */
  plain(number: number, name: string, field: Field, maskLo = -1, maskHi = -1): void {
    this.define(number, name, this.ofField(field, maskLo, maskHi));
  }

  ofField(field: Field, maskLo: number, maskHi: number): CsrDefinition {
    const { core } = this.hart;
    return {
      read: () => {
        this.lo = core.lo(field);
        this.hi = core.hi(field);
      },
      write: (lo, hi) => core.set(field, lo & maskLo, hi & maskHi),
    };
  }

  /** A CSR that reads the same for ever and ignores writes. */
  constant(number: number, name: string, lo = 0, hi = 0): void {
    this.define(number, name, {
      read: () => {
        this.lo = lo;
        this.hi = hi;
      },
      write: nothing,
    });
  }

  /** A CSR of 32 bits or less. */
  narrow(number: number, name: string, read: () => number, write: (lo: number) => void = nothing): void {
    this.define(number, name, this.ofNarrow(read, write));
  }

  ofNarrow(read: () => number, write: (lo: number) => void): CsrDefinition {
    return {
      read: () => {
        this.lo = read();
        this.hi = 0;
      },
      write,
    };
  }

  /** When V=1, accesses to the supervisor CSR go to the VS CSR; `refuse` replaces the supervisor CSR's. */
  substitute(supervisor: number, virtual: number, refuse?: () => number): void {
    const csr = this.csrs[virtual];
    if (csr === undefined) throw new Error(`VS CSR 0x${virtual.toString(16)} is not defined`);
    const { number, name, read, write } = csr;
    this.substitutes[supervisor] = refuse === undefined ? { number, name, read, write } : { ...csr, refuse };
  }

  // --- Access --------------------------------------------------------------------------------

  /** Cause of the exception that an access by the current mode raises: 0, 2 or 22. */
  refused(number: number, write: boolean): number {
    const csr = this.csrs[number];
    if (csr === undefined) return Cause.illegalInstruction;
    if (write && number >>> 10 === READ_ONLY) return Cause.illegalInstruction;
    const { priv, v } = this.hart;
    const needs = (number >>> 8) & 3;
    if (priv === 3) return csr.refuse === undefined ? 0 : csr.refuse();
    if (needs === 3) return Cause.illegalInstruction;
    if (v === 0) {
      if (needs !== 0 && priv === 0) return Cause.illegalInstruction;
      return csr.refuse === undefined ? 0 : csr.refuse();
    }
    if (needs === 2 || (needs === 1 && priv === 0)) {
      // HS-qualified: it is the guest that may not.
      return csr.refuseInHs?.() ? Cause.illegalInstruction : Cause.virtualInstruction;
    }
    const seen = this.substitutes[number] ?? csr;
    return seen.refuse === undefined ? 0 : seen.refuse();
  }

  /** The CSR behind a number in the current mode; undefined if there is none. */
  find(number: number): Csr | undefined {
    return (this.hart.v !== 0 ? this.substitutes[number] : undefined) ?? this.csrs[number];
  }

  /** The CSR of a number, whatever the mode. */
  byNumber(number: number): Csr | undefined {
    return this.csrs[number];
  }

  /** The CSR of a name ("mstatus"), whatever the mode. */
  byName(name: string): Csr | undefined {
    const number = this.numbers.get(name);
    return number === undefined ? undefined : this.csrs[number];
  }

  /** Every CSR the hart has, by ascending number. */
  get all(): readonly Csr[] {
    return this.csrs.filter((csr) => csr !== undefined);
  }
}
