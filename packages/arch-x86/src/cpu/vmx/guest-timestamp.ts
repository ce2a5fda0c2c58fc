import type { X86Cpu } from "../cpu.js";
import { Primary, Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import type { Vmcs } from "./vmcs.js";

/** Bits of the TSC multiplier behind the binary point. */
const FRACTION = 48n;

/** The time-stamp counter as a guest sees it: SDM volume 3, 26.3 and 26.6.5. */
export function guestTimestamp(cpu: X86Cpu, vmcs: Vmcs): bigint {
  const { timestamp } = cpu.msrs;
  if ((vmcs.processorControls & Primary.tscOffsetting) === 0) return timestamp;
  const scaled = cpu.vmx.hasSecondary(Secondary.tscScaling)
    ? (timestamp * vmcs.read(F.TSC_MULTIPLIER)) >> FRACTION
    : timestamp;
  return BigInt.asUintN(64, scaled + vmcs.read(F.TSC_OFFSET));
}
