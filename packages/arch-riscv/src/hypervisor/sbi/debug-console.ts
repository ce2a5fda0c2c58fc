import { SbiError } from "./constants.js";
import type { SbiCall, SbiHost, SbiOutcome } from "./host.js";
import { failure, success } from "./result.js";

// Chapter 12: the debug console. It may handle fewer bytes than asked, and says how many.

const MAX_BYTES = 4096;

export function debugConsole(call: SbiCall, host: SbiHost): SbiOutcome {
  switch (call.fid) {
    case 0: {
      const range = memoryOf(call, host);
      if (range === undefined) return failure(SbiError.invalidParam);
      host.consoleWrite(host.readMemory(range.gpa, range.length));
      return success(BigInt(range.length));
    }
    case 1: {
      const range = memoryOf(call, host);
      if (range === undefined) return failure(SbiError.invalidParam);
      const bytes: number[] = [];
      while (bytes.length < range.length) {
        const byte = host.consoleRead();
        if (byte < 0) break;
        bytes.push(byte);
      }
      if (bytes.length > 0) host.writeMemory(range.gpa, Uint8Array.from(bytes));
      return success(BigInt(bytes.length));
    }
    case 2:
      host.consoleWrite(Uint8Array.of(Number((call.args[0] ?? 0n) & 0xffn)));
      return success();
    default:
      return failure(SbiError.notSupported);
  }
}

/** The shared memory of a call: length in a0, address in a1 and a2; undefined if it is not all RAM. */
function memoryOf(call: SbiCall, host: SbiHost): { gpa: number; length: number } | undefined {
  const [length = 0n, low = 0n, high = 0n] = call.args;
  if (high !== 0n || low >= 1n << 53n || length >= 1n << 53n) return undefined;
  const gpa = Number(low);
  if (length > 0n && !host.isRam(gpa, Number(length))) return undefined;
  return { gpa, length: Math.min(Number(length), MAX_BYTES) };
}
