import type { VmExitInfo } from "./exit.js";
import type { RegisterValue, VCpu } from "./vcpu.js";

/** What is known when a VM cannot go on: never a stack trace alone. Plain data. */
export interface ExitReport {
  readonly vmName: string;
  readonly vmid: number;
  readonly vcpuId: number;
  /** One sentence: what happened and why it ends the VM. */
  readonly reason: string;
  /** The exit, unless the VM failed outside one. */
  readonly exit: VmExitInfo | undefined;
  /** What was thrown, if anything was. */
  readonly error: unknown;
  readonly pc: bigint;
  /** The instruction at pc: address, bytes, assembly text. */
  readonly instruction: string;
  readonly registers: readonly RegisterValue[];
  /** Instructions that the vCPU had run. */
  readonly retired: number;
}

function showValue(value: unknown): string {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (Array.isArray(value)) return `[${value.map(showValue).join(", ")}]`;
  if (typeof value === "number" && Number.isInteger(value) && value > 9) return `0x${value.toString(16)}`;
  return String(value);
}

function showFields(fields: object, ...skip: string[]): string {
  return Object.entries(fields)
    .filter(([name]) => !skip.includes(name))
    .map(([name, value]) => ` ${name}=${showValue(value)}`)
    .join("");
}

/** One line for traces and reports: kind, fields, then the architecture's own words. Numbers above 9 in hex. */
export function describeExit(exit: VmExitInfo): string {
  const { raw } = exit;
  const own = `${raw.arch}: ${raw.reason}${showFields(raw, "arch", "reason")}`;
  return `${exit.kind}${showFields(exit, "kind", "raw")} (${own})`;
}

function attempt<T>(compute: () => T, otherwise: (message: string) => T): T {
  try {
    return compute();
  } catch (error) {
    return otherwise(error instanceof Error ? error.message : String(error));
  }
}

/** Collects a report about a vCPU. Does not throw: what cannot be had is said in its place. */
export function reportOn(
  vm: { readonly name: string; readonly vmid: number },
  vcpu: VCpu,
  cause: { readonly reason: string; readonly exit?: VmExitInfo | undefined; readonly error?: unknown },
): ExitReport {
  return {
    vmName: vm.name,
    vmid: vm.vmid,
    vcpuId: vcpu.vcpuId,
    reason: cause.reason,
    exit: cause.exit,
    error: cause.error,
    pc: attempt(
      () => vcpu.getPc(),
      () => 0n,
    ),
    instruction: attempt(
      () => vcpu.disassemble(),
      (message) => `not available: ${message}`,
    ),
    registers: attempt(
      () => vcpu.registers(),
      () => [],
    ),
    retired: vcpu.retired,
  };
}

const PER_LINE = 4;

/** The report as text of several lines, registers four to a line, ending in a newline. */
export function formatReport(report: ExitReport): string {
  const lines = [`${report.vmName} (VMID ${report.vmid}), vCPU ${report.vcpuId}: ${report.reason}`];
  if (report.exit !== undefined) lines.push(`  exit         ${describeExit(report.exit)}`);
  lines.push(`  pc           0x${report.pc.toString(16)}`);
  lines.push(`  instruction  ${report.instruction}`);
  lines.push(`  retired      ${report.retired}`);
  const width = Math.max(0, ...report.registers.map(({ name }) => name.length));
  const cells = report.registers.map(
    ({ name, value }) => `${name.padStart(width)} ${value.toString(16).padStart(16, "0")}`,
  );
  for (let first = 0; first < cells.length; first += PER_LINE)
    lines.push(`  ${cells.slice(first, first + PER_LINE).join("  ")}`);
  if (report.error instanceof Error && report.error.stack !== undefined) lines.push(report.error.stack);
  return `${lines.join("\n")}\n`;
}
