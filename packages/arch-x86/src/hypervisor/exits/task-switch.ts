import type { X86Cpu } from "../../cpu/cpu.js";
import type { SwitchKind } from "../../cpu/task-switch.js";
import { interruptTask, switchTask } from "../../cpu/transfers/tasks.js";
import { EVENT_HAS_ERROR, EventType } from "../../cpu/vmx/vm-exit.js";
import { eventType, type GuestEvent } from "../guest-events.js";

const KINDS: readonly (SwitchKind | "gate")[] = ["call", "return", "jump", "gate"];
const SOFTWARE: readonly number[] = [
  EventType.softwareInterrupt,
  EventType.softwareException,
  EventType.privilegedSoftwareException,
];

/** The exit qualification of a task switch: SDM volume 3, table 28-2. */
function taskSwitch(qualification: number): {
  readonly selector: number;
  readonly kind: SwitchKind | "gate";
} {
  return { selector: qualification & 0xffff, kind: KINDS[qualification >>> 30]! };
}

/**
 * Switches tasks for a guest, which cannot (SDM volume 3, 26.4.2). `length`: bytes of the instruction that did it, `event`
 * what went through a gate of the IDT. Throws a fault; where it says so, that is the new task's.
 */
export function switchGuestTask(
  cpu: X86Cpu,
  qualification: number,
  length: number,
  event: GuestEvent | undefined,
): void {
  const { selector, kind } = taskSwitch(qualification);
  if (kind !== "gate") return switchTask(cpu, selector, kind, cpu.ip + BigInt(length));
  const software = event !== undefined && SOFTWARE.includes(eventType(event));
  const hasError = event !== undefined && (event.information & EVENT_HAS_ERROR) !== 0;
  // Software events go on behind their instruction.
  const ip = cpu.ip + BigInt(software ? event.length : 0);
  interruptTask(cpu, selector, ip, hasError ? event.errorCode : -1, software ? 0 : 1);
}
