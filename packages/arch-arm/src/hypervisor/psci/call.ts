import { entryAddress } from "@hypercraft/hypercraft";
import { affinityInfo, cpuOf } from "./affinity.js";
import {
  AffinityState,
  isPsciId,
  NO_MIGRATION,
  PSCI_VERSION,
  PsciError,
  PsciFunction,
  SMC64,
  SMC64_FUNCTIONS,
  SMCCC_VERSION,
  SmcccFunction,
} from "./constants.js";
import type { PsciHost, PsciOutcome } from "./host.js";

const IMPLEMENTED: ReadonlySet<number> = new Set([
  PsciFunction.version,
  PsciFunction.cpuSuspend,
  PsciFunction.cpuOff,
  PsciFunction.cpuOn,
  PsciFunction.affinityInfo,
  PsciFunction.migrateInfoType,
  PsciFunction.systemOff,
  PsciFunction.systemReset,
  PsciFunction.features,
  PsciFunction.systemReset2,
]);

/** A call whose arguments are cut to the width of its convention. */
interface Call {
  readonly host: PsciHost;
  readonly args: readonly bigint[];
}

/**
 * Carry out one call of PSCI or of the calling convention, or say what the VM has to do for it.
 * @param functionId W0 of the call. @param args X1 to X3 as the guest left them, whatever the call's width.
 */
export function psciCall(host: PsciHost, functionId: number, args: readonly bigint[]): PsciOutcome {
  const id = functionId >>> 0;
  if (id === SmcccFunction.version) return returned(SMCCC_VERSION);
  // No workaround of the convention's is needed here: only its own two functions are there.
  if (id === SmcccFunction.archFeatures)
    return returned(isSmcccFunction(args[0]) ? 0 : PsciError.notSupported);
  if (!isPsciId(id)) return { kind: "unknown" };
  if (!isImplemented(id)) return returned(PsciError.notSupported);
  const width = (id & SMC64) !== 0 ? 64 : 32;
  return dispatch(narrowed(id), { host, args: args.map((value) => BigInt.asUintN(width, value)) });
}

function dispatch(id: number, call: Call): PsciOutcome {
  switch (id) {
    case PsciFunction.version:
      return returned(PSCI_VERSION);
    case PsciFunction.cpuSuspend:
      return cpuSuspend(call);
    case PsciFunction.cpuOff:
      return { kind: "stopCpu" };
    case PsciFunction.cpuOn:
      return cpuOn(call);
    case PsciFunction.affinityInfo:
      return returned(affinityInfo(arg(call, 0), arg(call, 1), call.host));
    case PsciFunction.migrateInfoType:
      return returned(NO_MIGRATION);
    case PsciFunction.systemOff:
      return { kind: "shutdown", failure: false, code: 0 };
    case PsciFunction.systemReset:
      return { kind: "reset", warm: false, failure: false, code: 0 };
    case PsciFunction.systemReset2:
      return systemReset2(call);
    case PsciFunction.features:
      return returned(features(arg(call, 0)));
    default:
      return returned(PsciError.notSupported);
  }
}

function cpuOn(call: Call): PsciOutcome {
  const { host } = call;
  const cpu = cpuOf(arg(call, 0), host);
  if (cpu === undefined) return returned(PsciError.invalidParameters);
  const state = host.cpuState(cpu.vcpuId);
  if (state === AffinityState.on) return returned(PsciError.alreadyOn);
  if (state === AffinityState.onPending) return returned(PsciError.onPending);
  const entry = entryOf(call);
  if (entry === undefined) return returned(PsciError.invalidAddress);
  return { kind: "startCpu", target: cpu.vcpuId, entry, arg: arg(call, 2) };
}

/** power_state in its original format (section 5.4.2): StateType in bit 16, StateID below it. */
const POWER_DOWN = 1n << 16n;
/** Bits that must be 0, and PowerLevel: a call reaches no further than its CPU. */
const NO_POWER_STATE = 0xfffe_0000n;

/** A standby keeps all state; a power-down goes on at the entry, as a CPU that was started there. */
function cpuSuspend(call: Call): PsciOutcome {
  const powerState = BigInt.asUintN(32, arg(call, 0));
  if ((powerState & NO_POWER_STATE) !== 0n) return returned(PsciError.invalidParameters);
  if ((powerState & POWER_DOWN) === 0n) return { kind: "suspendCpu", resume: undefined };
  const entry = entryOf(call);
  if (entry === undefined) return returned(PsciError.invalidAddress);
  return { kind: "suspendCpu", resume: { entry, arg: arg(call, 2) } };
}

/** SYSTEM_WARM_RESET is the one architectural type; those with bit 31 are some vendor's. */
function systemReset2(call: Call): PsciOutcome {
  if (BigInt.asUintN(32, arg(call, 0)) !== 0n) return returned(PsciError.invalidParameters);
  return { kind: "reset", warm: true, failure: false, code: 0 };
}

/**
 * Feature flags of a function, all 0: CPU_SUSPEND takes power_state in the original format and in
 * platform-coordinated mode only.
 */
function features(functionId: bigint): number {
  const id = Number(BigInt.asUintN(32, functionId));
  return id === SmcccFunction.version || isImplemented(id) ? 0 : PsciError.notSupported;
}

function isImplemented(id: number): boolean {
  const narrow = narrowed(id);
  return IMPLEMENTED.has(narrow) && (id === narrow || SMC64_FUNCTIONS.has(narrow));
}

/** The id of the same function in the 32-bit convention. */
function narrowed(id: number): number {
  return (id & ~SMC64) >>> 0;
}

function isSmcccFunction(id: bigint | undefined): boolean {
  const wanted = Number(BigInt.asUintN(32, id ?? 0n));
  return wanted === SmcccFunction.version || wanted === SmcccFunction.archFeatures;
}

const arg = (call: Call, index: number): bigint => call.args[index] ?? 0n;

/** The entry point in the second argument, if an A64 instruction can be there. */
function entryOf(call: Call): number | undefined {
  return entryAddress(arg(call, 1), 4, (gpa, length) => call.host.isRam(gpa, length));
}

function returned(value: number): PsciOutcome {
  return { kind: "return", value: BigInt(value) };
}
