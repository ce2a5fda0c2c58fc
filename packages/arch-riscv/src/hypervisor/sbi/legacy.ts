import { Eid } from "./constants.js";
import { selectHarts } from "./hart-mask.js";
import type { RemoteFence, SbiCall, SbiHost, SbiOutcome } from "./host.js";

// Chapter 5: the calls of version 0.1. Their results are in a0 alone; a1 keeps its value.

const DONE: SbiOutcome = { kind: "legacy", value: 0n };
const FAILED: SbiOutcome = { kind: "legacy", value: -1n };

export function legacyCall(call: SbiCall, host: SbiHost): SbiOutcome {
  const a0 = call.args[0] ?? 0n;
  switch (call.eid) {
    case Eid.legacySetTimer:
      host.setTimer(Number(BigInt.asIntN(32, a0)), Number(BigInt.asIntN(32, a0 >> 32n)));
      return DONE;
    case Eid.legacyConsolePutchar:
      host.consoleWrite(Uint8Array.of(Number(a0 & 0xffn)));
      return DONE;
    case Eid.legacyConsoleGetchar:
      return { kind: "legacy", value: BigInt(host.consoleRead()) };
    case Eid.legacyClearIpi:
      return { kind: "legacy", value: host.clearSoftwareInterrupt() ? 1n : 0n };
    case Eid.legacySendIpi: {
      const targets = maskAt(a0, host);
      return targets === undefined ? FAILED : { kind: "ipi", targets, legacy: true };
    }
    case Eid.legacyRemoteFenceI:
      return fence(a0, { kind: "fenceI" }, host);
    case Eid.legacyRemoteSfenceVma:
      return fence(a0, sfence(call, undefined), host);
    case Eid.legacyRemoteSfenceVmaAsid:
      return fence(a0, sfence(call, Number((call.args[3] ?? 0n) & 0xffffn)), host);
    default:
      return { kind: "shutdown", failure: false, code: 0 };
  }
}

function sfence(call: SbiCall, asid: number | undefined): RemoteFence {
  return { kind: "sfenceVma", start: call.args[1] ?? 0n, size: call.args[2] ?? 0n, asid };
}

function fence(maskAddress: bigint, what: RemoteFence, host: SbiHost): SbiOutcome {
  const targets = maskAt(maskAddress, host);
  if (targets === undefined) return FAILED;
  host.fence(targets, what);
  return DONE;
}

/** The hart mask lies in guest memory, at a virtual address; a null pointer means every hart. */
function maskAt(address: bigint, host: SbiHost): readonly number[] | undefined {
  if (address === 0n) return host.hartIds;
  const mask = host.readVirtual(address);
  return mask === undefined ? undefined : selectHarts(mask, 0n, host.hartIds);
}
