import { MDCR } from "../control-bits.js";
import { EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { CYCLE_COUNTER, EVENT, EVENT_COUNTERS, eventCounters, PMCR, PMU } from "../pmu.js";
import { system } from "../state.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";

const PMUSERENR_EL0 = system("PMUSERENR_EL0");
const USER = { EN: 1, SW: 2, CR: 4, ER: 8 } as const;
const PMSELR_EL0 = system("PMSELR_EL0");
/** E, D, X, DP; P and C act, N is fixed, and so is LC, as there is no AArch32. */
const PMCR_MASK = 0x39;
const PMCR_LC = 1 << 6;
const FILTER_MASK = 0xc800_0000 | 0;
const TYPE_MASK = FILTER_MASK | 0x3ff;
const EVENTS = (1 << EVENT.swIncr) | (1 << EVENT.instRetired) | (1 << EVENT.cpuCycles) | (1 << EVENT.chain);

type Access = { readonly read?: () => void; readonly write?: (lo: number, hi: number) => void };

/** The performance monitors' registers and who may use them. */
export function definePmu(pe: ArmPe): void {
  const { core, registers, pmu } = pe;
  const el0 = (crm: number, op2: number): number => registerNumber(3, 3, 9, crm, op2);

  /** EL0 needs PMUSERENR_EL0.EN, or for what `also` gives another bit; EL2 may trap all, or one bit more of it. */
  const rights =
    (also: (read: boolean) => number = () => 0, trap = 0): Check =>
    (read) => {
      if (pe.el === 0 && (core.lo(PMUSERENR_EL0) & (USER.EN | also(read))) === 0) return Rule.trapEl1;
      return (core.lo(EL2.mdcr) & (MDCR.TPM | trap)) !== 0 ? Rule.trapEl2 : Rule.allowed;
    };
  const usual = rights();
  const events = rights((read) => (read ? USER.ER : 0));

  /** Accesses see counters as they are now, and what they change counts from now on. */
  const define = (number: number, name: string, check: Check, { read, write }: Access): void =>
    registers.define(number, name, {
      read:
        read &&
        (() => {
          pmu.sync();
          read();
        }),
      write:
        write &&
        ((lo, hi) => {
          pmu.sync();
          write(lo, hi);
          pmu.changed();
        }),
      check,
    });

  define(el0(12, 0), "PMCR_EL0", rights(undefined, MDCR.TPMCR), {
    read: () => {
      const count = pe.el === 2 ? EVENT_COUNTERS : pmu.firstOfEl2;
      registers.set(core.lo(PMU.control) | PMCR_LC | (count << PMCR.N_SHIFT), 0);
    },
    write: (lo) => {
      core.set(PMU.control, lo & PMCR_MASK, 0);
      if ((lo & PMCR.C) !== 0) core.set(PMU.cycles, 0, 0);
      if ((lo & PMCR.P) === 0) return;
      for (let n = 0; n < EVENT_COUNTERS; n++)
        if ((pmu.visible & (1 << n)) !== 0) core.set(eventCounters[n]!.value, 0, 0);
    },
  });

  /** A bit for each counter, written by two registers. */
  const bits = (set: number, clear: number, name: string, field: typeof PMU.enabled, check: Check): void => {
    const read = (): void => registers.set(core.lo(field) & pmu.visible, 0);
    const [setName, clearName] = [`${name}SET`, `${name}CLR`];
    const level = name === "PMINTEN" ? "_EL1" : "_EL0";
    define(set, setName + level, check, {
      read,
      write: (lo) => core.set(field, core.lo(field) | (lo & pmu.visible), 0),
    });
    define(clear, clearName + level, check, {
      read,
      write: (lo) => core.set(field, core.lo(field) & ~(lo & pmu.visible), 0),
    });
  };
  bits(el0(12, 1), el0(12, 2), "PMCNTEN", PMU.enabled, usual);
  bits(el0(14, 3), el0(12, 3), "PMOVS", PMU.overflowed, usual);
  const el1 = (op2: number): number => registerNumber(3, 0, 9, 14, op2);
  bits(el1(1), el1(2), "PMINTEN", PMU.interrupting, usual);

  registers.define(el0(12, 4), "PMSWINC_EL0", {
    read: undefined,
    write: (lo) => pmu.increment(lo & pmu.visible),
    check: rights(() => USER.SW),
  });
  const selected = (): number => core.lo(PMSELR_EL0) & 31;
  registers.storage(el0(12, 5), "PMSELR_EL0", PMSELR_EL0, {
    maskLo: 31,
    maskHi: 0,
    check: rights(() => USER.ER),
  });
  registers.constant(el0(12, 6), "PMCEID0_EL0", EVENTS, usual);
  registers.constant(el0(12, 7), "PMCEID1_EL0", 0, usual);
  define(
    el0(13, 0),
    "PMCCNTR_EL0",
    rights((read) => (read ? USER.CR : 0)),
    {
      read: () => registers.set(core.lo(PMU.cycles), core.hi(PMU.cycles)),
      write: (lo, hi) => core.set(PMU.cycles, lo, hi),
    },
  );
  registers.define(el0(14, 0), "PMUSERENR_EL0", {
    read: () => registers.set(core.lo(PMUSERENR_EL0), 0),
    write: (lo) => core.set(PMUSERENR_EL0, lo & 15, 0),
    writeLevel: 1,
    check: () => ((core.lo(EL2.mdcr) & MDCR.TPM) !== 0 ? Rule.trapEl2 : Rule.allowed),
  });

  /** A counter that EL1 does not see reads as zero. */
  const readCounter = (n: number): void => {
    const seen = n < EVENT_COUNTERS && (pmu.visible & (1 << n)) !== 0;
    registers.set(seen ? core.lo(eventCounters[n]!.value) : 0, 0);
  };
  const writeCounter = (n: number, lo: number): void => {
    if (n < EVENT_COUNTERS && (pmu.visible & (1 << n)) !== 0) core.set(eventCounters[n]!.value, lo, 0);
  };
  const typeOf = (n: number): typeof PMU.enabled | undefined => {
    if (n === CYCLE_COUNTER) return PMU.cycleFilter;
    return n < EVENT_COUNTERS && (pmu.visible & (1 << n)) !== 0 ? eventCounters[n]!.type : undefined;
  };
  const readType = (n: number): void => {
    const field = typeOf(n);
    registers.set(field === undefined ? 0 : core.lo(field), 0);
  };
  const writeType = (n: number, lo: number): void => {
    const field = typeOf(n);
    if (field !== undefined) core.set(field, lo & (n === CYCLE_COUNTER ? FILTER_MASK : TYPE_MASK), 0);
  };
  define(el0(13, 1), "PMXEVTYPER_EL0", usual, {
    read: () => readType(selected()),
    write: (lo) => writeType(selected(), lo),
  });
  define(el0(13, 2), "PMXEVCNTR_EL0", events, {
    read: () => readCounter(selected()),
    write: (lo) => writeCounter(selected(), lo),
  });
  for (let n = 0; n < EVENT_COUNTERS; n++) {
    define(registerNumber(3, 3, 14, 8 + (n >> 3), n & 7), `PMEVCNTR${n}_EL0`, events, {
      read: () => readCounter(n),
      write: (lo) => writeCounter(n, lo),
    });
    define(registerNumber(3, 3, 14, 12 + (n >> 3), n & 7), `PMEVTYPER${n}_EL0`, usual, {
      read: () => readType(n),
      write: (lo) => writeType(n, lo),
    });
  }
  define(registerNumber(3, 3, 14, 15, 7), "PMCCFILTR_EL0", usual, {
    read: () => readType(CYCLE_COUNTER),
    write: (lo) => writeType(CYCLE_COUNTER, lo),
  });
}
