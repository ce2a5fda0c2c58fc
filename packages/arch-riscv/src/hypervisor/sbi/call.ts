import { entryAddress } from "@hypercraft/hypercraft";
import {
  Eid,
  HsmState,
  IMPLEMENTATION_ID,
  IMPLEMENTATION_VERSION,
  SbiError,
  SPEC_VERSION,
} from "./constants.js";
import { debugConsole } from "./debug-console.js";
import { selectHarts } from "./hart-mask.js";
import type { RemoteFence, SbiCall, SbiHost, SbiOutcome } from "./host.js";
import { legacyCall } from "./legacy.js";
import { failure, low32, success } from "./result.js";

const EXTENSIONS = new Set<number>(Object.values(Eid));

/** Carry out one SBI call, or say what the VM has to do for it. */
export function sbiCall(call: SbiCall, host: SbiHost): SbiOutcome {
  const { eid } = call;
  if (eid >= 0 && eid <= Eid.legacyShutdown) return legacyCall(call, host);
  switch (eid) {
    case Eid.base:
      return base(call, host);
    case Eid.time:
      return time(call, host);
    case Eid.ipi:
      return ipi(call, host);
    case Eid.rfence:
      return rfence(call, host);
    case Eid.hsm:
      return hartStateManagement(call, host);
    case Eid.srst:
      return systemReset(call);
    case Eid.dbcn:
      return debugConsole(call, host);
    default:
      return { kind: "unknown" };
  }
}

const arg = (call: SbiCall, index: number): bigint => call.args[index] ?? 0n;

function base(call: SbiCall, host: SbiHost): SbiOutcome {
  switch (call.fid) {
    case 0:
      return success(BigInt(SPEC_VERSION));
    case 1:
      return success(BigInt(IMPLEMENTATION_ID));
    case 2:
      return success(BigInt(IMPLEMENTATION_VERSION));
    case 3:
      return success(EXTENSIONS.has(low32(arg(call, 0))) ? 1n : 0n);
    case 4:
      return success(host.mvendorid);
    case 5:
      return success(host.marchid);
    case 6:
      return success(host.mimpid);
    default:
      return failure(SbiError.notSupported);
  }
}

function time(call: SbiCall, host: SbiHost): SbiOutcome {
  if (call.fid !== 0) return failure(SbiError.notSupported);
  const value = arg(call, 0);
  host.setTimer(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  return success();
}

function ipi(call: SbiCall, host: SbiHost): SbiOutcome {
  if (call.fid !== 0) return failure(SbiError.notSupported);
  const targets = selectHarts(arg(call, 0), arg(call, 1), host.hartIds);
  if (targets === undefined) return failure(SbiError.invalidParam);
  return { kind: "ipi", targets, legacy: false };
}

function rfence(call: SbiCall, host: SbiHost): SbiOutcome {
  const fence = remoteFence(call);
  if (fence === undefined) return failure(SbiError.notSupported);
  const targets = selectHarts(arg(call, 0), arg(call, 1), host.hartIds);
  if (targets === undefined) return failure(SbiError.invalidParam);
  host.fence(targets, fence);
  return success();
}

/** The hypervisor fences (FIDs 3 to 6) are for harts that have the H extension; a guest in VS-mode has none. */
function remoteFence(call: SbiCall): RemoteFence | undefined {
  const [start, size] = [arg(call, 2), arg(call, 3)];
  switch (call.fid) {
    case 0:
      return { kind: "fenceI" };
    case 1:
      return { kind: "sfenceVma", start, size, asid: undefined };
    case 2:
      return { kind: "sfenceVma", start, size, asid: Number(arg(call, 4) & 0xffffn) };
    default:
      return undefined;
  }
}

/** Non-retentive suspend types have bit 31 set; the platform-specific ones are none of ours. */
const SUSPEND_RETENTIVE = 0;
const SUSPEND_NON_RETENTIVE = 0x8000_0000 | 0;

function hartStateManagement(call: SbiCall, host: SbiHost): SbiOutcome {
  switch (call.fid) {
    case 0:
      return startHart(call, host);
    case 1:
      return { kind: "stopCpu" };
    case 2: {
      const hartId = hartOf(call, host);
      if (hartId === undefined) return failure(SbiError.invalidParam);
      return success(BigInt(host.hartState(hartId)));
    }
    case 3:
      return suspendHart(call, host);
    default:
      return failure(SbiError.notSupported);
  }
}

function startHart(call: SbiCall, host: SbiHost): SbiOutcome {
  const hartId = hartOf(call, host);
  if (hartId === undefined) return failure(SbiError.invalidParam);
  if (host.hartState(hartId) !== HsmState.stopped) return failure(SbiError.alreadyAvailable);
  const entry = entryOf(call, host);
  if (entry === undefined) return failure(SbiError.invalidAddress);
  return { kind: "startCpu", target: hartId, entry, arg: arg(call, 2) };
}

function suspendHart(call: SbiCall, host: SbiHost): SbiOutcome {
  const type = low32(arg(call, 0));
  if (type === SUSPEND_RETENTIVE) return { kind: "suspendCpu", resume: undefined };
  if (type !== SUSPEND_NON_RETENTIVE) return failure(SbiError.invalidParam);
  const entry = entryOf(call, host);
  if (entry === undefined) return failure(SbiError.invalidAddress);
  return { kind: "suspendCpu", resume: { entry, arg: arg(call, 2) } };
}

/** The hart that a0 names, if there is one. */
function hartOf(call: SbiCall, host: SbiHost): number | undefined {
  const wanted = arg(call, 0);
  return host.hartIds.find((id) => BigInt(id) === wanted);
}

/** The address in a1 if a hart may start there. */
function entryOf(call: SbiCall, host: SbiHost): number | undefined {
  return entryAddress(arg(call, 1), 2, (gpa, length) => host.isRam(gpa, length));
}

function systemReset(call: SbiCall): SbiOutcome {
  if (call.fid !== 0) return failure(SbiError.notSupported);
  const [type, reason] = [low32(arg(call, 0)) >>> 0, low32(arg(call, 1)) >>> 0];
  // Shutdown, cold and warm reboot; no reason, or system failure. The others are reserved, or some platform's.
  if (type > 2 || reason > 1) return failure(SbiError.invalidParam);
  const failed = reason !== 0;
  if (type === 0) return { kind: "shutdown", failure: failed, code: reason };
  return { kind: "reset", warm: type === 2, failure: failed, code: reason };
}
