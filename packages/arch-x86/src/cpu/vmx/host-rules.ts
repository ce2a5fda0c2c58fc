import { isCanonical } from "../canonical.js";
import { CR4 as CR4_BIT, EFER as EFER_BIT } from "../control-bits.js";
import { PHYSICAL_BITS } from "../paging-entry.js";
import { Exit } from "./controls.js";
import { canonical, type EntryView, isPat, type Rule } from "./entry-view.js";
import { VmcsField as F } from "./fields.js";
import { cr0Fits, cr4Fits } from "./fixed-bits.js";

// Checks of the host state at a VM entry: SDM volume 3, 27.2.2 to 27.2.4.

const SELECTORS = [
  F.HOST_ES_SELECTOR,
  F.HOST_CS_SELECTOR,
  F.HOST_SS_SELECTOR,
  F.HOST_DS_SELECTOR,
  F.HOST_FS_SELECTOR,
  F.HOST_GS_SELECTOR,
  F.HOST_TR_SELECTOR,
];
export const EFER_KNOWN = BigInt(EFER_BIT.SCE | EFER_BIT.LME | EFER_BIT.LMA | EFER_BIT.NXE);
const isWide = (v: EntryView): boolean => v.hasExit(Exit.hostAddressSpaceSize);

function eferFits(v: EntryView): boolean {
  if (!v.hasExit(Exit.loadEfer)) return true;
  const efer = v.big(F.HOST_EFER);
  const long = BigInt(EFER_BIT.LME | EFER_BIT.LMA);
  return (efer & ~EFER_KNOWN) === 0n && (efer & long) === (isWide(v) ? long : 0n);
}

export const HOST_RULES: readonly Rule[] = [
  ["CR0", (v) => cr0Fits(v.get(F.HOST_CR0) | 0, false) && v.big(F.HOST_CR0) >> 32n === 0n],
  ["CR4", (v) => cr4Fits(v.get(F.HOST_CR4) | 0) && v.big(F.HOST_CR4) >> 32n === 0n],
  ["CR3", (v) => v.big(F.HOST_CR3) >> BigInt(PHYSICAL_BITS) === 0n],
  ["IA32_SYSENTER_ESP and EIP", canonical(F.HOST_SYSENTER_ESP, F.HOST_SYSENTER_EIP)],
  ["IA32_PAT", (v) => !v.hasExit(Exit.loadPat) || isPat(v.big(F.HOST_PAT))],
  ["IA32_EFER", eferFits],
  ["TI and RPL of selectors", (v) => SELECTORS.every((field) => (v.get(field) & 7) === 0)],
  ["CS selector", (v) => v.get(F.HOST_CS_SELECTOR) !== 0],
  ["TR selector", (v) => v.get(F.HOST_TR_SELECTOR) !== 0],
  ["SS selector", (v) => isWide(v) || v.get(F.HOST_SS_SELECTOR) !== 0],
  ["bases", canonical(F.HOST_FS_BASE, F.HOST_GS_BASE, F.HOST_GDTR_BASE, F.HOST_IDTR_BASE, F.HOST_TR_BASE)],
  ["host address-space size", (v) => isWide(v) === v.longMode],
  ["IA-32e mode guest of a 32-bit host", (v) => v.longMode || !v.ia32e],
  ["CR4.PCIDE of a 32-bit host", (v) => isWide(v) || (v.get(F.HOST_CR4) & CR4_BIT.PCIDE) === 0],
  ["CR4.PAE of a 64-bit host", (v) => !isWide(v) || (v.get(F.HOST_CR4) & CR4_BIT.PAE) !== 0],
  ["RIP", (v) => (isWide(v) ? isCanonical(v.big(F.HOST_RIP)) : v.big(F.HOST_RIP) >> 32n === 0n)],
];
