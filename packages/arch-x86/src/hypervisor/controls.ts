import { HyperError } from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import { Entry, Exit, Pin, Primary, Secondary } from "../cpu/vmx/controls.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";

// What this hypervisor asks of VMX, and how it is fitted to what the capability MSRs allow: SDM volume 3, A.3 to A.5.

interface Wanted {
  readonly field: number;
  /** The capability MSR that tells of it: the "true" one where there are two. */
  readonly msr: number;
  readonly name: string;
  /** All names of the field's controls, and those that are wanted. */
  readonly all: Readonly<Record<string, number>>;
  readonly on: readonly string[];
}

/** Interrupts are the host's, as are HLT, CR8, all ports and most MSRs; of the rest the guest has its own. */
const WANTED: readonly Wanted[] = [
  {
    field: F.PIN_CONTROLS,
    msr: 0x48d,
    name: "pin-based VM-execution",
    all: Pin,
    on: ["externalInterruptExiting", "nmiExiting", "virtualNmis"],
  },
  {
    field: F.PROCESSOR_CONTROLS,
    msr: 0x48e,
    name: "primary processor-based VM-execution",
    all: Primary,
    on: [
      "tscOffsetting",
      "hltExiting",
      "cr8LoadExiting",
      "cr8StoreExiting",
      "mwaitExiting",
      "monitorExiting",
      "unconditionalIoExiting",
      "msrBitmaps",
      "secondaryControls",
    ],
  },
  {
    field: F.SECONDARY_CONTROLS,
    msr: 0x48b,
    name: "secondary processor-based VM-execution",
    all: Secondary,
    on: ["ept", "rdtscp", "vpid", "unrestrictedGuest", "invpcid"],
  },
  {
    field: F.EXIT_CONTROLS,
    msr: 0x48f,
    name: "VM-exit",
    all: Exit,
    on: [
      "saveDebugControls",
      "hostAddressSpaceSize",
      "acknowledgeInterrupt",
      "savePat",
      "loadPat",
      "saveEfer",
      "loadEfer",
    ],
  },
  {
    field: F.ENTRY_CONTROLS,
    msr: 0x490,
    name: "VM-entry",
    all: Entry,
    on: ["loadDebugControls", "loadPat", "loadEfer"],
  },
];

/** A control field: what is wanted and what has to be. Throws NotSupported naming controls that there are not. */
export function adjustControls(
  capability: bigint,
  { name, all, on }: Pick<Wanted, "name" | "all" | "on">,
): number {
  const must = Number(capability & 0xffff_ffffn);
  const may = Number(capability >> 32n);
  const missing = on.filter((control) => (all[control]! & ~may) !== 0);
  if (missing.length > 0)
    throw new HyperError("NotSupported", `the processor has no ${name} control for ${missing.join(", ")}`);
  return on.reduce((value, control) => value | all[control]!, must);
}

/** All control fields with their values. Throws NotSupported. */
export function controlFields(cpu: X86Cpu): (readonly [field: number, value: bigint])[] {
  return WANTED.map((wanted) => {
    const value = adjustControls(cpu.msrs.read(wanted.msr), wanted);
    return [wanted.field, BigInt(value >>> 0)] as const;
  });
}
