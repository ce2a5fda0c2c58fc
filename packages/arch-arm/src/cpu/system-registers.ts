import { type Field, Status } from "@hypercraft/engine";
import { HCR } from "./control-bits.js";
import { EL2 } from "./fields.js";
import type { ArmPe } from "./pe.js";
import { Ec, ISS_ALWAYS } from "./syndrome.js";
import { crnOf, genericName, op0Of, op1Of } from "./system-register.js";

/** What the rules say about an access, beside the level that the number names. */
export const Rule = { allowed: 0, trapEl1: 1, trapEl2: 2, undefined: 3, fpTrap: 4 } as const;
export type Rule = (typeof Rule)[keyof typeof Rule];

/** A register's rule for accesses below EL2; called for those that the number allows. */
export type Check = (read: boolean) => Rule;

/** One system register. Values go through the table's `lo` and `hi`, so that nothing is allocated. */
export interface SystemRegister {
  readonly number: number;
  readonly name: string;
  /** Put the value into the table's `lo`, `hi`; undefined: write-only. */
  readonly read: (() => void) | undefined;
  /** Undefined: read-only. */
  readonly write: ((lo: number, hi: number) => void) | undefined;
  /** Lowest level that may write, where it is not the lowest that may read. */
  readonly writeLevel?: number;
  readonly check?: Check;
  /** It is part of floating point, and trapped with it, at EL2 too. */
  readonly floatingPoint?: true;
}

export type Definition = Omit<SystemRegister, "number" | "name">;

/** The lowest exception level that may use a register, by op1. */
const LEVELS = [1, 1, 1, 0, 2, 4, 4, 4] as const;

/** All system registers of a PE by number; others are UNDEFINED. */
export class SystemRegisters {
  lo = 0;
  hi = 0;
  private readonly pe: ArmPe;
  private readonly registers = new Map<number, SystemRegister>();
  private readonly names = new Map<string, SystemRegister>();

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  // --- Definition ----------------------------------------------------------------------------

  define(number: number, name: string, definition: Definition): void {
    if (this.registers.has(number)) throw new Error(`${name} is defined twice`);
    const register = { number, name, ...definition };
    this.registers.set(number, register);
    this.names.set(name, register);
  }

  /** Storage: writable bits of both halves, bits that are always set, and what a change leads to. */
  storage(
    number: number,
    name: string,
    field: Field,
    options: {
      readonly maskLo?: number;
      readonly maskHi?: number;
      readonly ones?: number;
      readonly check?: Check;
      readonly changed?: () => void;
    } = {},
  ): void {
    const { core } = this.pe;
    const { maskLo = -1, maskHi = -1, ones = 0, check, changed } = options;
    this.define(number, name, {
      read: () => this.set(core.lo(field), core.hi(field)),
      write: (lo, hi) => {
        core.set(field, (lo & maskLo) | ones, hi & maskHi);
        changed?.();
      },
      ...(check === undefined ? {} : { check }),
    });
  }

  constant(number: number, name: string, lo: number, check?: Check): void {
    this.define(number, name, {
      read: () => this.set(lo, 0),
      write: undefined,
      ...(check === undefined ? {} : { check }),
    });
  }

  set(lo: number, hi: number): void {
    this.lo = lo;
    this.hi = hi;
  }

  // --- Access by the guest -------------------------------------------------------------------

  read(number: number): Status {
    const register = this.registers.get(number);
    if (register?.read === undefined)
      return this.missing(number, true) ?? this.pe.interruptController.read(number);
    const refused = this.refused(register, true);
    if (refused !== Rule.allowed) return this.refuse(refused, number, true);
    register.read();
    this.pe.core.setResult(this.lo, this.hi);
    return Status.next;
  }

  write(number: number, lo: number, hi: number): Status {
    const register = this.registers.get(number);
    if (register?.write === undefined)
      return this.missing(number, false) ?? this.pe.interruptController.write(number, lo, hi);
    const refused = this.refused(register, false);
    if (refused !== Rule.allowed) return this.refuse(refused, number, false);
    register.write(lo, hi);
    return Status.next;
  }

  /** HCR_EL2.TIDCP traps what is left to implementations (CRn 11 and 15) before it is UNDEFINED. */
  private missing(number: number, read: boolean): Status | undefined {
    const { core, el } = this.pe;
    const crn = crnOf(number);
    if (el !== 1 || op0Of(number) !== 3 || (crn !== 11 && crn !== 15)) return undefined;
    if ((core.lo(EL2.hcr) & HCR.TIDCP) === 0) return undefined;
    return this.refuse(Rule.trapEl2, number, read);
  }

  private refused(register: SystemRegister, read: boolean): Rule {
    const { el } = this.pe;
    const { number, writeLevel } = register;
    // Debug registers at op1 = 0 are EL1's like the others.
    const level = LEVELS[op1Of(number)] as number;
    if (el < (read ? level : (writeLevel ?? level))) return Rule.undefined;
    if (register.floatingPoint && this.pe.modeBits.fpTrap() !== 0) return Rule.fpTrap;
    return el < 2 && register.check !== undefined ? register.check(read) : Rule.allowed;
  }

  /** The exception of a refused access. */
  refuse(rule: Rule, number: number, read: boolean): Status {
    const { exceptions } = this.pe;
    if (rule === Rule.undefined) return exceptions.undefined();
    if (rule === Rule.fpTrap)
      return exceptions.raise(this.pe.modeBits.fpTrap() as 1 | 2, Ec.fpAccess, ISS_ALWAYS);
    return exceptions.systemAccess(rule === Rule.trapEl1 ? 1 : 2, number, read);
  }

  // --- For a hypervisor or a debugger --------------------------------------------------------

  /** The register of a name or number, whatever the level. Throws a RangeError if there is none. */
  find(which: string | number): SystemRegister {
    const found = typeof which === "number" ? this.registers.get(which) : this.names.get(which);
    if (found !== undefined) return found;
    const name = typeof which === "number" ? `${genericName(which)} (op0 ${op0Of(which)})` : which;
    throw new RangeError(`no system register ${name}`);
  }

  get all(): Iterable<SystemRegister> {
    return this.registers.values();
  }
}
