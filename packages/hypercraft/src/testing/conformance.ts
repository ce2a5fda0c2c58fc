import type { VmExitInfo, VmExitKind } from "../exit.js";
import type { Host } from "../host.js";
import type { VCpu } from "../vcpu.js";
import type { Vm, VmOptions } from "../vm.js";
import { cpuCases } from "./cases-cpu.js";
import { hypercallCases } from "./cases-hypercall.js";
import { mmioCases } from "./cases-mmio.js";
import { runCases } from "./cases-run.js";
import { stateCases } from "./cases-state.js";
import type { GuestOpName, GuestProgram } from "./guest-program.js";

/** VM options that a case sets; the adapter passes them on to `Host.createVm`. */
export type ConformanceVmOptions<V extends VCpu = VCpu> = Pick<
  Partial<VmOptions<V>>,
  "name" | "handlers" | "unmapped"
>;

/** What an architecture can be without. */
export type Capability = GuestOpName | "failure";

/** What an architecture package brings to be tested. */
export interface ConformanceAdapter<V extends VCpu = VCpu> {
  /** As in `RawExitCause.arch`. */
  readonly arch: string;
  /** Guest-physical addresses, all multiples of 4096. Programs lie outside all of these, or in RAM behind `ram`. */
  readonly layout: {
    /** RAM that programs may use as they like: `ramSize` bytes, 4096 or more. */
    readonly ram: number;
    readonly ramSize: number;
    /** 4096 bytes without RAM, where cases put devices. */
    readonly device: number;
    /** 4096 bytes where nothing is. */
    readonly hole: number;
  };
  /** Register numbers of the scratch registers 0 to 3. */
  readonly scratch: readonly [number, number, number, number];
  /** The register that always reads as zero, if there is one. */
  readonly zeroRegister?: number;
  /** The register in which a started vCPU finds `cpuUp`'s `arg`, if the convention passes one. */
  readonly argRegister?: number;
  /** The vector that an `ipi` step ends up as. */
  readonly ipiVector: number;
  /**
   * What a `shutdown` step leaves with; default "systemShutdown". Where machines are switched off by a device of theirs,
   * its VMs have handlers that make a shutdown of it.
   */
  readonly shutdownExit?: VmExitKind;
  /** Steps that the architecture has no means for, or a shutdown that tells of a failure; their cases are skipped. */
  readonly unsupported?: readonly Capability[];
  /** A new host with a new virtual clock; shares nothing with earlier ones. */
  createHost(): Host;
  /**
   * A VM of `host` with one initialized vCPU per program; vCPU i enters program i. vCPU 0 is powered on, the
   * others are off. Everything is as after `Vm.initVcpu`; no vCPU has run.
   */
  createVm(host: Host, programs: readonly GuestProgram[], options?: ConformanceVmOptions<V>): Vm<V>;
}

/** One test. `run` throws, or rejects, when the architecture does not keep the contract. */
export interface ConformanceCase {
  readonly name: string;
  /** Why the case does not apply, if it does not. */
  readonly skip?: string;
  run(): void | Promise<void>;
}

/** A case as the files beside this one write it. */
export interface CaseTemplate {
  readonly name: string;
  readonly needs?: readonly Capability[];
  run(adapter: ConformanceAdapter): void | Promise<void>;
}

/**
 * What every architecture must keep, as a list for any test framework:
 *
 *     for (const { name, skip, run } of conformanceCases(adapter)) it.skipIf(skip !== undefined)(name, run);
 */
export function conformanceCases<V extends VCpu>(adapter: ConformanceAdapter<V>): ConformanceCase[] {
  // No case looks at more of a vCPU than the contract, so that its own type does not matter here.
  const erased = adapter as unknown as ConformanceAdapter;
  const templates = [...stateCases, ...runCases, ...mmioCases, ...hypercallCases, ...cpuCases];
  return templates.map(({ name, needs = [], run }) => {
    const missing = needs.filter((op) => adapter.unsupported?.includes(op));
    const skip = missing.length > 0 ? { skip: `${adapter.arch} has no ${missing.join(", ")}` } : {};
    return { name, ...skip, run: () => run(erased) };
  });
}

/** An exit together with the count of instructions at which it came. */
export interface LoggedExit {
  readonly exit: VmExitInfo;
  readonly retired: number;
}
