import type { DeviceWidth, MmioDevice } from "../device-bus.js";
import type { ExitAnswer, VmExitInfo, VmExitKind, VmExitOf } from "../exit.js";
import type { RunOptions } from "../scheduler.js";
import type { VCpu } from "../vcpu.js";
import { ConformanceError, check } from "./expectations.js";

// More than any program of the kit needs before its next exit.
const PATIENCE = 100_000;

/** Runs, in runs of `budget`, until an exit that is about the program: not its budget, not its timer. */
export function runToExit(vcpu: VCpu, budget = 1000): VmExitInfo {
  for (let runs = 0; runs < PATIENCE; runs++) {
    const exit = vcpu.run(budget);
    if (exit.kind !== "budgetSpent" && exit.kind !== "timer") return exit;
  }
  throw new ConformanceError(`no exit within ${PATIENCE} runs of ${budget} instructions`);
}

/** Runs to the next exit about the program, which must be of this kind. */
export function runTo<K extends VmExitKind>(vcpu: VCpu, kind: K, budget?: number): VmExitOf<K> {
  const exit = runToExit(vcpu, budget);
  check(exit.kind === kind, `expected exit ${kind}, got ${exit.kind} (${exit.raw.reason})`);
  return exit as VmExitOf<K>;
}

// Real time: only a run that never ends comes near it.
const LONGEST_RUN_MS = 3000;

/** Runs a VM, or a host; fails the case instead of sleeping for ever. */
export async function runAll<R>(
  what: { run(options: RunOptions): Promise<R> },
  options: RunOptions = {},
): Promise<R> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), LONGEST_RUN_MS);
  const result = await what.run({ ...options, signal: controller.signal });
  clearTimeout(timer);
  check(!controller.signal.aborted, `the run did not end within ${LONGEST_RUN_MS} ms`);
  return result;
}

export const value = (lo: number, hi = 0): ExitAnswer => ({ kind: "value", lo, hi });
export const results = (...values: bigint[]): ExitAnswer => ({ kind: "results", values });

/** One access that a device saw. */
export interface Access {
  readonly type: "read" | "write";
  readonly offset: number;
  readonly width: DeviceWidth;
  readonly value: number;
}

/** A device that remembers, and reads as the bytes it was given, repeated every 8. */
export class RecordingDevice implements MmioDevice {
  readonly accesses: Access[] = [];
  readonly #view: DataView;

  constructor(pattern: bigint) {
    this.#view = new DataView(new ArrayBuffer(8));
    this.#view.setBigUint64(0, pattern, true);
  }

  read(offset: number, width: DeviceWidth): number {
    const view = this.#view;
    const at = offset % 8;
    const read =
      width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
    this.accesses.push({ type: "read", offset, width, value: read });
    return read;
  }

  write(offset: number, width: DeviceWidth, written: number): void {
    this.accesses.push({ type: "write", offset, width, value: written });
  }
}

/** The low `width` bytes of a value, extended to 64 bits. */
export function extend(raw: bigint, width: number, signed: boolean): bigint {
  return signed ? BigInt.asUintN(64, BigInt.asIntN(8 * width, raw)) : BigInt.asUintN(8 * width, raw);
}
