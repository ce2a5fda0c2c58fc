import { Exit, Pin, Primary, Secondary } from "../controls.js";
import { type EntryView, isPhysical, type Rule } from "../entry-view.js";
import { VmcsField as F } from "../fields.js";

// Checks of the controls of APIC virtualization at a VM entry: SDM volume 3, 27.2.1.1.

const PAGE = 4096n;
const DESCRIPTOR = 64n;

const shadowed = (v: EntryView): boolean => v.hasPrimary(Primary.tprShadow);
const delivering = (v: EntryView): boolean => v.hasSecondary(Secondary.virtualInterruptDelivery);

export const APIC_RULES: readonly Rule[] = [
  ["virtual-APIC address", (v) => !shadowed(v) || isPhysical(v.big(F.VIRTUAL_APIC_ADDRESS), PAGE)],
  ["TPR threshold", (v) => !shadowed(v) || delivering(v) || v.get(F.TPR_THRESHOLD) >>> 4 === 0],
  [
    "virtual APIC without TPR shadow",
    (v) =>
      shadowed(v) ||
      !(
        v.hasSecondary(Secondary.virtualizeX2apicMode) ||
        v.hasSecondary(Secondary.apicRegisterVirtualization) ||
        delivering(v)
      ),
  ],
  [
    "APIC-access address",
    (v) =>
      !v.hasSecondary(Secondary.virtualizeApicAccesses) || isPhysical(v.big(F.APIC_ACCESS_ADDRESS), PAGE),
  ],
  [
    "virtual x2APIC mode beside APIC accesses",
    (v) =>
      !v.hasSecondary(Secondary.virtualizeX2apicMode) || !v.hasSecondary(Secondary.virtualizeApicAccesses),
  ],
  [
    "virtual-interrupt delivery without external-interrupt exiting",
    (v) => !delivering(v) || v.hasPin(Pin.externalInterruptExiting),
  ],
  [
    "posted interrupts",
    (v) =>
      !v.hasPin(Pin.postedInterrupts) ||
      (delivering(v) &&
        v.hasExit(Exit.acknowledgeInterrupt) &&
        v.get(F.POSTED_INTERRUPT_VECTOR) < 256 &&
        isPhysical(v.big(F.POSTED_INTERRUPT_DESCRIPTOR), DESCRIPTOR)),
  ],
];
